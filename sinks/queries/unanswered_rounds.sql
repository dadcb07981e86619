-- en: Unanswered rounds
-- zh: 未回复的对话
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
SELECT opened_at, agent_id, buyer_id, status, in_platform_hours, message_id
FROM response_rounds
WHERE shop_id = {shop_id:String} AND opened_at >= {since:DateTime64(3, 'Asia/Shanghai')} AND status IN ('pending', 'unanswered')
ORDER BY opened_at, round_id
LIMIT 1000
