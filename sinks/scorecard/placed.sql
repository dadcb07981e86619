-- uses: placings, payments
-- Each order placed in the period, with the agent it is credited to and its first payment, whenever that was.
SELECT
    s.agent AS agent, s.at AS at, p.paid_at AS until, s.buyer AS buyer, s.order_id AS ref, s.order_id AS order_id, '' AS what,
    toInt64(p.paid_at IS NOT NULL) AS was_paid
FROM placings AS s
LEFT JOIN (SELECT buyer, order_id, toNullable(min(at)) AS paid_at FROM payments GROUP BY buyer, order_id) AS p
    ON p.buyer = s.buyer AND p.order_id = s.order_id
