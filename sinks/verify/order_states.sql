-- uses: events, orders, payments
-- When each order was placed, first paid and closed; 0: not known.
SELECT buyer, order_id, max(placed) AS placed_at, max(paid) AS paid_at, max(closed) AS closed_at
FROM
(
    SELECT buyer, order_id, at AS placed, toInt64(0) AS paid, toInt64(0) AS closed FROM orders
    UNION ALL
    SELECT buyer, order_id, 0, at, 0 FROM payments WHERE first
    UNION ALL
    SELECT buyer, JSONExtractString(raw, 'data', 'order_id'), 0, 0, min(at)
    FROM events WHERE type = 'order.closed' GROUP BY buyer, JSONExtractString(raw, 'data', 'order_id')
)
GROUP BY buyer, order_id
