-- en: Slowest windows
-- zh: 响应最慢的时段
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
-- param window_seconds UInt32 = 3600: 300, 3600 or 86400 | 300、3600 或 86400
-- param definition String = platform: all or platform | all（全部对话）或 platform（平台口径）
SELECT window_start, agent_id, rounds, unanswered, avg_response_ms, p90_ms, rate_3min
FROM response_windows
WHERE shop_id = {shop_id:String} AND window_start >= {since:DateTime64(3, 'Asia/Shanghai')}
    AND window_seconds = {window_seconds:UInt32} AND definition = {definition:String} AND avg_response_ms IS NOT NULL
ORDER BY avg_response_ms DESC, window_start, agent_id
LIMIT 50
