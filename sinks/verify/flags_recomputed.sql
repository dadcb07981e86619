-- uses: message_flags
-- A buyer whose rounds of the day were judged under rules that are not loaded can't be judged here.
SELECT
    f.buyer AS buyer, rule, f.id AS message, '' AS review, f.agent AS agent,
    transform(concat(toString(version), ' ', basis), {severity_keys:Array(String)}, {severities:Array(String)}, '') AS severity,
    arrayStringConcat(orders, ' ') AS order_ids, at AS occurred_at,
    arrayExists(s -> s.1 <= at AND at < s.2, sale.spans) ? 'true' : 'false' AS in_sale_event,
    if(o.other != '', o.other, {ruleset:Array(String)}[arrayCount(s -> s <= at, {starts:Array(Int64)})]) AS ruleset
FROM message_flags AS f
LEFT JOIN
(
    SELECT buyer_id AS buyer, any(ruleset) AS other FROM rounds_raw FINAL
    WHERE shop_id = {shop:String} AND opened_at >= fromUnixTimestamp64Milli({from:Int64}) AND opened_at < fromUnixTimestamp64Milli({to:Int64})
        AND NOT has({labels:Array(String)}, ruleset)
    GROUP BY buyer
) AS o ON o.buyer = f.buyer
CROSS JOIN
(
    SELECT groupArray(span) AS spans FROM
    (
        -- RFC 3339 allows t and z
        SELECT argMax((
            toUnixTimestamp64Milli(parseDateTime64BestEffort(upper(JSONExtractString(raw, 'data', 'starts_at')), 3, 'UTC')),
            toUnixTimestamp64Milli(parseDateTime64BestEffort(upper(JSONExtractString(raw, 'data', 'ends_at')), 3, 'UTC'))), (time, id)) AS span
        FROM raw_events FINAL
        WHERE shop_id = {shop:String} AND buyer_id = '' AND type = 'sale_event.scheduled'
        GROUP BY JSONExtractString(raw, 'data', 'sale_event_id')
    )
) AS sale
WHERE at >= {from:Int64} AND at < {to:Int64}
