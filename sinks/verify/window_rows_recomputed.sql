-- uses: window_shares
-- Whole windows. What is open counts as unanswered once its day is over, as pending before: by the
-- server's clock, as in the view.
WITH summed AS
(
    SELECT
        agent, window_start, seconds, definition,
        arrayCount(
            s -> s <= toInt64(toUnixTimestamp(toStartOfDay(fromUnixTimestamp64Milli(window_start), {tz:String}))) * 1000,
            {starts:Array(Int64)}) AS version,
        {cap_ms:Array(Int64)}[version] AS cap,
        fromUnixTimestamp64Milli(window_start) AS start,
        toStartOfDay(toStartOfDay(start, {tz:String}) + INTERVAL 36 HOUR, {tz:String}) AS day_end,
        sum(round) AS n, sum(s.answered) AS n_answered, sum(within) AS n_within, sum(ms) AS total,
        sum(first) AS n_first, sum(first_ms) AS total_first, sum(first_within) AS n_first_within,
        sum(wrote) AS n_wrote, sum(s.replied) AS n_replied,
        if(day_end <= now64(3), 0, n - n_answered) AS open,
        n - n_answered - open AS missed,
        if(definition = 'platform', missed, 0) AS charged,
        arraySort(arrayConcat(
            groupArrayArray(mapKeys(responses)), arrayWithConstant(charged, toUInt32(cap)))) AS waits
    FROM window_shares AS s
    GROUP BY agent, window_start, seconds, definition
    HAVING n > 0 OR n_first > 0
)
SELECT
    agent, window_start, seconds, definition,
    n AS rounds, n_answered AS answered, open AS pending, missed AS unanswered, n_within AS answered_within_3min,
    total AS response_ms_sum,
    if(empty(waits), NULL, round((total + charged * cap) / length(waits), 3)) AS avg_response_ms,
    if(n_answered + missed = 0, NULL, round(n_within / (n_answered + missed), 6)) AS rate_3min,
    if(empty(waits), NULL, waits[intDiv(length(waits) * 50 + 99, 100)]) AS p50_ms,
    if(empty(waits), NULL, waits[intDiv(length(waits) * 90 + 99, 100)]) AS p90_ms,
    if(empty(waits), NULL, waits[intDiv(length(waits) * 99 + 99, 100)]) AS p99_ms,
    n_first AS first_responses, total_first AS first_response_ms_sum, n_first_within AS first_within_10s,
    if(seconds = 86400, n_wrote, NULL) AS buyers_wrote, if(seconds = 86400, n_replied, NULL) AS buyers_replied,
    {ruleset:Array(String)}[version] AS ruleset
FROM summed
