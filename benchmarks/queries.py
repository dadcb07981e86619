"""What the pages ask ClickHouse, by the read models that ask it for them, over tables of years: in process, and a server.

Tables are filled, asked and dropped one by one, so that the disk holds one of them. The files are in the system's cache when
they have just been written or asked: a cold start is not measured.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks import world
from benchmarks.clickhouse import ModernClickHouse
from benchmarks.parts import cpu_seconds, forget_peak
from benchmarks.peers.job import rss_mb
from benchmarks.sheets import percentile
from processors.periods import Period
from processors.ruleset import default_book
from schemas.types import DAY_MS
from sinks import migrate
from sinks.database import Database
from sinks.embedded import EmbeddedDatabase
from sinks.floor_model import FloorModel
from sinks.named_queries import named_queries
from sinks.read_model import ReadModel
from sinks.scorecard_model import ScorecardModel
from sinks.server import ServerDatabase

ENOUGH_SECONDS: Final = 15.0
"""A question that takes longer in all is asked no more, though fewer than `runs` times"""
LEAST_RUNS: Final = 3
EMBEDDED: Final = "chDB"
SERVER: Final = "server"
_NAME: Final = "zhengdian"
_QUEUE: Final = {"qc_status": "open"}
_MERGE_SECONDS: Final = 900.0
_WAIT_MS: Final = 30 * 60_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to one engine: how long each answer took, in ms, by ascending length, and how many rows it had at most."""

    engine: str
    table: str
    rows: int
    """in the table as it is filled; a share of them twice"""
    megabytes: float
    """of the table on disk"""
    what: str
    milliseconds: list[float]
    answer_rows: int
    cpu_ms: float
    """of an answer on average, by who asks and by ClickHouse"""
    peak_mb: float
    """the most memory of ClickHouse's process meanwhile; in process who asks is in it"""
    load: float
    """what the machine had to do, the load average of the last minute"""

    def percentile(self, share: int) -> float:
        """By nearest rank."""
        return percentile(self.milliseconds, share)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: `random` chooses shops and moments, `now` is the newest row's, in ms."""

    db: Database
    now: int
    random: Random

    @property
    def shop(self) -> str:
        return f"shop-{self.random.randrange(world.SHOPS)}"

    @property
    def agent(self) -> str:
        return f"agent-{self.random.randrange(world.AGENTS)}"

    @property
    def past(self) -> int:
        """A moment of the last 30 days."""
        return self.now - self.random.randrange(30 * DAY_MS)

    @property
    def read(self) -> ReadModel:
        return ReadModel(self.db)

    @property
    def cards(self) -> ScorecardModel:
        return ScorecardModel(self.db)

    @property
    def month(self) -> Period:
        """The last 30 days, whatever the calendar says."""
        first, last = (datetime.fromtimestamp((self.now - back) / 1000, UTC).date() for back in (30 * DAY_MS, 0))
        return Period("month", first, last, self.now - 30 * DAY_MS, self.now)

    @property
    def floor(self) -> FloorModel:
        return FloorModel(self.db)

    def named(self, name: str, **parameters: Any) -> Sequence[Any]:
        """A query of the SQL page; moments in ms."""
        moments = {
            key: datetime.fromtimestamp(value / 1000, UTC)
            for key, value in parameters.items()
            if isinstance(value, int)
        }
        return named_queries()[name].run(self.db, parameters | moments)


def _counted(asker: Asker, filters: Mapping[str, str], from_ms: int | None = None) -> Sequence[Any]:
    return [row for rows in asker.read.review_counts(filters, from_ms, None) for row in rows]


