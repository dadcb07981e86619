DROP VIEW IF EXISTS leaderboard_teams;
DROP VIEW IF EXISTS leaderboard_hourly;
DROP VIEW IF EXISTS response_windows;
DROP VIEW IF EXISTS response_rounds;
DROP VIEW IF EXISTS call_tasks;
DROP VIEW IF EXISTS flags;
