-- en: Reviews by rating, and what bad ones complain of
-- zh: 评价星级与差评原因
-- about en: Each review once, as it stands; the category is that of the order's call task
-- about zh: 每条评价按最新内容计一次；原因取自该订单的回访任务
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
SELECT r.rating AS rating, t.category AS category, count() AS reviews, round(avg(lengthUTF8(r.text)), 1) AS average_length, countIf(t.task_id != '') AS with_call_task
FROM
(
    SELECT buyer_id, review_id, argMax(order_id, (time, id)) AS order_id, argMax(rating, (time, id)) AS rating, argMax(text, (time, id)) AS text
    FROM reviews
    WHERE shop_id = {shop_id:String}
    GROUP BY buyer_id, review_id
    HAVING min(reviews.time) >= {since:DateTime64(3, 'Asia/Shanghai')}
) AS r
LEFT JOIN (SELECT buyer_id, order_id, task_id, category FROM call_tasks WHERE shop_id = {shop_id:String}) AS t ON t.buyer_id = r.buyer_id AND t.order_id = r.order_id
GROUP BY rating, category
ORDER BY rating, reviews DESC, category