OF_LAST_HOURS: Final = frozenset({"rounds_raw", "window_partials"})
"""Tables whose older rows no page asks for"""
WITHOUT_ROWS: Final = frozenset({"coaching words of 30 days, an agent"})
"""Questions without an answer here, as it would be made of events, which these databases have not: their share of flags."""
Question = Callable[[Asker], Sequence[Any]]
QUESTIONS: Final[Mapping[str, Mapping[str, Question]]] = {
    "leaderboard_partials": {
        "leaderboard, this hour, a shop": lambda a: a.read.leaderboard(a.now, a.shop),
        "leaderboard, this hour, all shops": lambda a: a.read.leaderboard(a.now),
        "leaderboard, a past hour, a shop": lambda a: a.read.leaderboard(a.past, a.shop),
        "leaderboard, a day by hours, a shop": lambda a: a.read.hour_totals((m := a.past) - DAY_MS, m, a.shop),
        "leaderboard, a day by hours, all shops": lambda a: a.read.hour_totals((m := a.past) - DAY_MS, m),
        "SQL page, leaderboard of an hour": lambda a: a.named(
            "best_agents", shop_id=a.shop, hour_start=a.past // world.HOUR_MS * world.HOUR_MS
        ),
        "the latest hour, a shop": lambda a: [a.read.latest_hour(a.shop)],
        "the latest hour, all shops": lambda a: [a.read.latest_hour()],
    },
    "flags_raw": {
        "QC queue, a shop": lambda a: a.read.review_queue(_QUEUE | {"shop_id": a.shop}, 51),
        "QC queue, a shop and an agent": lambda a: a.read.review_queue(
            _QUEUE | {"shop_id": a.shop, "agent_id": a.agent}, 51
        ),
        "QC queue, a shop, the last 7 days": lambda a: a.read.review_queue(
            _QUEUE | {"shop_id": a.shop}, 51, from_ms=a.now - 7 * DAY_MS
        ),
        "QC queue, all shops": lambda a: a.read.review_queue(_QUEUE, 51),
        "QC queue, all shops, a rule, the last 7 days": lambda a: a.read.review_queue(
            _QUEUE | {"rule": "reminder.repeated"}, 51, from_ms=a.now - 7 * DAY_MS
        ),
        "QC queue, all shops, an agent": lambda a: a.read.review_queue(_QUEUE | {"agent_id": a.agent}, 51),
        "QC counts, a shop": lambda a: _counted(a, _QUEUE | {"shop_id": a.shop}),
        "QC counts, all shops": lambda a: _counted(a, _QUEUE),
        "QC counts, all shops, the last 30 days": lambda a: _counted(a, _QUEUE, a.now - 30 * DAY_MS),
        "flags of a day, a shop": lambda a: a.read.flag_buckets(a.now - DAY_MS, a.now + 1, a.shop),
        "flags of a day, all shops": lambda a: a.read.flag_buckets(a.now - DAY_MS, a.now + 1),
        "the newest flags, all shops": lambda a: a.read.flags({}, 50),
        "SQL page, flags by day, a shop, 30 days": lambda a: a.named(
            "flags_by_day", shop_id=a.shop, since=a.now - 30 * DAY_MS
        ),
        "precision of the rules, a shop": lambda a: a.read.rule_precision(None, None, a.shop),
        "precision of the rules, all shops": lambda a: a.read.rule_precision(None, None),
        "coaching words of 30 days, an agent": lambda a: a.cards.coaching(a.shop, a.month, [a.agent], 50, 0)[1],
        "scorecards of 30 days, a shop": lambda a: [a.cards.figures(default_book(), a.shop, a.month, [])],
    },
    "rounds_raw": {
        "who waits or gave up, a shop": lambda a: a.floor.unanswered(a.now - world.HOUR_MS - _WAIT_MS, a.now, a.shop),
        "who waits or gave up, all shops": lambda a: a.floor.unanswered(a.now - world.HOUR_MS - _WAIT_MS, a.now),
    },
    "window_partials": {
        "response times, hour and day, a shop": lambda a: a.floor.response(a.now, a.shop),
        "response times, hour and day, all shops": lambda a: a.floor.response(a.now),
        "SQL page, first response by hour": lambda a: a.named("first_response_by_hour", shop_id=a.shop, day=a.past),
    },
}
"""Table -> what is asked of it -> by whom and how."""


def measure(sizes: Sequence[int], runs: int, place: Path, say: Callable[[str], object]) -> list[Asked]:
    """Every table at each of the sizes, those that are asked of their last hours alone at the least, both engines over the same
    files. Raises DatabaseError, TimeoutError and what a server does that does not start.
    """
    found = []
    for size in sizes:
        for table, questions in QUESTIONS.items():
            if table in OF_LAST_HOURS and size > min(sizes):
                continue
            where, now = place / f"{table}-{size}", int(time.time() * 1000)
            with _embedded(where) as db:
                migrate.up(db)
                world.fill_agents(db)
                world.fill(db, table, size, now, say)
                found += _ask(EMBEDDED, db, os.getpid(), table, questions, size, now, runs, say)
            with _server(where) as (db, pid):
                found += _ask(SERVER, db, pid, table, questions, size, now, runs, say)
            with _embedded(where) as db:
                for name in (table, *world.FED.get(table, ())):
                    db.command(f"DROP TABLE {name} SYNC")
    return found


@contextmanager
def _embedded(where: Path) -> Iterator[Database]:
    db = EmbeddedDatabase(where, _NAME)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def _server(where: Path) -> Iterator[tuple[Database, int]]:
    """Over the files that an embedded database has left, with the server's process."""
    with ModernClickHouse(where / "server", where / "chdb") as server:
        db = ServerDatabase(server.url(_NAME), _NAME)
        try:
            yield db, server.pid
        finally:
            db.close()


def _merged(db: Database) -> None:
    """Until what has come in is merged, as it is on any other day. Raises TimeoutError."""
    deadline = time.monotonic() + _MERGE_SECONDS
    while db.query("SELECT count() AS running FROM system.merges")[0]["running"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"parts are still being merged after {_MERGE_SECONDS:.0f} s")
        time.sleep(1)


def _ask(
    engine: str,
    db: Database,
    pid: int,
    table: str,
    questions: Mapping[str, Question],
    size: int,
    now: int,
    runs: int,
    say: Callable[[str], object],
) -> list[Asked]:
    say(f"{engine}, {size:,} rows of {table}: merging")
    _merged(db)
    megabytes = world.bytes_on_disk(db, table) / 1e6
    found = []
    for what, question in questions.items():
        say(f"{engine}, {size:,} rows of {table}: {what}")
        asker = Asker(db, now, Random(what))  # noqa: S311 - chooses shops, no secrets; the same for both engines
        question(asker)  # the first one loads the primary key and the columns' marks
        took: list[float] = []
        most = 0
        forget_peak(pid)
        began, busy = time.perf_counter(), _busy_seconds(pid)
        for number in count(1):
            before = time.perf_counter()
            most = max(most, len(question(asker)))
            took.append((time.perf_counter() - before) * 1000)
            if number >= runs or (number >= LEAST_RUNS and time.perf_counter() - began > ENOUGH_SECONDS):
                break
        cpu_ms = (_busy_seconds(pid) - busy) / len(took) * 1000
        load = os.getloadavg()[0]
        found.append(Asked(engine, table, size, megabytes, what, sorted(took), most, cpu_ms, rss_mb(pid), load))
    return found


def _busy_seconds(pid: int) -> float:
    """CPU seconds of this process and that one, which may be the same."""
    return time.process_time() + (0.0 if pid == os.getpid() else cpu_seconds(pid))
