-- Flags in order of time, narrow, for what is asked of all shops at once: flags_raw has no time in its key, and FINAL over it reads
-- every flag ever. Rows come from flags_raw alone, through the view below, each with its revision: who deletes there deletes here.
--
-- A message's time is fixed by its id, so it may stand in the key; a review's can change, so flags on reviews, which are few,
-- stand together at the epoch. Months that nobody touches become one part, which FINAL reads like a plain table.

CREATE TABLE IF NOT EXISTS flags_by_time
(
    fixed_at DateTime64(3, 'Asia/Shanghai') COMMENT 'occurred_at of a flag on a message; 1970 for one on a review, whose time can change' CODEC(Delta(8), ZSTD(1)),
    flag_id String COMMENT 'flag' CODEC(ZSTD(1)),
    shop_id LowCardinality(String) COMMENT 'shop',
    agent_id LowCardinality(String) COMMENT 'who broke it; empty: nobody',
    rule LowCardinality(String) COMMENT 'rule that was broken',
    severity LowCardinality(String) COMMENT 'violation or notice',
    status LowCardinality(String) COMMENT 'raised or cleared',
    qc_status LowCardinality(String) COMMENT 'quality control: open, claimed, upheld or dismissed',
    kind LowCardinality(String) MATERIALIZED concat(status, ' ', qc_status, ' ', severity, ' ', rule) COMMENT 'these four in one text: grouping by one such column is ten times as fast as by four',
    agent LowCardinality(String) MATERIALIZED concat(toString(lengthUTF8(shop_id)), ':', shop_id, agent_id) COMMENT 'shop and agent in one text: length of the shop''s id, colon, shop, agent',
    occurred_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the message or review' CODEC(Delta(8), ZSTD(1)),
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    written_at DateTime64(3, 'Asia/Shanghai') COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1)),
    INDEX kinds (status, qc_status, severity, rule) TYPE set(0) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(fixed_at)
ORDER BY (fixed_at, flag_id, shop_id)
TTL toDateTime(written_at) + INTERVAL 800 DAY
SETTINGS min_age_to_force_merge_seconds = 60, min_age_to_force_merge_on_partition_only = 1
COMMENT 'flags in order of time, with all their revisions, for questions over all shops; fed by flags_raw';

CREATE MATERIALIZED VIEW IF NOT EXISTS flags_by_time_mv TO flags_by_time AS SELECT
    if(message_id IS NULL, toDateTime64(0, 3, 'Asia/Shanghai'), occurred_at) AS fixed_at, flag_id, shop_id, agent_id, rule, severity,
    status, qc_status, occurred_at, revision, written_at
FROM flags_raw
COMMENT 'feeds flags_by_time with what is inserted into flags_raw';

INSERT INTO flags_by_time (fixed_at, flag_id, shop_id, agent_id, rule, severity, status, qc_status, occurred_at, revision, written_at)
SELECT
    if(message_id IS NULL, toDateTime64(0, 3, 'Asia/Shanghai'), occurred_at), flag_id, shop_id, agent_id, rule, severity,
    status, qc_status, occurred_at, revision, written_at
FROM flags_raw FINAL
SETTINGS max_partitions_per_insert_block = 0;
