-- uses: events
-- Orders; of several placings the earliest.
SELECT
    buyer, order_id, earliest.1 AS at, earliest.2 AS partition,
    toDecimal64(JSONExtractString(earliest.3, 'data', 'amount'), 2) AS amount,
    arraySum(item -> JSONExtractInt(item, 'quantity'), JSONExtractArrayRaw(earliest.3, 'data', 'items')) AS quantity
FROM
(
    SELECT buyer, JSONExtractString(raw, 'data', 'order_id') AS order_id, argMin((at, partition, raw), (at, id, source)) AS earliest
    FROM events WHERE type = 'order.placed' GROUP BY buyer, order_id
)
