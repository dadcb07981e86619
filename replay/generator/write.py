"""A generated sale as .jsonl files by topic, with the flaws of a real delivery where they are asked for."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson

from replay.generator.config import SaleConfig
from replay.generator.dice import Dice
from replay.generator.events import CloudEvent
from replay.generator.sale import generate
from schemas.topics import CHAT, ORDERS, PAYMENTS, REFERENCE, REVIEWS, TOPIC_OF_TYPE

TOPICS = (REFERENCE, CHAT, ORDERS, PAYMENTS, REVIEWS)
EVENTS_PER_BUYER = 20  # about; for progress bars
_REPORT_EVERY = 2000
_BUFFER = 1 << 20

Line = tuple[str, bytes, str]
"""topic, the line without its end, and what it counts as: an event type, `duplicates` or `faults`"""


def write_sale(config: SaleConfig, out: Path, progress: Callable[[int], None] | None = None) -> dict[str, int]:
    """Write OUT/<topic>.jsonl, one compact JSON object a line, replacing files of these names; OUT is created.

    Returns the lines by event type, and under `duplicates` and `faults` those that no event was meant by; the sum is
    the number of lines. `progress` gets the number of lines written so far, now and then and at the end. Raises OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        sinks = {
            topic: stack.enter_context((out / f"{topic}.jsonl").open("wb", buffering=_BUFFER)).write for topic in TOPICS
        }
        done = 0
        for topic, line, counted in deliver(config):
            sinks[topic](line + b"\n")
            counts[counted] += 1
            done += 1
            if progress is not None and done % _REPORT_EVERY == 0:
                progress(done)
        if progress is not None:
            progress(done)
    return dict(sorted(counts.items()))


def deliver(config: SaleConfig) -> Iterator[Line]:
    """The lines in the order of their arrival: some late, some twice, some invalid, as the config says."""
    dice = Dice(config.seed, "delivery")
    faults = _fault_positions(config, dice)
    held: list[tuple[int, int, Line]] = []  # (position at which it is released, running number, line)
    held_so_far = 0
    fault = 0
    sample: CloudEvent | None = None
    for position, event in enumerate(generate(config)):
        kind = event["type"]
        line: Line = (TOPIC_OF_TYPE[kind], orjson.dumps(event), kind)
        if config.duplicates and dice.chance(config.duplicates):
            held_so_far += 1
            again = (line[0], line[1], "duplicates")
            heapq.heappush(held, (position + dice.between(1, 2000), held_so_far, again))
        if config.disorder and dice.chance(config.disorder):
            held_so_far += 1
            heapq.heappush(held, (position + dice.between(20, 400), held_so_far, line))
        else:
            yield line
        while held and held[0][0] <= position:
            yield heapq.heappop(held)[2]
        sample = event
        while fault < len(faults) and faults[fault] <= position:
            yield _fault(fault, event)
            fault += 1
    while held:
        yield heapq.heappop(held)[2]
    while sample is not None and fault < len(faults):
        yield _fault(fault, sample)
        fault += 1


def _fault_positions(config: SaleConfig, dice: Dice) -> list[int]:
    expected = max(1, config.buyers * EVENTS_PER_BUYER)
    return sorted(dice.between(0, expected) for _ in range(config.faults))


def _fault(number: int, event: CloudEvent) -> Line:
    """An invalid line made of a valid event, under an id of its own; the kinds take turns."""
    topic = TOPIC_OF_TYPE[event["type"]]
    broken = {**event, "id": f"x-{number + 1:06d}"}
    kind = number % 6
    if kind == 0:
        text = orjson.dumps(broken).decode()
        return topic, text[: len(text) * 2 // 3].encode(), "faults"
    if kind == 1:
        broken["time"] = broken["time"].removesuffix("+08:00")
    elif kind == 2:
        broken["type"] = "chat.typing"
    elif kind == 3:
        broken["data"] = {key: value for key, value in event["data"].items() if key != "shop_id"}
    elif kind == 4:
        broken["data"] = [event["data"]]
    else:
        payment = {
            "shop_id": event["data"]["shop_id"],
            "buyer_id": "b-x",
            "payment_id": broken["id"],
            "order_id": "o-x",
        }
        broken.update(type="payment.succeeded", data={**payment, "amount": "-1.00"})
        topic = PAYMENTS
    return topic, orjson.dumps(broken), "faults"
