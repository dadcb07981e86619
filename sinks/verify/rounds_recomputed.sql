-- uses: rounds
SELECT
    buyer, agent, opened_at, message_id AS message,
    if(answered, replied_at, NULL) AS replied_at, if(answered, reply_message_id, NULL) AS reply_message_id,
    if(answered, response_ms, NULL) AS response_ms,
    if({platform_from:Array(Int64)}[version] < {platform_to:Array(Int64)}[version],
        of_day >= {platform_from:Array(Int64)}[version] AND of_day < {platform_to:Array(Int64)}[version],
        of_day >= {platform_from:Array(Int64)}[version] OR of_day < {platform_to:Array(Int64)}[version]) ? 'true' : 'false' AS in_platform_hours,
    toInt64(toUnixTimestamp(toStartOfDay(fromUnixTimestamp64Milli(day) + INTERVAL 36 HOUR, {tz:String}))) * 1000 AS day_ends_at,
    if(answered, 'answered', 'open') AS status,
    arrayCount(s -> s <= day, {starts:Array(Int64)}) AS version,
    {ruleset:Array(String)}[version] AS ruleset
FROM rounds
