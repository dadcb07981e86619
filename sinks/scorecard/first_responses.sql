-- uses: first_responses
-- Each first response of the period but those asked for in a five-minute window that a sale event touches: the windows are
-- what the pipeline stores.
SELECT
    agent, asked_at AS at, toNullable(asked_at + response_ms) AS until, buyer, '' AS ref, '' AS order_id, '' AS what,
    toInt64(response_ms) AS ms
FROM first_responses
WHERE NOT arrayExists(
    (s, e) -> s < intDiv(asked_at, 300000) * 300000 + 300000 AND e > intDiv(asked_at, 300000) * 300000,
    {sale_starts:Array(Int64)}, {sale_ends:Array(Int64)})
