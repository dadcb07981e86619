"""Response windows (contract §2): what each buyer adds to them, and the sums.

A window's partial sum is the sum of its buyers' shares, so a changed buyer costs one subtraction and one addition.
`revision` sums processors.rounds.revisions over the buyer messages in the window, by thread for the rounds and by session
for the first responses: it grows whenever the window can change, so what was computed from more facts always replaces the
rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from processors.calendar import HOUR_MS, Calendar
from processors.facts import BUYER, Message
from processors.rounds import Round, revisions
from processors.ruleset import Rules, within
from processors.sessions import first_response
from schemas.types import DAY_MS

SIZES_MS: Final = (300_000, HOUR_MS, DAY_MS)
Definition = Literal["all", "platform"]


class WindowKey(NamedTuple):
    """A window of one agent of one shop."""

    shop_id: str
    agent_id: str
    start: int
    size_ms: int
    definition: Definition


class WindowSums:
    """Sums of one window; also one buyer's share of it. `responses`: rounded capped response ms -> rounds."""

    __slots__ = (
        "answered",
        "answered_in_target",
        "buyers_replied",
        "buyers_wrote",
        "first_in_target",
        "first_ms_sum",
        "first_responses",
        "response_ms_sum",
        "responses",
        "revision",
        "rounds",
    )

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


Shares = dict[WindowKey, WindowSums]


def rounded(value: int, cap: int) -> int:
    """A response in ms at the histogram's precision: three significant digits, error at most 0.5 %; the cap stays exact.

    Whole seconds stay exact, and a window holds a bounded number of values. The histogram is keyed by the value itself,
    so that its readers (SQL among them) need no decoding.
    """
    step = 1
    while value // step >= 1000:
        step *= 10
    return min((value + step // 2) // step * step, cap)


def percentile(histogram: Iterable[tuple[int, int]], total: int, percent: int) -> int:
    """Nearest rank: the smallest value with at least `percent` % of `total` counts at or below it."""
    ranked = sorted(histogram)
    seen = 0
    for value, count in ranked:
        seen += count
        if seen * 100 >= percent * total:
            return value
    return ranked[-1][0]


def thread_shares(
    shop_id: str, agent_id: str, thread: Sequence[Message], rounds: Sequence[Round], rules: Rules, days: Calendar
) -> Shares:
    """What one (buyer, agent, local day) adds to the agent's windows. `thread`: all its messages, ordered."""
    shares: Shares = defaultdict(WindowSums)
    if not rounds:
        return shares  # no buyer message either
    slots: dict[tuple[int, bool], list[WindowSums]] = {}
    # the reply rate knows no hours: whoever wrote that day counts in both definitions' days
    day = days.day_start(thread[0].time)
    both = [shares[WindowKey(shop_id, agent_id, day, DAY_MS, definition)] for definition in ("all", "platform")]
    replied = any(message.effective for message in thread)
    for share in both:
        share.buyers_wrote = 1
        share.buyers_replied = int(replied)
    for message, revision in zip(thread, revisions(thread), strict=True):
        if message.mode == BUYER:
            slot = _slot(message.time, rules, days)
            if slot not in slots:
                slots[slot] = [shares[key] for key in _keys(shop_id, agent_id, message.time, slot[1], days)]
            for share in slots[slot]:
                share.revision += revision
            if not slot[1]:
                both[1].revision += revision
    for round_ in rounds:
        response = round_.response_ms
        for share in slots[_slot(round_.opening.time, rules, days)]:
            share.rounds += 1
            if response is not None:
                capped = min(response, rules.response_cap_ms)
                share.answered += 1
                share.answered_in_target += response <= rules.response_target_ms
                share.response_ms_sum += capped
                value = rounded(capped, rules.response_cap_ms)
                share.responses[value] = share.responses.get(value, 0) + 1
    return shares


def session_shares(shop_id: str, session: Sequence[Message], rules: Rules, days: Calendar) -> Shares:
    """What one session adds: the first response to the replying agent's `all` windows.

    Every agent who replied in it gets a share, if only of the revision: a message that comes late may make the
    first response theirs, or take it from them.
    """
    shares: Shares = defaultdict(WindowSums)
    agents: set[str] = set()  # with an effective message after the one looked at
    for message, revision in zip(reversed(session), reversed(revisions(session)), strict=True):
        if message.effective:
            agents.add(message.agent_id)
        elif message.mode == BUYER and agents:
            for size in SIZES_MS:
                start = days.window_start(message.time, size)
                for agent_id in agents:
                    shares[WindowKey(shop_id, agent_id, start, size, "all")].revision += revision
    first = first_response(session)
    if first is not None:
        for size in SIZES_MS:
            start = days.window_start(first.asked.time, size)
            share = shares[WindowKey(shop_id, first.reply.agent_id, start, size, "all")]
            share.first_responses = 1
            share.first_ms_sum = first.response_ms
            share.first_in_target = int(first.response_ms <= rules.first_response_target_ms)
    return shares


def in_platform_hours(time: int, rules: Rules, days: Calendar) -> bool:
    """Whether a round opened then counts in the `platform` definition: 08:00 <= t < 23:00."""
    return within(rules.platform_hours, days.ms_of_day(time))


def _slot(time: int, rules: Rules, days: Calendar) -> tuple[int, bool]:
    """All messages of one slot fall into the same windows."""
    return days.window_start(time, SIZES_MS[0]), in_platform_hours(time, rules, days)


def _keys(shop_id: str, agent_id: str, time: int, platform: bool, days: Calendar) -> list[WindowKey]:
    starts = [(days.window_start(time, size), size) for size in SIZES_MS]
    definitions: tuple[Definition, ...] = ("all", "platform") if platform else ("all",)
    return [WindowKey(shop_id, agent_id, start, size, d) for d in definitions for start, size in starts]
