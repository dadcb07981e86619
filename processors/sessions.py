"""Sessions and the first response (首次响应): contract §2, "First response"."""

from collections.abc import Sequence
from typing import NamedTuple

from processors.facts import BUYER, Message


class FirstResponse(NamedTuple):
    """How long a session's first buyer message waited (`asked.time` places it in a window), and for whom it counts."""

    asked: Message
    reply: Message

    @property
    def response_ms(self) -> int:
        """Reply minus first buyer message, not capped."""
        return self.reply.time - self.asked.time


def continues(previous: Message, message: Message, gap_ms: int) -> bool:
    """Whether `message` belongs to the session that `previous` is the latest of: a gap below `gap_ms` keeps it."""
    return message.time - previous.time < gap_ms


def first_response(session: Sequence[Message]) -> FirstResponse | None:
    """The first effective reply after the session's first buyer message, any agent; None without either."""
    asked: Message | None = None
    for message in session:
        if message.mode == BUYER:
            asked = asked or message
        elif asked is not None and message.effective:
            return FirstResponse(asked, message)
    return None
