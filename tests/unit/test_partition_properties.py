"""The core's promises: results depend on the set of events alone, whatever the order, batches, repetition and crashes."""

import random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sale_strategies import MIDNIGHT, NOON, distinct, events, record, sales, sample_command, sample_commands

from processors.leaderboard import BoardSums
from processors.partition import Flush, Incoming, Partition
from processors.reference import Reference
from processors.results import Results, results
from processors.ruleset import RulesetBook, default_book, parse_rulesets
from replay.files import Line
from replay.memory import MemoryReplay
from schemas.types import DAY_MS, format_time

BOOK = default_book()
GAPS = parse_rulesets(
    """
name: gaps
version: "1"
response: {session_gap_ms: 100000}
---
version: "2"
effective_from: 2026-11-11T12:04:59+08:00
response: {session_gap_ms: 10000000}
---
version: "3"
effective_from: 2026-11-12T00:00:00+08:00
response: {session_gap_ms: 50000, first_response_target_ms: 100000}
---
version: "4"
effective_from: 2026-11-12T00:01:00+08:00
response: {session_gap_ms: 10000000}
"""
)
"""rules under which gaps grow, shrink and grow again"""
NOW = 2**61
FOREVER = 2**61
LOOSE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

Sale = list[dict[str, Any]]
sales_with_conflicts = st.lists(events(), min_size=1, max_size=40)


def fresh(writer: bytes = b"w", book: RulesetBook = BOOK) -> Partition:
    return Partition(0, book, writer=writer, horizon_ms=FOREVER)


def rows(partition: Partition) -> Results:
    partition.settle()
    return results(partition.buyers_by_id.values(), partition.windows, partition.boards, Reference(), BOOK, NOW)


def expected(sale: Sale) -> Results:
    partition = fresh()
    for event in sale:
        partition.apply([record(event)])
    return rows(partition)


