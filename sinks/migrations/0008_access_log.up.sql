-- Who saw and did what in the web part.

CREATE TABLE IF NOT EXISTS access_log_raw
(
    event_id String COMMENT 'CloudEvents id, derived from all the rest' CODEC(ZSTD(1)),
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was' CODEC(Delta(8), ZSTD(1)),
    type LowCardinality(String) COMMENT 'access.signed_in, access.sign_in_refused, access.signed_out, access.seen, access.queried, access.exported, access.sent or access.refused',
    actor LowCardinality(String) COMMENT 'who had signed in, or the token''s name; empty: a name that nobody has',
    roles Array(LowCardinality(String)) COMMENT 'that they had then',
    recognised_by LowCardinality(String) COMMENT 'password, oidc or token; empty: not at all',
    address LowCardinality(String) COMMENT 'of the client, as the web part saw it',
    what LowCardinality(String) COMMENT 'what was looked at: conversation, flags, call_queue and so on; the path of what was refused',
    shop_id LowCardinality(String) COMMENT 'shop of the buyers',
    buyer_ids Array(String) COMMENT 'buyers who were shown, not masked' CODEC(ZSTD(1)),
    target_id String COMMENT 'the one flag or task that was shown' CODEC(ZSTD(1)),
    detail String COMMENT 'the SQL, the reason of a refusal, the types of the events sent' CODEC(ZSTD(3)),
    status UInt16 COMMENT 'HTTP status that was answered',
    size UInt64 COMMENT 'bytes of a query''s answer or an export, number of events sent' CODEC(ZSTD(1)),
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row; its lifetime counts from here' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (time, event_id)
TTL toDateTime(written_at) + INTERVAL 400 DAY
COMMENT 'who saw and did what in the web part; a row may be there twice until parts merge; the view access_log has each once';

CREATE OR REPLACE VIEW access_log
(
    event_id String COMMENT 'CloudEvents id',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was',
    type String COMMENT 'access.signed_in, access.sign_in_refused, access.signed_out, access.seen, access.queried, access.exported, access.sent or access.refused',
    actor String COMMENT 'who had signed in, or the token''s name; empty: a name that nobody has',
    roles Array(String) COMMENT 'that they had then',
    recognised_by String COMMENT 'password, oidc or token; empty: not at all',
    address String COMMENT 'of the client, as the web part saw it',
    what String COMMENT 'what was looked at: conversation, flags, call_queue and so on; the path of what was refused',
    shop_id String COMMENT 'shop of the buyers',
    buyer_ids Array(String) COMMENT 'buyers who were shown, not masked',
    target_id String COMMENT 'the one flag or task that was shown',
    detail String COMMENT 'the SQL, the reason of a refusal, the types of the events sent',
    status UInt16 COMMENT 'HTTP status that was answered',
    size UInt64 COMMENT 'bytes of a query''s answer or an export, number of events sent'
)
AS SELECT
    event_id, time, type, actor, roles, recognised_by, address, what, shop_id, buyer_ids, target_id, detail, status, size
FROM access_log_raw FINAL
COMMENT 'who saw and did what in the web part; for admins alone in POST /api/v1/sql';
