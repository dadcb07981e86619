-- The events by type. Of several with one natural id the earliest by (time, id) counts (contract, section 1).

CREATE OR REPLACE VIEW messages
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    agent_id String COMMENT 'service sub-account of the thread, whoever sends',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was sent',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'message',
    sender String COMMENT 'buyer or agent',
    reply_mode String COMMENT 'human, assisted or auto; empty for a buyer''s message',
    text String COMMENT 'what was said',
    content_type String COMMENT 'text unless told otherwise',
    order_id String COMMENT 'order it is about; empty: none named',
    intent String COMMENT 'payment_reminder where the sending tool says so; empty: not said',
    partition Int32 COMMENT 'Kafka partition',
    offset Int64 COMMENT 'Kafka offset',
    ingested_at DateTime64(3, 'Asia/Shanghai') COMMENT 'when the sink wrote it'
)
AS SELECT
    shop_id, buyer_id, JSONExtractString(raw, 'data', 'agent_id') AS agent_id, time, source, id,
    JSONExtractString(raw, 'data', 'sender') AS sender,
    if(JSONExtractString(raw, 'data', 'sender') = 'agent', if(JSONExtractString(raw, 'data', 'reply_mode') = '', 'human', JSONExtractString(raw, 'data', 'reply_mode')), '') AS reply_mode,
    JSONExtractString(raw, 'data', 'text') AS text,
    if(JSONExtractString(raw, 'data', 'content_type') = '', 'text', JSONExtractString(raw, 'data', 'content_type')) AS content_type,
    JSONExtractString(raw, 'data', 'order_id') AS order_id,
    JSONExtractString(raw, 'data', 'intent') AS intent,
    partition, offset, ingested_at
FROM raw_events FINAL
WHERE type = 'chat.message'
COMMENT 'chat messages of both sides, each once';

CREATE OR REPLACE VIEW orders
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    order_id String COMMENT 'order',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was placed',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    amount Decimal(18, 2) COMMENT 'amount in CNY',
    quantity Int64 COMMENT 'items ordered, summed over the lines',
    items String COMMENT 'the order''s lines, a JSON list of sku_id, title, quantity, unit_price'
)
AS SELECT
    shop_id, buyer_id, order_id, first.1 AS time, first.3 AS source, first.2 AS id,
    toDecimal64(JSONExtractString(first.4, 'data', 'amount'), 2) AS amount,
    arraySum(item -> JSONExtractInt(item, 'quantity'), JSONExtractArrayRaw(first.4, 'data', 'items')) AS quantity,
    JSONExtractRaw(first.4, 'data', 'items') AS items
FROM
(
    SELECT shop_id, buyer_id, JSONExtractString(raw, 'data', 'order_id') AS order_id,
        argMin((time, id, source, raw), (time, id)) AS first
    FROM raw_events FINAL
    WHERE type = 'order.placed'
    GROUP BY shop_id, buyer_id, order_id
)
COMMENT 'orders placed, each order once';

CREATE OR REPLACE VIEW order_closings
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    order_id String COMMENT 'order',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was closed',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    reason String COMMENT 'buyer_cancelled, timeout or seller_closed'
)
AS SELECT
    shop_id, buyer_id, order_id, first.1 AS time, first.3 AS source, first.2 AS id,
    JSONExtractString(first.4, 'data', 'reason') AS reason
FROM
(
    SELECT shop_id, buyer_id, JSONExtractString(raw, 'data', 'order_id') AS order_id,
        argMin((time, id, source, raw), (time, id)) AS first
    FROM raw_events FINAL
    WHERE type = 'order.closed'
    GROUP BY shop_id, buyer_id, order_id
)
COMMENT 'orders closed unpaid, each order once';

CREATE OR REPLACE VIEW payments
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    payment_id String COMMENT 'payment',
    order_id String COMMENT 'order that was paid',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was paid',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    amount Decimal(18, 2) COMMENT 'amount in CNY'
)
AS SELECT
    shop_id, buyer_id, payment_id, JSONExtractString(first.4, 'data', 'order_id') AS order_id,
    first.1 AS time, first.3 AS source, first.2 AS id,
    toDecimal64(JSONExtractString(first.4, 'data', 'amount'), 2) AS amount
FROM
(
    SELECT shop_id, buyer_id, JSONExtractString(raw, 'data', 'payment_id') AS payment_id,
        argMin((time, id, source, raw), (time, id)) AS first
    FROM raw_events FINAL
    WHERE type = 'payment.succeeded'
    GROUP BY shop_id, buyer_id, payment_id
)
COMMENT 'payments, each once';

CREATE OR REPLACE VIEW refunds
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    refund_id String COMMENT 'refund',
    order_id String COMMENT 'order that was refunded',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was refunded',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    amount Decimal(18, 2) COMMENT 'amount in CNY'
)
AS SELECT
    shop_id, buyer_id, refund_id, JSONExtractString(first.4, 'data', 'order_id') AS order_id,
    first.1 AS time, first.3 AS source, first.2 AS id,
    toDecimal64(JSONExtractString(first.4, 'data', 'amount'), 2) AS amount
