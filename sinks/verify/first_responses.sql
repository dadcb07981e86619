-- uses: messages
-- First responses: a session is a run of the buyer's messages, with any agent, without a gap of ten minutes. Of the
-- versions in force between two messages the smallest gap parts them.
SELECT
    buyer, any(partition) AS partition, min(at) AS began_at,
    minIf(at, from_buyer) AS asked_at,
    argMinIf(agent, (at, id, source), effective AND asked_before) AS agent,
    minIf(at, effective AND asked_before) - asked_at AS response_ms
FROM
(
    SELECT *, countIf(from_buyer) OVER (PARTITION BY buyer, session ORDER BY at, id, source) > 0 AS asked_before
    FROM
    (
        SELECT *, sum(begins) OVER (PARTITION BY buyer ORDER BY at, id, source) AS session
        FROM
        (
            SELECT
                buyer, agent, partition, at, id, source, from_buyer, effective,
                arrayCount(s -> s <= at, {starts:Array(Int64)}) AS version,
                lagInFrame(at, 1, toInt64(-1e15)) OVER (
                    PARTITION BY buyer ORDER BY at, id, source ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
                ) AS before,
                greatest(arrayCount(s -> s <= before, {starts:Array(Int64)}), 1) AS version_before,
                at - before >= arrayMin(arraySlice(
                    {session_gap_ms:Array(Int64)}, version_before, greatest(version, 1) - version_before + 1)) AS begins
            FROM messages
        )
    )
)
GROUP BY buyer, session
HAVING countIf(effective AND asked_before) > 0 AND asked_at >= {from:Int64} AND asked_at < {to:Int64}
