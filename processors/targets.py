"""Targets of a sale event: what a shop, a team or an agent is to reach in an hour. Pure.

Contract §1 leaves the shape of `targets` open. Read is a list of
`{"hour_start": RFC 3339, "amount": decimal string, "orders": int, "team": name, "agent_id": id}`, each with an amount, a
number of orders or both; without team and agent it is the shop's. A mapping `{hour_start: amount}` is the shop's too.
Entries that can't be read are passed over: a sale event is no less scheduled for them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from processors.calendar import HOUR_MS
from schemas.types import parse_amount, parse_time


class Target(NamedTuple):
    """What is to be reached in the hour that starts at `hour_start` (ms): amount in fen, orders; None where not said."""

    hour_start: int
    amount: int | None
    orders: int | None
    team: str = ""
    agent_id: str = ""


class Goal(NamedTuple):
    """Targets added up: amount in fen, orders; None where no target says it."""

    amount: int | None
    orders: int | None


def read_targets(targets: Any) -> list[Target]:
    """The targets of a sale event, as `sale_event.scheduled` has them."""
    if isinstance(targets, Mapping):
        targets = [{"hour_start": hour, "amount": amount} for hour, amount in targets.items()]
    found = (_target(entry) for entry in (targets if isinstance(targets, list) else ()))
    return [target for target in found if target is not None]


def goal(targets: Iterable[Target], from_ms: int, to_ms: int, *, team: str = "", agent_id: str = "") -> Goal:
    """What that team or agent, or without either the shop, is to reach in the hours that start in [from, to)."""
    wanted = [
        target
        for target in targets
        if from_ms <= target.hour_start < to_ms and (target.team, target.agent_id) == (team, agent_id)
    ]
    return total(wanted)


class Planned(NamedTuple):
    """A sale event's span (ms) and its targets."""

    starts_at: int
    ends_at: int
    targets: Sequence[Target]

    def touches(self, from_ms: int, to_ms: int) -> bool:
        """Whether it goes on at any moment of [from, to)."""
        return self.starts_at < to_ms and self.ends_at > from_ms


def planned(sale: Mapping[str, Any]) -> Planned:
    """Of a row of the view `sale_events`, its targets decoded."""
    return Planned(sale["starts_at"], sale["ends_at"], read_targets(sale["targets"]))


def in_force(events: Iterable[Planned], from_ms: int, to_ms: int) -> Planned | None:
    """Of one shop's sale events, latest start first, the one that holds for the hour [from, to): of several the one that
    began last, whatever targets it has."""
    return next((event for event in events if event.touches(from_ms, to_ms)), None)


def merged(
    events: Sequence[Planned], from_ms: int, to_ms: int, hour_start: Callable[[int], int]
) -> dict[tuple[str, str], dict[int, Goal]]:
    """(team, agent) -> hour that starts in [from, to) -> what is to be reached in it; the shop's own under ("", "").

    `events`: as for `in_force`; `hour_start`: the local hour that holds an instant.
    """
    found: dict[tuple[str, str], dict[int, list[Target]]] = {}
    for event in events:
        for target in event.targets:
            hour = hour_start(target.hour_start)
            if from_ms <= hour < to_ms and in_force(events, hour, hour + HOUR_MS) is event:
                found.setdefault((target.team, target.agent_id), {}).setdefault(hour, []).append(target)
    return {holder: {hour: total(wanted) for hour, wanted in hours.items()} for holder, hours in found.items()}


def total(wanted: Sequence[Target | Goal]) -> Goal:
    """Targets or goals added up."""
    amounts = [target.amount for target in wanted if target.amount is not None]
    orders = [target.orders for target in wanted if target.orders is not None]
    return Goal(sum(amounts) if amounts else None, sum(orders) if orders else None)


def _target(entry: Any) -> Target | None:
    try:
        amount, orders = entry.get("amount"), entry.get("orders")
        target = Target(
            hour_start=parse_time(entry["hour_start"]),
            amount=None if amount is None else parse_amount(amount),
            orders=None if orders is None else int(orders),
            team="" if entry.get("agent_id") else str(entry.get("team") or ""),
            agent_id=str(entry.get("agent_id") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return None if target.amount is None and target.orders is None else target