FROM
(
    SELECT shop_id, buyer_id, JSONExtractString(raw, 'data', 'refund_id') AS refund_id,
        argMin((time, id, source, raw), (time, id)) AS first
    FROM raw_events FINAL
    WHERE type = 'payment.refunded'
    GROUP BY shop_id, buyer_id, refund_id
)
COMMENT 'refunds, each once';

CREATE OR REPLACE VIEW reviews
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    review_id String COMMENT 'review',
    order_id String COMMENT 'order that was reviewed',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'time of this version',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    type String COMMENT 'review.posted, or review.changed for a later version',
    rating Int32 COMMENT '1 to 5',
    text String COMMENT 'what was written'
)
AS SELECT
    shop_id, buyer_id, JSONExtractString(raw, 'data', 'review_id') AS review_id,
    JSONExtractString(raw, 'data', 'order_id') AS order_id, time, source, id, type,
    JSONExtractInt(raw, 'data', 'rating') AS rating,
    JSONExtractString(raw, 'data', 'text') AS text
FROM raw_events FINAL
WHERE type IN ('review.posted', 'review.changed')
COMMENT 'every version of every review; the latest by (time, id) stands';

CREATE OR REPLACE VIEW commands
(
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    time DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was done',
    source String COMMENT 'CloudEvents source',
    id String COMMENT 'CloudEvents id',
    type String COMMENT 'qc.claimed, qc.verdict_given, call_task.claimed, call_task.call_logged, call_task.resolved or call_task.revisited',
    target_id String COMMENT 'the flag or the task',
    actor String COMMENT 'who did it',
    data String COMMENT 'the payload of the step, JSON'
)
AS SELECT
    shop_id, buyer_id, time, source, id, type,
    if(startsWith(type, 'qc.'), JSONExtractString(raw, 'data', 'flag_id'), JSONExtractString(raw, 'data', 'task_id')) AS target_id,
    JSONExtractString(raw, 'data', 'actor') AS actor,
    JSONExtractRaw(raw, 'data') AS data
FROM raw_events FINAL
WHERE topic = 'audit.commands'
COMMENT 'what people did about flags and call tasks';

CREATE OR REPLACE VIEW agents
(
    shop_id LowCardinality(String) COMMENT 'shop',
    agent_id String COMMENT 'service sub-account',
    name String COMMENT 'the agent''s name',
    team String COMMENT 'the agent''s team',
    role String COMMENT 'presale, aftersale, order_change, reminder, escalation or review_specialist',
    updated_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the latest agent.upserted'
)
AS SELECT shop_id, agent_id, latest.1 AS name, latest.2 AS team, latest.3 AS role, latest.4 AS updated_at
FROM
(
    SELECT shop_id, agent_id, argMax((name, team, role, time), (time, id)) AS latest
    FROM agents_raw
    GROUP BY shop_id, agent_id
)
COMMENT 'agents as they stand: the latest of each by (time, id)';

CREATE OR REPLACE VIEW sale_events
(
    shop_id LowCardinality(String) COMMENT 'shop',
    sale_event_id String COMMENT 'sale event',
    name String COMMENT 'the sale event''s name',
    starts_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the sale event',
    ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment after the sale event',
    teams Array(String) COMMENT 'teams in the PK',
    targets String COMMENT 'hourly targets, JSON as it came',
    pk_basis String COMMENT 'what the PK compares: amount or orders',
    updated_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the latest sale_event.scheduled'
)
AS SELECT
    shop_id, sale_event_id, latest.1 AS name, latest.2 AS starts_at, latest.3 AS ends_at, latest.4 AS teams,
    latest.5 AS targets, latest.6 AS pk_basis, latest.7 AS updated_at
FROM
(
    SELECT shop_id, sale_event_id, argMax((name, starts_at, ends_at, teams, targets, pk_basis, time), (time, id)) AS latest
    FROM sale_events_raw
    GROUP BY shop_id, sale_event_id
)
COMMENT 'sale events as they stand: the latest of each by (time, id)';

CREATE OR REPLACE VIEW rejected
(
    reason String COMMENT 'not_json, unknown_type, invalid, conflict, future, late, wrong_topic, wrong_key, or sink for a record that ClickHouse would not take',
    error String COMMENT 'one line, naming the field',
    raw String COMMENT 'the record''s bytes as UTF-8, or as base64 (see raw_encoding)',
    raw_encoding String COMMENT 'utf-8 or base64',
    topic Nullable(String) COMMENT 'Kafka topic it came from',
    partition Nullable(Int32) COMMENT 'Kafka partition it came from',
    offset Nullable(Int64) COMMENT 'Kafka offset it came from',
    file Nullable(String) COMMENT 'file it came from',
    line Nullable(Int64) COMMENT 'line of that file',
    received_at DateTime64(3, 'Asia/Shanghai') COMMENT 'when the sink wrote it'
)
AS SELECT reason, error, raw, raw_encoding, topic, partition, offset, file, line, received_at
FROM rejected_raw FINAL
COMMENT 'records that are no events of the contract, each once';
