DROP VIEW IF EXISTS dlq_resends;
DROP TABLE IF EXISTS dlq_resends_raw;
