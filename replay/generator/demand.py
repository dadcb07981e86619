"""When buyers arrive, and how busy that makes the floor."""

import math
from bisect import bisect_right
from itertools import accumulate

from replay.generator.config import HOUR_MS, SaleConfig
from replay.generator.events import SHOP_OFFSET_MS

_BIN_MS = 60_000
_EVENING_HOURS = 8  # up to here one swell towards its peak; longer sales follow the clock of the day
_PEAK = 0.72  # share of a short sale at which it peaks: 20:53 for 18:00 to 22:00
# Arrivals by local hour: the rush after midnight, the lunch dip at 13:00, the peak at 21:00.
_NIGHT_AND_MORNING = (0.9, 0.4, 0.15, 0.07, 0.05, 0.06, 0.12, 0.25, 0.5, 0.75, 0.95, 0.9)
_DAY = (*_NIGHT_AND_MORNING, 0.75, 0.5, 0.6, 0.7, 0.75, 0.7, 0.75, 0.95, 1.3, 1.6, 1.35, 1.1)
_CHAT_MINUTES = 7.0  # how long a buyer occupies an agent


class Demand:
    """The arrival curve of a sale in bins of a minute; all times in milliseconds since the epoch."""

    def __init__(self, config: SaleConfig) -> None:
        self.start_ms = config.start_ms
        self.end_ms = config.end_ms
        bins = max(1, math.ceil((self.end_ms - self.start_ms) / _BIN_MS))
        if config.hours <= _EVENING_HOURS:
            weights = [0.28 + math.exp(-((((i + 0.5) / bins - _PEAK) / 0.24) ** 2)) for i in range(bins)]
        else:
            weights = [_by_clock(self.start_ms + i * _BIN_MS) for i in range(bins)]
        total = sum(weights)
        self._shares = [weight / total for weight in weights]
        self._cumulative = list(accumulate(self._shares))
        self._buyers = config.buyers
        self._agents = config.agents

    def arrival_ms(self, draw: float) -> int:
        """The arrival of a buyer who drew that number from 0 to 1 (inverse of the cumulative curve)."""
        index = min(bisect_right(self._cumulative, draw), len(self._shares) - 1)
        below = self._cumulative[index] - self._shares[index]
        within = min(max((draw - below) / self._shares[index], 0.0), 1.0)
        return min(self.start_ms + int((index + within) * _BIN_MS), self.end_ms - 1)

    def chats_per_agent(self, at_ms: int) -> float:
        """How many buyers an agent talks to at once at that moment, on average."""
        index = min(max((at_ms - self.start_ms) // _BIN_MS, 0), len(self._shares) - 1)
        return self._buyers * self._shares[index] * _CHAT_MINUTES / self._agents

    def share_between(self, from_ms: int, to_ms: int) -> float:
        """Share of all arrivals in [from_ms, to_ms), to the minute."""
        first = max(0, (from_ms - self.start_ms) // _BIN_MS)
        last = max(0, math.ceil((to_ms - self.start_ms) / _BIN_MS))
        return sum(self._shares[first:last])


def _by_clock(at_ms: int) -> float:
    """The day's curve at a local time, straight between the hours."""
    hour = (at_ms + SHOP_OFFSET_MS) / HOUR_MS % 24
    low = int(hour)
    return _DAY[low] + (_DAY[(low + 1) % 24] - _DAY[low]) * (hour - low)


_BY_HOUR = [total / sum(_DAY) for total in accumulate(_DAY)]


def time_of_day_ms(draw: float) -> int:
    """Milliseconds after local midnight at which a buyer shops on any day, for a draw from 0 to 1."""
    hour = min(bisect_right(_BY_HOUR, draw), 23)
    below = _BY_HOUR[hour - 1] if hour else 0.0
    return int((hour + min((draw - below) / (_BY_HOUR[hour] - below), 0.999)) * HOUR_MS)
