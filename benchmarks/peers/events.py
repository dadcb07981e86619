"""The chat of a generated sale as Kafka records: in order of event time, or as a bad delivery would bring it."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from benchmarks.peers.job import time_ms
from replay.generator import SaleConfig, generate
from replay.generator.dice import Dice

Record = tuple[bytes, bytes]
"""key, value"""
_PER_BUYER: Final = 15
"""chat messages; the generator makes some more"""
_SEED: Final = 7
LATE: Final = 0.02
TWICE: Final = 0.01
_LATE_MS: Final = (60_000, 600_000)
_JITTER_MS: Final = 2_000


def chat(events: int, *, dirty: bool = False) -> list[Record]:
    """So many records, the same each time; with `dirty` those that come twice are as many more."""
    messages = list(islice(_messages(events), events))
    assert len(messages) == events
    if not dirty:
        return [_record(message) for message in messages]
    return _as_delivered(messages)


def _messages(events: int) -> Iterator[dict[str, Any]]:
    sale = SaleConfig(buyers=events // _PER_BUYER + 10, seed=_SEED)
    return (event for event in generate(sale) if event["type"] == "chat.message")


def _record(message: dict[str, Any]) -> Record:
    data = message["data"]
    return f"{data['shop_id']}|{data['buyer_id']}".encode(), orjson.dumps(message)


def _as_delivered(messages: Sequence[dict[str, Any]]) -> list[Record]:
    """LATE of them minutes late, TWICE of them once more within minutes, all out of step by up to two seconds."""
    dice = Dice(_SEED, "peers")
    arrivals: list[tuple[int, int]] = []
    for number, message in enumerate(messages):
        sent = time_ms(message["time"])
        late = dice.between(*_LATE_MS) if dice.chance(LATE) else 0
        arrivals.append((sent + late + dice.between(0, _JITTER_MS), number))
        if dice.chance(TWICE):
            arrivals.append((sent + dice.between(0, _LATE_MS[1]), number))
    return [_record(messages[number]) for _, number in sorted(arrivals)]
