"""What comes out (contract §3): the records on Kafka, in ClickHouse and in the files of a replay.

`*Partial` records are one Kafka partition's share of a window or a leaderboard row, absolute and revisioned; readers add
the shares up. Final rows (`ResponseWindow`, `LeaderboardRow`) carry what is made from the sums: ranks, averages, percentiles.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.access import AccessEvent
from schemas.types import Fen, TimeMs

Definition = Literal["all", "platform"]
Rule = Literal[
    "reminder.repeated",
    "reminder.same_day",
    "reminder.after_payment",
    "reminder.direct",
    "response.slow",
    "language.forbidden",
    "language.vague",
    "review.solicited",
    "review.hidden_negative",
]
RULES: Final[tuple[Rule, ...]] = Rule.__args__  # type: ignore[attr-defined]
RULE_NAMES: Final[dict[Rule, tuple[str, str]]] = {
    "reminder.repeated": ("重复催付", "Reminded twice"),
    "reminder.same_day": ("当日催付", "Same-day"),
    "reminder.after_payment": ("付款后催付", "After payment"),
    "reminder.direct": ("直接催付", "Blunt reminder"),
    "response.slow": ("响应过慢", "Slow replies"),
    "language.forbidden": ("服务禁语", "Forbidden"),
    "language.vague": ("含糊用语", "Vague words"),
    "review.solicited": ("索要好评", "Begged review"),
    "review.hidden_negative": ("好评藏差评", "Hidden negative"),
}
"""what people call them: Chinese, English"""
RESPONSE_RULES: Final[frozenset[Rule]] = frozenset({"response.slow"})
"""raised during a sale event too, and left out of the scorecards there (contract §2)"""
WINDOW_SECONDS: Final[tuple[int, ...]] = (300, 3600, 86_400)
DAY_SECONDS: Final = 86_400


class Record(BaseModel):
    """Base of all outputs: a higher `revision` replaces a lower one with the same id."""

    model_config = ConfigDict(extra="forbid")

    revision: int = Field(ge=0, description="grows with the facts this record is computed from; higher replaces lower")
    ruleset: str = Field(description="name@version of the ruleset in force")


class Flag(Record):
    """A rule broken by one message or review. Key: flag_id."""

    flag_id: str
    rule: Rule
    severity: Literal["violation", "notice"]
    status: Literal["raised", "cleared"]
    shop_id: str
    buyer_id: str
    agent_id: str = Field(description="who broke it; for a review the agent its order is attributed to; empty: nobody")
    message_id: str | None = Field(None, description="id of the message, or null for a review's flag")
    review_id: str | None = Field(None, description="id of the review, or null for a message's flag")
    order_ids: list[str] = Field(default_factory=list)
    occurred_at: TimeMs
    evidence: dict[str, Any] = Field(default_factory=dict)
    qc_status: Literal["open", "claimed", "upheld", "dismissed"] = "open"
    qc_actor: str = ""
    qc_reason: str = ""
    qc_score: float | None = None


class FlagRow(Flag):
    """A flag as it is read: joined with the shop's sale events."""

    in_sale_event: bool


TaskStatus = Literal["open", "claimed", "called", "resolved", "revisited", "withdrawn"]
Category = Literal["not_as_described", "quality", "wrong_or_missing", "logistics", "service", "price", "other"]


class CallTask(Record):
    """A follow-up call, one per order with a negative review. Key: task_id."""

    task_id: str
    shop_id: str
    buyer_id: str
    order_id: str
    review_ids: list[str]
    rating: int = Field(description="the worst standing rating of the order's reviews")
    category: Category
    priority: Literal["high", "normal", "low"]
    raised_at: TimeMs = Field(description="time of the first negative review")
    not_before: TimeMs
    due_at: TimeMs
    assigned_role: str
    excluded_agent_id: str = Field(description="the agent who served the buyer; empty: nobody")
    status: TaskStatus
    claimed_by: str = ""
    calls: int = 0
    call_again_at: TimeMs | None = None
    outcome: str = ""
    revisit_due_at: TimeMs | None = Field(None, description="three days after it was resolved")


