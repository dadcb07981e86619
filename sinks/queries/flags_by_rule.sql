-- en: Flags by rule
-- zh: 各规则违规数
-- param shop_id String: the shop
-- param since DateTime64(3, 'Asia/Shanghai'): from this moment on
SELECT rule, severity, count() AS flags, countIf(in_sale_event) AS in_sale_events, uniqExact(agent_id) AS agents,
    countIf(qc_status = 'upheld') AS upheld, countIf(qc_status = 'dismissed') AS dismissed
FROM flags
WHERE shop_id = {shop_id:String} AND occurred_at >= {since:DateTime64(3, 'Asia/Shanghai')} AND status = 'raised'
GROUP BY rule, severity
ORDER BY flags DESC, rule
