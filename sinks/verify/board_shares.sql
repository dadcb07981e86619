-- uses: messages, effective, orders, payments, refunds
-- What each order, payment, refund and served buyer adds to a row of the leaderboard.
WITH
    moments AS
    (
        -- `credited_at`: whose agent it is was decided then; a refund's is that of the order's payment before it
        SELECT buyer, partition, at, at AS credited_at, order_id, '' AS payment_id, 1 AS placed, 0 AS paid_orders, toDecimal64(0, 2) AS paid, toInt64(0) AS items,
            toDecimal64(0, 2) AS refunded, 0 AS pays
        FROM orders WHERE at >= {from:Int64} AND at < {to:Int64}
        UNION ALL
        SELECT p.buyer, p.partition, p.at, p.at, p.order_id, p.payment_id, 0, p.first, p.amount, if(p.first, toInt64(o.quantity), 0), toDecimal64(0, 2), 1
        FROM payments AS p LEFT JOIN orders AS o ON o.buyer = p.buyer AND o.order_id = p.order_id
        WHERE p.at >= {from:Int64} AND p.at < {to:Int64}
        UNION ALL
        SELECT r.buyer, r.partition, r.at, if(p.order_id = '', -1, p.at), r.order_id, '', 0, 0, toDecimal64(0, 2), 0, r.amount, 0
        FROM refunds AS r ASOF LEFT JOIN payments AS p ON p.buyer = r.buyer AND p.order_id = r.order_id AND p.at <= r.at
        WHERE r.at >= {from:Int64} AND r.at < {to:Int64}
    )
SELECT
    toInt64(toUnixTimestamp(toStartOfHour(fromUnixTimestamp64Milli(m.at), {tz:String}))) * 1000 AS hour_start,
    arrayCount(s -> s <= hour_start, {starts:Array(Int64)}) AS version,
    if(e.agent != '' AND e.at > m.credited_at - {attribution_ms:Array(Int64)}[version], e.agent, '') AS agent,
    m.partition AS partition, m.buyer AS buyer, m.at AS at, m.order_id AS order_id, payment_id, placed, paid_orders, paid, items, refunded, pays, 0 AS serves
FROM moments AS m ASOF LEFT JOIN effective AS e ON e.buyer = m.buyer AND e.at <= m.credited_at
UNION ALL
SELECT
    toInt64(toUnixTimestamp(toStartOfHour(fromUnixTimestamp64Milli(at), {tz:String}))) * 1000, 1, agent, partition, buyer, at, '', '',
    0, 0, toDecimal64(0, 2), 0, toDecimal64(0, 2), 0, 1
FROM messages
WHERE effective AND at >= {from:Int64} AND at < {to:Int64}
