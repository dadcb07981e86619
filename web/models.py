"""What the API answers (contract §4). Times are RFC 3339 with the shop's offset, amounts decimal strings in CNY."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.outputs import Category, TaskStatus


class Health(BaseModel):
    """State of the parts: `status` is ok only when all are."""

    status: Literal["ok", "unavailable"]
    database: str = Field(description="ok, or what is wrong")
    broker: str = Field(description="ok, or what is wrong")
    sink: str | None = Field(None, description="ok, or what is wrong; null where it runs as a process of its own")


class Sums(BaseModel):
    """Figures of an agent, a team or a whole shop (contract §2)."""

    orders_placed: int
    orders_paid: int
    paid_amount: str
    items_paid: int
    refunded_amount: str
    buyers_served: int
    buyers_paid: int
    conversion: float | None = Field(description="buyers_paid / buyers_served; null where nobody was served")
    average_order: str | None = Field(description="paid_amount / orders_paid; null without a paid order")
    items_per_order: float | None = Field(description="items_paid / orders_paid; null without a paid order")


class AgentRow(Sums):
    """A row of the hourly leaderboard. The silent row has an empty agent_id and no rank."""

    shop_id: str
    hour_start: str
    agent_id: str
    name: str
    team: str
    rank: int | None


class TeamRow(Sums):
    """The same summed over the team's agents."""

    shop_id: str
    team: str
    agents: int = Field(description="agents of the team with a row in the hour")
    rank: int = Field(description="by what the sale event's PK compares; amount without one")


class SaleEvent(BaseModel):
    """A scheduled sale event of the shop that covers the hour, or a part of it."""

    sale_event_id: str
    name: str
    starts_at: str
    ends_at: str
    teams: list[str]
    pk_basis: Literal["amount", "orders"]
    target_amount: str | None = Field(description="the shop's target for this hour")
    target_orders: int | None = Field(None, description="the same in paid orders")


class ShopBoard(BaseModel):
    """One shop's hour."""

    shop_id: str
    hour_start: str
    rows: list[AgentRow]
    teams: list[TeamRow]
    totals: Sums = Field(description="all rows, the silent one included")
    sale_event: SaleEvent | None


class Leaderboard(BaseModel):
    """The hour of every shop, or of one. `rows` and `teams` at the top level are those of all of `shops`, one after the other."""

    hour_start: str
    generated_at: str
    shops: list[ShopBoard]
    rows: list[AgentRow]
    teams: list[TeamRow]


class Me(BaseModel):
    """Who has sent a request."""

    name: str = Field(description="empty on a web that is open to its machine, where nobody has signed in")
    can_sign_in: bool = Field(description="there are people who can sign in")
    display_name: str
    roles: list[str]
    may: list[str]


class AgentOut(BaseModel):
    """A service account."""

    shop_id: str
    agent_id: str
    name: str
    team: str
    role: str


class Agents(BaseModel):
    """Of one shop or all."""

    agents: list[AgentOut]


class FlagOut(BaseModel):
    """A flag (contract §3)."""

    flag_id: str
    rule: str
    severity: str
    status: str
    shop_id: str
    buyer_id: str
    agent_id: str
    message_id: str | None
    review_id: str | None
    order_ids: list[str]
    occurred_at: str
    evidence: dict[str, Any]
    in_sale_event: bool
    qc_status: str
    qc_actor: str
    qc_reason: str
    qc_score: float | None
    revision: int
    ruleset: str


class FlagCount(BaseModel):
    """How many flags of one rule the filters select."""

    rule: str
    count: int


class FlagPage(BaseModel):
    """Newest first. `next_cursor` is null on the last page."""

    flags: list[FlagOut]
    next_cursor: str | None


class FlagCounts(BaseModel):
    """By rule, most first."""

    counts: list[FlagCount]
    total: int


class CallTaskOut(BaseModel):
    """A follow-up call task (contract §3)."""

    task_id: str
    shop_id: str
    buyer_id: str
    order_id: str
    review_ids: list[str]
    rating: int
    category: Category
    priority: str
    raised_at: str
    not_before: str
    due_at: str
    assigned_role: str
    excluded_agent_id: str
    status: TaskStatus
    claimed_by: str
    calls: int
    call_again_at: str | None
    outcome: str
    revisit_due_at: str | None
    revision: int
    ruleset: str


class CallTaskPage(BaseModel):
    """Due first. `next_cursor` is null on the last page."""

    call_tasks: list[CallTaskOut]
    next_cursor: str | None


