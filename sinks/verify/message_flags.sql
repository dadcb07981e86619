-- uses: said, reminders, payments, rounds
-- Flags on messages. `basis`: how the severity is looked up in the ruleset.
SELECT
    r.buyer AS buyer, agent, at, id, targets AS orders, version,
    {basis_payment:Array(Int64)}[version] = 1 AND arrayExists(t -> t >= day AND t <= at, paid_times) AS by_payment,
    {basis_order:Array(Int64)}[version] = 1 AND arrayExists(o -> has(targets, o.1) AND o.2 >= day AND o.2 <= at, states) AS by_order,
    arrayJoin(arrayFilter(f -> f.3, [
        ('reminder.repeated', 'reminder.repeated', repeated),
        ('reminder.same_day', if(by_payment, 'reminder.same_day', 'reminder.same_day.order_alone'), by_payment OR by_order),
        ('reminder.after_payment', 'reminder.after_payment',
            order_id != '' AND arrayExists(o -> o.1 = order_id AND o.3 > 0 AND o.3 <= at, states)),
        ('reminder.direct', 'reminder.direct', has(categories, 'blunt'))
    ])) AS flag,
    flag.1 AS rule, flag.2 AS basis
FROM reminders AS r
LEFT JOIN (SELECT buyer, groupArray(at) AS paid_times FROM payments GROUP BY buyer) AS p ON p.buyer = r.buyer
UNION ALL
SELECT
    buyer, agent, at, id, if(order_id = '', [], [order_id]), version, 0, 0,
    arrayJoin(arrayFilter(f -> f.3, [
        ('language.forbidden', 'language.forbidden', effective AND has(categories, 'forbidden')),
        ('language.vague', 'language.vague', effective AND has(categories, 'vague')),
        ('review.solicited', 'review.solicited', has(categories, 'solicitation'))
    ])) AS flag,
    flag.1, flag.2
FROM said
UNION ALL
SELECT
    buyer, agent, nth.2, nth.3, [], version, 0, 0, ('response.slow', 'response.slow', 1), 'response.slow', 'response.slow'
FROM
(
    SELECT
        buyer, agent, arrayCount(s -> s <= day, {starts:Array(Int64)}) AS version,
        arraySort(groupArray((opened_at, replied_at, reply_message_id)))[{slow_count:Array(Int64)}[version]] AS nth
    FROM rounds
    WHERE answered AND response_ms > {slow_after_ms:Array(Int64)}[arrayCount(s -> s <= day, {starts:Array(Int64)})]
    GROUP BY buyer, agent, day
    HAVING count() >= {slow_count:Array(Int64)}[version]
)
