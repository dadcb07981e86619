-- uses: versions, served
-- Each review posted in the period, as it stands now, with the agent that its order's placing is credited to.
SELECT
    s.agent AS agent, v.posted_at AS at, CAST(NULL, 'Nullable(Int64)') AS until, v.buyer AS buyer, v.review AS ref,
    v.latest.1 AS order_id, toString(v.latest.2) AS what, toInt64(v.latest.2) AS stars,
    toInt64(stars <= {negative_rating_max:Array(Int64)}[arrayCount(b -> b <= v.posted_at, {starts:Array(Int64)})]) AS negative
FROM
(
    SELECT buyer, review, min(at) AS posted_at, argMax((order_id, rating), (at, id, source)) AS latest
    FROM versions GROUP BY buyer, review
) AS v
INNER JOIN served AS s ON s.buyer = v.buyer AND s.order_id = v.latest.1
WHERE v.posted_at >= {from:Int64} AND v.posted_at < {to:Int64}
