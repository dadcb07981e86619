"""What goes in: CloudEvents 1.0 in structured JSON (contract §1), and the one function that reads them."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from schemas.types import EventTimeMs, Fen, Id, TimeMs

Role = Literal["presale", "aftersale", "order_change", "reminder", "escalation", "review_specialist"]


class Payload(BaseModel):
    """Base of all `data` objects. Unknown fields are ignored here; the raw bytes keep them."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class ChatMessage(Payload):
    """One chat message between a buyer and a service sub-account."""

    shop_id: Id
    buyer_id: Id
    agent_id: Id = Field(description="the service sub-account of this thread, whoever sends")
    sender: Literal["buyer", "agent"]
    reply_mode: Literal["human", "assisted", "auto"] | None = Field("human", description="agent only; null: human")
    text: str = Field(description="may be empty")
    content_type: str | None = "text"
    order_id: str | None = Field(None, max_length=256, description="empty: none")
    intent: str | None = Field(None, description="payment_reminder where the sending tool says so")


class OrderItem(Payload):
    """A line of an order."""

    sku_id: str
    title: str
    quantity: int = Field(ge=0, le=1_000_000)
    unit_price: Fen


class OrderPlaced(Payload):
    shop_id: Id
    buyer_id: Id
    order_id: Id
    amount: Fen
    items: list[OrderItem]


class OrderClosed(Payload):
    shop_id: Id
    buyer_id: Id
    order_id: Id
    reason: Literal["buyer_cancelled", "timeout", "seller_closed"]


class PaymentSucceeded(Payload):
    shop_id: Id
    buyer_id: Id
    payment_id: Id
    order_id: Id
    amount: Fen


class PaymentRefunded(Payload):
    shop_id: Id
    buyer_id: Id
    refund_id: Id
    order_id: Id
    amount: Fen


class Review(Payload):
    """A review as it stands from this moment; `review.changed` replaces the earlier one."""

    shop_id: Id
    buyer_id: Id
    review_id: Id
    order_id: Id
    rating: int = Field(ge=1, le=5)
    text: str


class AgentUpserted(Payload):
    shop_id: Id
    agent_id: Id
    name: str
    team: str
    role: Role


class SaleEventScheduled(Payload):
    """A sale event; a later one with the same id replaces it."""

    shop_id: Id
    sale_event_id: Id
    name: str
    starts_at: TimeMs
    ends_at: TimeMs
    teams: list[str] = Field(default_factory=list, description="the teams in the PK")
    targets: list[Any] | dict[str, Any] = Field(
        default_factory=list,
        description='hourly targets: [{"hour_start": RFC 3339, "amount": decimal string, "orders": int, "team", "agent_id"}]',
    )
    pk_basis: Literal["amount", "orders"] = Field("amount", description="what the PK compares")

    @model_validator(mode="after")
    def _in_order(self) -> "SaleEventScheduled":
        if self.ends_at <= self.starts_at:
            raise ValueError("ends_at: must be later than starts_at")
        return self


class Sampled(Payload):
    """Whose conversation it is, and of which local day."""

    agent_id: Id
    day_start: TimeMs


class FlagCommand(Payload):
    shop_id: Id
    buyer_id: Id
    flag_id: Id = Field(description="what is judged: a flag, or a conversation of QC's sample")
    actor: Id
    sample: Sampled | None = Field(None, description="where it is a conversation of the sample")


class QcVerdict(FlagCommand):
    verdict: Literal["upheld", "dismissed"]
    marks: dict[str, float] | None = Field(
        None, description="the reviewer's sheet, item -> 0 to 1; score follows from it"
    )
    reason: str = ""
    score: float | None = Field(None, ge=0, le=100, description="rubric score, 0 to 100")
    coaching: str = ""


class TaskCommand(Payload):
    shop_id: Id
    buyer_id: Id
    task_id: Id
    actor: Id


class CallLogged(TaskCommand):
    reached: bool = True
    call_again_at: TimeMs | None = None
    note: str = ""


class TaskOutcome(TaskCommand):
    outcome: str = Field("", description="exchange, refund, wait, …")
    note: str = ""


