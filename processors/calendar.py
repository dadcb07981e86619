"""Local days, hours and windows of a shop's time zone (contract §1: a day, an hour and a window are in it)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, final

from schemas.types import DAY_MS, zone

HOUR_MS: Final = 3_600_000
FIVE_MINUTES_MS: Final = 300_000
_MOST_SLOTS: Final = 200_000
"""about two years"""
_QUARTER_MS: Final = 900_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@final
class Slot:
    """Five minutes: their start, those of the hour and the day they lie in, and the offset from UTC; ms."""

    __slots__ = ("day", "five_minutes", "hour", "offset")

    def __init__(self, five_minutes: int, hour: int, day: int, offset: int) -> None:
        self.five_minutes = five_minutes
        self.hour = hour
        self.day = day
        self.offset = offset


class Calendar:
    """Arithmetic on instants (ms since the epoch) in one IANA time zone; right across daylight-saving changes."""

    def __init__(self, zone_name: str) -> None:
        self.zone_name = zone_name
        self._zone = zone(zone_name)
        self._offsets: dict[int, int] = {}
        self._day_starts: dict[int, int] = {}
        self._slots: dict[int, Slot] = {}

    def offset(self, ms: int) -> int:
        """The zone's offset from UTC at that instant, in ms. Offsets change on quarter hours at the finest."""
        quarter = ms // _QUARTER_MS
        found = self._offsets.get(quarter)
        if found is None:
            moment = _EPOCH + timedelta(milliseconds=quarter * _QUARTER_MS)
            delta = moment.astimezone(self._zone).utcoffset() or timedelta(0)
            found = self._offsets[quarter] = delta // timedelta(milliseconds=1)
        return found

    def slot(self, ms: int) -> Slot:
        """The five minutes in which an instant lies, looked up: every chat message asks."""
        found = self._slots.get(ms // FIVE_MINUTES_MS)
        if found is None:
            if len(self._slots) >= _MOST_SLOTS:
                self._slots.clear()
            found = self._slots[ms // FIVE_MINUTES_MS] = Slot(
                self.window_start(ms, FIVE_MINUTES_MS), self.hour_start(ms), self.day_start(ms), self.offset(ms)
            )
        return found

    def ms_of_day(self, ms: int) -> int:
        """The wall clock: 0 <= result < 86 400 000."""
        return (ms + self.offset(ms)) % DAY_MS

    def day_start(self, ms: int) -> int:
        """The local midnight that begins the day of `ms`; the first where clocks go back over it (Azores, Havana).

        Midnights lie on quarter hours, as offsets do.
        """
        quarter = ms // _QUARTER_MS
        found = self._day_starts.get(quarter)
        if found is None:
            offset = self.offset(ms)
            midnight = (ms + offset) // DAY_MS * DAY_MS
            found = midnight - self.offset(midnight - offset)
            before = self.offset(found - 3 * HOUR_MS)  # no zone goes back by more
            if self.ms_of_day(midnight - before) == 0:
                found = min(found, midnight - before)
            self._day_starts[quarter] = found
        return found

    def day_end(self, ms: int) -> int:
        """The local midnight that ends the day of `ms` (days may last 23 or 25 hours)."""
        return self.day_start(self.day_start(ms) + DAY_MS + DAY_MS // 2)

    def steady_until(self, ms: int, until: int) -> int:
        """`until`, or the moment after `ms` and before it at which the clocks change; at most a day apart."""
        offset = self.offset(ms)
        if self.offset(until) == offset:
            return until
        quarters = range(ms // _QUARTER_MS + 1, until // _QUARTER_MS + 1)
        return next(q * _QUARTER_MS for q in quarters if self.offset(q * _QUARTER_MS) != offset)

    def hour_start(self, ms: int) -> int:
        """The full local hour at or before `ms`."""
        return self.window_start(ms, HOUR_MS)

    def window_start(self, ms: int, size_ms: int) -> int:
        """The start of the window of that size that holds `ms`, aligned to local midnight."""
        if size_ms == DAY_MS:
            return self.day_start(ms)
        offset = self.offset(ms)
        return (ms + offset) // size_ms * size_ms - offset


@lru_cache(maxsize=64)
def calendar(zone_name: str) -> Calendar:
    """The shared calendar of a zone (its offsets are looked up once)."""
    return Calendar(zone_name)
