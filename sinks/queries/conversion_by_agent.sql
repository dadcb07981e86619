-- en: Conversion by agent
-- zh: 客服转化率
-- about en: Buyers who paid / buyers served, each counted once an hour
-- about zh: 付款买家数 / 接待买家数，按小时去重后相加
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this hour on | 从该小时起
SELECT agent_id, any(team) AS team, sum(l.buyers_served) AS served, sum(l.buyers_paid) AS paid,
    if(served = 0, NULL, paid / served) AS conversion, sum(l.paid_amount) AS amount
FROM leaderboard_hourly AS l
WHERE shop_id = {shop_id:String} AND hour_start >= {since:DateTime64(3, 'Asia/Shanghai')} AND agent_id != ''
GROUP BY agent_id
ORDER BY conversion DESC NULLS LAST, agent_id
