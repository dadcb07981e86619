-- en: Buyers waiting now
-- zh: 正在等待的买家
-- about en: As on the wallboard: from the first message since anybody's last answer; so many minutes after the last they opened a round with they are taken to have left
-- about zh: 与榜单口径一致：自任何客服上次回复后的首条消息起算；最后一轮开始后超过该分钟数视为已离开
-- param shop_id String: the shop | 店铺
-- param minutes UInt32 = 10: minutes, at most | 最多等待分钟数
SELECT
    buyer_id, last.2 AS waits_for, arrayMin(one -> one.1, arrayFilter(one -> one.3 = last.3, open)) AS since,
    dateDiff('second', since, now64(3)) AS waiting_seconds
FROM
(
    SELECT
        buyer_id, ifNull(max(replied_at), toDateTime64(0, 3)) AS answered,
        arraySort(arrayFilter(one -> one.1 > answered, groupArrayIf((opened_at, agent_id, day_ends_at), replied_at IS NULL))) AS open,
        open[-1] AS last
    FROM response_rounds
    WHERE shop_id = {shop_id:String} AND opened_at > now64(3) - INTERVAL 25 HOUR AND opened_at <= now64(3)
    GROUP BY buyer_id
    HAVING notEmpty(open)
)
WHERE last.1 > now64(3) - toIntervalMinute({minutes:UInt32}) AND last.3 > now64(3)
ORDER BY since, buyer_id
LIMIT 1000
