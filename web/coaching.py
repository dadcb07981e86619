"""The coaching words of a period: what reviewers wrote for an agent, for whoever leads that agent."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

from sinks.reader import Row
from web.access.masks import masked
from web.access.roles import Person
from web.parts import Parts


class CoachingWords(BaseModel):
    """What a verdict told the agent."""

    agent_id: str
    about: Literal["flag", "sample"]
    id: str = Field(description="of the flag or the sampled conversation")
    rule: str = Field(description="of the flag; empty for a sampled conversation")
    at: str = Field(description="of the message; of a sampled conversation the first moment of its day")
    judged_at: str
    actor: str
    verdict: Literal["upheld", "dismissed"]
    score: float | None
    reason: str
    coaching: str


class Coaching(BaseModel):
    """Newest verdict first."""

    total: int
    words: list[CoachingWords]
    next_cursor: str | None


def words_of(parts: Parts, shop_id: str, rows: Iterable[Row], person: Person) -> list[CoachingWords]:
    """As that person may see them."""
    return [
        CoachingWords.model_validate(
            {**masked(row, person), **{key: parts.time(row[key], shop_id) for key in ("at", "judged_at")}}
        )
        for row in rows
    ]
