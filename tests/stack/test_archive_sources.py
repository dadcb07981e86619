"""What the two sources of an archive give: what counted live, and every row whatever its key."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from fixtures.brokers import Tansu
from fixtures.named_server import NamedServer, clickhouse_at
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.sale_strategies import events, record

from deploy import cli
from processors.partition import Incoming, Partition
from processors.ruleset import default_book
from replay.archive.from_clickhouse import ClickHouseSource
from replay.archive.from_kafka import KafkaSource
from replay.archive.manifest import ArchiveOptions, ArchiveRange
from replay.archive.selection import Selection
from replay.archive.writer import ArchivedEvent, ArchivedRejection, write_archive
from replay.files import read_lines
from schemas.events import parse_event
from schemas.rejections import rejection
from schemas.settings import Settings
from schemas.topics import CHAT, FLAGS, REJECTED
from schemas.types import DAY_MS, format_time
from sinks.database import Database, open_database
from sinks.kafka import EventProducer, create_topics
from sinks.migrate import up
from sinks.rows import COLUMNS, Record, rows_of

pytestmark = [pytest.mark.stack, pytest.mark.slow]

NOON = 1_762_833_600_000
NUMBERS = count()
OPTIONS = ArchiveOptions(
    source="kafka", range=ArchiveRange(start=None, end=None), topic_prefix="", database="", part_bytes=2000
)


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Tansu(tmp_path_factory.mktemp("tansu") / "broker.log") as broker:
        yield broker.bootstrap


def outputs(core: Partition) -> dict[tuple[str, bytes], Any]:
    """What the rules make of a partition's facts; when and how often they were counted says nothing."""
    found = {}
    for topic, key, value in core.flush().outputs:
        row = orjson.loads(value)
        if row.get("status") not in ("cleared", "void"):
            found[topic, key] = row
    return found


def core() -> Partition:
    return Partition(0, default_book(), writer=b"test", horizon_ms=35 * DAY_MS)


@given(st.lists(events(), min_size=5, max_size=40))
@settings(max_examples=12, deadline=None)
def test_what_counted_live_counts_in_the_archive(
    bootstrap: str, tmp_path_factory: pytest.TempPathFactory, sale: list[dict[str, Any]]
) -> None:
    """With many conflicts, also between topics; the rejected ones come from the workers' own core."""
    system = Settings(kafka_bootstrap=bootstrap, partitions=1, topic_prefix=f"p{next(NUMBERS)}.")
    create_topics(system)
    producer = EventProducer(system)
    live, offsets, now = core(), Counter[str](), time.time_ns() // 1_000_000
    for event in sale:
        # an id is one of all types here, so that contents on two topics meet
        topic, _, _, key, value, _ = record(event | {"id": event["id"].rpartition("-")[2]})
        producer.submit(topic, key, value)
        live.apply([Incoming(topic, 0, offsets[topic], key, value, now)])
        offsets[topic] += 1
    flushed = live.flush()
    for row in flushed.rejected:
        producer.submit(REJECTED, None, row)
    producer.close()
    out = tmp_path_factory.mktemp("archive") / "a"
    manifest = write_archive(out, OPTIONS, KafkaSource(system, Selection()), [])
    again = core()
    outcomes = Counter(again.add_event(parse_event(line.raw)) for line in read_lines(out))
    assert outcomes["conflict"] == 0
    assert outcomes.total() + len(flushed.rejected) == len(sale)
    assert manifest.counts.rejected == Counter(orjson.loads(row)["reason"] for row in flushed.rejected)
    facts = [{key: buyer.facts for key, buyer in each.buyers_by_id.items() if buyer.facts} for each in (live, again)]
    assert facts[0] == facts[1]
    want = {(t, k): orjson.loads(v) for t, k, v in flushed.outputs}
    assert {key for key, row in want.items() if row.get("status") not in ("cleared", "void")} == outputs(again).keys()


