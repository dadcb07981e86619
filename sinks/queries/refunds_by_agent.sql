-- en: Refunds by agent
-- zh: 客服退款额
-- about en: In the refund's hour, for the agent of the payment; an empty agent: silent sales
-- about zh: 按退款发生的小时，计给该笔付款的客服；客服为空：静默成交
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this hour on | 从该小时起
SELECT l.agent_id AS agent_id, any(l.team) AS team, sum(l.paid_amount) AS paid, sum(l.refunded_amount) AS refunded,
    toFloat64(refunded) / nullIf(toFloat64(paid), 0) AS refunded_share
FROM leaderboard_hourly AS l
WHERE shop_id = {shop_id:String} AND hour_start >= {since:DateTime64(3, 'Asia/Shanghai')}
GROUP BY agent_id
HAVING refunded > 0
ORDER BY refunded DESC, agent_id
