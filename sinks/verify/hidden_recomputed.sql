-- uses: versions, served
-- What a hidden negative would be of every standing review with many stars. Whether `hint`, its text, is negative SQL can't say.
SELECT
    v.buyer AS buyer, v.review AS review, s.agent AS agent,
    transform(concat(toString(version), ' review.hidden_negative'), {severity_keys:Array(String)}, {severities:Array(String)}, '') AS severity,
    v.order_id AS order_ids, v.at AS occurred_at, v.text AS hint,
    arrayCount(b -> b <= occurred_at, {starts:Array(Int64)}) AS version,
    {ruleset:Array(String)}[version] AS ruleset
FROM
(
    SELECT buyer, review, latest.1 AS at, latest.2 AS order_id, latest.3 AS rating, latest.4 AS text
    FROM (SELECT buyer, review, argMax((at, order_id, rating, text), (at, id, source)) AS latest FROM versions GROUP BY buyer, review)
) AS v
LEFT JOIN served AS s ON s.buyer = v.buyer AND s.order_id = v.order_id
WHERE v.at >= {from:Int64} AND v.at < {to:Int64} AND v.rating >= {hidden_rating_min:Array(Int64)}[version]
