-- Attempts to send rejected records again. An attempt is announced, and later told with the place where it went.

CREATE TABLE IF NOT EXISTS dlq_resends_raw
(
    announced_partition Int32 COMMENT 'partition of audit.rejected that holds the announcement; with announced_offset it names the attempt',
    announced_offset Int64 COMMENT 'offset of the announcement',
    case_partition Int32 COMMENT 'partition of audit.rejected where the record was first rejected; with case_offset the id that zhengdian dlq shows',
    case_offset Int64 COMMENT 'offset of that rejection',
    case_reason LowCardinality(String) COMMENT 'why it had been rejected',
    attempt UInt32 COMMENT 'number of the attempt; the first arrival is 1',
    corrected Bool COMMENT 'whether other bytes were sent than the rejected ones',
    sha256 String COMMENT 'SHA-256 of the bytes sent',
    topic LowCardinality(String) COMMENT 'Kafka topic it went to',
    partition Nullable(Int32) COMMENT 'Kafka partition it went to; null while announced',
    offset Nullable(Int64) COMMENT 'Kafka offset it went to; null while announced',
    received_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row',
    precedence UInt8 MATERIALIZED toUInt8(offset IS NOT NULL) COMMENT 'of rows with one key the highest stays: the one that knows where it went'
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (announced_partition, announced_offset)
TTL toDateTime(received_at) + INTERVAL 400 DAY
COMMENT 'attempts to send rejected records again; the view dlq_resends has each once';

CREATE OR REPLACE VIEW dlq_resends
(
    case_id String COMMENT 'the rejected record, as zhengdian dlq show takes it: partition:offset on audit.rejected',
    attempt UInt32 COMMENT 'number of the attempt; the first arrival is 1',
    case_reason String COMMENT 'why it had been rejected',
    outcome String COMMENT 'sent: it went to its topic and was not rejected there; rejected: again; unsure: the command was interrupted',
    corrected Bool COMMENT 'whether other bytes were sent than the rejected ones',
    sha256 String COMMENT 'SHA-256 of the bytes sent',
    topic String COMMENT 'Kafka topic it went to',
    partition Nullable(Int32) COMMENT 'Kafka partition it went to',
    offset Nullable(Int64) COMMENT 'Kafka offset it went to',
    received_at DateTime64(3, 'Asia/Shanghai') COMMENT 'when the sink wrote it'
)
AS SELECT
    concat(toString(case_partition), ':', toString(case_offset)) AS case_id, attempt, case_reason,
    multiIf(
        offset IS NULL, 'unsure',
        (topic, assumeNotNull(partition), assumeNotNull(offset)) IN
        (
            SELECT assumeNotNull(topic), assumeNotNull(partition), assumeNotNull(offset)
            FROM rejected_raw
            WHERE topic IS NOT NULL AND partition IS NOT NULL AND offset IS NOT NULL
        ), 'rejected',
        'sent'
    ) AS outcome,
    corrected, sha256, topic, partition, offset, received_at
FROM dlq_resends_raw FINAL
COMMENT 'attempts to send rejected records again (zhengdian dlq replay), each once';
