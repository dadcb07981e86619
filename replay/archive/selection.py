"""Which events and rejected records an archive of a time range holds."""

from typing import Final, NamedTuple

import orjson

from processors.admission import FUTURE_TOLERANCE_MS
from schemas.topics import COMMANDS, REFERENCE
from schemas.types import parse_time

EARLIEST_MS: Final = 0
LATEST_MS: Final = 7_258_118_400_000
"""2200-01-01: no event of the contract is that late"""


class Selection(NamedTuple):
    """[start, end) in ms by the events' own time; reference events always, commands without an end.

    A verdict or a call comes after the sale and belongs to what the sale made; reference events say who the agents are.
    """

    start: int = EARLIEST_MS
    end: int = LATEST_MS

    def holds(self, topic: str, time: int) -> bool:
        """Whether an event is in."""
        return topic == REFERENCE or (self.start <= time and (topic == COMMANDS or time < self.end))

    def written_too_early(self, topic: str, written_at_ms: int | None) -> bool:
        """Whether a record is older than any that can be in: an event is at most so much ahead of its record."""
        known = written_at_ms is not None and written_at_ms > 0
        return known and topic != REFERENCE and written_at_ms < self.start - FUTURE_TOLERANCE_MS  # type: ignore[operator]

    def holds_rejected(self, topic: str | None, raw: bytes) -> bool:
        """Whether a record that is no event is kept: by its time, and always when it has none that can be read."""
        try:
            time = parse_time(orjson.loads(raw)["time"])
        except (ValueError, TypeError, KeyError):
            return True
        return self.holds(topic or "", time)
