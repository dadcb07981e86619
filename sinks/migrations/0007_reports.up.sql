-- What was announced. Unlike other results these are no function of the facts: they are kept as they were said. Whoever wants to
-- post a report writes the next revision; the first record of a revision in Kafka stands, so that exactly one has it.

CREATE TABLE IF NOT EXISTS reports_raw
(
    report_id String COMMENT 'report; derived from shop, kind and start, by hand also from who asked and when',
    kind LowCardinality(String) COMMENT 'hour or day',
    shop_id LowCardinality(String) COMMENT 'shop',
    timezone LowCardinality(String) COMMENT 'IANA name of the zone in which hours and days are told',
    starts_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the hour or day',
    ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment after it',
    as_of DateTime64(3, 'Asia/Shanghai') COMMENT 'the moment up to which facts count: the end, or earlier when made by hand',
    made_at DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was made',
    made_by String COMMENT 'who asked for it; empty: made on the hour by itself',
    complete Bool COMMENT 'false when results were still on their way as it was made',
    sale_event String COMMENT 'name of the sale event; empty: none',
    pk_basis LowCardinality(String) COMMENT 'what the PK compares: amount or orders',
    paid_amount Decimal(18, 2) COMMENT 'sum of payments in CNY, not net of refunds',
    orders_paid UInt64 COMMENT 'orders paid',
    buyers_served UInt64 COMMENT 'buyers served, summed over agents, and in a day over hours: not distinct',
    buyers_paid UInt64 COMMENT 'buyers who paid, summed likewise',
    silent_amount Decimal(18, 2) COMMENT 'of paid_amount, what no agent is credited with',
    before_amount Nullable(Decimal(18, 2)) COMMENT 'paid_amount of the hour or day before; null without figures',
    target_amount Nullable(Decimal(18, 2)) COMMENT 'target in CNY; null: none',
    target_orders Nullable(UInt64) COMMENT 'target in orders; null: none',
    day_amount Decimal(18, 2) COMMENT 'paid from the day''s begin to as_of',
    day_orders UInt64 COMMENT 'orders paid from the day''s begin to as_of',
    day_target_amount Nullable(Decimal(18, 2)) COMMENT 'the day''s target in CNY; null: none',
    day_target_orders Nullable(UInt64) COMMENT 'the day''s target in orders; null: none',
    teams String COMMENT 'teams in the PK, best first, a JSON array of team, rank, paid_amount, orders_paid',
    stars String COMMENT 'best agents, a JSON array of agent_id, name, team, rank, paid_amount, orders_paid',
    stars_left UInt32 COMMENT 'further agents who share a rank with the last of them',
    post_status LowCardinality(String) COMMENT 'group chats: none, waiting, sending, done, failed, or unknown when whoever sent it died',
    post_by String COMMENT 'the web process that posts it, or did',
    post_after Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when it is to be posted, or posted again',
    post_attempts UInt32 COMMENT 'attempts to post it',
    posted Array(String) COMMENT 'robots that have taken it, by their public name',
    post_error String COMMENT 'why a robot has not',
    revision UInt64 COMMENT 'grows as it is posted; higher replaces lower, of equal ones the first in Kafka counts',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset',
    offset Int64 COMMENT 'Kafka offset: a report''s records share a partition',
    written_at DateTime64(3, 'Asia/Shanghai') DEFAULT now64(3) COMMENT 'when the sink wrote the row',
    precedence UInt64 MATERIALIZED toUInt64(9223372036854775807 - offset) COMMENT 'of rows with one key the highest stays: the first in Kafka'
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (shop_id, report_id, revision)
TTL toDateTime(written_at) + INTERVAL 800 DAY
COMMENT 'reports with all their revisions; the view reports has the latest of each';

CREATE OR REPLACE VIEW reports
(
    report_id String COMMENT 'report; derived from shop, kind and start, by hand also from who asked and when',
    kind LowCardinality(String) COMMENT 'hour or day',
    shop_id LowCardinality(String) COMMENT 'shop',
    timezone LowCardinality(String) COMMENT 'IANA name of the zone in which hours and days are told',
    starts_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the hour or day',
    ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment after it',
    as_of DateTime64(3, 'Asia/Shanghai') COMMENT 'the moment up to which facts count: the end, or earlier when made by hand',
    made_at DateTime64(3, 'Asia/Shanghai') COMMENT 'when it was made',
    made_by String COMMENT 'who asked for it; empty: made on the hour by itself',
    complete Bool COMMENT 'false when results were still on their way as it was made',
    sale_event String COMMENT 'name of the sale event; empty: none',
    pk_basis LowCardinality(String) COMMENT 'what the PK compares: amount or orders',
    paid_amount Decimal(18, 2) COMMENT 'sum of payments in CNY, not net of refunds',
    orders_paid UInt64 COMMENT 'orders paid',
    buyers_served UInt64 COMMENT 'buyers served, summed over agents, and in a day over hours: not distinct',
    buyers_paid UInt64 COMMENT 'buyers who paid, summed likewise',
    silent_amount Decimal(18, 2) COMMENT 'of paid_amount, what no agent is credited with',
    before_amount Nullable(Decimal(18, 2)) COMMENT 'paid_amount of the hour or day before; null without figures',
    target_amount Nullable(Decimal(18, 2)) COMMENT 'target in CNY; null: none',
    target_orders Nullable(UInt64) COMMENT 'target in orders; null: none',
    day_amount Decimal(18, 2) COMMENT 'paid from the day''s begin to as_of',
    day_orders UInt64 COMMENT 'orders paid from the day''s begin to as_of',
    day_target_amount Nullable(Decimal(18, 2)) COMMENT 'the day''s target in CNY; null: none',
    day_target_orders Nullable(UInt64) COMMENT 'the day''s target in orders; null: none',
    teams String COMMENT 'teams in the PK, best first, a JSON array of team, rank, paid_amount, orders_paid',
    stars String COMMENT 'best agents, a JSON array of agent_id, name, team, rank, paid_amount, orders_paid',
    stars_left UInt32 COMMENT 'further agents who share a rank with the last of them',
    post_status LowCardinality(String) COMMENT 'group chats: none, waiting, sending, done, failed, or unknown when whoever sent it died',
    post_by String COMMENT 'the web process that posts it, or did',
    post_after Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when it is to be posted, or posted again',
    post_attempts UInt32 COMMENT 'attempts to post it',
    posted Array(String) COMMENT 'robots that have taken it, by their public name',
    post_error String COMMENT 'why a robot has not',
    revision UInt64 COMMENT 'grows as it is posted; higher replaces lower, of equal ones the first in Kafka counts',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset'
)
AS SELECT
    report_id, kind, shop_id, timezone, starts_at, ends_at, as_of, made_at, made_by, complete, sale_event, pk_basis,
    paid_amount, orders_paid, buyers_served, buyers_paid, silent_amount, before_amount, target_amount,
    target_orders, day_amount, day_orders, day_target_amount, day_target_orders, teams, stars, stars_left,
    post_status, post_by, post_after, post_attempts, posted, post_error, revision, ruleset
FROM reports_raw FINAL
ORDER BY revision DESC
LIMIT 1 BY report_id
COMMENT 'reports on the hour and at the day''s end, as they were announced';
