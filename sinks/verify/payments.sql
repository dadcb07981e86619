-- uses: events
-- Payments; of several with one payment_id the earliest. `first`: the order's first one.
SELECT *, row_number() OVER (PARTITION BY buyer, order_id ORDER BY at, id, source) = 1 AS first
FROM
(
    SELECT
        buyer, payment_id, earliest.1 AS at, earliest.2 AS id, earliest.3 AS source, earliest.4 AS partition,
        JSONExtractString(earliest.5, 'data', 'order_id') AS order_id,
        toDecimal64(JSONExtractString(earliest.5, 'data', 'amount'), 2) AS amount
    FROM
    (
        SELECT buyer, JSONExtractString(raw, 'data', 'payment_id') AS payment_id,
            argMin((at, id, source, partition, raw), (at, id, source)) AS earliest
        FROM events WHERE type = 'payment.succeeded' GROUP BY buyer, payment_id
    )
)
