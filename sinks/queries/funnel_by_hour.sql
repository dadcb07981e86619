-- en: From order to payment, by hour of the order
-- zh: 下单到付款漏斗，按下单小时
-- about en: What became of the orders placed in each hour; amounts are the orders'
-- about zh: 每小时下的订单后来怎样；金额为订单金额
-- param shop_id String: the shop | 店铺
-- param day DateTime64(3, 'Asia/Shanghai') = day: first moment of the day | 当天零点
SELECT toDateTime64(toStartOfHour(o.time), 3, 'Asia/Shanghai') AS hour, count() AS placed, countIf(p.order_id != '') AS paid, countIf(p.order_id = '' AND c.order_id != '') AS closed,
    placed - paid - closed AS open, paid / placed AS paid_share, sum(o.amount) AS placed_amount, sumIf(o.amount, p.order_id != '') AS paid_amount,
    medianIf(dateDiff('second', o.time, p.time), p.order_id != '' AND p.time >= o.time) AS median_seconds_to_pay
FROM orders AS o
LEFT JOIN
(
    SELECT buyer_id, order_id, min(time) AS time FROM payments WHERE shop_id = {shop_id:String} GROUP BY buyer_id, order_id
) AS p ON p.buyer_id = o.buyer_id AND p.order_id = o.order_id
LEFT JOIN
(
    SELECT buyer_id, order_id FROM order_closings WHERE shop_id = {shop_id:String}
) AS c ON c.buyer_id = o.buyer_id AND c.order_id = o.order_id
WHERE o.shop_id = {shop_id:String} AND o.time >= {day:DateTime64(3, 'Asia/Shanghai')} AND o.time < {day:DateTime64(3, 'Asia/Shanghai')} + INTERVAL 1 DAY
GROUP BY hour
ORDER BY hour
