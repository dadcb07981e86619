-- The shares of the Kafka partitions. A row of zeros is one that emptied, or that only its revision keeps.
SELECT
    toUnixTimestamp64Milli(p.hour_start) AS hour_start, agent_id AS agent, partition, orders_placed, orders_paid, paid_amount,
    items_paid, refunded_amount, buyers_served, buyers_paid, ruleset
FROM leaderboard_partials AS p FINAL
WHERE shop_id = {shop:String} AND p.hour_start >= fromUnixTimestamp64Milli({from:Int64}) AND p.hour_start < fromUnixTimestamp64Milli({to:Int64})
    AND (orders_placed + orders_paid + items_paid + buyers_served + buyers_paid > 0 OR paid_amount != 0 OR refunded_amount != 0)
