-- uses: messages, rounds, first_responses
-- What each round, each first response and each buyer's day adds to the windows that hold it.
SELECT
    agent, partition, definition, seconds,
    toInt64(toUnixTimestamp(multiIf(
        seconds = 300, toStartOfFiveMinutes(fromUnixTimestamp64Milli(moment), {tz:String}),
        seconds = 3600, toStartOfHour(fromUnixTimestamp64Milli(moment), {tz:String}),
        toStartOfDay(fromUnixTimestamp64Milli(moment), {tz:String})))) * 1000 AS window_start,
    round, answered, within, ms, responses, first, first_ms, first_within, wrote, replied
FROM
(
    SELECT
        agent, partition, arrayJoin(if(
            {platform_from:Array(Int64)}[v] < {platform_to:Array(Int64)}[v],
            of_day >= {platform_from:Array(Int64)}[v] AND of_day < {platform_to:Array(Int64)}[v],
            of_day >= {platform_from:Array(Int64)}[v] OR of_day < {platform_to:Array(Int64)}[v]
        ) ? ['all', 'platform'] : ['all']) AS definition, [300, 3600, 86400] AS sizes, opened_at AS moment,
        arrayCount(s -> s <= day, {starts:Array(Int64)}) AS v,
        least(response_ms, {cap_ms:Array(Int64)}[v]) AS capped,
        -- three significant digits, halves up
        toInt64(intExp10(greatest(length(toString(capped)) - 3, 0))) AS step,
        1 AS round, answered AS answered, answered AND response_ms <= {target_ms:Array(Int64)}[v] AS within, if(answered, capped, 0) AS ms,
        if(answered, map(toUInt32(least(intDiv(capped + intDiv(step, 2), step) * step, {cap_ms:Array(Int64)}[v])), toUInt64(1)),
            CAST(map(), 'Map(UInt32, UInt64)')) AS responses,
        0 AS first, 0 AS first_ms, 0 AS first_within, 0 AS wrote, 0 AS replied
    FROM rounds
    UNION ALL
    SELECT
        agent, partition, 'all', [300, 3600, 86400], asked_at,
        arrayCount(s -> s <= began_at, {starts:Array(Int64)}) AS v, 0, 0, 0, 0, 0, 0, CAST(map(), 'Map(UInt32, UInt64)'),
        1, response_ms, response_ms <= {first_target_ms:Array(Int64)}[v], 0, 0
    FROM first_responses
    UNION ALL
    SELECT
        agent, any(partition), arrayJoin(['all', 'platform']), [86400], day,
        1, 0, 0, 0, 0, 0, 0, CAST(map(), 'Map(UInt32, UInt64)'), 0, 0, 0, 1, max(effective)
    FROM messages
    WHERE day >= {from:Int64} AND day < {to:Int64}
    GROUP BY buyer, agent, day
    HAVING countIf(from_buyer) > 0
)
ARRAY JOIN sizes AS seconds
