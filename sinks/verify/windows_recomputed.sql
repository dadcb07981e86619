-- uses: window_shares
SELECT
    agent, window_start, seconds, definition, partition,
    toInt64(toUnixTimestamp(toStartOfDay(toStartOfDay(fromUnixTimestamp64Milli(window_start), {tz:String}) + INTERVAL 36 HOUR, {tz:String}))) * 1000 AS day_ends_at,
    {cap_ms:Array(Int64)}[version] AS response_cap_ms,
    sum(round) AS rounds, sum(s.answered) AS answered, sum(within) AS answered_within_3min, sum(ms) AS response_ms_sum,
    sum(first) AS first_responses, sum(first_ms) AS first_response_ms_sum, sum(first_within) AS first_within_10s,
    sum(wrote) AS buyers_wrote, sum(s.replied) AS buyers_replied,
    toString(mapSort(sumMap(responses))) AS histogram,
    arrayCount(
        s -> s <= toInt64(toUnixTimestamp(toStartOfDay(fromUnixTimestamp64Milli(window_start), {tz:String}))) * 1000,
        {starts:Array(Int64)}) AS version,
    {ruleset:Array(String)}[version] AS ruleset
FROM window_shares AS s
GROUP BY agent, window_start, seconds, definition, partition
