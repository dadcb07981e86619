DROP TABLE IF EXISTS rejected_raw;
DROP TABLE IF EXISTS sale_events_raw;
DROP TABLE IF EXISTS agents_raw;
DROP TABLE IF EXISTS raw_events;
