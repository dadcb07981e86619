-- en: First response by hour
-- zh: 各小时首次响应
-- about en: From a session's first message to the first effective reply; the target is 10 s
-- about zh: 一次会话的首条消息到首次有效回复；目标 10 秒
-- param shop_id String: the shop | 店铺
-- param day DateTime64(3, 'Asia/Shanghai') = day: first moment of the day | 当天零点
SELECT window_start AS hour, sum(w.first_responses) AS first_responses, sum(w.first_response_ms_sum) / nullIf(first_responses, 0) / 1000 AS seconds,
    sum(w.first_within_10s) / nullIf(first_responses, 0) AS within_10s
FROM response_windows AS w
WHERE shop_id = {shop_id:String} AND window_seconds = 3600 AND definition = 'all' AND window_start >= {day:DateTime64(3, 'Asia/Shanghai')} AND window_start < {day:DateTime64(3, 'Asia/Shanghai')} + INTERVAL 1 DAY
GROUP BY hour
HAVING first_responses > 0
ORDER BY hour
