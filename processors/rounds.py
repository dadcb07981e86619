"""Rounds (对话轮次): contract §2, "Round", and what they add to the agent's windows."""

from collections.abc import Sequence
from typing import Final, final

from processors.calendar import Slot
from processors.facts import BUYER, EFFECTIVE_MODES, Message
from processors.ruleset import Rules, within
from processors.windows import DAYS, EVERY_HOUR, PLATFORM_DAY, PLATFORM_HOURS, ShareKey, Shares, count_response
from schemas.types import DAY_MS

Timed = tuple[Message, Slot]
"""a message and where it lies"""


@final
class Round:
    """A buyer's message that waited, and the first effective reply after it, if there was one that day."""

    __slots__ = ("opening", "reply")

    def __init__(self, opening: Message, reply: Message | None) -> None:
        self.opening = opening
        self.reply = reply

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Round) and self.opening == other.opening and self.reply == other.reply

    @property
    def response_ms(self) -> int | None:
        """Reply minus opening, not capped; None without a reply."""
        return None if self.reply is None else self.reply.time - self.opening.time


LONGEST_WAIT_MS: Final = 100_000_000
"""longer than any local day"""


def sooner(asked: int, replied: int) -> int:
    """What a reply adds to the revision of a buyer message: the more, the sooner it came (times in ms)."""
    return max(LONGEST_WAIT_MS - (replied - asked), 1)


def revisions(messages: Sequence[Message]) -> list[int]:
    """For each buyer message how much is known that bears on it; 0 for the others.

    What a buyer message comes to (opening a round or not, its reply) depends on the messages before it and on the first
    effective reply after it. So: the number of messages before it, and the more the sooner that reply came. It only grows
    with the set of facts, and grows whenever the outcome can change; later messages of a long thread leave it alone.
    """
    result = [0] * len(messages)
    replied: int | None = None
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.mode == BUYER:
            result[index] = 1 + index + (0 if replied is None else sooner(message.time, replied))
        elif message.effective:
            replied = message.time
    return result


class Thread:
    """One (buyer, agent) on one local day. Takes that day's messages in order of (time, id).

    The first buyer message while no round is open opens one; the first effective reply after it closes it. What is
    open at the end of the day stays without a reply: midnight ends it, and a later reply answers nothing.
    """

    __slots__ = ("_asked", "_replied", "agent_id", "day", "messages", "places", "rounds", "rules", "slow")

    def __init__(self, agent_id: str, day: int, rules: Rules) -> None:
        """`day`: its start; `rules`: those in force then."""
        self.agent_id, self.day, self.rules = agent_id, day, rules
        self.messages: list[Message] = []
        self.rounds: list[Round] = []
        self.places: list[int] = []
        """where in `messages` each round's opening is"""
        self.slow: list[Round] = []
        """answered rounds that took too long"""
        self._asked: list[tuple[int, ShareKey]] = []
        """time and window share of each buyer message of the open round; empty: none is open"""
        self._replied = False

    def take(self, messages: Sequence[Timed], shares: Shares) -> int:
        """Takes in the next messages, and adds to `shares` what they change there.

        The index of the first round that is new, or may have been answered.
        """
        first = max(len(self.rounds) - 1, 0)
        platform_hours, agent_id, rounds, asked = self.rules.platform_hours, self.agent_id, self.rounds, self._asked
        for place, (message, slot) in enumerate(messages, len(self.messages)):
            self.messages.append(message)
            mode = message.mode
            if mode == BUYER:
                time = message.time
                in_hours = within(platform_hours, (time + slot.offset) % DAY_MS)
                key = agent_id, slot.five_minutes, PLATFORM_HOURS if in_hours else EVERY_HOUR
                share = shares[key]
                share.revision += 1 + place
                if not in_hours:
                    shares[agent_id, self.day, PLATFORM_DAY].revision += 1 + place
                if not asked:
                    share.rounds += 1
                    if not rounds:
                        self._wrote(shares)
                    rounds.append(Round(message, None))
                    self.places.append(place)
                asked.append((time, key))
            elif mode in EFFECTIVE_MODES:
                if not self._replied:
                    self._replied = True
                    if rounds:
                        shares[agent_id, self.day, DAYS].buyers_replied += 1
                if asked:
                    self._answer(message, shares)
        return first

    def _wrote(self, shares: Shares) -> None:
        # the reply rate knows no hours: whoever wrote that day counts in both definitions' days
        share = shares[self.agent_id, self.day, DAYS]
        share.buyers_wrote += 1
        share.buyers_replied += self._replied

    def _answer(self, reply: Message, shares: Shares) -> None:
        replied = reply.time
        for time, key in self._asked:
            revision = sooner(time, replied)
            shares[key].revision += revision
            if key[2] == EVERY_HOUR:
                shares[self.agent_id, self.day, PLATFORM_DAY].revision += revision
        opened_at, key = self._asked[0]
        self._asked.clear()
        response = replied - opened_at
        count_response(shares[key], response, self.rules)
        round_ = self.rounds[-1] = Round(self.rounds[-1].opening, reply)
        if response > self.rules.slow_after_ms:
            self.slow.append(round_)

    def revision(self, index: int) -> int:
        """Of a round, as `revisions` has it for its opening."""
        round_ = self.rounds[index]
        return 1 + self.places[index] + (0 if round_.reply is None else sooner(round_.opening.time, round_.reply.time))
