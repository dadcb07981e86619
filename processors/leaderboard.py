"""The hourly leaderboard (contract §2): what each buyer adds to its rows, the sums, and the ranks.

`revision` counts the buyer's effective messages, orders, payments and refunds before the end of the hour (a row looks
back only), and for each payment fact of the hour the placings of its order from the end of the hour on, whether or not it
counts: see processors/windows.py for why.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, NamedTuple, final

from processors.facts import Message, Order, Payment, Refund
from processors.figures import Figures
from processors.ledger import Ledger, credited_agent
from processors.ruleset import Rules

SILENT: Final = ""
"""agent_id of orders and payments that no agent is credited with (静默)."""


class BoardKey(NamedTuple):
    """A row: one local hour of one agent of one shop; `agent_id` empty is the silent row."""

    shop_id: str
    hour_start: int
    agent_id: str


@final
class BoardSums(Figures):
    """Sums of one row; also one buyer's share of it. Amounts in fen."""

    ROW: ClassVar = (
        "orders_placed",
        "orders_paid",
        "paid_amount",
        "items_paid",
        "refunded_amount",
        "buyers_served",
        "buyers_paid",
    )
    """what a row shows"""
    FIGURES = ("revision", *ROW)
    __slots__ = FIGURES

    def __init__(self) -> None:
        self.revision = 0
        self.orders_placed = 0
        self.orders_paid = 0
        self.paid_amount = 0
        self.items_paid = 0
        self.refunded_amount = 0
        self.buyers_served = 0
        self.buyers_paid = 0

    def add(self, share: "BoardSums", sign: int = 1) -> None:
        """Adds a buyer's share, or takes it back with sign -1."""
        self.revision += sign * share.revision
        self.orders_placed += sign * share.orders_placed
        self.orders_paid += sign * share.orders_paid
        self.paid_amount += sign * share.paid_amount
        self.items_paid += sign * share.items_paid
        self.refunded_amount += sign * share.refunded_amount
        self.buyers_served += sign * share.buyers_served
        self.buyers_paid += sign * share.buyers_paid

    @property
    def has_row(self) -> bool:
        """A row without any figure is none."""
        return any(getattr(self, figure) for figure in self.ROW)


class Hour:
    """One buyer's facts of one local hour that the leaderboard counts, in order."""

    __slots__ = ("facts", "served")

    def __init__(self) -> None:
        self.facts: list[tuple[Order | Payment | Refund, bool]] = []
        """with whether it counts: a later fact of the same natural id does not"""
        self.served: set[str] = set()
        """agents who sent the buyer an effective message"""


def hour_shares(
    shop_id: str,
    start: int,
    end: int,
    hour: Hour,
    ledger: Ledger,
    effective: Sequence[Message],
    effective_times: Sequence[int],
    counted_times: Sequence[int],
    rules: Rules,
) -> dict[BoardKey, BoardSums]:
    """What one buyer adds to the rows of the hour [start, end).

    `effective`: all the buyer's effective messages, ordered, with their times; `counted_times`: sorted times of all
    facts that `revision` counts.
    """
    shares: dict[str, BoardSums] = defaultdict(BoardSums)
    horizon = rules.attribution_horizon_ms

    def agent_at(time: int) -> str:
        return credited_agent(effective, effective_times, time, horizon)

    touched = set(hour.served)
    later_placings = 0
    for fact, counts in hour.facts:
        moments = [fact.time]
        if isinstance(fact, Refund):
            moments = [time for time in ledger.order(fact.order_id).named_by if time <= fact.time]
        elif isinstance(fact, Payment):
            placings = ledger.order(fact.order_id).placings
            later_placings += len(placings) - bisect_left(placings, end)
        touched.add(SILENT)
        for moment in moments:
            touched |= _agents_between(effective, effective_times, moment - horizon, moment)
        if not counts:
            continue
        if isinstance(fact, Order):
            shares[agent_at(fact.time)].orders_placed += 1
        elif isinstance(fact, Payment):
            share = shares[agent_at(fact.time)]
            share.paid_amount += fact.amount
            share.buyers_paid = 1
            order = ledger.order(fact.order_id)
            if order.payments[0] is fact:
                share.orders_paid += 1
                share.items_paid += order.placed.items if order.placed is not None else 0
        else:
            paid = ledger.order(fact.order_id).payment_before(fact.time)
            shares[SILENT if paid is None else agent_at(paid.time)].refunded_amount += fact.amount
    for agent_id in hour.served:
        shares[agent_id].buyers_served = 1
    revision = bisect_left(counted_times, end) + later_placings
    for agent_id in touched:
        shares[agent_id].revision = revision
    return {BoardKey(shop_id, start, agent_id): share for agent_id, share in shares.items()}


def _agents_between(effective: Sequence[Message], times: Sequence[int], after: int, until: int) -> set[str]:
    """Agents with an effective message in (after, until]."""
    first, last = bisect_left(times, after + 1), bisect_left(times, until + 1)
    return {message.agent_id for message in effective[first:last]}


def ranks(rows: Iterable[tuple[str, int, int]]) -> dict[str, int | None]:
    """agent_id -> rank in one hour of one shop, out of (agent_id, paid_amount, orders_paid).

    By paid_amount, then orders_paid, descending; equal in both share the rank (1, 2, 2, 4); silent has none.
    """
    result: dict[str, int | None] = {SILENT: None}
    ordered = sorted((row for row in rows if row[0] != SILENT), key=lambda row: (-row[1], -row[2]))
    rank, previous = 0, None
    for position, (agent_id, paid, orders) in enumerate(ordered, 1):
        if (paid, orders) != previous:
            rank, previous = position, (paid, orders)
        result[agent_id] = rank
    return result
