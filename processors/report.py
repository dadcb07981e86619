"""The report on the hour (整点报数), and at the day's end: what it says, and when it may be said. Pure.

A report is made once and then kept as it was announced. `decide` holds the rule of when a finished hour is settled enough.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple

import orjson

from processors.calendar import HOUR_MS, calendar
from processors.ids import derive
from processors.leaderboard import SILENT, ranks
from processors.targets import Goal
from schemas.outputs import PostStatus, ReportKind
from schemas.types import format_amount, format_time, parse_amount

Row = Mapping[str, Any]

STAR_RANKS: Final = 3
STARS: Final = 6
"""No more are named, however many share a rank."""
STEADY_MS: Final = 4_000
QUIET_MS: Final = 30_000
LIMIT_MS: Final = 120_000


class Span(NamedTuple):
    """An hour or a local day of a shop: [starts_at, ends_at), ms."""

    kind: ReportKind
    shop_id: str
    timezone: str
    starts_at: int
    ends_at: int

    @property
    def report_id(self) -> str:
        """The id of the report that is made of it by itself, so that whoever makes it makes the same one."""
        return derive("report", self.shop_id, self.kind, str(self.starts_at))

    def asked_id(self, who: str, at_ms: int) -> str:
        """The id of a report that somebody asked for."""
        return derive("report", self.shop_id, self.kind, str(self.starts_at), who, str(at_ms))

    @property
    def day(self) -> tuple[int, int]:
        """The local day that holds it: [start, end), ms."""
        days = calendar(self.timezone)
        return days.day_start(self.starts_at), days.day_end(self.starts_at)

    @property
    def before(self) -> tuple[int, int]:
        """The hour or day before: [start, end), ms."""
        if self.kind == "hour":
            return self.starts_at - HOUR_MS, self.starts_at
        return calendar(self.timezone).day_start(self.starts_at - 1), self.starts_at


def span_at(kind: ReportKind, shop_id: str, timezone: str, at_ms: int) -> Span:
    """The shop's hour or day that holds that instant."""
    days = calendar(timezone)
    if kind == "day":
        return Span(kind, shop_id, timezone, days.day_start(at_ms), days.day_end(at_ms))
    start = days.hour_start(at_ms)
    return Span(kind, shop_id, timezone, start, start + HOUR_MS)


@dataclass(frozen=True, slots=True)
class Team:
    """A team's score; the amount in fen."""

    team: str
    rank: int
    paid_amount: int
    orders_paid: int


@dataclass(frozen=True, slots=True)
class Star:
    """One of the best agents; the amount in fen."""

    agent_id: str
    name: str
    team: str
    rank: int
    paid_amount: int
    orders_paid: int


@dataclass(frozen=True, slots=True)
class Report:
    """schemas.outputs.Report with instants in ms and amounts in fen."""

    report_id: str
    kind: ReportKind
    shop_id: str
    timezone: str
    starts_at: int
    ends_at: int
    as_of: int
    made_at: int
    made_by: str
    complete: bool
    sale_event: str
    pk_basis: Literal["amount", "orders"]
    paid_amount: int
    orders_paid: int
    buyers_served: int
    buyers_paid: int
    silent_amount: int
    before_amount: int | None
    target_amount: int | None
    target_orders: int | None
    day_amount: int
    day_orders: int
    day_target_amount: int | None
    day_target_orders: int | None
    teams: tuple[Team, ...]
    stars: tuple[Star, ...]
    stars_left: int
    ruleset: str
    revision: int = 1
    post_status: PostStatus = "none"
    post_by: str = ""
    post_after: int | None = None
    post_attempts: int = 0
    posted: tuple[str, ...] = ()
    post_error: str = ""

    def points(self, row: Team | Star) -> int:
        """What the PK compares: fen or orders."""
        return row.orders_paid if self.pk_basis == "orders" else row.paid_amount

    @property
    def lead(self) -> int | None:
        """How far the first team is ahead of the second, in what the PK compares; 0 is level, None no PK."""
        return self.points(self.teams[0]) - self.points(self.teams[1]) if len(self.teams) > 1 else None

    @property
    def conversion(self) -> float | None:
        """Buyers who paid of those served in an hour; None for a day, whose hours count a buyer again."""
        return self.buyers_paid / self.buyers_served if self.buyers_served and self.kind == "hour" else None

    @property
    def silent_share(self) -> float | None:
        """What no agent is credited with, of all that was paid; None where nothing was."""
        return self.silent_amount / self.paid_amount if self.paid_amount else None

    def next(self, **changes: Any) -> "Report":
        """The next revision, with those changes to how far posting has come."""
        return replace(self, revision=self.revision + 1, **changes)

    def value(self) -> bytes:
        """The record on Kafka."""
        record = asdict(self)
        for key in _TIMES:
            record[key] = None if record[key] is None else format_time(record[key])
        for row in (record, *record["teams"], *record["stars"]):
            row |= {key: format_amount(row[key]) for key in _AMOUNTS & row.keys() if row[key] is not None}
        return orjson.dumps(record)


