-- en: Overdue follow-up calls
-- zh: 超时未拨打的回访任务
-- param shop_id String: the shop | 店铺
SELECT task_id, buyer_id, order_id, rating, category, priority, due_at, status, claimed_by, dateDiff('minute', due_at, now64(3)) AS minutes_late
FROM call_tasks
WHERE shop_id = {shop_id:String} AND status IN ('open', 'claimed') AND due_at < now64(3)
ORDER BY indexOf(['high', 'normal', 'low'], priority), due_at, task_id
