-- The shares of the Kafka partitions. A row of zeros is one that emptied, or that only its revision keeps.
SELECT
    agent_id AS agent, toUnixTimestamp64Milli(window_start) AS window_start, window_seconds AS seconds, definition, partition,
    toUnixTimestamp64Milli(day_ends_at) AS day_ends_at, response_cap_ms, rounds, answered, answered_within_3min,
    response_ms_sum, first_responses, first_response_ms_sum, first_within_10s, buyers_wrote, buyers_replied,
    toString(mapSort(histogram)) AS histogram, ruleset
FROM window_partials AS p FINAL
WHERE shop_id = {shop:String} AND p.window_start >= fromUnixTimestamp64Milli({from:Int64}) AND p.window_start < fromUnixTimestamp64Milli({to:Int64})
    AND (rounds + answered + answered_within_3min + response_ms_sum + first_responses + first_response_ms_sum
        + first_within_10s + buyers_wrote + buyers_replied > 0 OR notEmpty(p.histogram))
