"""The sale event that the demo plays: a part of it has happened already, the rest is still to come."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import orjson

from replay.generator import SaleConfig, generate
from schemas.topics import REFERENCE, TOPIC_OF_TYPE
from schemas.types import format_time, parse_time

_PAST_SHARE: Final = 0.55
_HOUR_MS: Final = 3_600_000
_SHOP_ZONE: Final = timezone(timedelta(hours=8))
_CHECK_EVERY: Final = 500


def sale_around(now_ms: int, *, shops: int, agents: int, buyers: int, hours: float, seed: int) -> SaleConfig:
    """A sale that began on a full hour, so that about half of it lies before now. Raises ValueError naming an option."""
    start_ms = round((now_ms - hours * _PAST_SHARE * _HOUR_MS) / _HOUR_MS) * _HOUR_MS
    start = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(_SHOP_ZONE).isoformat()
    return SaleConfig(shops=shops, agents=agents, buyers=buyers, hours=hours, seed=seed, start=start)


def write_playable(config: SaleConfig, out: Path, now_ms: int, speed: float, check: Callable[[], None]) -> int:
    """Write the sale below `out`, one file a topic, and return the number of events.

    What comes after `now_ms` is moved nearer to it by `speed`, so that played in real time it goes that much faster.
    It is done here and not while playing: a player that starts again must send the same events. `check` is called now
    and then and may raise. Raises OSError.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    with ExitStack() as stack:
        files = {
            topic: stack.enter_context((out / f"{topic}.jsonl").open("wb"))
            for topic in sorted(set(TOPIC_OF_TYPE.values()))
        }
        for event in generate(config):
            files[TOPIC_OF_TYPE[event["type"]]].write(orjson.dumps(_nearer(event, now_ms, speed)) + b"\n")
            written += 1
            if written % _CHECK_EVERY == 0:
                check()
    return written


def _nearer(event: dict[str, Any], now_ms: int, speed: float) -> dict[str, Any]:
    if speed == 1 or TOPIC_OF_TYPE[event["type"]] == REFERENCE:
        return event
    at_ms = parse_time(event["time"])
    if at_ms <= now_ms:
        return event
    return {**event, "time": format_time(now_ms + round((at_ms - now_ms) / speed), "Asia/Shanghai")}
