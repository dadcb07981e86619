"""Buyers who wait for an answer now, and whether they are too many (爆旺). Pure.

A buyer waits while a round of theirs is open (contract §2) that no agent has answered since it was opened: who was handed
on and has been answered by the next agent waits no more. After the ruleset's `overload.waiting_minutes` they are taken to
have left; the round stays unanswered in the day's figures.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from processors.ruleset_fields import MINUTE_MS
from processors.ruleset_model import Overload

Level = Literal["ok", "busy", "overload"]


class WaitingBuyer(NamedTuple):
    """One buyer: whom they wait for, and since when (ms)."""

    agent_id: str
    since_ms: int


class UnansweredBuyer(NamedTuple):
    """A buyer nobody has answered: when the last round that waits was opened, and when its day ends (ms)."""

    opened_ms: int
    day_ends_ms: int


class AgentWaiting(NamedTuple):
    """What waits for one agent; `longest_ms` is how long the first of them has waited."""

    agent_id: str
    buyers: int
    longest_ms: int
    is_overloaded: bool


class Waiting(NamedTuple):
    """What waits in one shop: who waits for most first in `agents`; `longest_ms` None when nobody waits."""

    buyers: int
    longest_ms: int | None
    level: Level
    agents: tuple[AgentWaiting, ...]


def waiting_in(buyers: Iterable[WaitingBuyer], now_ms: int, limits: Overload) -> Waiting:
    """The buyers of one shop, each once, counted at `now_ms`."""
    by_agent: defaultdict[str, list[int]] = defaultdict(list)
    for buyer in buyers:
        waited = now_ms - buyer.since_ms
        if 0 <= waited < limits.waiting_minutes * MINUTE_MS:
            by_agent[buyer.agent_id].append(waited)
    agents = sorted(
        (
            AgentWaiting(agent_id, len(waits), max(waits), len(waits) > limits.agent_buyers)
            for agent_id, waits in by_agent.items()
        ),
        key=lambda one: (-one.buyers, -one.longest_ms, one.agent_id),
    )
    count = sum(one.buyers for one in agents)
    return Waiting(count, max((one.longest_ms for one in agents), default=None), _level(count, limits), tuple(agents))


def gave_up(buyers: Iterable[UnansweredBuyer], from_ms: int, now_ms: int, limits: Overload) -> int:
    """How many of them have ceased to wait in [from, now]: at the limit, or at midnight, which ends a round."""
    limit = limits.waiting_minutes * MINUTE_MS
    return sum(from_ms <= min(buyer.opened_ms + limit, buyer.day_ends_ms) <= now_ms for buyer in buyers)


def _level(buyers: int, limits: Overload) -> Level:
    if buyers > limits.waiting_buyers:
        return "overload"
    return "busy" if buyers > limits.warning_buyers else "ok"
