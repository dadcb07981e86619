-- uses: messages
-- Rounds. Between two effective replies of a thread's day lie the messages that the second one answers: the first of
-- the buyer's among them opened the round.
SELECT
    buyer, agent, day, any(partition) AS partition,
    argMinIf(at, (at, id, source), from_buyer) AS opened_at,
    argMinIf(id, (at, id, source), from_buyer) AS message_id,
    countIf(effective) > 0 AS answered,
    sumIf(at, effective) AS replied_at,
    anyIf(id, effective) AS reply_message_id,
    replied_at - opened_at AS response_ms,
    (opened_at + timezoneOffset(toTimeZone(fromUnixTimestamp64Milli(opened_at), {tz:String})) * 1000) % 86400000 AS of_day
FROM
(
    SELECT
        buyer, agent, day, partition, at, id, source, from_buyer, effective,
        countIf(effective) OVER (
            PARTITION BY buyer, agent, day ORDER BY at, id, source ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS replies_before
    FROM messages
    WHERE from_buyer OR effective
)
GROUP BY buyer, agent, day, replies_before
HAVING countIf(from_buyer) > 0 AND day >= {from:Int64} AND day < {to:Int64}
