"""Facts: what the rules need of an event, small and immutable. A buyer's facts are a set keyed by (source, id)."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from zlib import crc32

import msgspec
import orjson
from msgspec.structs import astuple, replace

from processors.phrases import Hit
from processors.ruleset import RulesetBook
from processors.sentiment import is_negative
from schemas.events import CallLogged, Event, FlagCommand, QcVerdict, TaskOutcome

BUYER: Final = "buyer"
EFFECTIVE_MODES: Final = frozenset({"human", "assisted"})
MAX_HITS: Final = 20
"""phrases kept per message and category: a text of nothing but forbidden words must not outgrow a Kafka record"""


class _Fact(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What all facts have. In the state a fact is an array: its tag, then its fields."""

    time: int
    id: str
    source: str


class Message(_Fact, tag="m", frozen=True):
    """A chat message. `mode` is `buyer`, or the agent's reply mode. `hits`: phrases found in an agent's text."""

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


class Order(_Fact, tag="o", frozen=True):
    """`order.placed`. `amount` in fen, `items` the sum of quantities."""

    order_id: str
    amount: int
    items: int
    digest: int


class Closing(_Fact, tag="c", frozen=True):
    """`order.closed`."""

    order_id: str
    reason: str


class Payment(_Fact, tag="p", frozen=True):
    """`payment.succeeded`, fen."""

    payment_id: str
    order_id: str
    amount: int


class Refund(_Fact, tag="r", frozen=True):
    """`payment.refunded`, fen."""

    refund_id: str
    order_id: str
    amount: int


class ReviewVersion(_Fact, tag="v", frozen=True):
    """A review as it stood from `time` on. `negative` and `category` are read from its text."""

    review_id: str
    order_id: str
    rating: int
    digest: int
    negative: bool
    category: str


class Command(_Fact, tag="q", frozen=True):
    """What a person did to a flag or a task (`target`); `details`: that step's payload as JSON text."""

    kind: str
    target: str
    actor: str
    details: str


Fact = Message | Order | Closing | Payment | Refund | ReviewVersion | Command


def fact_of(event: Event, book: RulesetBook) -> Fact | None:
    """The fact of an event under the rules in force at its time; None for reference events, which belong to no buyer."""
    read = _READERS.get(event.type)
    return None if read is None else read(event, event.data, book)


def _message(event: Event, data: Any, book: RulesetBook) -> Message:
    hits: tuple[Hit, ...] = ()
    mode, text = BUYER, data.text
    if data.sender == "agent":
        mode = data.reply_mode or "human"
        if text:
            hits = book.at(data.shop_id, event.time).phrases.find(text)
            if len(hits) > MAX_HITS:
                hits = _some(hits)
    return Message(
        event.time,
        event.id,
        event.source,
        data.agent_id,
        mode,
        data.order_id or None,
        data.intent or None,
        crc32(f"{data.content_type or 'text'}\n{text}".encode()),
        hits,
    )


def _order(event: Event, data: Any, book: RulesetBook) -> Order:
    lines = "\n".join(f"{i.sku_id}\t{i.title}\t{i.quantity}\t{i.unit_price}" for i in data.items)
    quantity = sum(item.quantity for item in data.items)
    return Order(event.time, event.id, event.source, data.order_id, data.amount, quantity, crc32(lines.encode()))


def _closing(event: Event, data: Any, book: RulesetBook) -> Closing:
    return Closing(event.time, event.id, event.source, data.order_id, data.reason)


def _payment(event: Event, data: Any, book: RulesetBook) -> Payment:
    return Payment(event.time, event.id, event.source, data.payment_id, data.order_id, data.amount)


def _refund(event: Event, data: Any, book: RulesetBook) -> Refund:
    return Refund(event.time, event.id, event.source, data.refund_id, data.order_id, data.amount)


def _review(event: Event, data: Any, book: RulesetBook) -> ReviewVersion:
    rules = book.at(data.shop_id, event.time)
    return ReviewVersion(
        event.time,
        event.id,
        event.source,
        data.review_id,
        data.order_id,
        data.rating,
        crc32(data.text.encode()),
        data.rating >= rules.hidden_negative_rating_min and is_negative(data.text),
        rules.categorise(data.text) if data.rating <= rules.negative_rating_max else "other",
    )


def _some(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    kept: Counter[str] = Counter()
    first: list[Hit] = []
    for hit in hits:
        kept[hit.category] += 1
        if kept[hit.category] <= MAX_HITS:
            first.append(hit)
    return tuple(first)


def _command(event: Event, data: Any, book: RulesetBook) -> Command:
    details: dict[str, Any] = {}
    match data:
        case QcVerdict():
            details = {"verdict": data.verdict, "reason": data.reason, "score": data.score}
        case CallLogged():
            details = {"reached": data.reached, "call_again_at": data.call_again_at}
        case TaskOutcome():
            details = {"outcome": data.outcome}
    target = data.flag_id if isinstance(data, FlagCommand) else data.task_id
    return Command(event.time, event.id, event.source, event.type, target, data.actor, orjson.dumps(details).decode())


_READERS: Final[dict[str, Callable[[Event, Any, RulesetBook], Fact]]] = {
    "chat.message": _message,
    "order.placed": _order,
    "order.closed": _closing,
    "payment.succeeded": _payment,
    "payment.refunded": _refund,
    "review.posted": _review,
    "review.changed": _review,
    "qc.claimed": _command,
    "qc.verdict_given": _command,
    "call_task.claimed": _command,
    "call_task.call_logged": _command,
    "call_task.resolved": _command,
    "call_task.revisited": _command,
}


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
        bare = replace(fact, hits=())
    elif isinstance(fact, ReviewVersion):
        bare = replace(fact, negative=False, category="")
    return [fact.__struct_config__.tag, *astuple(bare)]
