-- What reviewers did about conversations of QC's sample. Flags get theirs from the workers; of these no worker knows.

CREATE TABLE IF NOT EXISTS qc_samples_raw
(
    shop_id LowCardinality(String) COMMENT 'shop',
    day_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the conversation''s local day' CODEC(Delta(8), ZSTD(1)),
    sample_id String COMMENT 'sampled conversation' CODEC(ZSTD(1)),
    buyer_id String COMMENT 'buyer' CODEC(ZSTD(1)),
    agent_id LowCardinality(String) COMMENT 'the agent whose conversation it is',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was done' CODEC(Delta(8), ZSTD(1)),
    source LowCardinality(String) COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id' CODEC(ZSTD(1)),
    type LowCardinality(String) COMMENT 'qc.claimed or qc.verdict_given',
    actor LowCardinality(String) COMMENT 'who did it',
    verdict LowCardinality(String) COMMENT 'upheld, dismissed; empty: no verdict was given',
    reason String COMMENT 'reason of the verdict' CODEC(ZSTD(1)),
    score Nullable(Float64) COMMENT 'rubric score, 0 to 100',
    coaching String COMMENT 'words for the agent' CODEC(ZSTD(1)),
    offset Int64 COMMENT 'Kafka offset' CODEC(Delta(8), ZSTD(1)),
    precedence UInt64 MATERIALIZED toUInt64(9223372036854775807 - offset) COMMENT 'of rows with one key the highest stays: the first in Kafka' CODEC(Delta(8), ZSTD(1)),
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (shop_id, buyer_id, source, id)
TTL toDateTime(written_at) + INTERVAL 800 DAY
COMMENT 'commands on conversations of QC''s sample; the view qc_samples has what came of them';

-- Whoever was first has it: with a claim, or with a verdict straight away. What others say is not heard, as with flags.
CREATE OR REPLACE VIEW qc_samples
(
    sample_id String COMMENT 'sampled conversation',
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    agent_id LowCardinality(String) COMMENT 'the agent whose conversation it is',
    day_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of its local day',
    qc_status String COMMENT 'claimed; upheld: a fault was found; dismissed: nothing was found',
    qc_actor String COMMENT 'who claimed or judged it',
    qc_reason String COMMENT 'reason of the verdict',
    qc_score Nullable(Float64) COMMENT 'rubric score, 0 to 100',
    qc_coaching String COMMENT 'words for the agent',
    judged_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when the verdict was given, null while there is none'
)
AS SELECT
    sample_id, shop_id, buyer_id, agent_id, day_start,
    if(told.verdict = '', 'claimed', told.verdict) AS qc_status, steps[1].actor AS qc_actor, told.reason AS qc_reason,
    told.score AS qc_score, told.coaching AS qc_coaching, if(told.verdict = '', NULL, told.time) AS judged_at
FROM
(
    SELECT shop_id, day_start, sample_id, buyer_id, agent_id,
        arraySort(groupArray(CAST((time, id, source, actor, verdict, reason, score, coaching),
            'Tuple(time DateTime64(3, \'Asia/Shanghai\'), id String, source String, actor String, verdict String, reason String, score Nullable(Float64), coaching String)'))) AS steps,
        arrayFirst(s -> s.verdict != '' AND s.actor = steps[1].actor, steps) AS told
    FROM qc_samples_raw FINAL
    GROUP BY shop_id, day_start, sample_id, buyer_id, agent_id
)
COMMENT 'conversations of QC''s sample that a reviewer has claimed or judged; the others are drawn where they are read';
