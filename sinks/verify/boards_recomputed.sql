-- uses: board_shares
SELECT
    hour_start, agent, partition,
    sum(placed) AS orders_placed, sum(paid_orders) AS orders_paid, sum(paid) AS paid_amount, sum(items) AS items_paid,
    sum(refunded) AS refunded_amount, uniqExactIf(buyer, serves) AS buyers_served, uniqExactIf(buyer, pays) AS buyers_paid,
    {ruleset:Array(String)}[arrayCount(s -> s <= hour_start, {starts:Array(Int64)})] AS ruleset
FROM board_shares
GROUP BY hour_start, agent, partition
-- without any figure there is no row
HAVING orders_placed + orders_paid + items_paid + buyers_served + buyers_paid > 0 OR paid_amount != 0 OR refunded_amount != 0
