"""ClickHouse's rows as a replay's files: what partitions write in any steps, exported, is what a replay in memory says."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from fixtures.named_server import everywhere
from replay_input import scenes

from processors.partition import Incoming, Partition
from processors.ruleset import default_book, parse_rulesets
from replay import export as exporting
from replay.archive.selection import Selection
from replay.export import Export, Span
from replay.files import Line
from replay.memory import EVERYTHING, MemoryReplay
from schemas.settings import Settings
from schemas.topics import REFERENCE, TOPIC_OF_TYPE
from schemas.types import parse_time
from sinks.batch import Batch, insert_batch
from sinks.database import Database, open_database
from sinks.migrate import up
from sinks.rows import Record

pytestmark = [pytest.mark.stack, pytest.mark.slow, everywhere]

PARTITIONS = 3
NEW_YORK = parse_rulesets("""
name: ny
version: '1'
timezone: America/New_York
---
version: '2'
effective_from: 2026-11-11T20:00:00+08:00
response: {cap_ms: 300000}
""")


@pytest.fixture
def db(clickhouse: dict[str, Any], tmp_path: Path) -> Iterator[Database]:
    opened = open_database(Settings(data_dir=tmp_path, **clickhouse))
    up(opened)
    yield opened
    opened.close()


def run_through(db: Database, events: list[dict[str, Any]], book: Any, dice: Random) -> None:
    """What workers and sink do, in steps of random size; between two steps a partition may move to another worker."""
    cores = [Partition(n, book, writer=b"w", horizon_ms=EVERYTHING) for n in range(PARTITIONS)]
    states: list[dict[bytes, bytes]] = [{} for _ in cores]
    offset = 0
    while offset < len(events):
        batch = Batch()
        for event in events[offset : offset + dice.randrange(1, 120)]:
            data, topic, value = event["data"], TOPIC_OF_TYPE[event["type"]], orjson.dumps(event)
            key = f"{data['shop_id']}|{data.get('buyer_id', '')}".encode()
            number = sum(key) % PARTITIONS
            if topic != REFERENCE:
                cores[number].apply([Incoming(topic, number, offset, key, value)])
            batch.add(Record(topic, number, offset, key, value, None))
            offset += 1
        for number, core in enumerate(cores):
            flushed = core.flush()
            for state_key, state in flushed.state:
                if state is None:
                    states[number].pop(state_key, None)
                else:
                    states[number][state_key] = state
            for at, (topic, key, value) in enumerate(flushed.outputs):
                batch.add(Record(topic, number, at, key, value, None))
            assert not flushed.rejected
            if dice.random() < 0.2:
                cores[number] = Partition(number, book, writer=dice.randbytes(4), horizon_ms=EVERYTHING)
                cores[number].restore(states[number].items())
        insert_batch(db, batch)


@pytest.mark.parametrize(
    ("seed", "book", "slice_rows"), [(1, default_book(), 50_000), (2, default_book(), 5), (3, NEW_YORK, 1)]
)
def test_what_partitions_wrote_is_exported_as_a_replay_has_it(
    db: Database, monkeypatch: pytest.MonkeyPatch, seed: int, book: Any, slice_rows: int
) -> None:
    monkeypatch.setattr(exporting, "SLICE_ROWS", slice_rows)
    dice = Random(seed)
    events = scenes(seed, 25)
    dice.shuffle(events)
    replay = MemoryReplay(book)
    for number, event in enumerate(events):
        replay.take(Line("f", number, orjson.dumps(event)))
    outcome = replay.finish(lambda: iter(()))
    assert not outcome.rejected
    run_through(db, events + dice.sample(events, 30), book, dice)

    found = Export(db, book)
    rows = {name: [orjson.dumps(row) for row in rows] for name, rows in found.tables().items()}
    for name, want in outcome.results._asdict().items():
        assert rows[name] == [orjson.dumps(row) for row in want], name
        assert want
    assert found.accepted() == outcome.summary["accepted"]


def test_an_empty_database_has_empty_tables(db: Database) -> None:
    found = Export(db, default_book())
    assert {name: list(rows) for name, rows in found.tables().items()} == {name: [] for name in found.tables()}
    assert found.accepted() == 0


def test_now_and_what_was_accepted_are_those_of_an_archive_of_the_range(db: Database) -> None:
    events = scenes(4, 5)
    run_through(db, events, default_book(), Random(4))
    times = sorted(parse_time(event["time"]) for event in events)
    assert Export(db, default_book()).now == times[-1]
    span = Span(times[3], times[len(times) // 2])
    archived = [e for e in events if Selection(*span).holds(TOPIC_OF_TYPE[e["type"]], parse_time(e["time"]))]
    assert len({TOPIC_OF_TYPE[e["type"]] for e in archived}) > 3, "commands and reference events too"
    before = Export(db, default_book(), span=span)
    assert before.now == max(parse_time(e["time"]) for e in archived)
    assert before.accepted() == len({(e["source"], e["id"]) for e in archived})
