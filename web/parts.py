"""What the parts of the web share: settings, database, producer, rules, clock. Made once by `web.app`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, ParamSpec, Protocol, TypeVar

from processors.ruleset import RulesetBook
from schemas.settings import Settings
from schemas.types import format_time, parse_time
from sinks.database import Database
from sinks.read_model import ReadModel
from web.access.trail import Trail
from web.live import Live

P = ParamSpec("P")
T = TypeVar("T")

HOUR_MS: Final = 3_600_000
DB_THREADS: Final = 4
SEND_THREADS: Final = 8
LONG_THREADS: Final = 2
SQL_THREADS: Final = 2


class Producer(Protocol):
    """What the web needs of `sinks.kafka.EventProducer`."""

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> object:
        """Return once the broker has all records; raise PublishError otherwise."""
        ...


@dataclass(slots=True)
class Parts:
    """The shared parts of one web process."""

    settings: Settings
    db: Database
    read: ReadModel
    producer: Producer
    book: RulesetBook
    clock_ns: Callable[[], int]
    live: Live
    can_sign_in: bool = False
    """people do, or may"""
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(DB_THREADS, thread_name_prefix="web-db")
    )
    send_pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(SEND_THREADS, thread_name_prefix="web-send")
    )
    long_pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(LONG_THREADS, thread_name_prefix="web-long")
    )
    """for what reads the events of a month: it must not keep the wallboard waiting"""
    sql_pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(SQL_THREADS, thread_name_prefix="web-sql")
    )
    """few, and apart: who writes slow SQL waits for others who do, and the wallboard for neither"""

    trail: Trail = field(init=False)

    def __post_init__(self) -> None:
        self.trail = Trail(self.publish, self.now_ms, self.book.timezone)

    def now_ms(self) -> int:
        """The wall clock in milliseconds since the epoch."""
        return self.clock_ns() // 1_000_000

    def time(self, ms: int | None, shop_id: str) -> str | None:
        """RFC 3339 with the shop's offset; None stays None."""
        return None if ms is None else format_time(ms, self.book.timezone(shop_id))

    def close(self) -> None:
        """Wait for the calls under way."""
        for pool in (self.pool, self.send_pool, self.long_pool, self.sql_pool):
            pool.shutdown(wait=True, cancel_futures=True)

    async def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        """Return once the broker has all records. Raises PublishError."""
        # threads of its own: a broker that does not answer must not keep readers waiting
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.send_pool, self.producer.publish, records, timeout_seconds)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call of the database beside the event loop, on one of few threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, lambda: function(*args, **kwargs))


def read_instant(text: str | None) -> int | None:
    """A query parameter's RFC 3339 time in milliseconds. Raises ValueError; a `+` that a URL turned into a blank is meant."""
    if not text:
        return None
    if len(text) > 6 and text[-6] == " ":
        text = f"{text[:-6]}+{text[-5:]}"
    return parse_time(text)
