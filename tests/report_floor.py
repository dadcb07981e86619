"""A shop floor for the tests of the reports: a clock to be set, a topic that is read into ClickHouse when the test says so."""

from typing import Any

from web_rows import HOUR, agent, insert, partial, raw_event

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.topics import REPORTS
from schemas.types import parse_time
from sinks.database import Database
from sinks.kafka import PublishError
from sinks.read_model import ReadModel
from sinks.report_reader import ReportReader
from sinks.rows import COLUMNS, Record, rows_of
from web.live import Live
from web.parts import Parts

SHOP = "lining-hz"
EIGHT = parse_time("2026-11-11T20:00:00+08:00")
"""the hour that the tests' events are in"""
NINE = EIGHT + HOUR


class Topic:
    """audit.reports, and a sink that reads it when it is told to."""

    def __init__(self, db: Database) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.down = False
        self._db = db
        self._read = 0

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        if self.down:
            raise PublishError("no broker")
        # the trail of who did what is none of theirs
        self.records += [(key, value) for topic, key, value in records if topic == REPORTS]

    def sink(self, *, again: bool = False) -> None:
        """Insert what has not been inserted; `again`: all of it, as after a crash."""
        for offset, (key, value) in enumerate(self.records):
            if offset >= self._read or again:
                ((table, row),) = rows_of(Record(REPORTS, 0, offset, key, value, None))
                self._db.insert(table, {name: [one] for name, one in zip(COLUMNS[table], row, strict=True)})
        self._read = len(self.records)


class Floor:
    """What the processes of one floor share; each gets `parts` of its own."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.now = NINE
        self.topic = Topic(db)
        self.reader = ReportReader(db)

    def parts(self) -> Parts:
        async def fingerprint() -> str:
            return ""

        clock = lambda: self.now * 1_000_000  # noqa: E731
        return Parts(Settings(), self.db, ReadModel(self.db), self.topic, default_book(), clock, Live(fingerprint))

    def hour(self, hour: int = EIGHT, *agents: tuple[str, int, str], shop: str = SHOP, revision: int = 9) -> None:
        """Leaderboard rows of an hour: (agent, orders, amount)."""
        for name, orders, amount in agents or (("小美", 12, "2400.00"), ("阿杰", 7, "1400.00"), ("", 1, "200.00")):
            agent_id = f"{shop}:{name}" if name else ""
            if name:
                insert(self.db, "agents_raw", agent(shop, 0, name, hour) | {"agent_id": agent_id, "id": agent_id})
            insert(self.db, "leaderboard_partials", partial(shop, agent_id, hour, orders, amount, revision))

    def event(self, at: int, shop: str = SHOP, **more: Any) -> None:
        """A message at that moment; with `amount` a payment."""
        kind, topic = (
            ("payment.succeeded", "commerce.payments") if "amount" in more else ("chat.message", "chat.messages")
        )
        data = (
            {"agent_id": "a", "sender": "buyer", "text": "在吗"} if "amount" not in more else {"order_id": "o", **more}
        )
        insert(self.db, "raw_events", raw_event(kind, topic, f"e-{at}-{more}", shop, at, **data))
