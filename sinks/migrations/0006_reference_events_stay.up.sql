-- agents_raw and sale_events_raw are kept for good; so are the events that they were made from, or verify finds drift.

ALTER TABLE raw_events MODIFY TTL toDateTime(ingested_at) + INTERVAL 400 DAY WHERE buyer_id != '';
