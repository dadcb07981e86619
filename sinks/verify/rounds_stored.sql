-- Through the view, which leaves void rounds out and splits open ones by its clock.
SELECT
    buyer_id AS buyer, agent_id AS agent, toUnixTimestamp64Milli(r.opened_at) AS opened_at, message_id AS message,
    if(r.replied_at IS NULL, NULL, toUnixTimestamp64Milli(assumeNotNull(r.replied_at))) AS replied_at, reply_message_id, response_ms,
    toString(in_platform_hours) AS in_platform_hours, toUnixTimestamp64Milli(r.day_ends_at) AS day_ends_at,
    if(r.status IN ('pending', 'unanswered'), 'open', r.status) AS status, ruleset
FROM response_rounds AS r
WHERE shop_id = {shop:String} AND r.opened_at >= fromUnixTimestamp64Milli({from:Int64}) AND r.opened_at < fromUnixTimestamp64Milli({to:Int64})
