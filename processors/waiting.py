"""Buyers who wait for an answer now, and whether they are too many (爆旺). Pure.

A buyer waits while a round of theirs is open (contract §2) that was opened after the last answer by anybody: who was handed
on and has been answered by the next agent waits no more, whichever round that answer closed. The ruleset's
`overload.waiting_minutes` after the last such round was opened they are taken to have left; it stays unanswered in the
day's figures.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from processors.ruleset_fields import MINUTE_MS
from processors.ruleset_model import Overload

Level = Literal["ok", "busy", "overload"]


class UnansweredBuyer(NamedTuple):
    """A buyer with rounds of one day that nobody has answered, nor anything later: opened from `since_ms` to `newest_ms`,
    the last with `agent_id`, who has them now. Midnight, `day_ends_ms`, ends them.
    """

    agent_id: str
    since_ms: int
    newest_ms: int
    day_ends_ms: int

    def leaves_at(self, limits: Overload) -> int:
        """When they cease to wait, without an answer."""
        return min(self.newest_ms + limits.waiting_minutes * MINUTE_MS, self.day_ends_ms)


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


def waiting_in(buyers: Iterable[UnansweredBuyer], now_ms: int, limits: Overload) -> Waiting:
    """Those of one shop who wait at `now_ms`; each buyer is there once."""
    by_agent: defaultdict[str, list[int]] = defaultdict(list)
    for buyer in buyers:
        if buyer.since_ms <= now_ms < buyer.leaves_at(limits):
            by_agent[buyer.agent_id].append(now_ms - buyer.since_ms)
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
    return sum(from_ms <= buyer.leaves_at(limits) <= now_ms for buyer in buyers)


def _level(buyers: int, limits: Overload) -> Level:
    if buyers > limits.waiting_buyers:
        return "overload"
    return "busy" if buyers > limits.warning_buyers else "ok"
