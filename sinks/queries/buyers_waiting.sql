-- en: Buyers waiting now
-- zh: 正在等待的买家
-- about en: Rounds that nobody has answered, while their day lasts
-- about zh: 当天还没有人回复的对话
-- param shop_id String: the shop | 店铺
SELECT buyer_id, agent_id, opened_at, dateDiff('second', opened_at, now64(3)) AS waiting_seconds, in_platform_hours
FROM response_rounds
WHERE shop_id = {shop_id:String} AND status = 'pending'
ORDER BY opened_at, round_id
LIMIT 1000
