"""Reference facts: agents and teams, sale events (contract §1 `reference`). Small, and joined where results are read."""

from processors.buyer import Outcome
from schemas.events import AgentUpserted, AgentUpsertedEvent, SaleEventScheduled, SaleEventScheduledEvent

ReferenceEvent = AgentUpsertedEvent | SaleEventScheduledEvent


class Reference:
    """What the shops are made of. Of several facts about one agent or sale event the latest by (time, id) counts."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str, str], ReferenceEvent] = {}
        self._agents: dict[tuple[str, str], AgentUpserted] | None = None
        self._sales: dict[str, list[SaleEventScheduled]] | None = None

    def add(self, event: ReferenceEvent) -> Outcome:
        """Takes an event into the set; of two contents under one (source, id) the smaller by (time, content) counts."""
        key = (event.data.shop_id, event.source, event.id)
        known = self._events.get(key)
        if known == event:
            return "duplicate"
        if known is None or _order(event) < _order(known):
            self._events[key] = event
            self._agents = self._sales = None
        return "new" if known is None else "conflict"

    @property
    def newest(self) -> int:
        """Time of the newest event, ms; far in the past when there is none."""
        return max((event.time for event in self._events.values()), default=-(2**62))

    def agent(self, shop_id: str, agent_id: str) -> AgentUpserted | None:
        """The agent as last upserted."""
        if self._agents is None:
            self._agents = {
                (e.data.shop_id, e.data.agent_id): e.data for e in self._in_time() if isinstance(e, AgentUpsertedEvent)
            }
        return self._agents.get((shop_id, agent_id))

    def team(self, shop_id: str, agent_id: str) -> str:
        """The agent's team as last upserted; empty when unknown."""
        agent = self.agent(shop_id, agent_id)
        return agent.team if agent is not None else ""

    def in_sale_event(self, shop_id: str, time: int) -> bool:
        """Whether `time` lies in a scheduled sale event of the shop: starts_at <= time < ends_at."""
        if self._sales is None:
            latest = {
                (e.data.shop_id, e.data.sale_event_id): e.data
                for e in self._in_time()
                if isinstance(e, SaleEventScheduledEvent)
            }
            self._sales = {}
            for sale in latest.values():
                self._sales.setdefault(sale.shop_id, []).append(sale)
        return any(sale.starts_at <= time < sale.ends_at for sale in self._sales.get(shop_id, ()))

    def _in_time(self) -> list[ReferenceEvent]:
        return sorted(self._events.values(), key=lambda event: (event.time, event.id, event.source))


def _order(event: ReferenceEvent) -> tuple[int, str]:
    return event.time, event.model_dump_json()
