-- en: Follow-up calls: outcomes and revisits
-- zh: 回访任务：结果与二次回访
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
SELECT category, count() AS tasks, countIf(status = 'withdrawn') AS withdrawn, countIf(status IN ('open', 'claimed', 'called')) AS unsettled,
    countIf(status IN ('open', 'claimed', 'called') AND due_at < now64(3)) AS overdue, countIf(status IN ('resolved', 'revisited')) AS settled,
    countIf(outcome = 'exchange') AS exchange, countIf(outcome = 'refund') AS refund, countIf(outcome = 'wait') AS wait,
    countIf(status = 'resolved' AND revisit_due_at < now64(3)) AS revisit_due, countIf(status = 'revisited') AS revisited, sum(calls) AS calls_made
FROM call_tasks
WHERE shop_id = {shop_id:String} AND raised_at >= {since:DateTime64(3, 'Asia/Shanghai')}
GROUP BY category
ORDER BY tasks DESC, category
