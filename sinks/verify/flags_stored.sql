SELECT
    buyer_id AS buyer, rule, ifNull(message_id, '') AS message, ifNull(review_id, '') AS review, agent_id AS agent, severity,
    arrayStringConcat(f.order_ids, ' ') AS order_ids, toUnixTimestamp64Milli(f.occurred_at) AS occurred_at,
    toString(in_sale_event) AS in_sale_event, ruleset
FROM flags AS f
WHERE shop_id = {shop:String} AND rule != 'review.hidden_negative' AND status = 'raised'
    AND f.occurred_at >= fromUnixTimestamp64Milli({from:Int64}) AND f.occurred_at < fromUnixTimestamp64Milli({to:Int64})
