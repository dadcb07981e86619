-- en: Buyers waiting now
-- zh: 正在等待的买家
-- about en: As on the wallboard: from the first message since anybody's last answer; after so many minutes they are taken to have left
-- about zh: 与榜单口径一致：自任何客服上次回复后的首条消息起算；超过该分钟数视为已离开
-- param shop_id String: the shop | 店铺
-- param minutes UInt32 = 10: minutes, at most | 最多等待分钟数
SELECT buyer_id, argMaxIf(agent_id, opened_at, waits) AS waits_for, minIf(opened_at, waits) AS since, dateDiff('second', since, now64(3)) AS waiting_seconds
FROM
(
    SELECT buyer_id, agent_id, opened_at, replied_at IS NULL AND day_ends_at > now64(3)
        AND opened_at > ifNull(max(replied_at) OVER (PARTITION BY buyer_id), toDateTime64(0, 3)) AS waits
    FROM response_rounds
    WHERE shop_id = {shop_id:String} AND opened_at > now64(3) - toIntervalMinute({minutes:UInt32}) AND opened_at <= now64(3)
)
GROUP BY buyer_id
HAVING countIf(waits) > 0
ORDER BY since, buyer_id
LIMIT 1000
