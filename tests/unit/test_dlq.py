"""Dead letters: the log folded into cases, what is sent again and what is not. The log is a list of records here."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import cli
from deploy.cli_dlq import print_refused
from deploy.dlq_view import history, printable, row, summary
from replay.dlq.cases import Case, Place, ResendEntry, entry_of, fold
from replay.dlq.resend import Outcome, rehearse, send_again
from replay.dlq.resend import refusal as refusal_at
from replay.files import Line
from replay.ingest import rejected_line
from schemas.events import InvalidEventError
from schemas.outputs import Rejected, Resend
from schemas.rejections import rejected_bytes, rejection
from schemas.topics import CHAT, REJECTED
from schemas.types import parse_time
from sinks.kafka import PublishError
from sinks.rows import COLUMNS, Record, UndecodableError, rows_of

NOW = parse_time("2026-11-11T10:00:00+08:00")
PARTITIONS = 3


def message(number: int, at: str = "2026-11-11T09:00:00+08:00") -> bytes:
    data = {"shop_id": "s", "buyer_id": f"b{number}", "agent_id": "a", "sender": "buyer", "text": "在吗"}
    value = {"specversion": "1.0", "id": f"m{number}", "source": "t", "type": "chat.message", "time": at, "data": data}
    return orjson.dumps(value)


@dataclass
class Cluster:
    """Logs by topic and partition, and a worker that rejects what `verdicts` says of a place. It is the producer, too."""

    logs: dict[tuple[str, int], list[tuple[int, bytes]]] = field(default_factory=dict)
    clock: int = NOW
    fail_at: int = 0
    """which call of publish fails, from now on counted"""

    def append(self, topic: str, partition: int, value: bytes) -> Place:
        self.clock += 1
        log = self.logs.setdefault((topic, partition), [])
        log.append((self.clock, value))
        return partition, len(log) - 1

    def publish(self, records: Sequence[tuple[str, bytes | None, bytes]], timeout_seconds: float) -> list[Place]:
        self.fail_at -= 1
        if self.fail_at == 0:
            raise PublishError("broker gone")
        return [
            self.append(topic, sum(key or b"") % PARTITIONS if key else self.clock % PARTITIONS, value)
            for topic, key, value in records
        ]

    def reject(self, place: Place, raw: bytes, reason: str = "conflict", topic: str = CHAT) -> Place:
        """As the worker does: to the partition of the same number."""
        found = rejection(reason, "why", raw, topic=topic, partition=place[0], offset=place[1])
        return self.append(REJECTED, place[0], orjson.dumps(found))

    def raw(self, place: Place) -> bytes:
        return rejected_bytes(Rejected.model_validate_json(self.logs[REJECTED, place[0]][place[1]][1]))

    def entries(self) -> list[Any]:
        return [
            entry_of((partition, offset), at_ms, value)
            for (topic, partition), log in self.logs.items()
            if topic == REJECTED
            for offset, (at_ms, value) in enumerate(log)
        ]

    def cases(self) -> list[Case]:
        return fold(self.entries())

    def send(self, *cases: Case, correction: bytes | None = None) -> list[Outcome]:
        return list(send_again(cases, self, self.raw, correction))


def refusal(case: Case, correction: bytes | None = None, most: int = 3, *, force: bool = False) -> str:
    return refusal_at(case, correction, most, NOW, force=force) or ""


@dataclass
class Truth:
    """What happened to one record."""

    places: set[Place]
    arrival: tuple[Place, bytes]
    rejected: bytes
    """its bytes as they were last rejected"""
    tried: bytes
    """its bytes as they were last tried"""
    attempts: int = 1
    outcome: str = "open"
    last: tuple[Place, bytes] | None = None
    """where the last attempt was sent"""


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["poison", "again", "resend", "mend", "crash", "mend_crash", "reject"]),
        st.integers(0, 50),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(STEPS, st.integers(2, 5), st.randoms(use_true_random=False))
def test_every_history_folds_into_its_cases(steps: list[tuple[str, int, int]], most: int, dice: Any) -> None:
    cluster, truths = Cluster(), []
    for number, (step, pick, stage) in enumerate(steps):
        if step == "poison":
            raw = message(number) if stage > 1 else b"no json %d" % number
            place = cluster.append(CHAT, pick % PARTITIONS, raw)
            truths.append(Truth({cluster.reject(place, raw)}, (place, raw), raw, raw))
            continue
        if not truths:
            continue
        truth = truths[pick % len(truths)]
        if step == "again":  # a restart reads the record once more
            truth.places.add(cluster.reject(*truth.arrival))
            continue
        if step == "reject":  # the worker comes to what was sent
            if truth.last is not None and truth.outcome != "failed_again":
                truth.places.add(cluster.reject(*truth.last))
                truth.outcome, truth.rejected = "failed_again", truth.last[1]
            continue
        case = next(case for case in cluster.cases() if case.place in truth.places)
        correction = message(1000 + number) if step in ("mend", "mend_crash") else None
        unfit = truth.tried != truth.rejected or not truth.rejected.startswith(b"{")
        refused = refusal(case, correction, most, force=True)
        assert bool(refused) == (truth.attempts >= most or (correction is None and unfit)), refused
        if refused:
            continue
        sent_raw = truth.tried if correction is None else correction
        if step not in ("crash", "mend_crash"):
            (outcome,) = cluster.send(case, correction=correction)
            assert outcome.place is not None
            assert cluster.logs[CHAT, outcome.place[0]][outcome.place[1]][1] == sent_raw
            truth.attempts += 1
            truth.outcome, truth.last, truth.tried = "resent", (outcome.place, sent_raw), sent_raw
            continue
        before = {partition: len(log) for (topic, partition), log in cluster.logs.items() if topic == CHAT}
        cluster.fail_at = stage
        with pytest.raises(PublishError):
            cluster.send(case, correction=correction)
        if stage == 1:
            continue  # not even announced
        truth.attempts += 1
        truth.outcome, truth.last, truth.tried = "unsure", None, sent_raw
        if stage == 3:
            (new,) = [
                (partition, offset)
                for (topic, partition), log in cluster.logs.items()
                if topic == CHAT
                for offset in range(before.get(partition, 0), len(log))
            ]
            truth.last = (new, sent_raw)

    entries = cluster.entries()
    dice.shuffle(entries)
    cases = fold(entries)
    assert {frozenset(case.places): case.attempts for case in cases} == {
        frozenset(truth.places): truth.attempts for truth in truths
    }
    assert all(case.attempts <= most for case in cases)
    states = {frozenset(case.places): case.state for case in cases}
    for truth in truths:
        assert states[frozenset(truth.places)] == truth.outcome
    assert [case.arrivals[0].order for case in cases] == sorted(case.arrivals[0].order for case in cases)
    for case in cases:
        assert [attempt.number for attempt in case.resends] == list(range(2, case.attempts + 1))
        assert {event["attempt"] for event in history(case)} == set(range(1, case.attempts + 1))


PLACES = st.tuples(st.integers(0, 1), st.integers(0, 3))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("no"), PLACES, st.sampled_from([CHAT, None])),
            st.tuples(st.just("try"), PLACES, st.one_of(st.none(), st.tuples(st.sampled_from([CHAT, REJECTED]), PLACES, PLACES))),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_rejection_is_lost_whatever_the_log_holds(entries: list[Any]) -> None:
    """Also when entries point at each other or at what is not there."""
    found = []
    rejected = set()
    for number, (kind, place, more) in enumerate(entries):
        at = (number % 2, number // 2)
        if kind == "no":
            raw = rejection("invalid", "why", b"x", topic=more, partition=place[0], offset=place[1])
            rejected.add(at)
        else:
            topic, went, announced = more or (CHAT, (None, None), (None, None))
            raw = Resend(
                case_partition=place[0], case_offset=place[1], case_reason="invalid", attempt=2, corrected=False,
                sha256="2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", topic=topic, partition=went[0],
                offset=went[1], announced_partition=announced[0], announced_offset=announced[1],
            ).model_dump()  # fmt: skip
        found.append(entry_of(at, number, orjson.dumps(raw)))
    listed = [place for case in fold(found) for place in case.places]
    assert sorted(listed) == sorted(rejected)
    assert fold(found[::-1]) == fold(found)


def one(cluster: Cluster, raw: bytes, reason: str = "invalid") -> Case:
    place = cluster.reject(cluster.append(CHAT, 0, raw), raw, reason)
    return next(case for case in cluster.cases() if case.place == place)


def test_what_is_sure_to_fail_is_refused_unless_forced() -> None:
    cluster = Cluster()
    for reason in ("late", "conflict"):
        case = one(cluster, message(1), reason)
        assert reason in refusal(case)
        assert not refusal(case, force=True)
        assert not refusal(case, message(2))
        assert reason in refusal(case, message(1))  # nothing was corrected
    for reason in ("future", "wrong_key", "wrong_topic", "invalid"):
        assert not refusal(one(cluster, message(3), reason))
    assert "oversize" in refusal(one(cluster, message(4), "oversize"), force=True)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"no json", "not_json"),
        (message(1).replace(b"buyer", b"robot", 1), "invalid: data."),
        (message(1, "2026-11-11T10:00:00.001+08:00"), "its time has not come: 2026-11-11T02:00:00.001"),
    ],
)
def test_what_is_no_event_today_is_refused_also_when_forced(raw: bytes, word: str) -> None:
    cluster = Cluster()
    assert word in refusal(one(cluster, raw), force=True)
    good = one(cluster, message(2), "conflict")
    assert word in refusal(good, raw, force=True)
    assert not refusal(good, message(1, "2026-11-11T10:00:00+08:00"))


@pytest.mark.parametrize("fail_at", [0, 3], ids=["resent", "unsure"])
def test_old_bytes_never_go_out_in_place_of_a_correction(fail_at: int) -> None:
    cluster = Cluster(fail_at=fail_at)
    first = one(cluster, message(1), "future")
    with pytest.raises(PublishError) if fail_at else nullcontext():
        cluster.send(first, correction=message(2))
    (case,) = cluster.cases()
    assert case.sent_other(case.current)
    assert refusal(case, force=True) == "attempt 2 was corrected; give the correction again with --file"
    assert not refusal(case, message(2), force=True)
    log = cluster.logs[CHAT, sum(b"s|b2") % PARTITIONS]
    assert log[-1][1] == message(2)
    cluster.reject((sum(b"s|b2") % PARTITIONS, len(log) - 1), message(2), "future")  # its bytes are known now
    (case,) = cluster.cases()
    assert not case.sent_other(case.current)
    assert not refusal(case)
    cluster.send(case)
    assert [value for _, value in log[-2:]] == [message(2), message(2)]


def test_refusals_of_many_records_fill_no_screen(capsys: pytest.CaptureFixture[str]) -> None:
    print_refused({"same": [f"0:{n}" for n in range(5000)]} | {f"why {n}\x1b": [f"1:{n}"] for n in range(5000)})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("0:9 and 4990 more: same")
    assert lines[1] == "refused: 1:0: why 0\\x1b"
    assert len(lines) == 21
    assert "4981 other reasons" in lines[-1]


def test_a_cut_record_is_sent_only_when_corrected() -> None:
    cluster = Cluster()
    value = rejected_line(Line("big.jsonl", 7, b"x" * 1_000_000), InvalidEventError("not_json", "no"))
    cluster.append(REJECTED, 0, value)
    (case,) = cluster.cases()
    assert str(case.current.origin) == "big.jsonl:7"
    assert summary(case)["bytes"] == 1_000_000
    assert "only the first 400000 bytes" in refusal(case, force=True)
    assert not refusal(case, message(1))


def test_what_was_sent_is_not_sent_twice_unless_forced() -> None:
    cluster = Cluster()
    cluster.send(one(cluster, message(1), "future"))
    (case,) = cluster.cases()
    assert case.state == "resent"
    assert "attempt 2 was sent" in refusal(case)
    assert not refusal(case, force=True)
    assert "given up" in refusal(case, None, 2, force=True)


def test_a_rehearsal_says_the_same_and_writes_nothing() -> None:
    cluster = Cluster()
    cases = [one(cluster, message(1), "future"), one(cluster, message(2), "wrong_key")]
    before = {key: list(log) for key, log in cluster.logs.items()}
    rehearsed = list(rehearse(cases, cluster.raw))
    assert cluster.logs == before
    sent = cluster.send(*cases)
    assert rehearsed == [replace(outcome, place=None) for outcome in sent]
    assert [outcome.topic for outcome in sent] == [CHAT, CHAT]


def test_more_than_a_batch_is_sent_in_order() -> None:
    cluster = Cluster()
    for number in range(75):
        raw = message(number)
        cluster.reject((0, number), raw, "future")
    outcomes = cluster.send(*cluster.cases())
    assert [outcome.case.current.origin.offset for outcome in outcomes] == list(range(75))
    assert {case.state for case in cluster.cases()} == {"resent"}


@pytest.mark.parametrize("value", [b"", b"x", b"[]", b"{}", b"null", b'{"kind":"resend"}', b'{"reason":1}',
    orjson.dumps(rejection("invalid", "e", b"\xff") | {"raw": "no base64"})])  # fmt: skip
def test_what_is_no_entry_is_an_error(value: bytes) -> None:
    with pytest.raises(ValueError):
        entry_of((0, 0), 0, value)


def test_a_result_too_large_for_kafka_is_shown_with_its_own_size() -> None:
    cluster = Cluster()
    error = "audit.flags: the record 'f' of 9000000 bytes is more than Kafka takes"
    value = rejection("oversize", error, b"{", topic="audit.flags", partition=0)
    cluster.append(REJECTED, 0, orjson.dumps(value))
    assert summary(cluster.cases()[0])["bytes"] == 9_000_000


@given(st.binary(max_size=80))
def test_bytes_come_back_as_they_were(raw: bytes) -> None:
    found = Rejected.model_validate_json(orjson.dumps(rejection("invalid", "why", raw, file="f", line=1)))
    assert rejected_bytes(found) == raw


@given(st.binary(max_size=300))
def test_a_terminal_is_never_steered(raw: bytes) -> None:
    assert printable(raw).isprintable()
    cluster = Cluster()
    cluster.append(REJECTED, 0, orjson.dumps(rejection("invalid", "e\x1b[2J", raw, file="a\nb", line=1)))
    assert all(cell.isprintable() for cell in row(cluster.cases()[0]))


def resend(**more: Any) -> dict[str, Any]:
    found = Resend(
        case_partition=1, case_offset=2, case_reason="invalid", attempt=2, corrected=True, sha256="ab", topic=CHAT
    )
    return found.model_dump() | more


def test_the_sink_keeps_an_attempt_as_one_row() -> None:
    announced = rows_of(Record(REJECTED, 4, 9, b"resend", orjson.dumps(resend()), 0))
    place = resend(partition=5, offset=6, announced_partition=4, announced_offset=9)
    done = rows_of(Record(REJECTED, 4, 10, b"resend", orjson.dumps(place), 0))
    names = COLUMNS["dlq_resends_raw"]
    assert set(names) == Resend.model_fields.keys() - {"kind"}
    for (table, values), went in zip(announced + done, ((None, None), (5, 6)), strict=True):
        got = dict(zip(names, values, strict=True))
        assert table == "dlq_resends_raw"
        assert (got["announced_partition"], got["announced_offset"]) == (4, 9)
        assert (got["partition"], got["offset"]) == went
    with pytest.raises(UndecodableError):
        rows_of(Record(REJECTED, 4, 9, b"resend", b'{"kind":"resend"}', 0))
    with pytest.raises(UndecodableError):
        rows_of(Record(REJECTED, 4, 9, b"resend", b"[]", 0))


def test_an_entry_knows_its_announcement() -> None:
    entry = entry_of((4, 9), 1, orjson.dumps(resend()))
    assert isinstance(entry, ResendEntry)
    assert entry.announced == (4, 9)
    entry = entry_of((4, 10), 1, orjson.dumps(resend(announced_partition=4, announced_offset=9, partition=0, offset=0)))
    assert isinstance(entry, ResendEntry)
    assert entry.announced == (4, 9)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("show", "0-1"), "'0-1'"),
        (("replay",), "--all"),
        (("replay", "0:1", "--all"), "only one"),
        (("replay", "0:1", "0:2", "--file", "x"), "exactly one"),
        (("replay", "--all", "--file", "x"), "exactly one"),
        (("replay", "0:1", "--file", "none.json"), "none.json"),
        (("list", "--since", "yesterday"), "--since"),
        (("list", "--reason", "nope"), "not_json"),
        (("replay", "--reason", "nope"), "not_json"),
        (("list", "--reason", "sink"), "SELECT * FROM rejected WHERE reason = 'sink'"),
        (("replay", "--reason", "sink"), "SELECT * FROM rejected WHERE reason = 'sink'"),
        (("list", "--topic", "chat.message"), "chat.messages"),
        (("list", "--topic", "reference"), "SELECT * FROM rejected WHERE topic = 'reference'"),
    ],
)
def test_wrong_use_is_named(
    args: tuple[str, ...],
    word: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["dlq", *args]) == 2
    captured = capsys.readouterr()
    assert word in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
