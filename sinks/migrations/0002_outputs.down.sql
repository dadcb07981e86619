DROP TABLE IF EXISTS leaderboard_partials;
DROP TABLE IF EXISTS window_partials;
DROP TABLE IF EXISTS rounds_raw;
DROP TABLE IF EXISTS call_tasks_raw;
DROP TABLE IF EXISTS flags_raw;
