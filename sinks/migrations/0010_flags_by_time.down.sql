DROP VIEW IF EXISTS flags_by_time_mv;
DROP TABLE IF EXISTS flags_by_time;
