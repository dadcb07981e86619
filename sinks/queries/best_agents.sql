-- en: Leaderboard of an hour
-- zh: 整点客服榜
-- param shop_id String: the shop | 店铺
-- param hour_start DateTime64(3, 'Asia/Shanghai') = hour: first moment of the hour | 该小时的起点
SELECT l.rank AS rank, l.agent_id AS agent_id, a.name AS name, l.team AS team, l.paid_amount AS paid_amount,
    l.orders_paid AS orders_paid, l.buyers_served AS buyers_served, l.conversion AS conversion, l.average_order AS average_order
FROM leaderboard_hourly AS l
LEFT JOIN agents AS a ON a.shop_id = l.shop_id AND a.agent_id = l.agent_id
WHERE l.shop_id = {shop_id:String} AND l.hour_start = {hour_start:DateTime64(3, 'Asia/Shanghai')} AND l.agent_id != ''
ORDER BY l.rank, l.agent_id
