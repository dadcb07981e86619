-- What data engineers read: the names and columns of the contract, section 3.

CREATE OR REPLACE VIEW flags
(
    flag_id String COMMENT 'flag',
    rule LowCardinality(String) COMMENT 'rule that was broken, such as reminder.repeated',
    severity LowCardinality(String) COMMENT 'violation or notice',
    status LowCardinality(String) COMMENT 'raised, or cleared when later facts showed that it does not hold',
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    agent_id LowCardinality(String) COMMENT 'who broke it; for a review the agent its order is attributed to; empty: nobody',
    message_id Nullable(String) COMMENT 'the message, null for a flag on a review',
    review_id Nullable(String) COMMENT 'the review, null for a flag on a message',
    order_ids Array(String) COMMENT 'orders concerned',
    occurred_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the message or review',
    evidence String COMMENT 'what the rule saw, a JSON object',
    in_sale_event Bool COMMENT 'occurred_at lies in a sale event of the shop: starts_at <= t < ends_at',
    qc_status String COMMENT 'quality control: open, claimed, upheld or dismissed',
    qc_actor String COMMENT 'who claimed or judged it; empty: nobody',
    qc_reason String COMMENT 'reason of the verdict',
    qc_score Nullable(Float64) COMMENT 'rubric score, 0 to 100',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset'
)
AS SELECT
    f.flag_id AS flag_id, f.rule AS rule, f.severity AS severity, f.status AS status, f.shop_id AS shop_id,
    f.buyer_id AS buyer_id, f.agent_id AS agent_id, f.message_id AS message_id, f.review_id AS review_id,
    f.order_ids AS order_ids, f.occurred_at AS occurred_at, f.evidence AS evidence,
    CAST(arrayExists(span -> span.1 <= f.occurred_at AND f.occurred_at < span.2, s.spans), 'Bool') AS in_sale_event,
    f.qc_status AS qc_status, f.qc_actor AS qc_actor, f.qc_reason AS qc_reason, f.qc_score AS qc_score,
    f.revision AS revision, f.ruleset AS ruleset
FROM flags_raw AS f FINAL
LEFT JOIN (SELECT shop_id, groupArray((starts_at, ends_at)) AS spans FROM sale_events GROUP BY shop_id) AS s ON s.shop_id = f.shop_id
COMMENT 'rules broken, one row a rule and message or review; both raised and cleared ones';

CREATE OR REPLACE VIEW call_tasks
(
    task_id String COMMENT 'task',
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer to call',
    order_id String COMMENT 'order with the negative review',
    review_ids Array(String) COMMENT 'reviews of that order',
    rating Int32 COMMENT 'worst standing rating of the order''s reviews, 1 to 5',
    category String COMMENT 'what the review complains of',
    priority String COMMENT 'high, normal or low',
    raised_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the first negative review',
    not_before DateTime64(3, 'Asia/Shanghai') COMMENT 'earliest moment to call',
    due_at DateTime64(3, 'Asia/Shanghai') COMMENT 'latest moment to call',
    assigned_role String COMMENT 'role that calls',
    excluded_agent_id String COMMENT 'the agent who served the buyer and must not call; empty: nobody',
    status LowCardinality(String) COMMENT 'open, claimed, called, resolved, revisited or withdrawn',
    claimed_by String COMMENT 'who claimed it; empty: nobody',
    calls UInt32 COMMENT 'calls logged',
    call_again_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when to call again, if agreed',
    outcome String COMMENT 'outcome, such as exchange, refund or wait',
    revisit_due_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'when the revisit call is due: three days after it was resolved',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset'
)
AS SELECT
    task_id, shop_id, buyer_id, order_id, review_ids, rating, category, priority, raised_at, not_before, due_at,
    assigned_role, excluded_agent_id, status, claimed_by, calls, call_again_at, outcome, revisit_due_at, revision, ruleset
FROM call_tasks_raw FINAL
COMMENT 'follow-up calls, one row an order with a negative review';

