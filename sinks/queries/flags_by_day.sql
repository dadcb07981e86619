-- en: Flags by day and rule, and how often people upheld them
-- zh: 每日预警与质检准确率
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this day on | 从该日起
SELECT toDate(occurred_at, 'Asia/Shanghai') AS day, rule, countIf(status = 'raised') AS raised, countIf(status = 'cleared') AS cleared,
    countIf(qc_status IN ('upheld', 'dismissed')) AS judged, countIf(qc_status = 'upheld') AS upheld, upheld / nullIf(judged, 0) AS precision
FROM flags
WHERE shop_id = {shop_id:String} AND occurred_at >= {since:DateTime64(3, 'Asia/Shanghai')}
GROUP BY day, rule
ORDER BY day, rule
