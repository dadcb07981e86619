"""The product's tables on a server, also one that is killed again and again: they hold what the embedded engine holds."""

import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fixtures.named_server import NamedServer
from fixtures.native_process import NativeServerProcess
from fixtures.tcp_proxy import TcpProxy
from worker_harness import sale_events

from benchmarks.clickhouse import ModernClickHouse
from processors.partition import Incoming, Partition
from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.topics import REJECTED
from schemas.types import DAY_MS
from sinks import migrate
from sinks.batch import Batch, insert_batch
from sinks.database import Database, DatabaseUnavailableError, open_database
from sinks.rows import COLUMNS, Record

pytestmark = [pytest.mark.stack, pytest.mark.slow]
KILLS = 6
CUTS = 8


def batches(buyers: int, seed: int, size: int = 300) -> list[Batch]:
    """A sale's source records and what the core makes of them, as a sink would read them."""
    core = Partition(0, default_book(), writer=b"test", horizon_ms=Settings().horizon_days * DAY_MS)
    found = []
    events = sale_events(buyers, seed)
    offset = 0
    for first in range(0, len(events), size):
        batch = Batch()
        source = [(topic, key, value) for topic, key, value in events[first : first + size]]
        core.apply([Incoming(topic, 0, first + n, key, value) for n, (topic, key, value) in enumerate(source)])
        flush = core.flush()
        for topic, key, value in [*source, *flush.outputs, *((REJECTED, None, raw) for raw in flush.rejected)]:
            batch.add(Record(topic, 0, offset, key, value, 1_800_000_000_000))
            offset += 1
        found.append(batch)
    return found


def contents(db: Database) -> dict[str, list[str]]:
    """Every table as the sink's readers see it: rows of one key replaced by the last."""
    return {
        table: sorted(map(repr, db.query(f"SELECT {', '.join(f'`{c}`' for c in columns)} FROM {table} FINAL")))
        for table, columns in COLUMNS.items()
    }


def until_inserted(db: Database, batch: Batch) -> int:
    """Insert as the sink does; returns how often the server was away."""
    failures = 0
    while True:
        try:
            insert_batch(db, batch)
        except DatabaseUnavailableError:
            failures += 1
            time.sleep(0.05)
        else:
            return failures


def undisturbed(tmp_path: Path, work: list[Batch]) -> dict[str, list[str]]:
    db = open_database(Settings(clickhouse="embedded", data_dir=tmp_path / "whole", database="tables"))
    try:
        migrate.up(db)
        for batch in work:
            insert_batch(db, batch)
        return contents(db)
    finally:
        db.close()


def test_tables_of_a_server_whose_line_is_cut(tmp_path: Path, named_server: NamedServer) -> None:
    """In the middle of inserts, and doubled by what is sent again."""
    work = batches(100, 6)
    want = undisturbed(tmp_path, work)
    chance = random.Random(8)
    failures = 0
    with named_server.database() as name, TcpProxy(named_server.port, named_server.host) as proxy:
        url = named_server.url(name, proxy.port)
        db = open_database(Settings(clickhouse="server", clickhouse_url=url))  # type: ignore[arg-type]
        try:
            migrate.up(db)
            for number, batch in enumerate(work):
                if number < CUTS:
                    proxy.cut_after(chance.randrange(60_000))
                failures += until_inserted(db, batch)
            assert failures
            assert contents(db) == want
        finally:
            db.close()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", [ModernClickHouse, NativeServerProcess])
def test_tables_of_a_server_killed_in_its_inserts(
    tmp_path: Path, kind: type[ModernClickHouse | NativeServerProcess]
) -> None:
    work = batches(300, 3)
    want = undisturbed(tmp_path, work)
    for table in ("raw_events", "flags_raw", "call_tasks_raw", "rounds_raw", "window_partials", "leaderboard_partials"):
        assert want[table], table
    assert len(want["rejected_raw"]) == 5
    chance = random.Random(5)
    errors: list[BaseException] = []
    failures = 0

    with kind(tmp_path / "server") as server, TcpProxy(server.port) as proxy:
        url = server.url("tables", proxy.port)
        db = open_database(Settings(clickhouse="server", clickhouse_url=url))  # type: ignore[arg-type]
        migrate.up(db)

        def feed() -> None:
            nonlocal failures
            try:
                for batch in work:
                    failures += until_inserted(db, batch)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=feed)
        proxy.stall_after(chance.randrange(2_000))
        thread.start()
        for kill in range(KILLS):
            while not proxy.stalled:  # in the middle of some statement
                assert thread.is_alive(), errors
                time.sleep(0.01)
            server.kill()
            if kill < KILLS - 1:
                proxy.stall_after(chance.randrange(60_000))
            proxy.resume()
            time.sleep(0.1)
            server.start()
        thread.join(120)
        assert not thread.is_alive()
        assert errors == []
        assert failures >= KILLS
        assert contents(db) == want
        db.close()


def test_contents_differ_where_a_row_is_missing_or_altered(tmp_path: Path) -> None:
    """The comparison above is able to fail."""
    work = batches(20, 4)
    want = undisturbed(tmp_path, work)
    changed: dict[str, Any] = undisturbed(tmp_path / "less", work[:-1])
    assert changed != want
    assert want == undisturbed(tmp_path / "again", work + work)
