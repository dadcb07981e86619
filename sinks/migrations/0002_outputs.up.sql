-- What comes out. A higher revision replaces a lower one with the same key; equal revisions fall to the later insert.
-- So a sort key is the topic's key and what that key fixes: a moment that can change under it (a review flag's
-- occurred_at, a task's raised_at) must stand neither there nor in the partition, or two rows stand for one record.

CREATE TABLE IF NOT EXISTS flags_raw
(
    flag_id String COMMENT 'flag' CODEC(ZSTD(1)),
    rule LowCardinality(String) COMMENT 'rule that was broken, such as reminder.repeated',
    severity LowCardinality(String) COMMENT 'violation or notice',
    status LowCardinality(String) COMMENT 'raised, or cleared when later facts showed that it does not hold',
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer' CODEC(ZSTD(1)),
    agent_id LowCardinality(String) COMMENT 'who broke it; for a review the agent its order is attributed to; empty: nobody',
    message_id Nullable(String) COMMENT 'the message, null for a flag on a review' CODEC(ZSTD(1)),
    review_id Nullable(String) COMMENT 'the review, null for a flag on a message' CODEC(ZSTD(1)),
    order_ids Array(String) COMMENT 'orders concerned' CODEC(ZSTD(1)),
    occurred_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the message or review' CODEC(Delta(8), ZSTD(1)),
    evidence String COMMENT 'what the rule saw, a JSON object' CODEC(ZSTD(3)),
    qc_status LowCardinality(String) COMMENT 'quality control: open, claimed, upheld or dismissed',
    qc_actor LowCardinality(String) COMMENT 'who claimed or judged it; empty: nobody',
    qc_reason String COMMENT 'reason of the verdict' CODEC(ZSTD(1)),
    qc_score Nullable(Float64) COMMENT 'rubric score, 0 to 100',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset',
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (shop_id, flag_id)
TTL toDateTime(written_at) + INTERVAL 800 DAY
COMMENT 'flags with all their revisions; the view flags has the latest of each';

CREATE TABLE IF NOT EXISTS call_tasks_raw
(
    task_id String COMMENT 'task' CODEC(ZSTD(1)),
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer to call' CODEC(ZSTD(1)),
    order_id String COMMENT 'order with the negative review' CODEC(ZSTD(1)),
    review_ids Array(String) COMMENT 'reviews of that order' CODEC(ZSTD(1)),
    rating Int32 COMMENT 'worst standing rating of the order''s reviews, 1 to 5',
    category LowCardinality(String) COMMENT 'what the review complains of',
    priority LowCardinality(String) COMMENT 'high, normal or low',
    raised_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the first negative review' CODEC(Delta(8), ZSTD(1)),
    not_before DateTime64(3, 'Asia/Shanghai') COMMENT 'earliest moment to call' CODEC(Delta(8), ZSTD(1)),
    due_at DateTime64(3, 'Asia/Shanghai') COMMENT 'latest moment to call' CODEC(Delta(8), ZSTD(1)),
    assigned_role LowCardinality(String) COMMENT 'role that calls',
    excluded_agent_id LowCardinality(String) COMMENT 'the agent who served the buyer and must not call; empty: nobody',
    status LowCardinality(String) COMMENT 'open, claimed, called, resolved, revisited or withdrawn',
    claimed_by LowCardinality(String) COMMENT 'who claimed it; empty: nobody',
    calls UInt32 COMMENT 'calls logged',
    call_again_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when to call again, if agreed',
    outcome String COMMENT 'outcome, such as exchange, refund or wait' CODEC(ZSTD(1)),
    revisit_due_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when the revisit call is due: three days after it was resolved',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset',
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (shop_id, task_id)
TTL toDateTime(written_at) + INTERVAL 800 DAY
COMMENT 'follow-up call tasks with all their revisions; the view call_tasks has the latest of each';

CREATE TABLE IF NOT EXISTS rounds_raw
(
    round_id String COMMENT 'round' CODEC(ZSTD(1)),
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer' CODEC(ZSTD(1)),
    agent_id LowCardinality(String) COMMENT 'service sub-account',
    opened_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the buyer''s message that opened it' CODEC(Delta(8), ZSTD(1)),
    message_id String COMMENT 'the buyer''s message that opened it' CODEC(ZSTD(1)),
    replied_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'time of the effective reply, null while there is none' CODEC(ZSTD(1)),
    reply_message_id Nullable(String) COMMENT 'the effective reply, null while there is none' CODEC(ZSTD(1)),
    response_ms Nullable(Int64) COMMENT 'reply minus opening in ms, not capped; null while there is no reply' CODEC(ZSTD(1)),
    in_platform_hours Bool COMMENT 'opened in 08:00 <= t < 23:00, as the platform counts',
    day_ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'local midnight at which an open round ends unanswered' CODEC(ZSTD(1)),
    status LowCardinality(String) COMMENT 'answered, open, or void where a late fact showed that there is no such round',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset',
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (shop_id, agent_id, opened_at, round_id)
TTL toDateTime(written_at) + INTERVAL 400 DAY
COMMENT 'conversation rounds with all their revisions; the view response_rounds has the latest of each';

CREATE TABLE IF NOT EXISTS window_partials
(
    shop_id LowCardinality(String) COMMENT 'shop',
    agent_id LowCardinality(String) COMMENT 'service sub-account',
    window_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the window' CODEC(Delta(8), ZSTD(1)),
    window_seconds UInt32 COMMENT 'length of the window in seconds: 300, 3600 or 86400',
    definition LowCardinality(String) COMMENT 'all: every round; platform: as Tmall counts',
    partition Int32 COMMENT 'Kafka partition whose share of the window this is',
    day_ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'end of the window''s local day: until then its open rounds are pending' CODEC(ZSTD(1)),
    response_cap_ms UInt32 COMMENT 'what an unanswered round counts as in the platform definition, ms',
    rounds UInt64 COMMENT 'rounds opened in the window',
    answered UInt64 COMMENT 'of these, answered',
    answered_within_3min UInt64 COMMENT 'of these, answered within 180 000 ms',
    response_ms_sum UInt64 COMMENT 'response of the answered ones in ms, each capped, summed',
    first_responses UInt64 COMMENT 'first responses of sessions',
    first_response_ms_sum UInt64 COMMENT 'their sum in ms',
    first_within_10s UInt64 COMMENT 'of these, within 10 s',
    buyers_wrote UInt64 COMMENT 'distinct buyers who wrote, meant in day windows only',
    buyers_replied UInt64 COMMENT 'distinct buyers who got an effective reply, meant in day windows only',
    histogram Map(UInt32, UInt64) COMMENT 'capped response in ms, rounded to three significant digits (error <= 0.5 %, whole seconds exact) -> answered rounds' CODEC(ZSTD(1)),
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset',
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(window_start)
ORDER BY (shop_id, window_seconds, window_start, agent_id, definition, partition)
TTL toDateTime(written_at) + INTERVAL 400 DAY
COMMENT 'response windows, one Kafka partition''s share of each; the view response_windows adds them up';

CREATE TABLE IF NOT EXISTS leaderboard_partials
(
    shop_id LowCardinality(String) COMMENT 'shop',
    hour_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the local hour' CODEC(Delta(8), ZSTD(1)),
    agent_id LowCardinality(String) COMMENT 'service sub-account; empty: silent, attributed to nobody',
    partition Int32 COMMENT 'Kafka partition whose share of the row this is',
    orders_placed UInt64 COMMENT 'orders placed',
    orders_paid UInt64 COMMENT 'orders paid',
    paid_amount Decimal(18, 2) COMMENT 'sum of payments in CNY, not net of refunds',
    items_paid UInt64 COMMENT 'items of the paid orders',
    refunded_amount Decimal(18, 2) COMMENT 'sum of refunds in CNY, in the refund''s hour',
    buyers_served UInt64 COMMENT 'distinct buyers sent at least one effective message',
    buyers_paid UInt64 COMMENT 'distinct buyers who paid',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset',
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row' CODEC(Delta(8), ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(hour_start)
ORDER BY (shop_id, hour_start, agent_id, partition)
TTL toDateTime(written_at) + INTERVAL 800 DAY
COMMENT 'hourly leaderboard, one Kafka partition''s share of each row; the view leaderboard_hourly adds them up';
