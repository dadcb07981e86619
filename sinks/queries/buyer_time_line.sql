-- en: Everything about one buyer, in order
-- zh: 一位买家的完整时间线
-- param shop_id String: the shop | 店铺
-- param buyer_id String: the buyer | 买家
SELECT time, kind, agent_id, order_id, amount, text
FROM
(
    SELECT time, concat('message.', sender) AS kind, agent_id, order_id, NULL AS amount, text, id FROM messages WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT time, 'order.placed', '', order_id, amount, items, id FROM orders WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT time, 'order.closed', '', order_id, NULL, reason, id FROM order_closings WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT time, 'payment.succeeded', '', order_id, amount, payment_id, id FROM payments WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT time, 'payment.refunded', '', order_id, amount, refund_id, id FROM refunds WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT time, type, '', order_id, NULL, concat(toString(rating), '/5 ', text), id FROM reviews WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT occurred_at, concat('flag.', rule), agent_id, arrayStringConcat(order_ids, ' '), NULL, concat(status, ' ', qc_status), flag_id FROM flags WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT raised_at, 'call_task', excluded_agent_id, order_id, NULL, concat(category, ' ', priority, ' ', status), task_id FROM call_tasks WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
    UNION ALL SELECT time, type, '', '', NULL, concat(actor, ' ', data), id FROM commands WHERE shop_id = {shop_id:String} AND buyer_id = {buyer_id:String}
)
ORDER BY time, id
LIMIT 10000
