"""What a person sends: the bodies of commands (contract §4). What the API answers is in models.py."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from schemas.types import Id, TimeMs

Words = Annotated[str, Field(max_length=2000)]
"""what a person writes: the desks' fields end there, too"""


class Body(BaseModel):
    """Base of what a person sends: an unknown field is a mistake, not to be ignored."""

    model_config = ConfigDict(extra="forbid")

    actor: Id | None = Field(None, description="who does it; default: who has signed in")

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        """JSON may hold half a surrogate pair, which is no character and can't be written in UTF-8."""
        texts = value if isinstance(value, dict) else (value,)
        if any(isinstance(text, str) and _HALVES.search(text) for text in texts):
            raise ValueError("holds half a surrogate pair")
        return value


_HALVES: Final = re.compile("[\ud800-\udfff]")


class Claim(Body):
    """Take a flag, a conversation or a task, so that nobody else gets it."""


class Verdict(Body):
    """A reviewer's verdict on a flag."""

    explained: ClassVar[str] = "dismissed"
    """the verdict that needs a reason: the one that is not expected"""

    verdict: Literal["upheld", "dismissed"]
    reason: Words = Field("", validate_default=True, description="needed to dismiss a flag")
    marks: dict[str, float] | None = Field(
        None, description="the rubric's sheet: item -> 0 (missed) … 1 (done), for every item; the score follows from it"
    )
    score: float | None = Field(
        None, ge=0, le=100, description="of whoever judges by a sheet of their own; taken as it is, without the rubric"
    )
    coaching: Words = ""

    @field_validator("reason")
    @classmethod
    def _explained(cls, reason: str, info: ValidationInfo) -> str:
        if info.data.get("verdict") == cls.explained and not reason.strip():
            raise ValueError(f"{cls.explained} needs a reason")
        return reason

    @model_validator(mode="after")
    def _one_score(self) -> Self:
        if self.marks is not None and self.score is not None:
            raise ValueError("score: follows from marks")
        return self


class SampleVerdict(Verdict):
    """A reviewer's verdict on a conversation of the sample: upheld says that a fault was found."""

    explained: ClassVar[str] = "upheld"

    reason: Words = Field("", validate_default=True, description="needed where a fault was found")


class Call(Body):
    """A call that was made."""

    reached: bool = True
    call_again_at: TimeMs | None = Field(None, description="within 366 days")
    note: Words = ""


class Outcome(Body):
    """How a complaint was settled, or what the revisit call found."""

    outcome: Annotated[str, Field(max_length=256)] = Field("", description="exchange, refund, wait, …")
    note: Words = ""


class Settlement(Outcome):
    """How a complaint was settled."""

    outcome: Annotated[str, Field(max_length=256)] = Field(description="exchange, refund, wait, …")

    @field_validator("outcome")
    @classmethod
    def _settled(cls, outcome: str) -> str:
        if not outcome.strip():
            raise ValueError("how was it settled?")
        return outcome