_TIMES: Final = ("starts_at", "ends_at", "as_of", "made_at", "post_after")
_AMOUNTS: Final = frozenset(
    {"paid_amount", "silent_amount", "before_amount", "target_amount", "day_amount", "day_target_amount"}
)


def from_row(row: Row) -> Report:
    """A row of the view `reports`, instants in ms and amounts in fen; `teams` and `stars` are JSON with amounts as texts."""

    def read(text: str) -> list[dict[str, Any]]:
        return [{**one, "paid_amount": parse_amount(one["paid_amount"])} for one in orjson.loads(text)]

    return Report(
        **{
            **row,
            "complete": bool(row["complete"]),
            "teams": tuple(Team(**one) for one in read(row["teams"])),
            "stars": tuple(Star(**one) for one in read(row["stars"])),
            "posted": tuple(row["posted"]),
        }
    )


class Figures(NamedTuple):
    """What a report is made of. Amounts in fen."""

    rows: Sequence[Row]
    """one an agent with its sums in the span and its name and team; `agent_id` empty is the silent row"""
    teams: Sequence[Row]
    """with their sums, best first, as `web.board.pk_teams` has them"""
    sale: Row | None
    """name and pk_basis of the sale event"""
    goal: Goal
    day: tuple[int, int]
    """paid amount and orders of the day, up to the report's moment"""
    day_goal: Goal
    before: int | None
    """paid amount of the hour or day before"""


def make(
    span: Span, figures: Figures, *, report_id: str, made_at: int, made_by: str, complete: bool, ruleset: str
) -> Report:
    """The report of that span as its figures stand at `made_at` (ms), before anything is posted."""
    rows, sale = figures.rows, figures.sale
    stars = best_agents(rows)
    return Report(
        report_id=report_id,
        kind=span.kind,
        shop_id=span.shop_id,
        timezone=span.timezone,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        as_of=min(span.ends_at, made_at),
        made_at=made_at,
        made_by=made_by,
        complete=complete,
        sale_event=sale["name"] if sale else "",
        pk_basis=sale["pk_basis"] if sale else "amount",
        paid_amount=sum(row["paid_amount"] for row in rows),
        orders_paid=sum(row["orders_paid"] for row in rows),
        buyers_served=sum(row["buyers_served"] for row in rows),
        buyers_paid=sum(row["buyers_paid"] for row in rows),
        silent_amount=sum(row["paid_amount"] for row in rows if row["agent_id"] == SILENT),
        before_amount=figures.before,
        target_amount=figures.goal.amount,
        target_orders=figures.goal.orders,
        day_amount=figures.day[0],
        day_orders=figures.day[1],
        day_target_amount=figures.day_goal.amount,
        day_target_orders=figures.day_goal.orders,
        teams=tuple(
            Team(team["team"], team["rank"], team["paid_amount"], team["orders_paid"]) for team in figures.teams
        ),
        stars=tuple(stars[:STARS]),
        stars_left=max(len(stars) - STARS, 0),
        ruleset=ruleset,
    )


def best_agents(rows: Iterable[Row]) -> list[Star]:
    """Everybody in the first three ranks who has a payment, best first; equal ones share a rank, in order of their ids."""
    paying = [row for row in rows if row["agent_id"] != SILENT and row["paid_amount"] > 0]
    rank_of = ranks((row["agent_id"], row["paid_amount"], row["orders_paid"]) for row in paying)
    stars = [
        Star(
            row["agent_id"],
            row["name"] or row["agent_id"],
            row["team"],
            rank_of[row["agent_id"]] or 0,
            row["paid_amount"],
            row["orders_paid"],
        )
        for row in paying
    ]
    return sorted((star for star in stars if star.rank <= STAR_RANKS), key=lambda star: (star.rank, star.agent_id))


def reached(value: int, target: int | None) -> int | None:
    """Whole percent of the target, rounded down so that 100 says reached; None without one."""
    return value * 100 // target if target else None


class Sight(NamedTuple):
    """What is seen of a span that has ended. Instants in ms of the wall clock."""

    first_seen: int
    """when this process first saw figures in it"""
    steady_since: int
    """since when its figures have been the same"""
    passed: bool
    """whether an event of the shop from after its end has come in"""
    owed: int
    """fen that were paid in it, by the events that have come in, and stand in no result"""


def decide(ends_at: int, now: int, sight: Sight) -> Literal["wait", "complete", "incomplete"]:
    """Whether the report may be made now.

    It waits until the shop's events have passed the end, every payment stands in the results and the figures have not moved
    for STEADY_MS; a shop without a further event QUIET_MS. After LIMIT_MS it is made as it stands.
    """
    waited = now - max(ends_at, sight.first_seen)
    settled = sight.owed == 0 and now - sight.steady_since >= STEADY_MS
    if settled and (sight.passed or waited >= QUIET_MS):
        return "complete"
    return "incomplete" if waited >= LIMIT_MS else "wait"
