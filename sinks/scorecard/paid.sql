-- uses: board_shares
-- Each payment of the period, with the agent it is credited to: its amount in fen, and of an order's first one the order's
-- items.
SELECT
    agent, at, CAST(NULL, 'Nullable(Int64)') AS until, buyer, payment_id AS ref, order_id, '' AS what,
    toInt64(paid_orders) AS first, toInt64(items) AS item_count, toInt64(paid * 100) AS fen
FROM board_shares WHERE pays = 1
