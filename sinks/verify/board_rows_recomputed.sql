-- uses: board_shares
-- Whole rows with their ranks: one more than the agents who are better. Silent has none.
WITH summed AS
(
    SELECT
        hour_start, agent, sum(placed) AS orders_placed, sum(paid_orders) AS orders_paid, sum(paid) AS paid_amount,
        sum(items) AS items_paid, sum(refunded) AS refunded_amount, uniqExactIf(buyer, serves) AS buyers_served,
        uniqExactIf(buyer, pays) AS buyers_paid
    FROM board_shares
    GROUP BY hour_start, agent
    HAVING orders_placed + orders_paid + items_paid + buyers_served + buyers_paid > 0 OR paid_amount != 0 OR refunded_amount != 0
)
SELECT
    s.hour_start AS hour_start, s.agent AS agent, orders_placed, orders_paid, paid_amount, items_paid, refunded_amount,
    buyers_served, buyers_paid, t.team AS team,
    if(s.agent = '', NULL, 1 + arrayCount(other -> other > (paid_amount, orders_paid), h.others)) AS rank,
    {ruleset:Array(String)}[arrayCount(b -> b <= s.hour_start, {starts:Array(Int64)})] AS ruleset
FROM summed AS s
LEFT JOIN
(
    SELECT hour_start, groupArrayIf((paid_amount, orders_paid), agent != '') AS others FROM summed GROUP BY hour_start
) AS h ON h.hour_start = s.hour_start
LEFT JOIN
(
    SELECT JSONExtractString(raw, 'data', 'agent_id') AS agent, argMax(JSONExtractString(raw, 'data', 'team'), (time, id)) AS team
    FROM raw_events FINAL WHERE shop_id = {shop:String} AND buyer_id = '' AND type = 'agent.upserted' GROUP BY agent
) AS t ON t.agent = s.agent