CREATE OR REPLACE VIEW response_rounds
(
    round_id String COMMENT 'round',
    shop_id LowCardinality(String) COMMENT 'shop',
    buyer_id String COMMENT 'buyer',
    agent_id LowCardinality(String) COMMENT 'service sub-account',
    opened_at DateTime64(3, 'Asia/Shanghai') COMMENT 'time of the buyer''s message that opened it',
    message_id String COMMENT 'the buyer''s message that opened it',
    replied_at Nullable(DateTime64(3, 'Asia/Shanghai')) COMMENT 'time of the effective reply, null while there is none',
    reply_message_id Nullable(String) COMMENT 'the effective reply, null while there is none',
    response_ms Nullable(Int64) COMMENT 'reply minus opening in ms, not capped; null while there is no reply',
    in_platform_hours Bool COMMENT 'opened in 08:00 <= t < 23:00, as the platform counts',
    day_ends_at DateTime64(3, 'Asia/Shanghai') COMMENT 'local midnight at which an open round ends unanswered',
    status LowCardinality(String) COMMENT 'answered; pending while it is open and its day lasts, by the server''s clock; unanswered afterwards',
    revision UInt64 COMMENT 'grows with the facts that the record is computed from; higher replaces lower',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset'
)
AS SELECT
    round_id, shop_id, buyer_id, agent_id, opened_at, message_id, replied_at, reply_message_id, response_ms,
    in_platform_hours, day_ends_at, if(state = 'open', if(now64(3) < day_ends_at, 'pending', 'unanswered'), state) AS status,
    revision, ruleset
FROM (SELECT * EXCEPT (status), status AS state FROM rounds_raw FINAL WHERE status != 'void')
COMMENT 'conversation rounds: a buyer''s message and the first effective reply to it';

CREATE OR REPLACE VIEW response_windows
(
    shop_id LowCardinality(String) COMMENT 'shop',
    agent_id LowCardinality(String) COMMENT 'service sub-account',
    window_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the window',
    window_seconds UInt32 COMMENT 'length of the window in seconds: 300, 3600 or 86400',
    definition LowCardinality(String) COMMENT 'all: every round; platform: as Tmall counts, 08:00 to 23:00, an unanswered round as the cap',
    rounds UInt64 COMMENT 'rounds opened in the window',
    answered UInt64 COMMENT 'of these, answered',
    pending UInt64 COMMENT 'of these, open while their day lasts, by the server''s clock; they count in no average or rate',
    unanswered UInt64 COMMENT 'rounds - answered - pending',
    answered_within_3min UInt64 COMMENT 'rounds answered within 180 000 ms',
    response_ms_sum UInt64 COMMENT 'response of the answered rounds in ms, each capped at 600 000, summed',
    avg_response_ms Nullable(Float64) COMMENT 'all: sum / answered; platform: (sum + cap x unanswered) / (answered + unanswered); ms',
    rate_3min Nullable(Float64) COMMENT 'answered_within_3min / (answered + unanswered), 0 to 1',
    p50_ms Nullable(UInt32) COMMENT 'median response in ms, nearest rank, error <= 0.5 %; platform: unanswered rounds count as the cap',
    p90_ms Nullable(UInt32) COMMENT '90th percentile of the response in ms, like p50_ms',
    p99_ms Nullable(UInt32) COMMENT '99th percentile of the response in ms, like p50_ms',
    first_responses UInt64 COMMENT 'first responses of sessions, in the all rows',
    first_response_ms_sum UInt64 COMMENT 'their sum in ms',
    first_within_10s UInt64 COMMENT 'of these, within 10 s',
    buyers_wrote Nullable(UInt64) COMMENT 'distinct buyers who wrote; day windows only, else null',
    buyers_replied Nullable(UInt64) COMMENT 'distinct buyers who got an effective reply; day windows only, else null',
    revision UInt64 COMMENT 'sum of the shares'' revisions',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset'
)
AS WITH
    summed AS
    (
        SELECT
            shop_id, agent_id, window_start, window_seconds, definition,
            sum(w.rounds) AS n_rounds, sum(w.answered) AS n_answered, sum(w.answered_within_3min) AS n_within,
            sum(w.response_ms_sum) AS ms_sum, sum(w.first_responses) AS n_first, sum(w.first_response_ms_sum) AS first_ms_sum,
            sum(w.first_within_10s) AS n_first_within, sum(w.buyers_wrote) AS n_wrote, sum(w.buyers_replied) AS n_replied,
            max(w.response_cap_ms) AS cap_ms, sumMap(w.histogram) AS responses, sum(w.revision) AS revisions,
            argMax(w.ruleset, (w.revision, w.partition)) AS latest_ruleset,
            if(now64(3) < max(w.day_ends_at), n_rounds - n_answered, 0) AS n_pending,
            n_rounds - n_answered - n_pending AS n_unanswered
        FROM window_partials AS w FINAL
        GROUP BY shop_id, agent_id, window_start, window_seconds, definition
        HAVING n_rounds > 0 OR n_first > 0
    ),
    counted AS
    (
        SELECT *,
            mapSort(if(definition = 'platform' AND n_unanswered > 0, mapAdd(responses, map(toUInt32(cap_ms), toUInt64(n_unanswered))), responses)) AS ranked,
            arrayCumSum(mapValues(ranked)) AS ranks
        FROM summed
    )
