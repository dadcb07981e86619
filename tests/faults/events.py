"""The event tables and the rejected records' origins against the log itself: what was confirmed is in Kafka, what is in
Kafka is in `raw_events` or rejected at its place, and nothing else is."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from fixtures.records import Origin, read_records

from schemas.outputs import Rejected
from schemas.rejections import rejected_bytes, rejection
from schemas.settings import Settings
from schemas.topics import REFERENCE, TOPICS

from .compare import Comparison, read
from .feeding import Sent
from .stored import REFERENCE_TABLES, VIEWS

EVENT_TOPICS = tuple(topic.name for topic in TOPICS if topic.kind in ("source", "reference", "command"))

Log = dict[Origin, Sent]
Row = dict[str, Any]


def read_log(settings: Settings) -> Log:
    """All records of the topics that events come in by, in the order of each partition."""
    return {o: Sent(o[0], key, value) for o, (key, value) in read_records(settings, EVENT_TOPICS).items()}


def accepted(lines: Sequence[Sent], replayed: Path) -> set[Sent]:
    """The records that the replay of those lines took, and those that lost to another content under their id: live the
    first in the log counts, be it the other one."""
    refused = {row["line"] for row in read(replayed, "rejected") if row["reason"] != "conflict"}
    return {record for number, record in enumerate(lines, start=1) if number not in refused}


class Expected:
    """What a log has to have become, once it is known which of its records are events."""

    def __init__(self, log: Log, events: set[Sent]) -> None:
        self.log = log
        self.rows: dict[tuple[str, ...], Row] = {}
        """raw_events, each with the event itself as `event`"""
        self.refused: dict[Origin, bytes] = {}
        for origin, record in sorted(log.items()):
            if record not in events:
                self.refused[origin] = record.value or b""
                continue
            row = _row(origin, record)
            first = self.rows.setdefault(_key(row), row)
            if first["sha256"] != row["sha256"] and record.topic != REFERENCE:
                self.refused[origin] = record.value or b""

    def resent(self, fed: Iterable[Sent]) -> Counter[str]:
        """Rejected records, as they are kept, that stand in the log more often than they were fed: a producer that gets
        no answer sends again."""
        there = Counter(kept(value) for value in self.refused.values())
        return there - Counter(kept(record.value) for record in fed)


def compare_events(expected: Expected, fed: Iterable[Sent], stored: Path, live: Path) -> Comparison:
    """What was fed with the log, and the log with the event tables and the origins of what is rejected."""
    logged, sent = Counter(expected.log.values()), Counter(fed)
    lost = [f"not in the log: {record}"[:500] for record in sent - logged]
    doubled = [f"in the log, though never fed: {record}"[:500] for record in logged if record not in sent]
    found = Comparison(0, lost, doubled, [])
    _raw_events(found, expected, read(stored, "raw_events"))
    rows = len(expected.rows) + _reference(found, expected, stored)
    _views(found, expected, stored)
    _origins(found, expected, live)
    return found._replace(rows=rows)


def _raw_events(found: Comparison, expected: Expected, stored: list[Row]) -> None:
    seen: set[tuple[str, ...]] = set()
    for row in stored:
        key = _key(row)
        want = expected.rows.get(key)
        if want is None or key in seen:
            found.doubled.append(f"raw_events {row}")
        elif row | {"event": want["event"]} != want:
            found.wrong.append(f"raw_events {row} instead of {want}")
        seen.add(key)
    found.lost.extend(f"raw_events {row}" for key, row in expected.rows.items() if key not in seen)


def _reference(found: Comparison, expected: Expected, stored: Path) -> int:
    rows = 0
    for table, (kind, columns) in REFERENCE_TABLES.items():
        events = [row["event"] for row in expected.rows.values() if row["type"] == kind]
        want = Counter(_text({c: e["data"][c] for c in columns} | _identity(e)) for e in events)
        _differ(found, table, want, Counter(map(_text, read(stored, table))))
        rows += len(events)
    return rows


def _views(found: Comparison, expected: Expected, stored: Path) -> None:
    by_type: dict[str, list[Row]] = {}
    for row in expected.rows.values():
        by_type.setdefault(row["type"], []).append(row)
    for view, (types, field) in VIEWS.items():
        shown: dict[Any, Row] = {}
        rows = [row for kind in types for row in by_type.get(kind, ())]
        for row in sorted(rows, key=lambda row: (row["time_ms"], row["id"])):
            once = (row["shop_id"], row["buyer_id"], row["event"]["data"][field]) if field else _key(row)
            shown.setdefault(once, row)
        want = Counter(_text(_identity(row)) for row in shown.values())
        _differ(found, view, want, Counter(map(_text, read(stored, view))))


def _origins(found: Comparison, expected: Expected, live: Path) -> None:
    """Each rejected record once, at the place where it stands, with the bytes that stand there."""
    seen: set[Origin] = set()
    for row in read(live, "rejected"):
        origin = (row["topic"], row["partition"], row["offset"])
        value = expected.refused.get(origin)
        if value is None or origin in seen:
            found.doubled.append(f"rejected {row}"[:500])
        elif rejected_bytes(Rejected.model_validate(row)) != value:
            found.wrong.append(f"rejected {row} instead of {value!r}"[:500])
        seen.add(origin)
    found.lost.extend(f"rejected {origin}" for origin in expected.refused if origin not in seen)


def _differ(found: Comparison, name: str, want: Counter[str], got: Counter[str]) -> None:
    found.lost.extend(f"{name} {text}" for text in (want - got).elements())
    found.doubled.extend(f"{name} {text}" for text in (got - want).elements())


def _row(origin: Origin, record: Sent) -> Row:
    value = record.value or b""
    event = orjson.loads(value)
    topic, partition, offset = origin
    return {
        "shop_id": event["data"]["shop_id"],
        "buyer_id": event["data"].get("buyer_id", ""),
        "source": event["source"],
        "id": event["id"],
        "type": event["type"],
        "time_ms": round(datetime.fromisoformat(event["time"]).timestamp() * 1000),
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "sha256": sha256(value).hexdigest(),
        "event": event,
    }


def _key(row: Row) -> tuple[str, ...]:
    """What raw_events has once."""
    return row["shop_id"], row["buyer_id"], row["source"], row["id"]


def _identity(row: Row) -> Row:
    return {"source": row["source"], "id": row["id"]}


def _text(row: Row) -> str:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode()


def kept(value: bytes | None) -> str:
    """A record's bytes as a rejected record has them."""
    return str(rejection("", "", value or b"")["raw"])
