"""What is compared, and what a comparison is."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

Row = dict[str, Any]
"""one line of a file of results (contract §5)"""
Fields = dict[str, tuple[Any, Any]]
"""name -> its value in A and in B, of the fields that differ; `evidence.basis` is the `basis` inside `evidence`"""


@dataclass(frozen=True)
class Table:
    """A file of results: what its rows are told apart by, and which of their fields make a difference."""

    name: str
    key: tuple[str, ...]
    order: tuple[str, ...]
    """rows are listed by these fields"""
    texts: tuple[str, ...] = ()
    """further fields without which a row can't be shown; all of these and of `key` but `window_seconds` are texts"""
    times: frozenset[str] = frozenset()
    """one instant may be written with several offsets"""
    tolerant: frozenset[str] = frozenset()
    """times and rates, which a tolerance is for; everything else is compared exactly"""
    ignored: frozenset[str] = frozenset({"revision", "ruleset"})
    """how a row came about, not what it says"""


FLAGS: Final = Table(
    "flags",
    key=("shop_id", "flag_id"),
    order=("shop_id", "occurred_at", "rule", "flag_id"),
    texts=("rule", "severity", "buyer_id", "agent_id", "occurred_at"),
    times=frozenset({"occurred_at"}),
    # joined from reference events, which no rule decides: counted apart
    ignored=frozenset({"revision", "ruleset", "in_sale_event"}),
)
TASKS: Final = Table(
    "call_tasks",
    key=("shop_id", "task_id"),
    order=("shop_id", "raised_at", "task_id"),
    texts=("buyer_id", "order_id", "status", "priority", "raised_at", "not_before", "due_at"),
    times=frozenset({"raised_at", "not_before", "due_at", "call_again_at", "revisit_due_at"}),
)
ROUNDS: Final = Table(
    "response_rounds",
    key=("shop_id", "round_id"),
    order=("shop_id", "opened_at", "round_id"),
    texts=("opened_at",),
    times=frozenset({"opened_at", "replied_at"}),
)
WINDOWS: Final = Table(
    "response_windows",
    key=("shop_id", "agent_id", "window_start", "window_seconds", "definition"),
    order=("shop_id", "agent_id", "window_start", "window_seconds", "definition"),
    times=frozenset({"window_start"}),
    tolerant=frozenset(
        {"response_ms_sum", "avg_response_ms", "rate_3min", "p50_ms", "p90_ms", "p99_ms", "first_response_ms_sum"}
    ),
)
LEADERBOARD: Final = Table(
    "leaderboard_hourly",
    key=("shop_id", "hour_start", "agent_id"),
    order=("shop_id", "hour_start", "agent_id"),
    times=frozenset({"hour_start"}),
)


class Changed(NamedTuple):
    """A row that is in both: as B has it, and the fields that differ."""

    row: Row
    fields: Fields


@dataclass
class TableDiff:
    """The rows of one file compared. Rows of B that A has not are `new`, rows of A that B has not are `gone`."""

    in_a: int = 0
    in_b: int = 0
    new: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    within: int = 0
    """rows that differ, but within the tolerance: not among the changed"""

    @property
    def differs(self) -> bool:
        return bool(self.new or self.gone or self.changed)


@dataclass
class Counts:
    """A table too long to list: how many rows are new, gone and changed, and how often which field is."""

    in_a: int = 0
    in_b: int = 0
    new: int = 0
    gone: int = 0
    changed: int = 0
    fields: Counter[str] = field(default_factory=Counter)

    @property
    def differs(self) -> bool:
        return bool(self.new or self.gone or self.changed)


class Group(NamedTuple):
    """The flags of one rule, or of one agent in one shop."""

    key: tuple[str, ...]
    in_a: int
    in_b: int
    new: int
    gone: int
    changed: int


class Move(NamedTuple):
    """An agent whose rank in an hour differs. A rank of None: not on that board."""

    shop_id: str
    hour_start: str
    agent_id: str
    rank_a: int | None
    rank_b: int | None

    @property
    def by(self) -> int | None:
        """Places up (> 0) or down; None for who came onto the board or left it."""
        return None if self.rank_a is None or self.rank_b is None else self.rank_a - self.rank_b


class MovedFlag(NamedTuple):
    """A flag that stands on another message of the same buyer that day, as A and as B have it."""

    cleared: Row
    raised: Row


@dataclass
class Side:
    """One of the two results as a whole; a count is None where its summary does not name it."""

    path: str
    events: int | None = None
    accepted: int | None = None
    duplicates: int | None = None
    shops: set[str] = field(default_factory=set)
    rulesets: set[str] = field(default_factory=set)
    rejected: Counter[str] = field(default_factory=Counter)
    """by reason"""

    @property
    def label(self) -> str:
        return ", ".join(sorted(self.rulesets))


@dataclass
class Diff:
    """Two results compared."""

    a: Side
    b: Side
    tolerance: float
    flags: TableDiff
    by_rule: list[Group]
    by_agent: list[Group]
    sale_event_only: int
    """flags that differ in `in_sale_event` alone: not counted as changed"""
    flags_moved: list[MovedFlag]
    """pairs of a cleared and a raised flag; both are among `flags.gone` and `flags.new` too"""
    tasks: TableDiff
    rounds: Counts
    windows: TableDiff
    leaderboard: TableDiff
    moved: list[Move]

    @property
    def differs(self) -> bool:
        """Whether anything but what is ignored differs."""
        tables: Iterable[TableDiff | Counts] = (self.flags, self.tasks, self.rounds, self.windows, self.leaderboard)
        return any(table.differs for table in tables) or self.a.rejected != self.b.rejected

    @property
    def agents_moved(self) -> int:
        """Number of agents with another rank in any hour."""
        return len({(move.shop_id, move.agent_id) for move in self.moved})

    @property
    def warnings(self) -> list[str]:
        """What makes the comparison doubtful, by name: the texts are in `texts.py`."""
        found = []
        if (self.a.events, self.a.accepted) != (self.b.events, self.b.accepted):
            found.append("events_differ")
        if self.differs and self.a.rulesets == self.b.rulesets:
            found.append("same_ruleset")
        if self.sale_event_only:
            found.append("sale_events_differ")
        return found