class ResponseRound(Record):
    """One round between a buyer and an agent. Key: round_id."""

    round_id: str
    shop_id: str
    buyer_id: str
    agent_id: str
    opened_at: TimeMs
    message_id: str = Field(description="the buyer's message that opened it")
    replied_at: TimeMs | None = None
    reply_message_id: str | None = None
    response_ms: int | None = Field(None, description="reply - opening, not capped; null while there is none")
    in_platform_hours: bool
    day_ends_at: TimeMs = Field(description="the local midnight at which an open round ends unanswered")
    status: Literal["answered", "open", "void"] = Field(
        description="void: a fact that came late showed that there is no such round; open: decided by the reader's now"
    )


class ResponseRoundRow(ResponseRound):
    """A round as it is read: an open one is pending while its day lasts and unanswered afterwards."""

    day_ends_at: TimeMs = Field(exclude=True, default=0)
    status: Literal["answered", "pending", "unanswered"]  # type: ignore[assignment]


class ResponseWindowPartial(Record):
    """One partition's share of a response window. Key: shop, agent, start, seconds, definition, partition."""

    partition: int
    shop_id: str
    agent_id: str
    window_start: TimeMs
    window_seconds: Literal[300, 3600, 86400]
    definition: Definition
    day_ends_at: TimeMs = Field(description="end of the window's local day: until then its open rounds are pending")
    response_cap_ms: int = Field(description="what an unanswered round counts as in the platform definition")
    rounds: int
    answered: int
    answered_within_3min: int
    response_ms_sum: int = Field(description="of answered rounds, each capped at 600 000 ms")
    first_responses: int
    first_response_ms_sum: int
    first_within_10s: int
    buyers_wrote: int
    buyers_replied: int
    histogram: dict[int, int] = Field(
        description="capped response in ms, rounded to three significant digits (error <= 0.5 %) -> answered rounds"
    )


class ResponseWindow(Record):
    """A response window (contract §2). Amounts of time in ms; rates 0..1; null where there is nothing to divide by."""

    shop_id: str
    agent_id: str
    window_start: TimeMs
    window_seconds: Literal[300, 3600, 86400]
    definition: Definition
    rounds: int
    answered: int
    pending: int
    answered_within_3min: int
    response_ms_sum: int
    avg_response_ms: float | None
    rate_3min: float | None
    p50_ms: int | None
    p90_ms: int | None
    p99_ms: int | None
    first_responses: int
    first_response_ms_sum: int
    first_within_10s: int
    buyers_wrote: int | None = Field(None, description="day windows only")
    buyers_replied: int | None = Field(None, description="day windows only")


class LeaderboardPartial(Record):
    """One partition's share of a leaderboard row. Key: shop, hour, agent, partition. agent_id empty: silent."""

    partition: int
    shop_id: str
    hour_start: TimeMs
    agent_id: str
    orders_placed: int
    orders_paid: int
    paid_amount: Fen
    items_paid: int
    refunded_amount: Fen
    buyers_served: int
    buyers_paid: int


class LeaderboardRow(Record):
    """A row of the hourly leaderboard (contract §2)."""

    shop_id: str
    hour_start: TimeMs
    agent_id: str
    team: str
    orders_placed: int
    orders_paid: int
    paid_amount: Fen
    items_paid: int
    refunded_amount: Fen
    buyers_served: int
    buyers_paid: int
    rank: int | None = Field(description="null for the silent row")


class ReportTeam(BaseModel):
    """A team's score in a report, best first."""

    model_config = ConfigDict(extra="forbid")

    team: str
    rank: int = Field(description="by what the PK compares; equal ones share it")
    paid_amount: Fen
    orders_paid: int


