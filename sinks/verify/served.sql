-- uses: orders, effective
-- The agent whom each order's placing is credited to; empty: nobody.
SELECT
    o.buyer AS buyer, o.order_id AS order_id, o.at AS at, o.amount AS amount,
    if(e.at > o.at - {attribution_ms:Array(Int64)}[arrayCount(s -> s <= o.at, {starts:Array(Int64)})], e.agent, '') AS agent
FROM orders AS o ASOF LEFT JOIN effective AS e ON e.buyer = o.buyer AND e.at <= o.at
