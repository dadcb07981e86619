ALTER TABLE raw_events MODIFY TTL toDateTime(ingested_at) + INTERVAL 400 DAY;
