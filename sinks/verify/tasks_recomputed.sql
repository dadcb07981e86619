-- uses: steps, versions, served
-- Follow-up calls as the reviews have them. The category is not looked at, nor the status once people took steps.
WITH
    opened AS
    (
        SELECT
            buyer, order_id, any(rules) AS version,
            minIf(at, rating <= {negative_rating_max:Array(Int64)}[rules]) AS raised_at,
            countIf(rating <= {negative_rating_max:Array(Int64)}[rules]) AS negatives
        FROM
        (
            SELECT *, arrayCount(s -> s <= first_at, {starts:Array(Int64)}) AS rules
            FROM (SELECT *, min(at) OVER (PARTITION BY buyer, order_id) AS first_at FROM versions)
        )
        GROUP BY buyer, order_id
        HAVING negatives > 0 AND raised_at >= {from:Int64} AND raised_at < {to:Int64}
    ),
    standing AS
    (
        SELECT buyer, order_id, arraySort(groupArray(review)) AS reviews, min(rating) AS worst
        FROM (SELECT buyer, order_id, review, argMax(rating, (at, id, source)) AS rating FROM versions GROUP BY buyer, order_id, review)
        GROUP BY buyer, order_id
    ),
    elsewhere AS
    (
        SELECT o.buyer AS buyer, o.order_id AS order_id, count() AS bad
        FROM opened AS o INNER JOIN versions AS v ON v.buyer = o.buyer
        WHERE v.order_id != o.order_id AND v.rating <= {negative_rating_max:Array(Int64)}[o.version]
            AND v.at <= o.raised_at AND v.at > o.raised_at - {lookback_ms:Array(Int64)}[o.version]
        GROUP BY buyer, order_id
    )
SELECT
    o.buyer AS buyer, o.order_id AS order_id, o.version AS v,
    arrayStringConcat(s.reviews, ' ') AS review_ids, s.worst AS rating, o.raised_at AS raised_at,
    multiIf(
        s.worst <= {high_rating:Array(Int64)}[v] OR toInt64(b.amount * 100) >= {high_fen:Array(Int64)}[v] OR e.bad > 0, 'high',
        s.worst <= {normal_rating:Array(Int64)}[v], 'normal', 'low') AS priority,
    (b.at + timezoneOffset(toTimeZone(fromUnixTimestamp64Milli(b.at), {tz:String})) * 1000) % 86400000 AS placed_of_day,
    b.order_id != '' AND if({late_from:Array(Int64)}[v] < {late_to:Array(Int64)}[v],
        placed_of_day >= {late_from:Array(Int64)}[v] AND placed_of_day < {late_to:Array(Int64)}[v],
        placed_of_day >= {late_from:Array(Int64)}[v] OR placed_of_day < {late_to:Array(Int64)}[v]) AS late,
    arrayFilter(
        (h, w, l) -> w = v AND l = late,
        arrayZip({hours_from:Array(Int64)}, {hours_to:Array(Int64)}), {hours_version:Array(Int64)}, {hours_late:Array(Int64)}) AS hours,
    -- Quarters of an hour from the review on, each as its start, its end and what the clock shows at its start: clocks
    -- change between quarters alone. Three days hold calling hours even where one day lacks them.
    arrayMap(t -> (t, (intDiv(t, 900000) + 1) * 900000, (t + timezoneOffset(toTimeZone(fromUnixTimestamp64Milli(t), {tz:String})) * 1000) % 86400000),
        arrayMap(n -> greatest(raised_at, (intDiv(raised_at, 900000) + n) * 900000), range(288))) AS quarters,
    arrayMin(arrayFlatten(arrayMap(
        q -> arrayFilter(t -> t < q.2, arrayMap(h -> q.1 + greatest(h.1 - q.3, 0), arrayFilter(h -> q.3 < h.2, hours))),
        quarters))) AS not_before,
    greatest(raised_at + {due_after_review_ms:Array(Int64)}[v], not_before + {due_after_call_ms:Array(Int64)}[v]) AS due_at,
    b.agent AS excluded_agent_id, {assigned_role:Array(String)}[v] AS assigned_role,
    multiIf(
        -- which order a task's id stands for only its row tells
        (o.buyer, o.order_id) IN (
            SELECT buyer_id, order_id FROM call_tasks WHERE shop_id = {shop:String} AND (buyer_id, task_id) IN (SELECT * FROM steps)
        ), 'in hand',
        s.worst > {negative_rating_max:Array(Int64)}[v], 'withdrawn', 'open') AS status,
    {ruleset:Array(String)}[v] AS ruleset
FROM opened AS o
INNER JOIN standing AS s ON s.buyer = o.buyer AND s.order_id = o.order_id
LEFT JOIN served AS b ON b.buyer = o.buyer AND b.order_id = o.order_id
LEFT JOIN elsewhere AS e ON e.buyer = o.buyer AND e.order_id = o.order_id
