"""Rounds (对话轮次): contract §2, "Round"."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from processors.facts import BUYER, Message


class Round(NamedTuple):
    """A buyer's message that waited, and the first effective reply after it, if there was one that day."""

    opening: Message
    reply: Message | None

    @property
    def response_ms(self) -> int | None:
        """Reply minus opening, not capped; None without a reply."""
        return None if self.reply is None else self.reply.time - self.opening.time


def rounds_of(thread: Sequence[Message]) -> list[Round]:
    """The rounds of one (buyer, agent) on one local day, out of that day's messages ordered by (time, id).

    The first buyer message while no round is open opens one; the first effective reply after it closes it. What is
    open at the end of the day stays without a reply: midnight ends it, and a later reply answers nothing.
    """
    rounds: list[Round] = []
    opening: Message | None = None
    for message in thread:
        if message.mode == BUYER:
            if opening is None:
                opening = message
        elif opening is not None and message.effective:
            rounds.append(Round(opening, message))
            opening = None
    if opening is not None:
        rounds.append(Round(opening, None))
    return rounds


LONGEST_WAIT_MS: Final = 100_000_000
"""longer than any local day"""


def revisions(messages: Sequence[Message]) -> list[int]:
    """For each buyer message how much is known that bears on it; 0 for the others.

    What a buyer message comes to (opening a round or not, its reply) depends on the messages before it and on the first
    effective reply after it. So: the number of messages before it, and the more the sooner that reply came. It only grows
    with the set of facts, and grows whenever the outcome can change; later messages of a long thread leave it alone.
    """
    result = [0] * len(messages)
    reply_at: int | None = None
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.mode == BUYER:
            soon = 0 if reply_at is None else max(LONGEST_WAIT_MS - (reply_at - message.time), 1)
            result[index] = 1 + index + soon
        elif message.effective:
            reply_at = message.time
    return result


def third_slow(rounds: Sequence[Round], slow_after_ms: int, slow_count: int) -> list[Round]:
    """The slow rounds up to the one that raises `response.slow` (the third), or an empty list: contract §2, flags."""
    slow = [r for r in rounds if r.response_ms is not None and r.response_ms > slow_after_ms]
    return slow[:slow_count] if len(slow) >= slow_count else []
