"""A whole sale event: the floor, the demand and all buyers' journeys merged into one stream in time order."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from replay.generator.config import SaleConfig
from replay.generator.demand import Demand
from replay.generator.events import CloudEvent, Moment
from replay.generator.floor import build_floor, reference_events
from replay.generator.shopper import Shoppers


def generate(config: SaleConfig) -> Iterator[CloudEvent]:
    """The sale's facts as CloudEvents dicts (contract §1), in time order, the same for the same config on any machine.

    Reference events come first, dated weeks before the sale. Memory grows with the buyers who are active at one time,
    not with the number of events. `duplicates`, `disorder` and `faults` are flaws of delivery: see `write_sale`.
    """
    shops = build_floor(config)
    demand = Demand(config)
    for _, event in reference_events(config, shops, demand):
        yield event
    shoppers = Shoppers(config, shops, demand)
    starts = sorted((shoppers.plan(index).first_ms, index) for index in range(config.buyers))
    active: list[tuple[int, int, CloudEvent, Iterator[Moment]]] = []
    for first_ms, index in starts:
        while active and active[0][0] < first_ms:
            yield _advance(active)
        journey = shoppers.journey(shoppers.plan(index))
        at_ms, event = next(journey)
        heapq.heappush(active, (at_ms, index, event, journey))
    while active:
        yield _advance(active)


def _advance(active: list[tuple[int, int, CloudEvent, Iterator[Moment]]]) -> CloudEvent:
    """Take the earliest event off the heap; its journey goes on from there."""
    _, index, event, journey = active[0]
    following = next(journey, None)
    if following is None:
        heapq.heappop(active)
    else:
        # (time, index) is unique in the heap, so events and journeys are never compared
        heapq.heapreplace(active, (following[0], index, following[1], journey))
    return event


def retime(events: Iterable[CloudEvent], shift_ms: int) -> Iterator[CloudEvent]:
    """The same events, later by `shift_ms` milliseconds (earlier when negative), sale events with their hours too.

    The events given stay as they are. Shift by whole hours where hourly targets are to stay on the hour.
    """
    shift = timedelta(milliseconds=shift_ms)
    for event in events:
        moved = {**event, "time": _later(event["time"], shift)}
        if event["type"] == "sale_event.scheduled":
            moved["data"] = _later_sale(event["data"], shift)
        yield moved


def _later(time: str, shift: timedelta) -> str:
    return (datetime.fromisoformat(time) + shift).isoformat(timespec="milliseconds")


def _later_sale(data: dict[str, Any], shift: timedelta) -> dict[str, Any]:
    return {
        **data,
        "starts_at": _later(data["starts_at"], shift),
        "ends_at": _later(data["ends_at"], shift),
        "targets": [{**target, "hour_start": _later(target["hour_start"], shift)} for target in data["targets"]],
    }
