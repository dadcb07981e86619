"""What a ruleset holds: the file's fields, checked, and the `Rules` that the processors read (contract section 2).

`processors.ruleset` reads the files and picks the version; this module knows one version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from processors.phrases import EXCEPTIONS, PhraseMatcher
from processors.ruleset_fields import (
    DAY_MS,
    MINUTE_MS,
    Amount,
    Interval,
    LabelPart,
    Phrase,
    PositiveInt,
    Ratio,
    Stars,
    instant,
    zone,
)
from schemas.events import Role

OTHER_CATEGORY: Final = "other"
"""The call-task category of a review that matches none of the ruleset's categories."""

Severity = Literal["violation", "notice"]
SeverityKey = Literal[
    "reminder.repeated",
    "reminder.same_day",
    "reminder.same_day.order_alone",
    "reminder.after_payment",
    "reminder.direct",
    "response.slow",
    "language.forbidden",
    "language.vague",
    "review.solicited",
    "review.hidden_negative",
]
"""The rules of the contract's table; `reminder.same_day.order_alone` is `reminder.same_day` on basis `order` alone."""

Hours = tuple[int, int]
"""[start, end) in milliseconds of the local day; start > end wraps midnight."""


def within(hours: Hours, ms_of_day: int) -> bool:
    """Whether `ms_of_day` (0 <= ms < 86 400 000, shop's local time) lies in `hours`, also when they wrap midnight."""
    start, end = hours
    if start < end:
        return start <= ms_of_day < end
    return ms_of_day >= start or ms_of_day < end


# ---- the file's fields -------------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Response(_Part):
    cap_ms: PositiveInt
    target_ms: PositiveInt
    slow_after_ms: PositiveInt
    slow_count: PositiveInt
    platform_hours: Interval
    first_response_target_ms: PositiveInt
    session_gap_ms: PositiveInt
    reply_rate_target: Ratio


class Overload(_Part):
    """When too many buyers wait (爆旺)."""

    waiting_buyers: PositiveInt
    warning_buyers: PositiveInt
    agent_buyers: PositiveInt
    waiting_minutes: PositiveInt

    @model_validator(mode="after")
    def _warned_before(self) -> Self:
        if self.warning_buyers > self.waiting_buyers:
            raise ValueError("warning_buyers must not be more than waiting_buyers")
        return self


class Attribution(_Part):
    horizon_minutes: PositiveInt


class Reminder(_Part):
    same_day_basis: tuple[Literal["payment", "order"], ...]


class Phrases(_Part):
    reminder: tuple[Phrase, ...]
    blunt: tuple[Phrase, ...]
    forbidden: tuple[Phrase, ...]
    vague: tuple[Phrase, ...]
    solicitation: tuple[Phrase, ...]
    exceptions: tuple[Phrase, ...]

    def by_category(self) -> dict[str, tuple[Phrase, ...]]:
        """Category to phrases; a blunt reminder is a reminder too, so it stands under both."""
        return {**dict(self), "reminder": self.reminder + self.blunt}


class Review(_Part):
    negative_rating_max: Stars
    hidden_negative_rating_min: Stars
    categories: dict[str, tuple[Phrase, ...]]


class CallTask(_Part):
    calling_hours: Annotated[tuple[Interval, ...], Field(min_length=1)]
    late_purchase_hours: Interval
    late_purchase_calling_hours: Annotated[tuple[Interval, ...], Field(min_length=1)]
    due_after_review_minutes: PositiveInt
    due_after_not_before_minutes: PositiveInt
    high_priority_rating_max: Stars
    normal_priority_rating_max: Stars
    high_priority_amount: Amount
    negative_lookback_days: PositiveInt
    revisit_after_days: PositiveInt
    assigned_role: Role


class Kpi(_Part):
    inquiry_to_order_rate: Ratio
    order_to_paid_rate: Ratio
    items_per_order: Annotated[float, Field(strict=True, gt=0)]
    amount_per_order: Amount
    own_target_rate: Ratio


