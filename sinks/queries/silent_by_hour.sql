-- en: Share of silent sales by hour
-- zh: 各小时静默成交占比
-- about en: Silent: no agent wrote to the buyer in the 24 hours before
-- about zh: 静默：付款前 24 小时内没有客服接待
-- param shop_id String: the shop | 店铺
-- param day DateTime64(3, 'Asia/Shanghai') = day: first moment of the day | 当天零点
SELECT hour_start AS hour, sum(paid_amount) AS amount, sumIf(paid_amount, agent_id = '') AS silent_amount,
    toFloat64(silent_amount) / nullIf(toFloat64(amount), 0) AS silent_share, sum(l.orders_paid) AS orders, sumIf(l.orders_paid, agent_id = '') AS silent_orders
FROM leaderboard_hourly AS l
WHERE shop_id = {shop_id:String} AND hour_start >= {day:DateTime64(3, 'Asia/Shanghai')} AND hour_start < {day:DateTime64(3, 'Asia/Shanghai')} + INTERVAL 1 DAY
GROUP BY hour
ORDER BY hour
