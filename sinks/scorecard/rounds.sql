-- Each round of the platform's hours that was not opened in a sale event, pending ones left out: what it counts as in ms, and
-- whether it was answered in time. Under the rules of its day's beginning, as in the windows.
SELECT
    agent_id AS agent, toUnixTimestamp64Milli(opened_at) AS at, toUnixTimestamp64Milli(replied_at) AS until, buyer_id AS buyer,
    round_id AS ref, '' AS order_id, status AS what,
    arrayCount(s -> s <= toInt64(toUnixTimestamp(toStartOfDay(opened_at, {tz:String}))) * 1000, {starts:Array(Int64)}) AS version,
    if(status = 'answered', least(assumeNotNull(response_ms), {cap_ms:Array(Int64)}[version]), {cap_ms:Array(Int64)}[version]) AS ms,
    toInt64(status = 'answered' AND assumeNotNull(response_ms) <= {target_ms:Array(Int64)}[version]) AS within
FROM response_rounds
WHERE shop_id = {shop:String} AND in_platform_hours AND status != 'pending'
    AND opened_at >= fromUnixTimestamp64Milli({from:Int64}) AND opened_at < fromUnixTimestamp64Milli({to:Int64})
    AND NOT arrayExists(
        (s, e) -> s <= toUnixTimestamp64Milli(opened_at) AND toUnixTimestamp64Milli(opened_at) < e,
        {sale_starts:Array(Int64)}, {sale_ends:Array(Int64)})
