-- What came in. Times are instants shown in Asia/Shanghai; amounts are CNY.

CREATE TABLE IF NOT EXISTS raw_events
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer; empty for reference events' CODEC(ZSTD(1)),
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it happened, the CloudEvent''s time' CODEC(Delta(8), ZSTD(1)),
    source LowCardinality(String) COMMENT 'CloudEvents source; source and id identify the event',
    id String COMMENT 'CloudEvents id' CODEC(ZSTD(1)),
    type LowCardinality(String) COMMENT 'CloudEvents type, such as chat.message',
    topic LowCardinality(String) COMMENT 'Kafka topic, without the prefix',
    partition Int32 COMMENT 'Kafka partition' CODEC(ZSTD(1)),
    offset Int64 COMMENT 'Kafka offset' CODEC(Delta(8), ZSTD(1)),
    raw String COMMENT 'the whole event as it came, JSON' CODEC(ZSTD(3)),
    ingested_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row; its lifetime counts from here' CODEC(Delta(8), ZSTD(1)),
    precedence UInt64 MATERIALIZED toUInt64(9223372036854775807 - offset) COMMENT 'of rows with one key the highest stays: the first in Kafka' CODEC(Delta(8), ZSTD(1)),
    INDEX raw_events_type type TYPE set(32) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(time)
ORDER BY (shop_id, buyer_id, source, id)
TTL toDateTime(ingested_at) + INTERVAL 400 DAY
COMMENT 'every event of the contract that came in: source, reference and command events; of several with one source and id the first in Kafka counts; a row may be there twice until parts merge, so read with FINAL';

CREATE TABLE IF NOT EXISTS agents_raw
(
    shop_id LowCardinality(String) COMMENT 'shop',
    agent_id String COMMENT 'service sub-account',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'from when it holds',
    source LowCardinality(String) COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    name String COMMENT 'the agent''s name',
    team LowCardinality(String) COMMENT 'the agent''s team',
    role LowCardinality(String) COMMENT 'presale, aftersale, order_change, reminder, escalation or review_specialist',
    ingested_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row'
)
ENGINE = ReplacingMergeTree
ORDER BY (shop_id, agent_id, time, source, id)
COMMENT 'every agent.upserted event; kept for good; the view agents has the latest of each';

CREATE TABLE IF NOT EXISTS sale_events_raw
(
    shop_id LowCardinality(String) COMMENT 'shop',
    sale_event_id String COMMENT 'sale event',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'time of this version',
    source LowCardinality(String) COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    name String COMMENT 'the sale event''s name',
    starts_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the sale event',
    ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment after the sale event',
    teams Array(String) COMMENT 'teams in the PK',
    targets String COMMENT 'hourly targets, JSON as it came',
    pk_basis LowCardinality(String) COMMENT 'what the PK compares: amount or orders',
    ingested_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row'
)
ENGINE = ReplacingMergeTree
ORDER BY (shop_id, sale_event_id, time, source, id)
COMMENT 'every sale_event.scheduled event; kept for good; the view sale_events has the latest of each';

CREATE TABLE IF NOT EXISTS rejected_raw
(
    reason LowCardinality(String) COMMENT 'not_json, unknown_type, invalid, conflict, future, late, wrong_topic, wrong_key, or sink for a record that ClickHouse would not take',
    error String COMMENT 'one line, naming the field' CODEC(ZSTD(1)),
    raw String COMMENT 'the record''s bytes as UTF-8, or as base64 (see raw_encoding)' CODEC(ZSTD(3)),
    raw_encoding LowCardinality(String) COMMENT 'utf-8 or base64',
    topic Nullable(String) COMMENT 'Kafka topic it came from',
    partition Nullable(Int32) COMMENT 'Kafka partition it came from',
    offset Nullable(Int64) COMMENT 'Kafka offset it came from',
    file Nullable(String) COMMENT 'file it came from',
    line Nullable(Int64) COMMENT 'line of that file',
    received_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row'
)
ENGINE = ReplacingMergeTree
ORDER BY (ifNull(topic, ''), ifNull(partition, -1), ifNull(offset, -1), ifNull(file, ''), ifNull(line, -1), reason, cityHash64(raw))
TTL toDateTime(received_at) + INTERVAL 400 DAY
COMMENT 'records that are no events of the contract; the view rejected has each once';
