"""What people did about a flag, a sampled conversation or a call task, and what they wrote down: for who comes next."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from schemas.types import parse_time
from web.access.masks import masked
from web.access.roles import Person
from web.models import CallTaskOut, FlagOut
from web.parts import Parts


class Step(BaseModel):
    """One thing that somebody did. Null is what its `type` does not have, or nobody said."""

    id: str = Field(description="of the command event, as `event_id` in the answer to it")
    type: Literal[
        "qc.claimed", "qc.verdict_given",
        "call_task.claimed", "call_task.call_logged", "call_task.resolved", "call_task.revisited",
    ]  # fmt: skip
    time: str
    actor: str = Field(description="what they are called is in /api/v1/people")
    verdict: Literal["upheld", "dismissed"] | None = None
    score: float | None = Field(None, description="rubric score, 0 to 100")
    reason: str | None = None
    coaching: str | None = Field(None, description="words for the agent")
    reached: bool | None = None
    call_again_at: str | None = None
    outcome: str | None = None
    note: str | None = None


_SAID: Final = ("verdict", "score", "reason", "coaching", "reached", "outcome", "note")
HISTORY: Final[Any] = Field(
    description="what people did about it, oldest first, of more than a hundred steps the newest; also what came too late to"
    " count. As long as events are kept"
)


class FlagSheet(FlagOut):
    """A flag, and what was done about it."""

    history: list[Step] = HISTORY


class TaskSheet(CallTaskOut):
    """A call task, and what was done about it."""

    history: list[Step] = HISTORY


async def history(parts: Parts, row: Mapping[str, Any], target_id: str, person: Person) -> list[Step]:
    """Of the flag, conversation or task that is `row` in the read model, as that person may see it."""
    shop_id = row["shop_id"]
    found = await parts.call(parts.read.history, shop_id, row["buyer_id"], target_id)
    return [_step(parts, shop_id, masked(one, person)) for one in found]


def _step(parts: Parts, shop_id: str, row: Mapping[str, Any]) -> Step:
    data = row["data"]
    if row["type"] == "call_task.call_logged":
        data = {"reached": True, **data}  # as the event's schema has it
    again = data.get("call_again_at")
    return Step(
        id=row["id"],
        type=row["type"],
        time=parts.time(row["time"], shop_id) or "",
        actor=row["actor"],
        call_again_at=parts.time(parse_time(again), shop_id) if again else None,
        **{name: data[name] for name in _SAID if data.get(name) not in (None, "")},
    )
