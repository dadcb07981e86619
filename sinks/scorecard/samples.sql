-- Each conversation of QC's random sample that was judged and scored, on its own day.
SELECT
    agent_id AS agent, toUnixTimestamp64Milli(s.day_start) AS at, CAST(NULL, 'Nullable(Int64)') AS until, buyer_id AS buyer,
    sample_id AS ref, '' AS order_id, qc_status AS what, toInt64(round(assumeNotNull(qc_score) * 10000)) AS points
FROM qc_samples AS s
WHERE shop_id = {shop:String} AND qc_status IN ('upheld', 'dismissed') AND qc_score IS NOT NULL
    AND s.day_start >= fromUnixTimestamp64Milli({from:Int64}) AND s.day_start < fromUnixTimestamp64Milli({to:Int64})
