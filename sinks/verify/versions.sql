-- uses: events
-- Reviews, version by version.
SELECT
    buyer, at, id, source, JSONExtractString(raw, 'data', 'review_id') AS review, JSONExtractString(raw, 'data', 'order_id') AS order_id,
    JSONExtractInt(raw, 'data', 'rating') AS rating, JSONExtractString(raw, 'data', 'text') AS text
FROM events WHERE type IN ('review.posted', 'review.changed')
