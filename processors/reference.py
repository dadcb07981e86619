"""Reference facts: agents and teams, sale events (contract §1 `reference`). Small, and joined where results are read."""

from typing import NamedTuple

from processors.buyer import Outcome
from schemas.events import AgentUpsertedEvent, SaleEventScheduledEvent

ReferenceEvent = AgentUpsertedEvent | SaleEventScheduledEvent


class Standing(NamedTuple):
    """The reference data as it stands: what results are joined with."""

    teams: dict[tuple[str, str], str]
    """(shop_id, agent_id) -> team"""
    sales: dict[str, list[tuple[int, int]]]
    """shop_id -> (starts_at, ends_at) of its sale events"""

    def team(self, shop_id: str, agent_id: str) -> str:
        """The agent's team as last upserted; empty when unknown."""
        return self.teams.get((shop_id, agent_id), "")

    def in_sale_event(self, shop_id: str, time: int) -> bool:
        """Whether `time` lies in a scheduled sale event of the shop: starts_at <= time < ends_at."""
        return any(starts_at <= time < ends_at for starts_at, ends_at in self.sales.get(shop_id, ()))


class Reference:
    """What the shops are made of. Of several facts about one agent or sale event the latest by (time, id) counts."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str, str], ReferenceEvent] = {}

    def add(self, event: ReferenceEvent) -> Outcome:
        """Takes an event into the set; of two contents under one (source, id) the smaller by (time, content) counts."""
        key = (event.data.shop_id, event.source, event.id)
        known = self._events.get(key)
        if known is not None and precedence(known) == precedence(event):
            return "duplicate"
        if known is None or precedence(event) < precedence(known):
            self._events[key] = event
        return "new" if known is None else "conflict"

    @property
    def newest(self) -> int:
        """Time of the newest event, ms; far in the past when there is none."""
        return max((event.time for event in self._events.values()), default=-(2**62))

    def standing(self) -> Standing:
        """What all the events taken come to."""
        teams: dict[tuple[str, str], str] = {}
        sales: dict[tuple[str, str], tuple[int, int]] = {}
        for event in sorted(self._events.values(), key=lambda event: (event.time, event.id, event.source)):
            if isinstance(event, AgentUpsertedEvent):
                teams[event.data.shop_id, event.data.agent_id] = event.data.team
            else:
                sales[event.data.shop_id, event.data.sale_event_id] = event.data.starts_at, event.data.ends_at
        spans: dict[str, list[tuple[int, int]]] = {}
        for (shop_id, _), span in sales.items():
            spans.setdefault(shop_id, []).append(span)
        return Standing(teams, spans)


def precedence(event: ReferenceEvent) -> tuple[int, bytes]:
    """(time, content): equal for equal contents; of two contents under one (source, id) the smaller counts in a replay."""
    return event.time, event.model_dump_json().encode()