Weight = Annotated[int, Field(strict=True, ge=0, le=1000)]


class ScoreWeights(_Part):
    """How much each component of a score weighs; they need not add up to 100."""

    own_target: Weight
    qc: Weight
    rating: Weight
    complaints: Weight
    superior: Weight
    """Kept for the day when somebody enters it: nothing has it now."""
    conduct: Weight
    """The same."""

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if not any((self.own_target, self.qc, self.rating, self.complaints)):
            raise ValueError("some component that there is data for must weigh something")
        return self


class Scorecard(_Part):
    presale: ScoreWeights
    aftersale: ScoreWeights
    complaint_rate_zero: Annotated[float, Field(strict=True, gt=0, le=1)]


class RubricItem(_Part):
    """One line of the sheet that a reviewer fills in."""

    key: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    zh: Phrase
    en: Phrase
    weight: Weight
    critical: bool = False
    """Missed, it makes the whole score 0."""


class Sample(_Part):
    """How many of the conversations without a flag QC reads: the rate of the agent, else of the agent's role, else of all."""

    rate: Ratio
    roles: dict[Role, Ratio]
    agents: dict[str, Ratio]
    salt: str
    """Part of what is hashed: whoever does not know it cannot tell beforehand which conversations will be read."""


class Qc(_Part):
    sample: Sample
    rubric: Annotated[tuple[RubricItem, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _countable(self) -> Self:
        keys = [item.key for item in self.rubric]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise ValueError(f"rubric: {twice[0]} is there twice")
        if not any(item.weight for item in self.rubric):
            raise ValueError("rubric: some item must weigh something")
        return self


class Settings(_Part):
    """All that a shop can override."""

    timezone: Annotated[str, BeforeValidator(zone)]
    response: Response
    overload: Overload
    attribution: Attribution
    reminder: Reminder
    phrases: Phrases
    review: Review
    call_task: CallTask
    severity: dict[SeverityKey, Severity]
    qc: Qc
    kpi: Kpi
    scorecard: Scorecard

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        task = self.call_task
        for name in ("calling_hours", "late_purchase_calling_hours"):
            flat = [ms for interval in getattr(task, name) for ms in interval]
            if any(a >= b for a, b in pairwise(flat)):
                raise ValueError(f"call_task.{name}: must be in order, apart, and within one day")
        for name, hours in (
            ("response.platform_hours", self.response.platform_hours),
            ("call_task.late_purchase_hours", task.late_purchase_hours),
        ):
            if hours[0] == hours[1]:
                raise ValueError(f"{name}: must not start when it ends")
        for name, groups in (("phrases", dict(self.phrases)), ("review.categories", self.review.categories)):
            hidden = set(groups.get(EXCEPTIONS, ()))
            for category, phrases in groups.items():
                if category != EXCEPTIONS and (both := sorted(hidden.intersection(phrases))):
                    raise ValueError(f"{name}.{category}: {both[0]} is also an exception")
        if absent := [key for key in get_args(SeverityKey) if key not in self.severity]:
            raise ValueError(f"severity: {absent[0]} is missing")
        return self


class Document(Settings):
    """One version of a ruleset: one YAML document, merged over what it inherits."""

    name: LabelPart
    version: LabelPart
    effective_from: Annotated[datetime, BeforeValidator(instant)] | None = None
    shops: dict[str, dict[str, Any]] = {}


# ---- what the rules read -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force for one shop at one time. All times are in milliseconds, all amounts in fen (0.01 CNY)."""

    label: str
    """`name@version`, what output records carry as `ruleset`."""
    timezone: str
    """The shop's time zone; the newest version's in every version, lest a day be cut in two ways."""
    response_cap_ms: int
    response_target_ms: int
    slow_after_ms: int
    slow_count: int
    platform_hours: Hours
    first_response_target_ms: int
    session_gap_ms: int
    reply_rate_target: float
    overload: Overload
    attribution_horizon_ms: int
    same_day_basis: frozenset[str]
    phrases: PhraseMatcher
    """Categories `reminder` (the blunt ones included), `blunt`, `forbidden`, `vague`, `solicitation`."""
    negative_rating_max: int
    hidden_negative_rating_min: int
    review_causes: PhraseMatcher
    review_categories: tuple[str, ...]
    """In order of precedence; without `other`."""
    calling_hours: tuple[Hours, ...]
    late_purchase_hours: Hours
    late_purchase_calling_hours: tuple[Hours, ...]
    due_after_review_ms: int
    due_after_not_before_ms: int
    high_priority_rating_max: int
    normal_priority_rating_max: int
    high_priority_amount_fen: int
    negative_lookback_ms: int
    revisit_after_ms: int
    assigned_role: str
    rubric: tuple[RubricItem, ...]
    sample: Sample
    severity: Mapping[str, str]
    """By rule, and `reminder.same_day.order_alone`: `violation` or `notice`."""
    inquiry_to_order_rate: float
    order_to_paid_rate: float
    items_per_order: float
    amount_per_order_fen: int
    own_target_rate: float
    scorecard: Scorecard

    def categorise(self, text: str) -> str:
        """The cause a review's text names: the first category of the ruleset's order with a phrase in it, or `other`."""
        found = {hit.category for hit in self.review_causes.find(text)}
        return next((category for category in self.review_categories if category in found), OTHER_CATEGORY)


def _fen(amount: Decimal) -> int:
    return int(amount * 100)


@lru_cache(maxsize=256)  # equal phrase sets, of shops and versions, share one automaton
def _matcher(phrases: tuple[tuple[str, tuple[str, ...]], ...]) -> PhraseMatcher:
    return PhraseMatcher(dict(phrases))


def compile_rules(settings: Settings, label: str, timezone: str) -> Rules:
    """`settings` as the processors read them, under `label` (name@version)."""
    response, review, task, kpi = settings.response, settings.review, settings.call_task, settings.kpi
    return Rules(
        label=label,
        timezone=timezone,
        response_cap_ms=response.cap_ms,
        response_target_ms=response.target_ms,
        slow_after_ms=response.slow_after_ms,
        slow_count=response.slow_count,
        platform_hours=response.platform_hours,
        first_response_target_ms=response.first_response_target_ms,
        session_gap_ms=response.session_gap_ms,
        reply_rate_target=response.reply_rate_target,
        overload=settings.overload,
        attribution_horizon_ms=settings.attribution.horizon_minutes * MINUTE_MS,
        same_day_basis=frozenset(settings.reminder.same_day_basis),
        phrases=_matcher(tuple(settings.phrases.by_category().items())),
        negative_rating_max=review.negative_rating_max,
        hidden_negative_rating_min=review.hidden_negative_rating_min,
        review_causes=_matcher(tuple(review.categories.items())),
        review_categories=tuple(category for category in review.categories if category != EXCEPTIONS),
        calling_hours=task.calling_hours,
        late_purchase_hours=task.late_purchase_hours,
        late_purchase_calling_hours=task.late_purchase_calling_hours,
        due_after_review_ms=task.due_after_review_minutes * MINUTE_MS,
        due_after_not_before_ms=task.due_after_not_before_minutes * MINUTE_MS,
        high_priority_rating_max=task.high_priority_rating_max,
        normal_priority_rating_max=task.normal_priority_rating_max,
        high_priority_amount_fen=_fen(task.high_priority_amount),
        negative_lookback_ms=task.negative_lookback_days * DAY_MS,
        revisit_after_ms=task.revisit_after_days * DAY_MS,
        assigned_role=task.assigned_role,
        rubric=settings.qc.rubric,
        sample=settings.qc.sample,
        severity={str(rule): str(severity) for rule, severity in settings.severity.items()},
        inquiry_to_order_rate=kpi.inquiry_to_order_rate,
        order_to_paid_rate=kpi.order_to_paid_rate,
        items_per_order=kpi.items_per_order,
        amount_per_order_fen=_fen(kpi.amount_per_order),
        own_target_rate=kpi.own_target_rate,
        scorecard=settings.scorecard,
    )
