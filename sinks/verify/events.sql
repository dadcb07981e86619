-- Every event that counts, of all times, of the buyers who have one in the range: what a row depends on reaches back.
-- Events that the worker refused do not count: see the view rejected. The content tells them from another event at the same
-- offset of a topic that was made anew.
SELECT buyer_id AS buyer, type, time, toUnixTimestamp64Milli(time) AS at, id, source, partition, raw
FROM raw_events FINAL
WHERE shop_id = {shop:String} AND buyer_id != '' AND buyer_id IN (
    SELECT buyer_id FROM raw_events
    WHERE shop_id = {shop:String} AND time >= fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})
) AND (topic, partition, offset, cityHash64(raw)) NOT IN (
    SELECT ifNull(topic, ''), ifNull(partition, -1), ifNull(offset, -1), cityHash64(raw) FROM rejected_raw FINAL
    WHERE reason IN ('late', 'conflict') AND error != {settled:String}
)