class Envelope(BaseModel):
    """CloudEvents 1.0 attributes; extension attributes are ignored here and kept in the raw bytes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Id
    source: Id
    time: EventTimeMs


class ChatMessageEvent(Envelope):
    type: Literal["chat.message"]
    data: ChatMessage


class OrderPlacedEvent(Envelope):
    type: Literal["order.placed"]
    data: OrderPlaced


class OrderClosedEvent(Envelope):
    type: Literal["order.closed"]
    data: OrderClosed


class PaymentSucceededEvent(Envelope):
    type: Literal["payment.succeeded"]
    data: PaymentSucceeded


class PaymentRefundedEvent(Envelope):
    type: Literal["payment.refunded"]
    data: PaymentRefunded


class ReviewPostedEvent(Envelope):
    type: Literal["review.posted"]
    data: Review


class ReviewChangedEvent(Envelope):
    type: Literal["review.changed"]
    data: Review


class AgentUpsertedEvent(Envelope):
    type: Literal["agent.upserted"]
    data: AgentUpserted


class SaleEventScheduledEvent(Envelope):
    type: Literal["sale_event.scheduled"]
    data: SaleEventScheduled


class QcClaimedEvent(Envelope):
    type: Literal["qc.claimed"]
    data: FlagCommand


class QcVerdictGivenEvent(Envelope):
    type: Literal["qc.verdict_given"]
    data: QcVerdict


class CallTaskClaimedEvent(Envelope):
    type: Literal["call_task.claimed"]
    data: TaskCommand


class CallTaskCallLoggedEvent(Envelope):
    type: Literal["call_task.call_logged"]
    data: CallLogged


class CallTaskResolvedEvent(Envelope):
    type: Literal["call_task.resolved"]
    data: TaskOutcome


class CallTaskRevisitedEvent(Envelope):
    type: Literal["call_task.revisited"]
    data: TaskOutcome


EVENT_MODELS: Final[tuple[type[Envelope], ...]] = (
    ChatMessageEvent,
    OrderPlacedEvent,
    OrderClosedEvent,
    PaymentSucceededEvent,
    PaymentRefundedEvent,
    ReviewPostedEvent,
    ReviewChangedEvent,
    AgentUpsertedEvent,
    SaleEventScheduledEvent,
    QcClaimedEvent,
    QcVerdictGivenEvent,
    CallTaskClaimedEvent,
    CallTaskCallLoggedEvent,
    CallTaskResolvedEvent,
    CallTaskRevisitedEvent,
)

Event = (
    ChatMessageEvent
    | OrderPlacedEvent
    | OrderClosedEvent
    | PaymentSucceededEvent
    | PaymentRefundedEvent
    | ReviewPostedEvent
    | ReviewChangedEvent
    | AgentUpsertedEvent
    | SaleEventScheduledEvent
    | QcClaimedEvent
    | QcVerdictGivenEvent
    | CallTaskClaimedEvent
    | CallTaskCallLoggedEvent
    | CallTaskResolvedEvent
    | CallTaskRevisitedEvent
)
EVENT_ADAPTER: Final[TypeAdapter[Event]] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_validate_json = EVENT_ADAPTER.validator.validate_json

Reason = Literal["not_json", "unknown_type", "invalid", "conflict", "future", "late", "wrong_topic", "wrong_key"]
"""of a rejected event; the worker adds `oversize` for a result too big for Kafka, the sink `sink` for a row refused"""


class InvalidEventError(ValueError):
    """A record that is not an event of the contract. `reason` is one of `Reason`; `str()` is one line naming the field."""

    def __init__(self, reason: Reason, error: str) -> None:
        super().__init__(error)
        self.reason: Reason = reason
        self.error = error


def parse_event(raw: bytes | str) -> Event:
    """One CloudEvent out of its JSON bytes. Raises InvalidEventError (contract §1: rejected, never dropped in silence)."""
    try:
        event: Event = _validate_json(raw)
    except ValidationError as error:
        raise _explain(error) from None
    if isinstance(raw, str):
        raw = raw.encode()
    # pydantic takes these for numbers, where JSON has none; a byte is found ten times as fast as a word
    if (b"N" in raw and b"NaN" in raw) or (b"I" in raw and b"Infinity" in raw):
        try:
            from_json(raw, allow_inf_nan=False)  # they may well stand in a text
        except ValueError as error:
            raise InvalidEventError("not_json", f"Invalid JSON: {_one_line(str(error))}") from None
    return event


def _explain(error: ValidationError) -> InvalidEventError:
    """The first error of pydantic as one line: `data.amount: must not be negative, got '-5.00'`."""
    first = error.errors(include_url=False)[0]
    kind = first["type"]
    if kind == "json_invalid":
        return InvalidEventError("not_json", _one_line(first["msg"]))
    if kind == "union_tag_invalid":
        return InvalidEventError("unknown_type", f"type: unknown type {first['ctx']['tag']!r}")
    if kind == "union_tag_not_found":
        if isinstance(first["input"], dict) and "type" in first["input"]:
            return InvalidEventError("invalid", "type: must be a text")
        return InvalidEventError("invalid", "type: required field is missing")
    if kind in ("model_attributes_type", "model_type", "dict_type") and not first["loc"]:
        return InvalidEventError("invalid", "the event must be a JSON object")
    # the discriminated union puts the type's name first
    field = ".".join(str(part) for part in first["loc"][1:]) or "event"
    more = error.error_count() - 1
    return InvalidEventError("invalid", f"{field}: {_message(first)}" + (f" (and {more} more)" if more else ""))


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "required field is missing"
    text = (
        detail["msg"]
        .removeprefix("Value error, ")
        .replace("Input should be", "must be")
        .replace("String should", "must")
    )
    if detail["type"] == "value_error":
        return _one_line(text)
    return _one_line(f"{text}, got {str(detail['input'])[:40]!r}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
