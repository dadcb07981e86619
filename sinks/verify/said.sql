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
        -- Longest first: what stands is cut out of the text before shorter ones are looked for, `mark` (in no phrase) is
        -- left there. Linear in the text, where comparing places with each other would not be.
        if(length(present) < 2, present, arrayFold(
            (found, level) -> (
                replaceRegexpAll(found.1, level.1, {mark:String}),
                arrayConcat(found.2, arrayIntersect(level.2, splitByString(
                    {mark:String}, replaceRegexpAll(found.1, level.1, concat({mark:String}, '\\0', {mark:String})))))),
            levels, (plain, CAST([], 'Array(String)'))).2) AS standing
    FROM
    (
        SELECT
            *,
            if(length(present) < 2, [], arrayReverseSort(arrayDistinct(arrayMap(p -> lengthUTF8(p), present)))) AS lengths,
            -- for each length what finds its phrases, the first of overlapping ones alone, and the phrases
            arrayMap(
                same -> (arrayStringConcat(arrayMap(p -> regexpQuoteMeta(p), same), '|'), same),
                arrayMap(n -> arrayFilter(p -> lengthUTF8(p) = n, present), lengths)) AS levels
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
