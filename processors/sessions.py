"""Sessions and the first response (首次响应): contract §2, "First response"."""

from processors.calendar import Slot
from processors.facts import BUYER, EFFECTIVE_MODES, Message
from processors.rounds import sooner
from processors.ruleset import Rules
from processors.windows import EVERY_HOUR, Shares


def continues(previous: Message, message: Message, gap_ms: int) -> bool:
    """Whether `message` belongs to the session that `previous` is the latest of: a gap below `gap_ms` keeps it."""
    return message.time - previous.time < gap_ms


class Session:
    """One buyer's messages with the whole shop, without a long gap. Takes them in order of (time, id).

    Its first buyer message waits for the first effective reply after it, by any agent. Every agent who replied after a
    buyer message has a share in its window, if only of the revision: a message that comes late may make the first response
    theirs, or take it from them.
    """

    __slots__ = ("_answered", "_asked", "_counted", "_length", "_rules", "latest")

    def __init__(self, rules: Rules) -> None:
        """`rules`: those in force at its first message."""
        self._rules = rules
        self._length = 0
        self._asked: list[tuple[int, int, int]] = []
        """of each buyer message: time, start of its five minutes, revision (as processors.rounds.revisions has it)"""
        self._answered = 0
        """how many of these have a reply"""
        self._counted: dict[str, int] = {}
        """by agent: how many of these it has a share of"""
        self.latest: Message
        """its last message"""

    def take(self, message: Message, slot: Slot, shares: Shares) -> None:
        """Takes in the next message, and adds to `shares` what it changes there."""
        self.latest = message
        self._length += 1
        if message.mode == BUYER:
            self._asked.append((message.time, slot.five_minutes, self._length))
        elif self._asked and message.mode in EFFECTIVE_MODES:
            self._reply(message, shares)

    def _reply(self, reply: Message, shares: Shares) -> None:
        asked, agent_id = self._asked, reply.agent_id
        if not self._answered:
            time, start, _ = asked[0]
            first = shares[agent_id, start, EVERY_HOUR]
            first.first_responses += 1
            first.first_ms_sum += reply.time - time
            first.first_in_target += reply.time - time <= self._rules.first_response_target_ms
        for index in range(self._answered, len(asked)):
            time, start, revision = asked[index]
            asked[index] = time, start, revision + sooner(time, reply.time)
        self._answered = len(asked)
        for index in range(self._counted.get(agent_id, 0), len(asked)):
            _, start, revision = asked[index]
            shares[agent_id, start, EVERY_HOUR].revision += revision
        self._counted[agent_id] = len(asked)
