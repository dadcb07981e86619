"""What the fault suite's comparison of the event tables sees."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from faults.compare import Comparison
from faults.events import Expected, Log, compare_events
from faults.feeding import Sent, sale
from faults.stored import REFERENCE_TABLES, VIEWS

from replay.generator import SaleConfig
from schemas.rejections import rejection
from schemas.topics import CHAT, ORDERS, REFERENCE

SALE = sale(SaleConfig(buyers=20, agents=2, seed=1))
CHATS = [record for record in SALE if record.topic == CHAT][:3]
BAD = Sent(CHAT, b"k", b"no json")


def logged(records: Sequence[Sent]) -> Log:
    return {(record.topic, 0, offset): record for offset, record in enumerate(records)}


def compared(
    log: Sequence[Sent],
    fed: Sequence[Sent],
    rows: Sequence[Any],
    rejected: Sequence[Any],
    directory: Path,
    **tables: Sequence[Any],
) -> Comparison:
    """`tables`: what stands in reference tables and views, nothing by default but the messages that should."""
    expected = Expected(logged(log), set(fed) - {BAD})
    messages = [{"source": row["source"], "id": row["id"]} for row in expected.rows.values()]
    files: dict[str, Sequence[Any]] = {name: [] for name in (*REFERENCE_TABLES, *VIEWS)}
    files |= {
        "raw_events": rows,
        "messages": messages,
        "rejected": rejected,
    }
    files |= tables
    for name, found in files.items():
        (directory / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in found))
    return compare_events(expected, fed, directory, directory)


def stored(log: Sequence[Sent]) -> list[dict[str, Any]]:
    """raw_events as it should be."""
    rows = Expected(logged(log), set(log) - {BAD}).rows.values()
    return [{name: value for name, value in row.items() if name != "event"} for row in rows]


def refused(offset: int, value: bytes = BAD.value or b"") -> dict[str, Any]:
    return rejection("not_json", "e", value, topic=CHAT, partition=0, offset=offset)


def counts(found: Comparison) -> tuple[int, int, int]:
    return len(found.lost), len(found.doubled), len(found.wrong)


def test_what_is_complete_passes(tmp_path: Path) -> None:
    log = [*CHATS, BAD, *CHATS]  # twice is once
    found = compared(log, log, stored(log), [refused(3)], tmp_path)
    assert counts(found) == (0, 0, 0)
    assert found.rows == 3


def test_rows_that_are_missing_too_many_or_altered_show(tmp_path: Path) -> None:
    rows = stored(CHATS)
    assert counts(compared(CHATS, CHATS, rows[1:], [], tmp_path)) == (1, 0, 0)
    assert counts(compared(CHATS, CHATS, [*rows, rows[0]], [], tmp_path)) == (0, 1, 0)
    for column, value in (("sha256", "0"), ("offset", 9), ("time_ms", 0), ("type", "order.placed")):
        altered = [rows[0] | {column: value}, *rows[1:]]
        assert counts(compared(CHATS, CHATS, altered, [], tmp_path)) == (0, 0, 1)
    assert counts(compared(CHATS[:2], CHATS[:2], rows, [], tmp_path)) == (0, 1, 0)


def test_a_log_that_lost_or_invented_records_shows(tmp_path: Path) -> None:
    assert counts(compared(CHATS[:2], CHATS, stored(CHATS[:2]), [], tmp_path)) == (1, 0, 0)
    assert counts(compared([*CHATS, BAD], CHATS, stored(CHATS), [refused(3)], tmp_path)) == (0, 1, 0)


def test_rejected_records_stand_at_their_place_with_their_bytes_once(tmp_path: Path) -> None:
    log = [*CHATS, BAD]
    rows = stored(log)
    assert counts(compared(log, log, rows, [], tmp_path)) == (1, 0, 0)
    assert counts(compared(log, log, rows, [refused(3), refused(3)], tmp_path)) == (0, 1, 0)
    assert counts(compared(log, log, rows, [refused(3, b"other")], tmp_path)) == (0, 0, 1)
    assert counts(compared(log, log, rows, [refused(2)], tmp_path)) == (1, 1, 0)


def test_of_two_contents_the_first_in_the_log_counts(tmp_path: Path) -> None:
    first = CHATS[0]
    other = first._replace(value=orjson.dumps(orjson.loads(first.value or b"") | {"time": "2025-11-11T23:00:00+08:00"}))
    log = [first, other, first]
    assert counts(compared(log, log, stored(log), [refused(1, other.value or b"")], tmp_path)) == (0, 0, 0)
    assert counts(compared(log, log, stored([other]), [refused(1, other.value or b"")], tmp_path)) == (0, 0, 1)


def identity(record: Sent) -> dict[str, Any]:
    event = orjson.loads(record.value or b"")
    return {"source": event["source"], "id": event["id"]}


def events_of(topic: str, kind: str) -> list[Sent]:
    return [r for r in SALE if r.topic == topic and orjson.loads(r.value or b"")["type"] == kind]


def seen(found: Comparison, name: str) -> tuple[int, int, int]:
    """The counts, all of which have to be of that table or view."""
    for texts in found[1:]:
        assert all(text.startswith(f"{name} ") for text in texts), texts
    return counts(found)


def test_events_that_a_view_lacks_or_has_too_many_show(tmp_path: Path) -> None:
    def view(*messages: Sent) -> tuple[int, int, int]:
        rows = [identity(record) for record in messages]
        return seen(compared(CHATS, CHATS, stored(CHATS), [], tmp_path, messages=rows), "messages")

    assert view(*CHATS) == (0, 0, 0)
    assert view(*CHATS[1:]) == (1, 0, 0)
    assert view(*CHATS, CHATS[0]) == (0, 1, 0)
    assert view(*CHATS[1:], CHATS[1]) == (1, 1, 0)
    orders = [identity(CHATS[0])]  # in a view of another type
    found = compared(CHATS, CHATS, stored(CHATS), [], tmp_path, orders=orders)
    assert seen(found, "orders") == (0, 1, 0)


def test_of_two_orders_with_one_order_id_the_view_shows_the_earlier(tmp_path: Path) -> None:
    later = events_of(ORDERS, "order.placed")[0]
    event = orjson.loads(later.value or b"")
    earlier = later._replace(value=orjson.dumps(event | {"id": "other", "time": "2025-01-01T00:00:00+08:00"}))
    log = [later, earlier]  # whichever comes first

    def view(*orders: Sent) -> tuple[int, int, int]:
        rows = [identity(record) for record in orders]
        return seen(compared(log, log, stored(log), [], tmp_path, messages=[], orders=rows), "orders")

    assert view(earlier) == (0, 0, 0)
    assert view(later) == (1, 1, 0)
    assert view(later, earlier) == (0, 1, 0)
    assert view() == (1, 0, 0)


def test_rows_of_a_reference_table_that_are_missing_too_many_or_altered_show(tmp_path: Path) -> None:
    log = events_of(REFERENCE, "agent.upserted")[:2]
    name = "agents_raw"
    _, columns = REFERENCE_TABLES[name]
    rows = [identity(r) | {c: orjson.loads(r.value or b"")["data"][c] for c in columns} for r in log]

    def table(*agents: dict[str, Any]) -> tuple[int, int, int]:
        found = compared(log, log, stored(log), [], tmp_path, messages=[], agents_raw=agents)
        assert found.rows == 2 * len(log)
        return seen(found, name)

    assert table(*rows) == (0, 0, 0)
    assert table(*rows[1:]) == (1, 0, 0)
    assert table(*rows, rows[0]) == (0, 1, 0)
    for column in columns:
        assert table(rows[0] | {column: "other"}, *rows[1:]) == (1, 1, 0)


def test_what_a_producer_sent_again_is_told_apart() -> None:
    log = [BAD, BAD, *CHATS, CHATS[0]]
    assert Expected(logged(log), set(CHATS)).resent([BAD, *CHATS]) == {"no json": 1}
