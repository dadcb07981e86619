"""Response windows (contract §2): what each buyer adds to them, and the sums.

A window's partial sum is the sum of its buyers' shares, so a changed buyer costs one subtraction and one addition.
`revision` sums processors.rounds.revisions over the buyer messages in the window, by thread for the rounds and by session
for the first responses: it grows whenever the window can change, so what was computed from more facts always replaces the
rest.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from typing import Final, Literal, NamedTuple, final

from processors.calendar import FIVE_MINUTES_MS, HOUR_MS, Calendar, calendar
from processors.figures import Figures
from processors.ruleset import Rules, RulesetBook, within
from schemas.types import DAY_MS

SIZES_MS: Final = (FIVE_MINUTES_MS, HOUR_MS, DAY_MS)
Definition = Literal["all", "platform"]
DEFINITIONS: Final[tuple[Definition, ...]] = ("all", "platform")


class WindowKey(NamedTuple):
    """A window of one agent of one shop."""

    shop_id: str
    agent_id: str
    start: int
    size_ms: int
    definition: Definition


@final
class WindowSums(Figures):
    """Sums of one window; also one buyer's share of it. `responses`: rounded capped response ms -> rounds."""

    FIGURES = (
        "revision",
        "rounds",
        "answered",
        "answered_in_target",
        "response_ms_sum",
        "first_responses",
        "first_ms_sum",
        "first_in_target",
        "buyers_wrote",
        "buyers_replied",
        "responses",
    )
    __slots__ = FIGURES

    def __init__(self) -> None:
        self.revision = 0
        self.rounds = 0
        self.answered = 0
        self.answered_in_target = 0
        self.response_ms_sum = 0
        self.first_responses = 0
        self.first_ms_sum = 0
        self.first_in_target = 0
        self.buyers_wrote = 0
        self.buyers_replied = 0
        self.responses: dict[int, int] = {}

    def add(self, share: "WindowSums", sign: int = 1) -> None:
        """Adds a buyer's share, or takes it back with sign -1."""
        self.revision += sign * share.revision
        self.rounds += sign * share.rounds
        self.answered += sign * share.answered
        self.answered_in_target += sign * share.answered_in_target
        self.response_ms_sum += sign * share.response_ms_sum
        self.first_responses += sign * share.first_responses
        self.first_ms_sum += sign * share.first_ms_sum
        self.first_in_target += sign * share.first_in_target
        self.buyers_wrote += sign * share.buyers_wrote
        self.buyers_replied += sign * share.buyers_replied
        for value, count in share.responses.items():
            left = self.responses.get(value, 0) + sign * count
            if left:
                self.responses[value] = left
            else:
                del self.responses[value]

    @property
    def has_row(self) -> bool:
        """A window with neither a round nor a first response has no row."""
        return self.rounds > 0 or self.first_responses > 0


ShareKey = tuple[str, int, int]
"""(agent_id, start, which windows): a buyer's share of all windows that a moment falls into is kept once"""
EVERY_HOUR, PLATFORM_HOURS, DAYS, PLATFORM_DAY = range(4)
"""of a five-minute window's start: the `all` windows of every size, or both definitions' (the moment lies in the platform's
hours); of a day's start: both definitions' day, or the platform's alone"""
Shares = defaultdict[ShareKey, WindowSums]


def windows_of(shop_id: str, key: ShareKey, days: Calendar) -> list[WindowKey]:
    """The windows that the share adds to."""
    agent_id, start, which = key
    if which == PLATFORM_DAY:
        return [WindowKey(shop_id, agent_id, start, DAY_MS, "platform")]
    if which == DAYS:
        return [WindowKey(shop_id, agent_id, start, DAY_MS, definition) for definition in DEFINITIONS]
    definitions = DEFINITIONS if which == PLATFORM_HOURS else DEFINITIONS[:1]
    starts = [(days.window_start(start, size), size) for size in SIZES_MS]
    return [WindowKey(shop_id, agent_id, first, size, d) for d in definitions for first, size in starts]


def rules_of(key: WindowKey, book: RulesetBook) -> Rules:
    """Those in force when the window's day begins, as for the rounds in it."""
    return book.at(key.shop_id, calendar(book.timezone(key.shop_id)).day_start(key.start))


def count_response(share: WindowSums, response_ms: int, rules: Rules) -> None:
    """Adds an answered round."""
    cap = rules.response_cap_ms
    capped = min(response_ms, cap)
    share.answered += 1
    share.answered_in_target += response_ms <= rules.response_target_ms
    share.response_ms_sum += capped
    value = rounded(capped, cap)
    share.responses[value] = share.responses.get(value, 0) + 1


def rounded(value: int, cap: int) -> int:
    """A response in ms at the histogram's precision: three significant digits, error at most 0.5 %; the cap stays exact.

    Whole seconds stay exact, and a window holds a bounded number of values. The histogram is keyed by the value itself,
    so that its readers (SQL among them) need no decoding.
    """
    step = 1
    while value // step >= 1000:
        step *= 10
    return min((value + step // 2) // step * step, cap)


def percentiles(histogram: Iterable[tuple[int, int]], total: int, *percents: int) -> list[int]:
    """Nearest rank: of each the smallest value with at least that percentage of `total` counts at or below it."""
    ranked = sorted(histogram)
    seen = list(accumulate([count for _, count in ranked]))
    return [ranked[min(bisect_left(seen, -(-percent * total // 100)), len(seen) - 1)][0] for percent in percents]


def in_platform_hours(time: int, rules: Rules, days: Calendar) -> bool:
    """Whether a round opened then counts in the `platform` definition: 08:00 <= t < 23:00."""
    return within(rules.platform_hours, days.ms_of_day(time))
