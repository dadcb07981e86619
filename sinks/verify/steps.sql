-- uses: events
-- The tasks that people took a step on.
SELECT DISTINCT buyer, JSONExtractString(raw, 'data', 'task_id') AS task_id FROM events WHERE type LIKE 'call_task.%'