SELECT
    shop_id, agent_id, window_start, window_seconds, definition,
    n_rounds AS rounds, n_answered AS answered, n_pending AS pending, n_unanswered AS unanswered,
    n_within AS answered_within_3min, ms_sum AS response_ms_sum,
    if(definition = 'platform',
        if(n_answered + n_unanswered = 0, NULL, (ms_sum + cap_ms * n_unanswered) / (n_answered + n_unanswered)),
        if(n_answered = 0, NULL, ms_sum / n_answered)) AS avg_response_ms,
    if(n_answered + n_unanswered = 0, NULL, n_within / (n_answered + n_unanswered)) AS rate_3min,
    if(empty(ranks), NULL, mapKeys(ranked)[arrayFirstIndex(rank -> rank * 100 >= 50 * ranks[-1], ranks)]) AS p50_ms,
    if(empty(ranks), NULL, mapKeys(ranked)[arrayFirstIndex(rank -> rank * 100 >= 90 * ranks[-1], ranks)]) AS p90_ms,
    if(empty(ranks), NULL, mapKeys(ranked)[arrayFirstIndex(rank -> rank * 100 >= 99 * ranks[-1], ranks)]) AS p99_ms,
    n_first AS first_responses, first_ms_sum AS first_response_ms_sum, n_first_within AS first_within_10s,
    if(window_seconds = 86400, n_wrote, NULL) AS buyers_wrote, if(window_seconds = 86400, n_replied, NULL) AS buyers_replied,
    revisions AS revision, latest_ruleset AS ruleset
FROM counted
COMMENT 'response times by agent and window, in both definitions';

CREATE OR REPLACE VIEW leaderboard_hourly
(
    shop_id LowCardinality(String) COMMENT 'shop',
    hour_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the local hour',
    agent_id LowCardinality(String) COMMENT 'service sub-account; empty: silent, attributed to nobody',
    team String COMMENT 'the agent''s team as it stands; empty: unknown',
    orders_placed UInt64 COMMENT 'orders placed',
    orders_paid UInt64 COMMENT 'orders paid',
    paid_amount Decimal(18, 2) COMMENT 'sum of payments in CNY, not net of refunds',
    items_paid UInt64 COMMENT 'items of the paid orders',
    refunded_amount Decimal(18, 2) COMMENT 'sum of refunds in CNY, in the refund''s hour, for the agent of the payment',
    buyers_served UInt64 COMMENT 'distinct buyers sent at least one effective message',
    buyers_paid UInt64 COMMENT 'distinct buyers who paid',
    rank Nullable(UInt32) COMMENT 'by paid_amount, then orders_paid, both descending; equal in both share it (1, 2, 2, 4); null for the silent row',
    conversion Nullable(Float64) COMMENT 'buyers_paid / buyers_served',
    average_order Nullable(Decimal(18, 2)) COMMENT 'paid_amount / orders_paid in CNY',
    items_per_order Nullable(Float64) COMMENT 'items_paid / orders_paid',
    revision UInt64 COMMENT 'sum of the shares'' revisions',
    ruleset LowCardinality(String) COMMENT 'name@version of the ruleset'
)
AS WITH
    summed AS
    (
        SELECT
            shop_id, hour_start, agent_id,
            sum(p.orders_placed) AS n_placed, sum(p.orders_paid) AS n_paid, sum(p.paid_amount) AS paid,
            sum(p.items_paid) AS n_items, sum(p.refunded_amount) AS refunded, sum(p.buyers_served) AS n_served,
            sum(p.buyers_paid) AS n_buyers, sum(p.revision) AS revisions,
            argMax(p.ruleset, (p.revision, p.partition)) AS latest_ruleset
        FROM leaderboard_partials AS p FINAL
        GROUP BY shop_id, hour_start, agent_id
        HAVING n_placed > 0 OR n_paid > 0 OR paid != 0 OR n_items > 0 OR refunded != 0 OR n_served > 0 OR n_buyers > 0
    ),
    ranked AS
    (
        SELECT *, rank() OVER (PARTITION BY shop_id, hour_start, agent_id = '' ORDER BY paid DESC, n_paid DESC) AS place
        FROM summed
    )