class ReportStar(BaseModel):
    """One of a report's best agents, best first."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str
    name: str
    team: str
    rank: int = Field(description="as on the leaderboard; equal ones share it")
    paid_amount: Fen
    orders_paid: int


ReportKind = Literal["hour", "day"]
PostStatus = Literal["none", "waiting", "sending", "done", "failed", "unknown"]


class Report(Record):
    """A report on the hour, or at the day's end, as it was announced: facts that come later leave it as it is.

    Key: report_id. Of several records with one report_id and revision the first on the topic counts: whoever wants to
    post a report writes the next revision, and posts it when that record is the first.
    """

    report_id: str
    kind: ReportKind
    shop_id: str
    timezone: str = Field(description="IANA name of the zone in which hours and days are told")
    starts_at: TimeMs
    ends_at: TimeMs
    as_of: TimeMs = Field(description="the moment up to which facts count: the end, or earlier when made by hand")
    made_at: TimeMs
    made_by: str = Field("", description="who asked for it; empty: made on the hour by itself")
    complete: bool = Field(description="false when results were still on their way as it was made")
    sale_event: str = Field("", description="name of the shop's sale event; empty: none")
    pk_basis: Literal["amount", "orders"] = "amount"
    paid_amount: Fen
    orders_paid: int
    buyers_served: int = Field(description="summed over agents, and in a day over hours: not distinct")
    buyers_paid: int
    silent_amount: Fen = Field(description="of paid_amount, what no agent is credited with")
    before_amount: Fen | None = Field(None, description="paid_amount of the hour or day before; null without figures")
    target_amount: Fen | None = None
    target_orders: int | None = None
    day_amount: Fen = Field(description="paid from the day's begin to as_of")
    day_orders: int
    day_target_amount: Fen | None = None
    day_target_orders: int | None = None
    teams: list[ReportTeam] = Field(default_factory=list)
    stars: list[ReportStar] = Field(default_factory=list, description="the first three ranks, agents with a payment")
    stars_left: int = Field(0, description="further agents who share a rank with the last of them")
    post_status: PostStatus = Field(
        description="group chats. none: not to be posted; waiting: to be posted at post_after; sending: post_by is at it; "
        "done; failed: given up; unknown: whoever sent it died, so it may have arrived"
    )
    post_by: str = Field("", description="the web process that posts it, or did")
    post_after: TimeMs | None = None
    post_attempts: int = 0
    posted: list[str] = Field(default_factory=list, description="robots that have taken it, by their public name")
    post_error: str = Field("", description="why a robot has not; one line without secrets")


class Rejected(BaseModel):
    """A record that is no event of the contract, kept whole (contract §1, §3)."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    error: str = Field(description="one line, naming the field")
    raw: str = Field(description="the bytes as UTF-8; where they are none, base64 with raw_encoding=base64")
    raw_encoding: Literal["utf-8", "base64"] = "utf-8"
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    file: str | None = None
    line: int | None = None


class Resend(BaseModel):
    """An attempt to send a rejected record again, kept among the rejected ones: announced, then with the place it went to."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["resend"] = "resend"
    case_partition: int = Field(description="with case_offset: where on audit.rejected the record was first rejected")
    case_offset: int
    case_reason: str = Field(description="why it had been rejected")
    attempt: int = Field(ge=2, description="the first arrival is attempt 1")
    corrected: bool = Field(description="whether other bytes were sent than the rejected ones")
    sha256: str = Field(description="of the bytes sent")
    topic: str = Field(description="where it goes")
    partition: int | None = Field(None, description="where it went; null in the announcement")
    offset: int | None = None
    announced_partition: int | None = Field(
        None, description="with announced_offset: where on audit.rejected the announcement is; null in itself"
    )
    announced_offset: int | None = None


OUTPUT_MODELS: Final[dict[str, type[BaseModel]]] = {
    "flag": Flag,
    "flag_row": FlagRow,
    "call_task": CallTask,
    "response_round": ResponseRound,
    "response_round_row": ResponseRoundRow,
    "response_window_partial": ResponseWindowPartial,
    "response_window": ResponseWindow,
    "leaderboard_partial": LeaderboardPartial,
    "leaderboard_row": LeaderboardRow,
    "report": Report,
    "rejected": Rejected,
    "resend": Resend,
    "access": AccessEvent,
}
