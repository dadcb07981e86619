-- The view. A window is under other rules when any of its shares is.
SELECT
    w.agent_id AS agent, toUnixTimestamp64Milli(w.window_start) AS window_start, w.window_seconds AS seconds,
    w.definition AS definition, rounds, answered, pending, unanswered, answered_within_3min, response_ms_sum,
    round(avg_response_ms, 3) AS avg_response_ms, round(rate_3min, 6) AS rate_3min, p50_ms, p90_ms, p99_ms,
    first_responses, first_response_ms_sum, first_within_10s, buyers_wrote, buyers_replied,
    if(o.other != '', o.other, w.ruleset) AS ruleset
FROM response_windows AS w
LEFT JOIN
(
    SELECT agent_id, window_start, window_seconds, definition, any(ruleset) AS other
    FROM window_partials FINAL
    WHERE shop_id = {shop:String} AND NOT has({labels:Array(String)}, ruleset)
    GROUP BY agent_id, window_start, window_seconds, definition
) AS o ON o.agent_id = w.agent_id AND o.window_start = w.window_start AND o.window_seconds = w.window_seconds AND o.definition = w.definition
WHERE w.shop_id = {shop:String} AND w.window_start >= fromUnixTimestamp64Milli({from:Int64}) AND w.window_start < fromUnixTimestamp64Milli({to:Int64})
