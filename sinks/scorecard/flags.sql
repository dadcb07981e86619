-- Each judged flag that stands. Slow replies in a sale event leave the scorecards, as response times do.
SELECT
    agent_id AS agent, toUnixTimestamp64Milli(f.occurred_at) AS at, CAST(NULL, 'Nullable(Int64)') AS until, buyer_id AS buyer,
    flag_id AS ref, arrayStringConcat(order_ids, ' ') AS order_id, rule AS what, toInt64(qc_score IS NOT NULL) AS scored,
    toInt64(round(ifNull(qc_score, 0) * 10000)) AS points, toInt64(severity = 'violation' AND qc_status = 'upheld') AS violation
FROM flags AS f
WHERE shop_id = {shop:String} AND status = 'raised' AND qc_status IN ('upheld', 'dismissed')
    AND f.occurred_at >= fromUnixTimestamp64Milli({from:Int64}) AND f.occurred_at < fromUnixTimestamp64Milli({to:Int64})
    AND NOT (rule = 'response.slow' AND in_sale_event)
