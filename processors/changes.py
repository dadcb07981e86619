"""What a buyer's new facts changed: the records to send and the shares of sums to exchange."""

from typing import Any, NamedTuple, TypeVar

from processors.leaderboard import BoardKey, BoardSums
from processors.reviews import CallTask
from processors.rounds import Round
from processors.windows import ShareKey, WindowSums


class RoundRecord(NamedTuple):
    """A round with its id; `revision` as processors.rounds.revisions has it for the opening."""

    round_id: str
    round: Round
    day_ends_at: int
    in_platform_hours: bool
    revision: int
    ruleset: str


class FlagRecord(NamedTuple):
    """A flag; `revision`: chat and commerce facts up to its moment, and what QC did to it."""

    flag_id: str
    rule: str
    severity: str
    agent_id: str
    message_id: str | None
    review_id: str | None
    order_ids: list[str]
    occurred_at: int
    evidence: dict[str, Any]
    qc_status: str
    qc_actor: str
    qc_reason: str
    qc_score: float | None
    revision: int
    ruleset: str


class TaskRecord(NamedTuple):
    """A call task with its revision."""

    task: CallTask
    revision: int


_Key = TypeVar("_Key")
_Share = TypeVar("_Share")
Exchange = tuple[_Key, _Share | None, _Share | None]
"""A buyer's share of sums: its key, what to take back, what to add. With neither, the sums are to be sent again."""


class Changes:
    """Differences between two states of one buyer."""

    __slots__ = ("boards", "flags", "flags_gone", "rounds", "rounds_gone", "tasks", "windows")

    def __init__(self) -> None:
        self.rounds: list[RoundRecord] = []
        self.rounds_gone: list[RoundRecord] = []
        self.flags: list[FlagRecord] = []
        self.flags_gone: list[FlagRecord] = []
        self.tasks: list[TaskRecord] = []
        self.windows: list[Exchange[ShareKey, WindowSums]] = []
        self.boards: list[Exchange[BoardKey, BoardSums]] = []


def exchange(before: dict[_Key, _Share], after: dict[_Key, _Share], out: "list[Exchange[_Key, _Share]]") -> None:
    """Adds (key, share before, share after) for every key of either with another share."""
    for key, share in after.items():
        earlier = before.get(key)
        if earlier != share:
            out.append((key, earlier, share))
    out += [(key, share, None) for key, share in before.items() if key not in after]
