-- en: Response times of a day, in both definitions
-- zh: 客服当日响应，两种口径
-- about en: all: answered rounds only; platform: 08:00 to 23:00, an unanswered round counts as 10 minutes
-- about zh: 全部：只算已回复的对话；平台口径：08:00–23:00，未回复按 10 分钟计
-- param shop_id String: the shop | 店铺
-- param day DateTime64(3, 'Asia/Shanghai') = day: first moment of the day | 当天零点
SELECT agent_id, any(a.name) AS name, any(a.team) AS team,
    sumIf(w.rounds, w.definition = 'all') AS rounds, sumIf(w.unanswered, w.definition = 'all') AS unanswered,
    anyIf(w.avg_response_ms, w.definition = 'all') / 1000 AS all_seconds, anyIf(w.p90_ms, w.definition = 'all') / 1000 AS all_p90_seconds,
    anyIf(w.avg_response_ms, w.definition = 'platform') / 1000 AS platform_seconds, anyIf(w.rate_3min, w.definition = 'platform') AS platform_rate_3min,
    anyIf(w.buyers_replied / nullIf(w.buyers_wrote, 0), w.definition = 'all') AS reply_rate
FROM response_windows AS w
LEFT JOIN agents AS a ON a.shop_id = w.shop_id AND a.agent_id = w.agent_id
WHERE w.shop_id = {shop_id:String} AND w.window_seconds = 86400 AND w.window_start = {day:DateTime64(3, 'Asia/Shanghai')}
GROUP BY w.agent_id AS agent_id
ORDER BY platform_seconds DESC NULLS LAST, agent_id