@pytest.fixture(scope="module", params=["embedded", "real"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with clickhouse_at(request.param, request) as clickhouse:
        db = open_database(Settings(data_dir=tmp_path_factory.mktemp("database"), **clickhouse))  # type: ignore[arg-type]
        up(db)
        yield db
        db.close()


def insert(db: Database, table: str, rows: list[tuple[Any, ...]]) -> None:
    db.insert(table, dict(zip(COLUMNS[table], map(list, zip(*rows, strict=True)), strict=True)))


def chat(id_: str, buyer: str, shop: str = "s", source: str = "t", at: int = NOON) -> bytes:
    data = {"shop_id": shop, "buyer_id": buyer, "agent_id": "a", "sender": "buyer", "text": "在"}
    event = {"specversion": "1.0", "id": id_, "source": source, "type": "chat.message", "time": format_time(at)}
    return orjson.dumps(event | {"data": data})


ODD = [
    "a",
    "'",
    "\\",
    "\\'",
    "\t",
    "\n",
    "\\N",
    "\0",
    " ",
    "%s",
    "{x:String}",
    "整",
    "😀",
    "￿",
    "a\u0000",
    "A",
    "-1",
    "0",
]


@pytest.mark.parametrize("command", [("archive", "--source", "clickhouse"), ("export", "--out")])
@pytest.mark.parametrize("state", ["no directory", "no tables", "no database"])
def test_a_database_without_tables_is_named_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    command: tuple[str, ...],
    state: str,
) -> None:
    data, out, name = tmp_path / "data", tmp_path / "out", "sales"
    monkeypatch.setenv("ZHENGDIAN_DATA_DIR", str(data))
    monkeypatch.setenv("ZHENGDIAN_DATABASE", name)
    if state == "no tables":
        open_database(Settings()).close()
    elif state == "no database":
        server: NamedServer = request.getfixturevalue("named_server")
        name = server.unused()
        monkeypatch.setenv("ZHENGDIAN_CLICKHOUSE", "server")
        monkeypatch.setenv("ZHENGDIAN_CLICKHOUSE_URL", server.url(name))
    code = cli.run([*command, str(out)])
    err = capfd.readouterr().err
    assert (code, err.count("\n")) == (1, 1), err
    assert f"database {name} has not the tables it needs; run: zhengdian migrate up" in err
    assert not out.exists()
    assert data.exists() == (state == "no tables")


@pytest.mark.parametrize("page", [1, 3, 100])
def test_pages_end_at_any_key(database: Database, tmp_path: Path, page: int) -> None:
    for table in ("raw_events", "rejected_raw"):
        database.command(f"TRUNCATE TABLE {table}")
    records = [
        Record(CHAT, 0, offset, f"{shop}|{odd}".encode(), chat(odd, odd, shop, odd), NOON)
        for offset, (odd, shop) in enumerate((odd, shop) for odd in ODD for shop in ("s", odd))
    ]
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for each in records:
        for table, row in rows_of(each):
            rows[table].append(row)
    assert len(rows["raw_events"]) == len(records)
    insert(database, "raw_events", rows["raw_events"])
    insert(database, "raw_events", rows["raw_events"][:5])
    found = [rejection("invalid", odd, odd.encode(), file=odd, line=line) for line, odd in enumerate(ODD)]
    found += [rejection("not_json", "x", b"\xff", topic=CHAT, partition=0, offset=offset) for offset in range(5)]
    insert(database, "rejected_raw", [tuple(row[name] for name in COLUMNS["rejected_raw"]) for row in found])
    source = ClickHouseSource(database, Selection(), page, page_bytes=250 * page)
    entries = [entry for entry, _ in source.read({}, None)]
    events = Counter(entry.raw for entry in entries if isinstance(entry, ArchivedEvent))
    assert events == Counter(each.value for each in records)
    aside = [entry.row for entry in entries if isinstance(entry, ArchivedRejection)]
    assert sorted(map(orjson.dumps, aside)) == sorted(map(orjson.dumps, found))
    assert source.size({}) == len(entries)
    # from every position on, what is left comes
    steps = list(source.read({}, None))
    for index, (_, position) in list(enumerate(steps))[::7]:
        assert list(source.read({}, orjson.loads(orjson.dumps(position)))) == steps[index + 1 :]


def test_of_what_was_refused_live_only_the_ranges_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log holds the conflicts of years."""
    raws = [chat("m", "b", at=NOON + at) for at in (-1, 0, 1)]
    rows = [rejection("conflict", "x", raw, topic=CHAT, partition=0, offset=at) for at, raw in enumerate(raws)]
    source = KafkaSource(Settings(), Selection(NOON, NOON + 1))
    monkeypatch.setattr(source, "_records", lambda *_: (SimpleNamespace(value=orjson.dumps(row)) for row in rows))
    held = source._rejected_live(None, {REJECTED: [0]}, {REJECTED: [3]})
    assert {at: list(by_offset) for at, by_offset in held.items()} == {(CHAT, 0): [1]}


def test_few_large_rejected_rows_are_held_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("raw_events", "rejected_raw"):
        database.command(f"TRUNCATE TABLE {table}")
    found = [rejection("not_json", "x", b"%d" % n * 1_000_000, file="a.jsonl", line=n) for n in range(10)]
    insert(database, "rejected_raw", [tuple(row[name] for name in COLUMNS["rejected_raw"]) for row in found])
    held, query = [], database.query

    def counted(*args: Any) -> list[dict[str, Any]]:
        rows = query(*args)
        held.append(sum(len(str(value)) for row in rows for value in row.values()))
        return rows

    monkeypatch.setattr(database, "query", counted)
    entries = [entry for entry, _ in ClickHouseSource(database, Selection(), page_bytes=2_500_000).read({}, None)]
    assert [entry.row for entry in entries if isinstance(entry, ArchivedRejection)] == found
    assert max(held) < 4_000_000


def test_each_reason_of_the_rejected_table(database: Database, tmp_path: Path) -> None:
    """Refused by ClickHouse: an event nevertheless. Late: its event is in raw_events. Of a result: made anew."""
    for table in ("raw_events", "rejected_raw"):
        database.command(f"TRUNCATE TABLE {table}")
    at = {"partition": 0, "offset": 1}
    inside, outside = chat("in", "b", at=NOON), chat("out", "b", at=NOON - DAY_MS)
    found = [
        rejection("sink", "x", inside, topic=CHAT, **at),
        rejection("sink", "x", outside, topic=CHAT, partition=0, offset=2),
        rejection("sink", "x", b"{}", topic=FLAGS, **at),
        rejection("oversize", "x", b"{}", topic=FLAGS, partition=0),
        rejection("late", "x", inside, topic=CHAT, partition=0, offset=3),
        rejection("conflict", "x", inside, topic=CHAT, partition=0, offset=4),
        rejection("conflict", "x", outside, topic=CHAT, partition=0, offset=5),
        rejection("not_json", "x", b"\xff\xfe", file="a.jsonl", line=1),
        rejection("not_json", "x", b"\xff", file="a.jsonl", line=2) | {"raw": "no base64"},
    ]
    insert(database, "rejected_raw", [tuple(row[name] for name in COLUMNS["rejected_raw"]) for row in found])
    chosen = Selection(NOON, NOON + 1)
    entries = [entry for entry, _ in ClickHouseSource(database, chosen).read({}, None) if entry is not None]
    assert [entry for entry in entries if isinstance(entry, ArchivedEvent)] == [
        ArchivedEvent(CHAT, "chat.message", NOON, inside)
    ]
    aside = [entry.row for entry in entries if isinstance(entry, ArchivedRejection)]
    assert sorted(map(orjson.dumps, aside)) == sorted(map(orjson.dumps, (found[5], found[7])))


def test_an_event_that_only_the_worker_took_for_one_of_the_future_is_no_event(database: Database) -> None:
    """The sink was away and read it when its time had come, so it stands among the raw events as well."""
    for table in ("raw_events", "rejected_raw"):
        database.command(f"TRUNCATE TABLE {table}")
    raws = [chat(id_, "b") for id_ in ("future", "other")]
    for offset, raw in enumerate(raws):
        for table, row in rows_of(Record(CHAT, 0, offset, b"s|b", raw, None)):
            insert(database, table, [row])
    refused = rejection("future", "x", raws[0], topic=CHAT, partition=0, offset=0)
    insert(database, "rejected_raw", [tuple(refused[name] for name in COLUMNS["rejected_raw"])])
    entries = [entry for entry, _ in ClickHouseSource(database, Selection()).read({}, None)]
    assert entries == [ArchivedEvent(CHAT, "chat.message", NOON, raws[1]), ArchivedRejection(refused)]


def test_a_row_refused_at_an_offset_of_an_earlier_topic_takes_no_event_out(database: Database) -> None:
    """The topic was made anew: another record stands there now, which counts."""
    for table in ("raw_events", "rejected_raw"):
        database.command(f"TRUNCATE TABLE {table}")
    later = [chat(id_, "b") for id_ in ("later", "last")]
    for offset, raw in enumerate(later):
        for table, row in rows_of(Record(CHAT, 0, offset, b"s|b", raw, None)):
            insert(database, table, [row])
    refused = [
        rejection(reason, "x", chat(reason, "b"), topic=CHAT, partition=0, offset=offset)
        for offset, reason in enumerate(("conflict", "future"))
    ]
    insert(database, "rejected_raw", [tuple(row[name] for name in COLUMNS["rejected_raw"]) for row in refused])
    entries = [entry for entry, _ in ClickHouseSource(database, Selection()).read({}, None)]
    assert {entry.raw for entry in entries if isinstance(entry, ArchivedEvent)} == set(later)
    assert [entry.row for entry in entries if isinstance(entry, ArchivedRejection)] == refused


def test_what_was_refused_at_an_offset_of_an_earlier_topic_says_nothing(bootstrap: str) -> None:
    """The topic was made anew: another record stands there now. What is no rejected record is passed over."""
    system = Settings(kafka_bootstrap=bootstrap, partitions=1, topic_prefix=f"p{next(NUMBERS)}.")
    create_topics(system)
    producer = EventProducer(system)
    earlier, refused, after = (chat(id_, "b") for id_ in ("earlier", "refused", "after"))
    for raw in (after, refused):
        producer.submit(CHAT, b"s|b", raw)
    for offset, raw in enumerate((earlier, refused)):
        row = rejection("conflict", "x", raw, topic=CHAT, partition=0, offset=offset)
        producer.submit(REJECTED, None, orjson.dumps(row))
    for garbage in (
        b"{}",
        b'{"reason":"conflict","topic":"chat.messages"}',
        b"\xff",
        b'{"reason":7,"error":"","raw":""}',
    ):
        producer.submit(REJECTED, None, garbage)
    producer.close()
    source = KafkaSource(system, Selection())
    entries = [entry for entry, _ in source.read(source.plan(), None) if entry is not None]
    assert [entry.raw for entry in entries if isinstance(entry, ArchivedEvent)] == [after]
    aside = [entry.row for entry in entries if isinstance(entry, ArchivedRejection)]
    assert [(row["raw"].encode(), row["offset"]) for row in aside] == [(refused, 1)]
