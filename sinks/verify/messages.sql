-- uses: events
-- Chat messages. An automatic reply is no effective one; a sender's mode defaults to human.
SELECT
    buyer, JSONExtractString(raw, 'data', 'agent_id') AS agent, at, id, source, partition,
    JSONExtractString(raw, 'data', 'sender') = 'buyer' AS from_buyer,
    NOT from_buyer AND JSONExtractString(raw, 'data', 'reply_mode') != 'auto' AS effective,
    JSONExtractString(raw, 'data', 'order_id') AS order_id,
    JSONExtractString(raw, 'data', 'intent') AS intent,
    JSONExtractString(raw, 'data', 'text') AS text,
    toInt64(toUnixTimestamp(toStartOfDay(time, {tz:String}))) * 1000 AS day
FROM events
WHERE type = 'chat.message'
