"""Facts: what the rules need of an event, small and immutable. A buyer's facts are a set keyed by (source, id)."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from processors.phrases import Hit
from processors.ruleset import Rules
from processors.sentiment import is_negative
from schemas.events import (
    CallLogged,
    ChatMessageEvent,
    Event,
    OrderClosedEvent,
    OrderPlacedEvent,
    PaymentRefundedEvent,
    PaymentSucceededEvent,
    QcVerdict,
    ReviewChangedEvent,
    ReviewPostedEvent,
    TaskOutcome,
)

BUYER: Final = "buyer"
EFFECTIVE_MODES: Final = frozenset({"human", "assisted"})
MAX_HITS: Final = 20
"""phrases kept per message and category: a text of nothing but forbidden words must not outgrow a Kafka record"""


class Message(NamedTuple):
    """A chat message. `mode` is `buyer`, or the agent's reply mode. `hits`: phrases found in an agent's text."""

    time: int
    id: str
    source: str
    agent_id: str
    mode: str
    order_id: str | None
    intent: str | None
    digest: int
    hits: tuple[Hit, ...]

    @property
    def effective(self) -> bool:
        """Whether it is an effective reply: by a human or assisted, never automatic (contract §2)."""
        return self.mode in EFFECTIVE_MODES


class Order(NamedTuple):
    """`order.placed`. `amount` in fen, `items` the sum of quantities."""

    time: int
    id: str
    source: str
    order_id: str
    amount: int
    items: int
    digest: int


class Closing(NamedTuple):
    """`order.closed`."""

    time: int
    id: str
    source: str
    order_id: str
    reason: str


class Payment(NamedTuple):
    """`payment.succeeded`, fen."""

    time: int
    id: str
    source: str
    payment_id: str
    order_id: str
    amount: int


class Refund(NamedTuple):
    """`payment.refunded`, fen."""

    time: int
    id: str
    source: str
    refund_id: str
    order_id: str
    amount: int


class ReviewVersion(NamedTuple):
    """A review as it stood from `time` on. `negative` and `category` are read from its text."""

    time: int
    id: str
    source: str
    review_id: str
    order_id: str
    rating: int
    digest: int
    negative: bool
    category: str


class Command(NamedTuple):
    """What a person did to a flag or a task (`target`); `details`: that step's payload as JSON text."""

    time: int
    id: str
    source: str
    kind: str
    target: str
    actor: str
    details: str


Fact = Message | Order | Closing | Payment | Refund | ReviewVersion | Command
_TAGS: Final[dict[type[Any], str]] = {
    Message: "m",
    Order: "o",
    Closing: "c",
    Payment: "p",
    Refund: "r",
    ReviewVersion: "v",
    Command: "q",
}


_BY_TAG: Final[dict[str, type[Any]]] = {tag: cls for cls, tag in _TAGS.items()}


def fact_of(event: Event, rules: Rules) -> Fact | None:
    """The fact of an event under the rules in force at its time; None for reference events, which belong to no buyer."""
    time, id_, source = event.time, event.id, event.source
    match event:
        case ChatMessageEvent(data=data):
            of_agent = data.sender == "agent"
            hits = _some(rules.phrases.find(data.text)) if of_agent and data.text else ()
            mode = (data.reply_mode or "human") if of_agent else BUYER
            digest = crc32(f"{data.content_type or 'text'}\n{data.text}".encode())
            order_id, intent = data.order_id or None, data.intent or None
            return Message(time, id_, source, data.agent_id, mode, order_id, intent, digest, hits)
        case OrderPlacedEvent(data=order):
            lines = "\n".join(f"{i.sku_id}\t{i.title}\t{i.quantity}\t{i.unit_price}" for i in order.items)
            quantity = sum(item.quantity for item in order.items)
            return Order(time, id_, source, order.order_id, order.amount, quantity, crc32(lines.encode()))
        case OrderClosedEvent(data=closed):
            return Closing(time, id_, source, closed.order_id, closed.reason)
        case PaymentSucceededEvent(data=paid):
            return Payment(time, id_, source, paid.payment_id, paid.order_id, paid.amount)
        case PaymentRefundedEvent(data=refund):
            return Refund(time, id_, source, refund.refund_id, refund.order_id, refund.amount)
        case ReviewPostedEvent(data=review) | ReviewChangedEvent(data=review):
            return ReviewVersion(
                time,
                id_,
                source,
                review.review_id,
                review.order_id,
                review.rating,
                crc32(review.text.encode()),
                review.rating >= rules.hidden_negative_rating_min and is_negative(review.text),
                rules.categorise(review.text) if review.rating <= rules.negative_rating_max else "other",
            )
        case _:
            return _command(event)


def _some(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    if len(hits) <= MAX_HITS:
        return hits
    kept: Counter[str] = Counter()
    first: list[Hit] = []
    for hit in hits:
        kept[hit.category] += 1
        if kept[hit.category] <= MAX_HITS:
            first.append(hit)
    return tuple(first)


def _command(event: Event) -> Command | None:
    data = event.data
    target = getattr(data, "flag_id", None) or getattr(data, "task_id", None)
    if target is None:
        return None
    details: dict[str, Any] = {}
    match data:
        case QcVerdict():
            details = {"verdict": data.verdict, "reason": data.reason, "score": data.score}
        case CallLogged():
            details = {"reached": data.reached, "call_again_at": data.call_again_at}
        case TaskOutcome():
            details = {"outcome": data.outcome}
    actor: str = data.actor  # type: ignore[union-attr]
    return Command(event.time, event.id, event.source, event.type, target, actor, orjson.dumps(details).decode())


def same_content(one: Fact, other: Fact) -> bool:
    """Whether two facts with one (source, id) say the same; what the ruleset reads out of a text is no part of it."""
    return type(one) is type(other) and (one == other or _content(one) == _content(other))


def precedence(fact: Fact) -> tuple[int, bytes]:
    """(time, content): equal for equal contents; of two contents under one (source, id) the smaller counts in a replay,
    which knows no arrival."""
    return fact.time, orjson.dumps(_content(fact))


def _content(fact: Fact) -> list[Any]:
    bare = fact
    if isinstance(fact, Message):
        bare = fact._replace(hits=())
    elif isinstance(fact, ReviewVersion):
        bare = fact._replace(negative=False, category="")
    return [_TAGS[type(fact)], *bare]


def encode(facts: Iterable[Fact]) -> bytes:
    """Facts -> JSON bytes, for the state topic."""
    return orjson.dumps([[_TAGS[type(fact)], *fact] for fact in facts], default=tuple)  # hits are named tuples


def decode(encoded: Iterable[list[Any]]) -> list[Fact]:
    """What `encode` made, parsed as JSON -> facts."""
    facts: list[Fact] = []
    for tag, *fields in encoded:
        if tag == "m":
            fields[-1] = tuple(Hit(*hit) for hit in fields[-1])
        facts.append(_BY_TAG[tag](*fields))
    return facts
