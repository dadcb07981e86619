-- uses: said, order_states
-- Reminders with their targets: the order that the message names, else all that are unpaid then. `states`: the buyer's
-- orders as (order, placed, paid, closed). `repeated`: an earlier reminder had one of the targets.
SELECT
    buyer, agent, at, id, order_id, categories, version, day, targets, states, max(nth) > 1 AS repeated
FROM
(
    SELECT *, row_number() OVER (PARTITION BY buyer, target ORDER BY at, id, source) AS nth
    FROM
    (
        SELECT
            s.buyer AS buyer, agent, at, id, source, order_id, categories, version, day, states,
            arraySort(arrayMap(o -> o.1, arrayFilter(
                o -> o.2 > 0 AND o.2 <= at AND NOT (o.3 > 0 AND o.3 <= at) AND NOT (o.4 > 0 AND o.4 <= at), states))) AS unpaid,
            if(order_id != '', [order_id], unpaid) AS targets,
            -- one that has no target repeats nothing
            arrayJoin(if(empty(targets), [concat('none ', source, ' ', id)], targets)) AS target
        FROM said AS s
        LEFT JOIN
        (
            SELECT buyer, groupArray((order_id, placed_at, paid_at, closed_at)) AS states FROM order_states GROUP BY buyer
        ) AS o ON o.buyer = s.buyer
        WHERE intent = 'payment_reminder' OR (intent = '' AND hasAny(categories, ['reminder', 'blunt']) AND notEmpty(unpaid))
    )
)
GROUP BY buyer, agent, at, id, source, order_id, categories, version, day, targets, states
