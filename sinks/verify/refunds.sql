-- uses: events
-- Refunds; of several with one refund_id the earliest.
SELECT
    buyer, refund_id, earliest.1 AS at, earliest.2 AS partition,
    JSONExtractString(earliest.3, 'data', 'order_id') AS order_id,
    toDecimal64(JSONExtractString(earliest.3, 'data', 'amount'), 2) AS amount
FROM
(
    SELECT buyer, JSONExtractString(raw, 'data', 'refund_id') AS refund_id, argMin((at, partition, raw), (at, id, source)) AS earliest
    FROM events WHERE type = 'payment.refunded' GROUP BY buyer, refund_id
)
