-- en: Team PK of a sale event
-- zh: 大促团队PK
-- param shop_id String: the shop | 店铺
-- param sale_event_id String: the sale event | 大促编号
SELECT l.team AS team, sum(l.paid_amount) AS paid_amount, sum(l.orders_paid) AS orders_paid, sum(l.buyers_paid) AS buyers_paid,
    if(any(e.pk_basis) = 'orders', toFloat64(sum(l.orders_paid)), toFloat64(sum(l.paid_amount))) AS score
FROM leaderboard_teams AS l
INNER JOIN sale_events AS e ON e.shop_id = l.shop_id
WHERE l.shop_id = {shop_id:String} AND e.sale_event_id = {sale_event_id:String}
    AND l.hour_start >= e.starts_at AND l.hour_start < e.ends_at AND has(e.teams, l.team)
GROUP BY l.team
ORDER BY score DESC, team
