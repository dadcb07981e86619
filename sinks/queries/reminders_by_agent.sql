-- en: Reminders by agent, and what came of them
-- zh: 客服催付与结果
-- about en: Messages, marked as reminders or with one of the phrases, to a buyer with an unpaid order: paid within 24 h, closed, or still open
-- about zh: 工具标明或含所列用语的催付，且订单当时未付：24 小时内付款、关闭，或仍未付
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
-- param phrases Array(String) = 还没有付款,还没付款,还未付款,尚未付款,还没有支付,还没支付,记得付款,尽快付款,马上付款,赶紧付款: phrases, where the tool does not mark reminders | 催付用语（工具未标明时）
SELECT agent_id, count() AS reminders, countIf(paid) AS paid_within_24h, countIf(closed AND NOT paid) AS closed, reminders - paid_within_24h - closed AS open,
    paid_within_24h / reminders AS paid_share
FROM
(
    SELECT m.id AS id, any(m.agent_id) AS agent_id, max(p.time > m.time AND p.time <= m.time + INTERVAL 1 DAY) AS paid, max(c.order_id != '' AND c.time > m.time) AS closed
    FROM
    (
        SELECT source, id, buyer_id, agent_id, time, order_id FROM messages
        WHERE shop_id = {shop_id:String} AND time >= {since:DateTime64(3, 'Asia/Shanghai')} AND sender = 'agent'
            AND (intent = 'payment_reminder' OR (intent = '' AND multiSearchAny(text, {phrases:Array(String)})))
    ) AS m
    INNER JOIN (SELECT buyer_id, order_id, time FROM orders WHERE shop_id = {shop_id:String}) AS o ON o.buyer_id = m.buyer_id
    LEFT JOIN (SELECT buyer_id, order_id, min(time) AS time FROM payments WHERE shop_id = {shop_id:String} GROUP BY buyer_id, order_id) AS p
        ON p.buyer_id = o.buyer_id AND p.order_id = o.order_id
    LEFT JOIN (SELECT buyer_id, order_id, time FROM order_closings WHERE shop_id = {shop_id:String}) AS c ON c.buyer_id = o.buyer_id AND c.order_id = o.order_id
    WHERE o.time <= m.time AND (p.order_id = '' OR p.time > m.time) AND (c.order_id = '' OR c.time > m.time)
        AND (m.order_id = '' OR m.order_id = o.order_id)
    GROUP BY m.source, m.id
)
GROUP BY agent_id
ORDER BY reminders DESC, agent_id
