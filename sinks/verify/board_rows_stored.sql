-- The view. An hour is under other rules when any share of it is: its ranks hang together.
SELECT
    toUnixTimestamp64Milli(l.hour_start) AS hour_start, l.agent_id AS agent, orders_placed, orders_paid, paid_amount, items_paid,
    refunded_amount, buyers_served, buyers_paid, team, rank, if(o.other != '', o.other, l.ruleset) AS ruleset
FROM leaderboard_hourly AS l
LEFT JOIN
(
    SELECT hour_start, any(ruleset) AS other FROM leaderboard_partials FINAL
    WHERE shop_id = {shop:String} AND NOT has({labels:Array(String)}, ruleset)
    GROUP BY hour_start
) AS o ON o.hour_start = l.hour_start
WHERE l.shop_id = {shop:String} AND l.hour_start >= fromUnixTimestamp64Milli({from:Int64}) AND l.hour_start < fromUnixTimestamp64Milli({to:Int64})
