-- en: Rejected records by reason and topic
-- zh: 被拒收的记录：原因与来源
-- param since DateTime64(3, 'Asia/Shanghai') = day: from this moment on | 从此刻起
SELECT reason, ifNull(topic, file) AS place, count() AS records, min(received_at) AS first, max(received_at) AS last, argMax(error, received_at) AS latest_error
FROM rejected
WHERE received_at >= {since:DateTime64(3, 'Asia/Shanghai')}
GROUP BY reason, place
ORDER BY records DESC, reason, place
