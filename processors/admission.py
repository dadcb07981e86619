"""What makes a Kafka record an event of this system; the worker and the sink ask the same questions (contract §1)."""

from typing import Any, Final

from processors.calendar import HOUR_MS
from schemas.decode import decode_event
from schemas.events import Event, InvalidEventError
from schemas.topics import REFERENCE, TOPIC_OF_TYPE

FUTURE_TOLERANCE_MS: Final = HOUR_MS
"""A live event's time may be this far ahead of the clock."""


def written_at(timestamp_ms: int | None, now_ms: int) -> int:
    """When a record was written, as far as that can be trusted: a producer whose clock is ahead must not make an event of
    the future acceptable. `timestamp_ms`: the record's own, None or not positive when unknown; `now_ms`: the reader's."""
    return now_ms if timestamp_ms is None or timestamp_ms <= 0 else min(timestamp_ms, now_ms)


def admit(topic: str, key: bytes | None, value: bytes, clock_ms: int | None) -> Event:
    """The event of a record on `topic` (its name without prefix). Raises InvalidEventError with the reason.

    `clock_ms`: the wall clock when the record was written, as far as it can be trusted; None where there is none.
    A wrong key or topic would split a buyer's facts over partitions.
    """
    event = decode_event(value)
    if TOPIC_OF_TYPE[event.type] != topic:
        raise InvalidEventError("wrong_topic", f"type: {event.type} belongs on {TOPIC_OF_TYPE[event.type]}")
    if topic != REFERENCE:
        data: Any = event.data
        wanted = f"{data.shop_id}|{data.buyer_id}"
        if key != wanted.encode():
            raise InvalidEventError("wrong_key", f"key: must be {wanted!r} so that a buyer's facts meet")
    if clock_ms is not None and event.time > clock_ms + FUTURE_TOLERANCE_MS:
        raise InvalidEventError("future", "time: more than an hour ahead of the clock")
    return event
