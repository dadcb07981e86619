DROP VIEW IF EXISTS access_log;
DROP TABLE IF EXISTS access_log_raw;
