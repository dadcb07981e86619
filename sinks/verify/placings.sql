-- uses: orders, effective
-- The orders placed in the range, with the agent that each is credited to, by the rules of its hour's beginning as in
-- board_shares; empty: nobody.
SELECT
    o.buyer AS buyer, o.order_id AS order_id, o.at AS at,
    if(e.agent != '' AND e.at > o.at - {attribution_ms:Array(Int64)}[arrayCount(
        s -> s <= toInt64(toUnixTimestamp(toStartOfHour(fromUnixTimestamp64Milli(o.at), {tz:String}))) * 1000,
        {starts:Array(Int64)})], e.agent, '') AS agent
FROM (SELECT buyer, order_id, at FROM orders WHERE at >= {from:Int64} AND at < {to:Int64}) AS o
ASOF LEFT JOIN effective AS e ON e.buyer = o.buyer AND e.at <= o.at