class CardFigure(BaseModel):
    """A figure of a scorecard: numerator / denominator in the figure's unit, or the numerator alone for a count."""

    value: str | None = Field(description="as it is shown; null where there is nothing to divide by")
    numerator: int = Field(description="amounts in 0.01 CNY, times in ms, rubric scores in 0.0001")
    denominator: int = Field(description="0 for a count")
    met: bool | None = Field(description="whether the target is met, by the exact value; null without one")


class ScorePart(BaseModel):
    """A component of a score."""

    key: Literal["own_target", "qc", "rating", "complaints", "superior", "conduct"]
    weight: int
    points: str | None = Field(description="0 to 100; null without data: then its weight does not count")


class CardScore(BaseModel):
    """The mean of the parts that have data, by their weights."""

    weights: Literal["presale", "aftersale"] | None = Field(description="whose weights; null where no role is known")
    value: str | None = Field(description="0 to 100; null where nothing that weighs has data")
    counted: int = Field(description="sum of the weights that count")
    parts: list[ScorePart]


class Scorecard(BaseModel):
    """One agent's or one team's period."""

    id: str = Field(description="agent_id, or the team; empty: agents of no team")
    name: str
    team: str
    role: str
    agents: int = Field(description="how many agents it sums")
    rank: int | None = Field(description="by score as shown, then by paid_amount")
    star: bool = Field(description="among the first three agents of those whose score rests on two components at least")
    score: CardScore
    figures: dict[str, CardFigure]


class FigureKind(BaseModel):
    """What a figure is."""

    key: str
    unit: str = Field(description="percent, seconds, yuan, items, points, stars or count")
    better: Literal["high", "low"]
    target: str | None = Field(description="in that unit; null where there is none")


class LeftOut(BaseModel):
    """A sale event in the period: response times in it do not count."""

    name: str
    starts_at: str
    ends_at: str


class Scorecards(BaseModel):
    """A shop's scorecards of a period: `first` to `last`, whole days of the shop's zone."""

    shop_id: str
    shops: list[str] = Field(description="all that there are")
    by: Literal["agent", "team"]
    period: Literal["day", "week", "month"]
    first: str
    last: str
    starts_at: str
    ends_at: str
    over: bool = Field(description="the period has ended")
    generated_at: str
    ruleset: str
    sale_events: list[LeftOut]
    figures: list[FigureKind]
    cards: list[Scorecard] = Field(description="by rank, those without a score last")


class FigureRow(BaseModel):
    """A row that a figure counts, and what it adds to numerator and denominator."""

    agent_id: str
    at: str
    until: str | None = Field(description="when it was replied to or paid")
    buyer_id: str
    ref: str = Field(
        description="id of the order, payment, round, flag, sampled conversation or review; empty for a buyer's day"
    )
    order_id: str
    what: str = Field(
        description="a flag's rule, what was found in a sampled conversation, a round's status, a review's stars, an hour's target"
    )
    numerator: int
    denominator: int
    value: str = Field(description="the numerator as it is shown, in `unit`")


class FigureRows(BaseModel):
    """The rows behind a figure, oldest first. The sums are those of all rows, as they stand now."""

    figure: str
    unit: str = Field(description="of the rows' values: seconds, yuan, points or count")
    total: int
    numerator: int
    denominator: int
    sum: str = Field(description="the numerator as it is shown, in `unit`")
    over: str = Field(description="the denominator as it is shown")
    rows: list[FigureRow]
    next_cursor: str | None


class Entry(BaseModel):
    """One thing that happened on a buyer's time line; the fields that its `type` lacks are left out."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="event type: chat.message, order.placed, payment.succeeded, review.posted, …")
    id: str
    time: str


class Conversation(BaseModel):
    """All that one buyer and one shop have to do with each other, oldest first, with the flags raised on it."""

    shop_id: str
    buyer_id: str
    entries: list[Entry]
    truncated: bool = Field(description="older entries were left out")
    flags: list[FlagOut]


class Accepted(BaseModel):
    """The events are in Kafka."""

    accepted: int


class EventError(BaseModel):
    """Why one event of a request was not accepted; `index` counts from 0."""

    index: int
    reason: str
    error: str


class Refused(BaseModel):
    """Nothing was accepted: all or nothing."""

    accepted: Literal[0] = 0
    errors: list[EventError]


class Problem(BaseModel):
    """One line that says what is wrong."""

    detail: str


class Commanded(BaseModel):
    """The command is in Kafka; the read model shows it as soon as the worker has it."""

    status: str = Field(description="what the flag, conversation or task becomes")
    event_id: str | None = Field(description="id of the command event; null where it was so already")
