-- uses: messages
-- Agents' messages with the phrase categories that stand in them: of overlapping phrases the longest counts alone, of
-- equally long ones the first. Case and full-width forms don't matter.
SELECT
    buyer, agent, at, id, source, effective, order_id, intent, version, day,
    arrayDistinct(arrayFilter(
        (c, p, w) -> w = version AND has(standing, p),
        {phrase_categories:Array(String)}, {phrases:Array(String)}, {phrase_versions:Array(Int64)})) AS categories
FROM
(
    SELECT
        *,
        arrayMap(s -> s.4, arrayFold(
            (taken, m) -> if(arrayExists(s -> m.1 < s.2 AND s.1 < m.2, taken), taken, arrayPushBack(taken, m)),
            matches, CAST([], 'Array(Tuple(Int64, Int64, Int64, String))'))) AS standing
    FROM
    (
        SELECT
            *,
            arraySort(m -> (-m.3, m.1), arrayFlatten(arrayMap(
                p -> arrayMap(
                    place -> (toInt64(place), toInt64(place + length(p)), toInt64(lengthUTF8(p)), p),
                    arrayFilter(place -> substring(plain, place, length(p)) = p, range(1, length(plain) + 1))),
                present))) AS matches
        FROM
        (
            SELECT
                *,
                if(match(plain, {any_phrase:String}), arrayDistinct(arrayFilter(
                    (p, w) -> w = version AND position(plain, p) > 0, {phrases:Array(String)}, {phrase_versions:Array(Int64)})), []) AS present
            FROM
            (
                SELECT
                    buyer, agent, at, id, source, effective, order_id, intent, day,
                    arrayCount(s -> s <= at, {starts:Array(Int64)}) AS version,
                    lower(translateUTF8(text, {wide:String}, {narrow:String})) AS plain
                FROM messages
                WHERE NOT from_buyer
            )
            WHERE match(plain, {any_phrase:String}) OR intent != ''
        )
    )
)
SETTINGS max_block_size = 4096
