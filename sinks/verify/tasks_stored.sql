-- uses: steps
SELECT
    buyer_id AS buyer, order_id, arrayStringConcat(t.review_ids, ' ') AS review_ids, rating,
    toUnixTimestamp64Milli(t.raised_at) AS raised_at, priority,
    toUnixTimestamp64Milli(t.not_before) AS not_before, toUnixTimestamp64Milli(t.due_at) AS due_at, excluded_agent_id, assigned_role,
    if((buyer, task_id) IN (SELECT * FROM steps), 'in hand', t.status) AS status, ruleset
FROM call_tasks AS t
WHERE shop_id = {shop:String} AND t.raised_at >= fromUnixTimestamp64Milli({from:Int64}) AND t.raised_at < fromUnixTimestamp64Milli({to:Int64})
