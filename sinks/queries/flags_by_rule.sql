-- en: Flags by rule
-- zh: 各规则预警数
-- param shop_id String: the shop | 店铺
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
SELECT rule, severity, count() AS flags, countIf(in_sale_event) AS in_sale_events, uniqExact(agent_id) AS agents,
    countIf(qc_status = 'upheld') AS upheld, countIf(qc_status = 'dismissed') AS dismissed
FROM flags
WHERE shop_id = {shop_id:String} AND occurred_at >= {since:DateTime64(3, 'Asia/Shanghai')} AND status = 'raised'
GROUP BY rule, severity
ORDER BY flags DESC, rule