@given(sales, st.randoms(use_true_random=False))
@settings(LOOSE, max_examples=300)
def test_incremental_batches_in_any_order_equal_one_derivation(sale: Sale, rnd: random.Random) -> None:
    shuffled = sale + rnd.choices(sale, k=len(sale) // 3)
    if rnd.random() < 0.7:
        rnd.shuffle(shuffled)
    else:
        shuffled.sort(key=lambda event: (event["time"], event["id"]))  # mostly the incremental path
    partition = fresh()
    for event in shuffled:
        partition.apply([record(event)])
        if rnd.random() < 0.5:
            partition.flush()
    assert rows(partition) == expected(sale)


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """A message of one buyer at a moment near which the gap changes."""
    moment = draw(
        st.sampled_from([(NOON, s) for s in (0, 119, 298, 310, 700)] + [(MIDNIGHT, s) for s in (-301, 5, 70)])
    )
    data = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": draw(st.sampled_from(["buyer", "agent"]))}
    time = format_time(moment[0] + moment[1] * 1000, "Asia/Shanghai")
    event = {"specversion": "1.0", "source": "test", "type": "chat.message", "time": time, "data": {**data, "text": ""}}
    return {**event, "id": f"m-{time}"}


@given(st.lists(chats(), min_size=3, max_size=8).map(distinct), st.randoms(use_true_random=False))
@settings(LOOSE, max_examples=300)
def test_the_highest_revision_is_of_all_events_where_versions_part_sessions_differently(
    sale: Sale, rnd: random.Random
) -> None:
    def final(events: Sale) -> dict[tuple[str, bytes], dict[str, Any]]:
        log, partition = Log([]), fresh(book=GAPS)
        for event in events:
            partition.apply([record(event)])
            log.send(partition.flush().outputs)
        return log.final()

    shuffled = list(sale)
    rnd.shuffle(shuffled)
    whole = fresh(book=GAPS)
    whole.apply([record(event) for event in sale])
    log = Log([])
    log.send(whole.flush().outputs)
    assert final(shuffled) == log.final()


@given(st.lists(events(), min_size=2, max_size=25), st.randoms(use_true_random=False))
@settings(LOOSE, max_examples=150)
def test_a_replay_settles_conflicting_contents_the_same_in_any_order(sale: Sale, rnd: random.Random) -> None:
    def replayed(lines: list[bytes]) -> tuple[Results, dict[str, Any]]:
        numbered = [Line("f", number, raw) for number, raw in enumerate(lines, 1)]
        run = MemoryReplay(BOOK)
        for line in numbered:
            run.take(line)
        outcome = run.finish(lambda: iter(numbered))
        return outcome.results, outcome.summary

    lines = [orjson.dumps(event) for event in sale]
    shuffled = list(lines)
    rnd.shuffle(shuffled)
    assert replayed(shuffled) == replayed(lines)


class Log:
    """What Kafka would hold: per topic the records in order, the compacted state, and the outputs in order."""

    def __init__(self, sale: Sale) -> None:
        self.topics: dict[str, list[Incoming]] = {}
        for event in sale:
            incoming = record(event)
            topic = self.topics.setdefault(incoming.topic, [])
            topic.append(incoming._replace(offset=len(topic)))
        self.committed = dict.fromkeys(self.topics, 0)
        self.state: dict[bytes, bytes] = {}
        self.copied: dict[bytes, bytes] = {}
        """the state as a local copy has it: of some time ago"""
        self.since: dict[bytes, bytes | None] = {}
        """what was written later"""
        self.outputs: list[tuple[str, bytes, dict[str, Any]]] = []

    def write_state(self, flush: Flush) -> None:
        self.since.update(flush.state)
        for key, value in flush.state:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def copy(self) -> None:
        self.copied, self.since = dict(self.state), {}

    def restore(self, partition: Partition, rnd: random.Random) -> None:
        """In parts of any size; where nothing was taken back since, first the copy, then what came later."""
        later = {key: value for key, value in self.since.items() if value is not None}
        for records in [self.copied, later] if len(later) == len(self.since) else [self.state]:
            left = list(records.items())
            rnd.shuffle(left)
            while left:
                size = rnd.randint(1, len(left))
                partition.restore(left[:size])
                del left[:size]

    def send(self, outputs: list[tuple[str, bytes, bytes]]) -> None:
        self.outputs += [(topic, key, orjson.loads(value)) for topic, key, value in outputs]

    def final(self) -> dict[tuple[str, bytes], dict[str, Any]]:
        """Per key the highest revision; of equal ones the later in the log."""
        best: dict[tuple[str, bytes], dict[str, Any]] = {}
        for topic, key, value in self.outputs:
            known = best.get((topic, key))
            if known is None or value["revision"] >= known["revision"]:
                best[topic, key] = value
        return {
            key: value
            for key, value in best.items()
            if value.get("status") not in ("void", "cleared") and _has_figures(value)
        }


def _has_figures(value: dict[str, Any]) -> bool:
    """A partial that is all zero shows no row."""
    if "partition" not in value:
        return True
    plain = {k: v for k, v in value.items() if k not in ("partition", "revision", "window_seconds", "response_cap_ms")}
    amounts = (value.get("paid_amount", "0.00"), value.get("refunded_amount", "0.00"))
    return any(isinstance(v, int) and v for v in plain.values()) or amounts.count("0.00") < 2


def run(log: Log, rnd: random.Random, crashes: int) -> None:
    """Workers one after another: each reads from the committed offsets in an interleaving of its own, and may die
    before, between and after the writes of a flush."""
    for life in range(crashes + 1):
        partition = fresh(writer=b"w%d" % life)
        log.restore(partition, rnd)
        if rnd.random() < 0.5:
            log.copy()
        position = dict(log.committed)
        dies = life < crashes
        while any(position[topic] < len(records) for topic, records in log.topics.items()):
            for _ in range(rnd.randint(1, 3)):
                topic = rnd.choice([t for t, r in log.topics.items() if position[t] <= len(r)])
                take = rnd.randint(1, 8)
                batch = log.topics[topic][position[topic] : position[topic] + take]
                partition.apply(batch)
                position[topic] += len(batch)
            sums = rnd.random() < 0.5
            flush = partition.flush(sums=sums)
            if dies and rnd.random() < 0.2:
                break  # before anything was written
            if dies and rnd.random() < 0.2:
                log.write_state(flush._replace(state=flush.state[: rnd.randint(0, len(flush.state))]))
                break  # in the middle of the state
            log.write_state(flush)
            if rnd.random() < 0.3:
                log.copy()
            if dies and rnd.random() < 0.2:
                log.send(flush.outputs[: rnd.randint(0, len(flush.outputs))])
                break  # in the middle of the outputs
            log.send(flush.outputs)
            if dies and rnd.random() < 0.2:
                break  # before the commit
            if sums:
                log.committed = dict(position)
        else:
            log.send(partition.flush().outputs)
            log.committed = dict(position)


@given(sales_with_conflicts, st.randoms(use_true_random=False), st.integers(0, 3))
@settings(LOOSE, max_examples=400)
def test_crashes_at_every_boundary_leave_the_outputs_of_an_undisturbed_run(
    sale: Sale, rnd: random.Random, crashes: int
) -> None:
    disturbed, undisturbed = Log(sale), Log(sale)
    run(undisturbed, random.Random(0), crashes=0)
    run(disturbed, rnd, crashes)
    assert disturbed.final() == undisturbed.final()


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(sales_with_conflicts, st.randoms(use_true_random=False), st.integers(1, 6))
@settings(LOOSE, max_examples=5000)
def test_crashes_at_every_boundary_at_length(sale: Sale, rnd: random.Random, crashes: int) -> None:
    disturbed, undisturbed = Log(sale), Log(sale)
    run(undisturbed, random.Random(0), crashes=0)
    run(disturbed, rnd, crashes)
    assert disturbed.final() == undisturbed.final()


@given(sales, st.randoms(use_true_random=False))
@settings(LOOSE, max_examples=150)
def test_outputs_are_the_rows_of_a_replay(sale: Sale, rnd: random.Random) -> None:
    log = Log(sale)
    run(log, rnd, crashes=0)
    final = log.final()
    want = expected(sale)
    flags = sorted(v["flag_id"] for (topic, _), v in final.items() if topic == "audit.flags")
    assert flags == sorted(row["flag_id"] for row in want.flags)
    rounds = {v["round_id"]: v["revision"] for (topic, _), v in final.items() if topic == "audit.rounds"}
    assert rounds == {row["round_id"]: row["revision"] for row in want.response_rounds}
    tasks = {v["task_id"]: v for (topic, _), v in final.items() if topic == "audit.call_tasks"}
    assert tasks == {row["task_id"]: row for row in want.call_tasks}
    same = ("rounds", "answered", "response_ms_sum", "first_responses", "first_response_ms_sum", "revision")
    windows = sorted(
        (v["agent_id"], v["window_start"], v["window_seconds"], v["definition"], *(v[figure] for figure in same))
        for (topic, _), v in final.items()
        if topic == "audit.windows" and (v["rounds"] or v["first_responses"])
    )
    assert windows == sorted(
        (r["agent_id"], r["window_start"], r["window_seconds"], r["definition"], *(r[figure] for figure in same))
        for r in want.response_windows
    )
    figures = ("hour_start", "agent_id", "revision", *BoardSums.ROW)
    boards = [tuple(v[f] for f in figures) for (topic, _), v in final.items() if topic == "audit.leaderboard"]
    assert sorted(boards) == sorted(tuple(row[f] for f in figures) for row in want.leaderboard_hourly)


def test_state_restored_by_another_writer_is_the_same_state() -> None:
    sale = _fixed_sale()
    log = Log(sale)
    run(log, random.Random(1), crashes=0)
    other = fresh(writer=b"other")
    other.restore(log.state.items())
    assert rows(other) == expected(sale)
    assert other.flush() == Flush([], [], [])


@given(sales_with_conflicts, st.randoms(use_true_random=False), st.integers(0, 2))
@settings(LOOSE, max_examples=200)
def test_a_restore_in_parts_is_a_restore_of_all_at_once(sale: Sale, rnd: random.Random, crashes: int) -> None:
    log = Log(sale)
    run(log, rnd, crashes)
    whole, parts = fresh(writer=b"x"), fresh(writer=b"x")
    whole.restore(log.state.items())
    log.restore(parts, rnd)
    assert rows(parts) == rows(whole)
    assert (parts.facts, parts.buyers, parts.windows, parts.boards) == (
        whole.facts,
        whole.buyers,
        whole.windows,
        whole.boards,
    )
    assert parts.flush() == whole.flush() == Flush([], [], [])


def _fixed_sale() -> Sale:
    rnd = random.Random(5)
    texts = ["在吗", "还没有付款哦", "马上付款", "这个不行"]
    sale: Sale = []
    for number in range(60):
        sender = rnd.choice(["buyer", "agent"])
        data = {
            "shop_id": "s",
            "buyer_id": f"b{number % 3}",
            "agent_id": "a1",
            "sender": sender,
            "text": rnd.choice(texts),
        }
        time = f"2026-11-11T10:{number:02d}:00+08:00"
        sale.append(
            {
                "specversion": "1.0",
                "id": f"m{number}",
                "source": "t",
                "type": "chat.message",
                "time": time,
                "data": data,
            }
        )
    return sale


@given(sales, st.lists(sample_commands, min_size=1, max_size=12).map(distinct), st.randoms(use_true_random=False))
@settings(LOOSE, max_examples=200)
def test_what_reviewers_do_about_the_sample_changes_no_result_and_rejects_nothing(
    sale: Sale, commands: Sale, rnd: random.Random
) -> None:
    mixed = sale + commands
    rnd.shuffle(mixed)
    log, partition = Log([]), fresh()
    for event in mixed:
        partition.apply([record(event)])
        flush = partition.flush()
        log.send(flush.outputs)
        assert flush.rejected == []
    without = Log([])
    alone = fresh()
    alone.apply([record(event) for event in sale])
    without.send(alone.flush().outputs)
    assert log.final() == without.final()
    assert rows(partition) == expected(sale)


def test_what_reviewers_did_about_the_sample_is_forgotten_beyond_the_horizon() -> None:
    partition = Partition(0, BOOK, writer=b"w", horizon_ms=2 * DAY_MS)
    event = sample_command("s-20261111-0000000000000000", NOON)
    partition.apply([record(event)])
    state = [key for key, value in partition.flush().state if value is not None]
    assert (len(state), partition.facts) == (1, 1)
    later = sample_command("s-20261116-0000000000000000", NOON + 5 * DAY_MS)
    later["data"]["buyer_id"] = "another"
    partition.apply([record(later)])
    assert set(state) <= {key for key, value in partition.flush().state if value is None}
    assert (partition.buyers, partition.facts) == (1, 1)
