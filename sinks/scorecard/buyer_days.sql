-- uses: messages, placings
-- Each (buyer, local day) in which the buyer wrote to the agent: whether the agent replied effectively that day, and whether
-- an order was placed that day that is credited to the agent.
SELECT
    w.agent AS agent, w.day AS at, CAST(NULL, 'Nullable(Int64)') AS until, w.buyer AS buyer, '' AS ref,
    arrayStringConcat(o.order_ids, ' ') AS order_id, '' AS what, toInt64(w.effective) AS replied, toInt64(notEmpty(o.order_ids)) AS ordered
FROM
(
    SELECT buyer, agent, day, max(effective) AS effective FROM messages
    WHERE day >= {from:Int64} AND day < {to:Int64}
    GROUP BY buyer, agent, day
    HAVING countIf(from_buyer) > 0
) AS w
LEFT JOIN
(
    SELECT buyer, agent, toInt64(toUnixTimestamp(toStartOfDay(fromUnixTimestamp64Milli(s.at), {tz:String}))) * 1000 AS day,
        arraySort(groupArray(s.order_id)) AS order_ids
    FROM placings AS s
    GROUP BY buyer, agent, day
) AS o ON o.buyer = w.buyer AND o.agent = w.agent AND o.day = w.day