SELECT
    r.shop_id AS shop_id, r.hour_start AS hour_start, r.agent_id AS agent_id, a.team AS team,
    r.n_placed AS orders_placed, r.n_paid AS orders_paid, r.paid AS paid_amount, r.n_items AS items_paid,
    r.refunded AS refunded_amount, r.n_served AS buyers_served, r.n_buyers AS buyers_paid,
    if(r.agent_id = '', NULL, r.place) AS rank,
    if(r.n_served = 0, NULL, r.n_buyers / r.n_served) AS conversion,
    if(r.n_paid = 0, NULL, round(toDecimal128(r.paid, 6) / if(r.n_paid = 0, 1, r.n_paid), 2)) AS average_order,
    if(r.n_paid = 0, NULL, r.n_items / r.n_paid) AS items_per_order,
    r.revisions AS revision, r.latest_ruleset AS ruleset
FROM ranked AS r
LEFT JOIN agents AS a ON a.shop_id = r.shop_id AND a.agent_id = r.agent_id
COMMENT 'hourly leaderboard by agent; rows without any figure are left out';

CREATE OR REPLACE VIEW leaderboard_teams
(
    shop_id LowCardinality(String) COMMENT 'shop',
    hour_start DateTime64(3, 'Asia/Shanghai') COMMENT 'first moment of the local hour',
    team String COMMENT 'team, as its agents stand in it now',
    agents UInt64 COMMENT 'agents of the team with a row in the hour',
    orders_placed UInt64 COMMENT 'orders placed',
    orders_paid UInt64 COMMENT 'orders paid',
    paid_amount Decimal(18, 2) COMMENT 'sum of payments in CNY, not net of refunds',
    items_paid UInt64 COMMENT 'items of the paid orders',
    refunded_amount Decimal(18, 2) COMMENT 'sum of refunds in CNY',
    buyers_served UInt64 COMMENT 'buyers served, summed over the agents: one served by two agents counts twice',
    buyers_paid UInt64 COMMENT 'buyers who paid, summed over the agents',
    rank UInt32 COMMENT 'by paid_amount, then orders_paid, both descending; equal in both share it',
    conversion Nullable(Float64) COMMENT 'buyers_paid / buyers_served',
    average_order Nullable(Decimal(18, 2)) COMMENT 'paid_amount / orders_paid in CNY',
    items_per_order Nullable(Float64) COMMENT 'items_paid / orders_paid'
)
AS WITH
    summed AS
    (
        SELECT
            shop_id, hour_start, team, count() AS n_agents,
            sum(l.orders_placed) AS n_placed, sum(l.orders_paid) AS n_paid, sum(l.paid_amount) AS paid,
            sum(l.items_paid) AS n_items, sum(l.refunded_amount) AS refunded, sum(l.buyers_served) AS n_served,
            sum(l.buyers_paid) AS n_buyers
        FROM leaderboard_hourly AS l
        WHERE team != ''
        GROUP BY shop_id, hour_start, team
    )
SELECT
    shop_id, hour_start, team, n_agents AS agents, n_placed AS orders_placed, n_paid AS orders_paid, paid AS paid_amount,
    n_items AS items_paid, refunded AS refunded_amount, n_served AS buyers_served, n_buyers AS buyers_paid,
    rank() OVER (PARTITION BY shop_id, hour_start ORDER BY paid DESC, n_paid DESC) AS rank,
    if(n_served = 0, NULL, n_buyers / n_served) AS conversion,
    if(n_paid = 0, NULL, round(toDecimal128(paid, 6) / if(n_paid = 0, 1, n_paid), 2)) AS average_order,
    if(n_paid = 0, NULL, n_items / n_paid) AS items_per_order
FROM summed
COMMENT 'hourly leaderboard by team: the agents'' rows summed';
