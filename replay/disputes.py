"""Several contents under one (source, id): which one counts in a replay, and which lines are rejected for it.

A replay knows no arrival, so the smallest content by (time, content) counts, and every line with another one is rejected.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeGuard

from processors import facts, reference
from processors.facts import fact_of
from processors.reference import ReferenceEvent
from processors.ruleset import RulesetBook
from replay.files import Line
from replay.lines import event_in
from schemas.events import AgentUpsertedEvent, Event, InvalidEventError, SaleEventScheduledEvent

_CONFLICT: Final = "id: another event with this source and id differs, and counts by its smaller time or content"

Identity = tuple[str, str, str, str]
"""shop, buyer (empty for reference), source, id"""


_REFERENCE: Final = (AgentUpsertedEvent, SaleEventScheduledEvent)


class Settled(NamedTuple):
    """What counts of each dispute, and the lines that don't."""

    winners: list[Event]
    losers: list[Line]


class Disputes:
    """Finds the disputed identities in a pass over all events, in about 100 bytes for each: it keeps hashes."""

    def __init__(self, book: RulesetBook) -> None:
        self._book = book
        self._contents: dict[int, int] = {}
        self._disputed: set[int] = set()

    def note(self, event: Event) -> None:
        """Take notice of an event."""
        key, content = hash(identity(event)), hash(precedence(event, self._book))
        if self._contents.setdefault(key, content) != content:
            self._disputed.add(key)

    def __contains__(self, one: Identity) -> bool:
        """Whether it may be disputed; `settle` knows for certain."""
        return hash(one) in self._disputed

    def __bool__(self) -> bool:
        return bool(self._disputed)


def settle(lines: Iterable[Line], disputed: Callable[[Identity], bool], book: RulesetBook) -> Settled:
    """Settles the disputed identities; `lines` are all lines of the input."""
    copies: dict[Identity, list[tuple[Line, tuple[int, bytes]]]] = defaultdict(list)
    best: dict[Identity, tuple[tuple[int, bytes], Event]] = {}
    for line in lines:
        try:
            event = event_in(line)
        except InvalidEventError:
            continue
        one = identity(event)
        if disputed(one):
            content = precedence(event, book)
            copies[one].append((line, content))
            if one not in best or content < best[one][0]:
                best[one] = content, event
    losers = [line for one, found in copies.items() for line, content in found if content != best[one][0]]
    return Settled([event for _, event in best.values()], losers)


def lost() -> InvalidEventError:
    """Why a loser's line is rejected."""
    return InvalidEventError("conflict", _CONFLICT)


def identity(event: Event) -> Identity:
    """What of an event must not come twice with different contents."""
    data: Any = event.data
    return data.shop_id, getattr(data, "buyer_id", ""), event.source, event.id


def precedence(event: Event, book: RulesetBook) -> tuple[int, bytes]:
    """(time, content): equal for equal contents; the smallest of an identity counts."""
    if is_reference(event):
        return reference.precedence(event)
    fact = fact_of(event, book)
    assert fact is not None, event.type
    return facts.precedence(fact)


def is_reference(event: Event) -> TypeGuard[ReferenceEvent]:
    """Whether it belongs to a shop rather than to a buyer."""
    return isinstance(event, _REFERENCE)
