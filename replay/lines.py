"""A line of an input: the event in it, or how it is rejected. The same for everything that reads lines."""

from typing import Any, Final, cast

from replay.files import Line
from schemas.decode import decode_event
from schemas.events import Event, InvalidEventError, Reason
from schemas.outputs import Rejected
from schemas.rejections import rejection

MAX_RAW_BYTES: Final = 400_000
"""of a rejected line this much is kept: JSON and base64 make it longer, and it has to fit into a Kafka record"""
MAX_REPLAY_BYTES: Final = 4_000_000
"""an event in a replay; what shops send through Kafka is far smaller (1 MiB a record by default)"""


def event_in(line: Line, most_bytes: int = MAX_REPLAY_BYTES) -> Event:
    """The line's event. Raises InvalidEventError, also for what an archive has as rejected."""
    if line.rejected:
        row = Rejected.model_validate_json(line.raw)
        raise InvalidEventError(cast(Reason, row.reason), row.error)
    if len(line.raw) > most_bytes:
        raise InvalidEventError("invalid", f"event: has {len(line.raw)} bytes, {most_bytes} at most")
    return decode_event(line.raw)


def rejected_row(line: Line, error: InvalidEventError) -> dict[str, Any]:
    """schemas.outputs.Rejected of a line, its bytes kept whole up to MAX_RAW_BYTES; an archive's own row stays as it is."""
    if line.rejected:
        return Rejected.model_validate_json(line.raw).model_dump()
    raw, why = line.raw, error.error
    if len(raw) > MAX_RAW_BYTES:
        raw, why = raw[:MAX_RAW_BYTES], f"{why} (raw is cut: {MAX_RAW_BYTES} of {len(raw)} bytes)"
    return rejection(error.reason, why, raw, file=line.file, line=line.number)
