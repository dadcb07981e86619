-- en: How far the data is behind
-- zh: 数据延迟
-- about en: By topic and result: the newest moment that it speaks of, and when it was written last
-- about zh: 各主题与结果：最新的业务时间与最近写入时间
SELECT kind, newest, written, dateDiff('second', newest, now64(3, 'Asia/Shanghai')) AS seconds_behind
FROM
(
    SELECT topic AS kind, max(time) AS newest, max(ingested_at) AS written FROM raw_events GROUP BY topic
    UNION ALL SELECT 'flags', max(occurred_at), max(written_at) FROM flags_raw HAVING count() > 0
    UNION ALL SELECT 'response_rounds', max(opened_at), max(written_at) FROM rounds_raw HAVING count() > 0
    UNION ALL SELECT 'response_windows', max(window_start), max(written_at) FROM window_partials WHERE window_seconds = 300 HAVING count() > 0
    UNION ALL SELECT 'leaderboard_hourly', max(hour_start), max(written_at) FROM leaderboard_partials HAVING count() > 0
    UNION ALL SELECT 'call_tasks', max(raised_at), max(written_at) FROM call_tasks_raw HAVING count() > 0
)
ORDER BY kind
