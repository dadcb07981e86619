"""What a partition rejects, forgets and remembers; one case per rule."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sale_strategies import record

from processors.admission import written_at
from processors.calendar import HOUR_MS
from processors.partition import PRUNE_MARGIN_MS, Incoming, Partition
from processors.ruleset import default_book, parse_rulesets
from processors.state import decode_key, encode_gone, encode_key
from processors.windows import percentiles, rounded
from schemas.topics import WINDOWS
from schemas.types import DAY_MS, format_time, parse_time

BOOK = default_book()
T0 = parse_time("2026-11-11T10:00:00+08:00")


def message(number: int, time: int = T0, text: str = "在吗", sender: str = "buyer", **more: Any) -> dict[str, Any]:
    data = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": sender, "text": text, **more}
    return {
        "specversion": "1.0",
        "id": f"m{number}",
        "source": "t",
        "type": "chat.message",
        "time": format_time(time, "Asia/Shanghai"),
        "data": data,
    }


def fresh(horizon_days: int = 35, book: Any = BOOK) -> Partition:
    return Partition(3, book, writer=b"w", horizon_ms=horizon_days * DAY_MS)


def rejected(partition: Partition) -> list[tuple[str, str]]:
    return [(row["reason"], row["error"]) for row in map(orjson.loads, partition.flush().rejected)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": b"{"}, "not_json"),
        ({"value": b"\xff\x00"}, "not_json"),
        ({"key": b"s|other"}, "wrong_key"),
        ({"key": None}, "wrong_key"),
        ({"topic": "commerce.orders"}, "wrong_topic"),
        ({"timestamp_ms": T0 - 3_600_001}, "future"),
    ],
)
def test_a_record_that_is_no_event_is_rejected_with_its_reason_and_origin(change: dict[str, Any], reason: str) -> None:
    partition = fresh()
    incoming = record(message(1), offset=7)._replace(**change)
    partition.apply([incoming])
    flush = partition.flush()
    (row,) = map(orjson.loads, flush.rejected)
    assert (row["reason"], row["topic"], row["partition"], row["offset"]) == (reason, incoming.topic, 0, 7)
    assert not flush.state
    assert not flush.outputs
    if reason == "not_json" and row["raw_encoding"] == "base64":
        assert row["raw"] == "/wA="
    else:
        assert row["raw"].encode() == incoming.value


def test_a_producer_whose_clock_is_ahead_moves_no_clock_and_an_unknown_time_is_now() -> None:
    assert [written_at(stamp, T0) for stamp in (T0 - 1, T0 + 1, None, 0, -1)] == [T0 - 1, T0, T0, T0, T0]


def test_an_hour_ahead_of_the_clock_is_still_accepted() -> None:
    partition = fresh()
    partition.apply([record(message(1))._replace(timestamp_ms=T0 - 3_600_000)])
    assert rejected(partition) == []


def test_the_same_bytes_again_are_a_duplicate_and_other_content_a_conflict() -> None:
    partition = fresh()
    partition.apply([record(message(1)), record(message(1)), record({**message(1), "extension": "ignored"})])
    assert rejected(partition) == []
    partition.apply([record(message(1, text="不一样"))])
    assert [reason for reason, _ in rejected(partition)] == ["conflict"]
    assert partition.facts == 1


def test_a_fact_beyond_the_horizon_is_late_and_one_inside_is_not() -> None:
    partition = fresh(horizon_days=2)
    partition.apply([record(message(1)), record(message(2, T0 - 2 * DAY_MS)), record(message(3, T0 - 2 * DAY_MS - 1))])
    assert [reason for reason, _ in rejected(partition)] == ["late"]
    assert partition.facts == 2


def test_buyers_without_facts_inside_the_horizon_are_forgotten_with_their_state() -> None:
    partition = fresh(horizon_days=2)
    partition.apply([record(message(1))])
    (key,) = [key for key, _ in partition.flush().state]
    late = message(2, T0 + 5 * DAY_MS)
    late["data"]["buyer_id"] = "newer"
    partition.apply([record(late)])
    state = partition.flush().state
    assert (key, None) in state
    assert partition.buyers == 1
    assert all(window.start >= T0 for window in partition.windows)


def keep(state: dict[bytes, bytes], records: list[tuple[bytes, bytes | None]]) -> None:
    """What the topic has after these."""
    for key, value in records:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 30)), min_size=5, max_size=40),
    st.sets(st.integers(0, 39), max_size=4),
)
def test_who_is_forgotten_is_who_has_been_silent_for_long_whatever_the_order(
    steps: list[tuple[str, int]], restarts: set[int]
) -> None:
    partition, newest, now = fresh(horizon_days=2), dict[str, int](), T0
    state: dict[bytes, bytes] = {}
    for number, (buyer, hours) in enumerate(steps):
        now += hours * HOUR_MS + HOUR_MS  # an hour on: every flush looks
        asked, told = (
            message(2 * number, now, buyer_id=buyer),
            message(2 * number + 1, now, "在", "agent", buyer_id=buyer),
        )
        partition.apply([record(asked), record(told)])
        newest[buyer] = now
        keep(state, partition.flush().state)
        if number in restarts:
            partition = fresh(horizon_days=2)
            # of most buyers what is gone comes first, behind the newest fact of all: any order is possible
            gone = [(encode_key("s", one, "gone", b"w"), encode_gone([], [])) for one in newest]
            newest_first = sorted(state.items(), key=lambda item: decode_key(item[0])[1] != buyer)
            partition.restore([newest_first[0], *gone, *newest_first[1:]])
            keep(state, partition.flush().state)
        before = now - 2 * DAY_MS - PRUNE_MARGIN_MS
        newest = {one: time for one, time in newest.items() if time >= before}
        assert {buyer_id for _, buyer_id in partition.buyers_by_id} == newest.keys()
        for starts in ({key.start for key in partition.windows}, {key.hour_start for key in partition.boards}):
            assert all(start // DAY_MS * DAY_MS + DAY_MS > before for start in starts)
        assert any(key.start == now // HOUR_MS * HOUR_MS for key in partition.windows)
        assert any(key.hour_start == now // HOUR_MS * HOUR_MS for key in partition.boards)


def test_sums_are_sent_before_what_they_sum_is_forgotten() -> None:
    partition = fresh(horizon_days=2)
    partition.apply([record(message(0, T0 - HOUR_MS // 2))])
    partition.flush()
    partition.apply([record(message(1)), record(message(2, T0 + 60_000, "在", "agent"))])
    held = partition.flush(sums=False)
    later = T0 + 40 * DAY_MS
    partition.apply([record(message(3, later)), record(message(4, later + 60_000, "在", "agent"))])
    flush = partition.flush(sums=False)
    starts = {
        row["window_start"][:10]
        for topic, _, value in flush.outputs
        if topic == WINDOWS
        for row in [orjson.loads(value)]
    }
    assert WINDOWS not in {topic for topic, _, _ in held.outputs}
    assert starts >= {format_time(moment, "Asia/Shanghai")[:10] for moment in (T0, later)}


def test_only_the_changed_day_of_a_buyer_is_written_again() -> None:
    partition = fresh()
    partition.apply([record(message(1)), record(message(2, T0 + DAY_MS))])
    assert len(partition.flush().state) == 2
    partition.apply([record(message(3, T0 + DAY_MS + 1))])
    assert len(partition.flush().state) == 1


def test_after_a_restore_a_repeated_fact_sends_its_buyers_records_again_once() -> None:
    partition = fresh()
    partition.apply([record(message(1)), record(message(2, T0 + 1000, "不行", "agent"))])
    first = partition.flush()
    again = record(message(2, T0 + 1000, "不行", "agent"))
    partition.apply([again])
    assert partition.flush().outputs == []  # it was sent, and who sent it is still here
    successor = fresh()
    successor.restore([(key, value) for key, value in first.state if value is not None])
    successor.apply([again])
    assert sorted(successor.flush().outputs) == sorted(first.outputs)
    successor.apply([again])
    assert successor.flush().outputs == []


def test_a_known_fact_beyond_the_horizon_is_a_duplicate_and_not_late() -> None:
    partition = fresh(horizon_days=2)
    partition.apply([record(message(1)), record(message(2, T0 + 3 * DAY_MS)), record(message(1))])
    assert rejected(partition) == []


def test_of_two_contents_the_first_in_the_log_counts_live() -> None:
    partition = fresh()
    partition.apply([record(message(1, text="在吗")), record(message(1, T0 - 1, "先来"))])
    assert [reason for reason, _ in rejected(partition)] == ["conflict"]
    (buyer,) = partition.buyers_by_id.values()
    assert [fact.time for fact in buyer.facts.values()] == [T0]


def test_a_busy_day_is_written_in_shards_of_bounded_size() -> None:
    partition = fresh()
    for start in range(0, 2000, 50):
        partition.apply([record(message(n, T0 + n)) for n in range(start, start + 50)])
        state = partition.flush().state
        assert len(state) <= 2
        assert all(len(orjson.loads(value)["facts"]) <= 500 for _, value in state if value is not None)


def test_a_long_thread_sends_only_what_changed() -> None:
    partition = fresh()
    for n in range(0, 600, 2):
        partition.apply(
            [record(message(n, T0 + n * 1000)), record(message(n + 1, T0 + n * 1000 + 500, "好的", "agent"))]
        )
        outputs = partition.flush().outputs
    assert [topic for topic, _, _ in outputs].count("audit.rounds") == 1
    assert len(outputs) < 15


def test_a_text_of_nothing_but_forbidden_words_gives_a_small_flag() -> None:
    partition = fresh()
    partition.apply([record(message(1, T0, "不行," * 50_000, "agent"))])
    flush = partition.flush()
    assert max(len(value) for _, _, value in flush.outputs) < 5000
    assert max(len(value or b"") for _, value in flush.state) < 5000


def test_what_is_gone_is_written_before_the_facts_that_made_it_go() -> None:
    partition = fresh()
    partition.apply(
        [record(message(1, T0)), record(message(2, T0 + 2000, "好", "agent")), record(message(3, T0 + 3000))]
    )
    partition.flush()
    partition.apply([record(message(4, T0 - 1000)), record(message(5, T0 + 2500))])  # 3 opens no round any more
    keys = [key.split(b"\0")[1] for key, _ in partition.flush().state]
    assert keys[0] == b"gone"
    assert len(keys) > 1


def test_a_pruning_torn_by_a_crash_leaves_a_partition_that_runs() -> None:
    partition = fresh(horizon_days=2)
    partition.apply(
        [record(message(1, T0)), record(message(2, T0 + 2000, "好", "agent")), record(message(3, T0 + 3000))]
    )
    partition.apply([record(message(4, T0 - 1000)), record(message(5, T0 + 2500))])
    state = {key: value for key, value in partition.flush().state if value is not None}
    facts_only = {key: value for key, value in state.items() if b"gone" in key}
    successor = fresh(horizon_days=2)
    successor.restore(facts_only.items())
    late = message(9, T0 + 10 * DAY_MS)
    late["data"]["buyer_id"] = "newer"
    successor.apply([record(late)])
    successor.flush()
    assert successor.buyers == 1


def test_a_buyer_with_a_call_under_way_is_not_forgotten() -> None:
    partition = fresh(horizon_days=2)
    review = message(1)
    review |= {"type": "review.posted"}
    review["data"] = {"shop_id": "s", "buyer_id": "b", "review_id": "v", "order_id": "o", "rating": 1, "text": "差"}
    partition.apply([record(review)])
    later = message(2, T0 + 20 * DAY_MS)
    later["data"]["buyer_id"] = "newer"
    partition.apply([record(later)])
    partition.flush()
    assert partition.buyers == 2


def test_a_review_id_used_for_two_orders_is_judged_the_same_in_any_batches() -> None:
    def review(number: int, review_id: str, order: str, text: str, rating: int) -> dict[str, Any]:
        event = message(number, T0 + number)
        event |= {"type": "review.posted"}
        event["data"] = {"shop_id": "s", "buyer_id": "b", "review_id": review_id, "order_id": order}
        event["data"] |= {"rating": rating, "text": text}
        return event

    bad = "质量太差了,很失望,再也不买了"
    sale = [review(1, "v0", "o1", bad, 5), review(2, "v0", "o2", "很好", 5), review(3, "v1", "o1", "不错", 5)]
    at_once, one_by_one = fresh(), fresh()
    at_once.apply([record(event) for event in sale])
    at_once.flush()
    for event in sale:
        one_by_one.apply([record(event)])
        one_by_one.flush()
    (whole,), (parts,) = at_once.buyers_by_id.values(), one_by_one.buyers_by_id.values()
    assert whole.derived.flags == parts.derived.flags == {}


def test_a_ruleset_change_is_judged_by_event_time() -> None:
    book = parse_rulesets(
        "name: x\nversion: '1'\n---\nversion: '2'\neffective_from: 2026-11-11T11:00:00+08:00\n"
        "phrases: {forbidden: [绝对没有]}\n"
    )
    partition = fresh(book=book)
    texts = [(T0, "这个不行"), (T0 + 1, "绝对没有"), (T0 + 3_600_000, "这个不行"), (T0 + 3_600_001, "绝对没有")]
    partition.apply([record(message(n, time, text, "agent")) for n, (time, text) in enumerate(texts)])
    flags = [orjson.loads(value) for topic, _, value in partition.flush().outputs if topic == "audit.flags"]
    assert sorted((flag["message_id"], flag["ruleset"]) for flag in flags) == [("m0", "x@1"), ("m3", "x@2")]


def test_a_window_goes_by_the_rules_of_its_day_as_its_rounds_do() -> None:
    book = parse_rulesets(
        "name: x\nversion: '1'\n---\nversion: '2'\neffective_from: 2026-11-11T10:30:00+08:00\nresponse: {cap_ms: 30000}\n"
    )
    partition = fresh(book=book)
    asked = T0 + 3_600_000  # 11:00, when the second version is half an hour old
    partition.apply([record(message(1, asked, "在吗")), record(message(2, asked + 60_000, "在的", "agent"))])
    outputs = partition.flush().outputs
    rounds = [orjson.loads(value) for topic, _, value in outputs if topic == "audit.rounds"]
    windows = [orjson.loads(value) for topic, _, value in outputs if topic == "audit.windows"]
    assert [(one["ruleset"], one["response_ms"]) for one in rounds] == [("x@1", 60_000)]
    assert {(one["ruleset"], one["response_cap_ms"], one["response_ms_sum"]) for one in windows} == {
        ("x@1", 600_000, 60_000)
    }


def test_a_shop_may_have_rules_of_its_own() -> None:
    book = parse_rulesets("name: x\nversion: '1'\nshops: {s: {phrases: {forbidden: [绝对没有]}}}\n")
    partition = fresh(book=book)
    partition.apply([record(message(1, T0, "这个不行", "agent")), record(message(2, T0 + 1, "绝对没有", "agent"))])
    flags = [orjson.loads(value) for topic, _, value in partition.flush().outputs if topic == "audit.flags"]
    assert [flag["message_id"] for flag in flags] == ["m2"]


def test_whole_seconds_and_the_cap_are_exact_in_percentiles() -> None:
    assert [rounded(value, 600_000) for value in (0, 999, 1234, 12_345, 20_000, 123_456, 599_999, 600_000)] == [
        0,
        999,
        1230,
        12_300,
        20_000,
        123_000,
        600_000,
        600_000,
    ]
    assert all(abs(rounded(v, 600_000) - v) <= v * 0.005 for v in range(0, 600_001, 7))


def test_percentiles_are_nearest_rank() -> None:
    assert percentiles([(10, 1), (20, 1), (30, 2)], 4, 50, 90, 99) == [20, 30, 30]
    assert percentiles([(30, 1), (10, 99)], 100, 99) == [10]


def test_records_of_the_state_topic_can_hold_any_ids() -> None:
    odd = message(1)
    odd["data"] |= {"shop_id": "s|x\0", "buyer_id": 'b"\0|'}
    partition = fresh()
    key = f"{odd['data']['shop_id']}|{odd['data']['buyer_id']}".encode()
    partition.apply([Incoming("chat.messages", 0, 0, key, orjson.dumps(odd))])
    other = fresh()
    other.restore([(k, v) for k, v in partition.flush().state if v is not None])
    assert list(other.buyers_by_id) == [("s|x\0", 'b"\0|')]
