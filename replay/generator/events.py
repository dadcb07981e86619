"""CloudEvents dicts of contract §1, one function a type. Times are milliseconds since the epoch, amounts are fen."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from schemas.types import format_amount

CloudEvent = dict[str, Any]
Moment = tuple[int, CloudEvent]
"""an event with its time in milliseconds, for merging"""

SHOP_OFFSET_MS = 8 * 3_600_000  # the shops' zone is Asia/Shanghai, which has had no other offset since 1991
DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=8192)
def _minute(number: int) -> str:
    local = _EPOCH + timedelta(minutes=number, milliseconds=SHOP_OFFSET_MS)
    return local.strftime("%Y-%m-%dT%H:%M:")


def stamp(at_ms: int) -> str:
    """RFC 3339 at +08:00, always with milliseconds."""
    minute, rest = divmod(at_ms, 60_000)
    return f"{_minute(minute)}{rest // 1000:02d}.{rest % 1000:03d}+08:00"


def local_midnight(at_ms: int) -> int:
    """The start of the shop's day that holds the moment."""
    return (at_ms + SHOP_OFFSET_MS) // DAY_MS * DAY_MS - SHOP_OFFSET_MS


def local_hour(at_ms: int) -> int:
    """The hour of the shop's clock, 0 to 23."""
    return (at_ms + SHOP_OFFSET_MS) // 3_600_000 % 24


def _event(kind: str, event_id: str, source: str, at_ms: int, data: dict[str, Any]) -> Moment:
    return at_ms, {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "time": stamp(at_ms),
        "data": data,
    }


def chat_message(at_ms: int, message_id: str, data: dict[str, Any]) -> Moment:
    """A message; `data` is the payload as the contract has it."""
    return _event("chat.message", message_id, f"qianniu/{data['shop_id']}", at_ms, data)


def order_placed(
    at_ms: int, shop_id: str, buyer_id: str, order_id: str, fen: int, items: list[dict[str, Any]]
) -> Moment:
    """An order; `items` as the contract has them."""
    data = {
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "order_id": order_id,
        "amount": format_amount(fen),
        "items": items,
    }
    return _event("order.placed", order_id, f"trade/{shop_id}", at_ms, data)


def order_closed(at_ms: int, shop_id: str, buyer_id: str, order_id: str, reason: str) -> Moment:
    """The end of an unpaid order: buyer_cancelled, timeout or seller_closed."""
    data = {"shop_id": shop_id, "buyer_id": buyer_id, "order_id": order_id, "reason": reason}
    return _event("order.closed", f"{order_id}-closed", f"trade/{shop_id}", at_ms, data)


def payment_succeeded(at_ms: int, shop_id: str, buyer_id: str, payment_id: str, order_id: str, fen: int) -> Moment:
    """A payment, whole or a part of the order's amount."""
    data = {
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "payment_id": payment_id,
        "order_id": order_id,
        "amount": format_amount(fen),
    }
    return _event("payment.succeeded", payment_id, f"pay/{shop_id}", at_ms, data)


def payment_refunded(at_ms: int, shop_id: str, buyer_id: str, refund_id: str, order_id: str, fen: int) -> Moment:
    """A refund, whole or a part of what was paid."""
    data = {
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "refund_id": refund_id,
        "order_id": order_id,
        "amount": format_amount(fen),
    }
    return _event("payment.refunded", refund_id, f"pay/{shop_id}", at_ms, data)


def review(
    at_ms: int, shop_id: str, buyer_id: str, review_id: str, order_id: str, rating: int, text: str, change: int = 0
) -> Moment:
    """A review; `change` counts the changes, 0 being the first posting."""
    data = {
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "review_id": review_id,
        "order_id": order_id,
        "rating": rating,
        "text": text,
    }
    if change:
        return _event("review.changed", f"{review_id}-c{change}", f"rate/{shop_id}", at_ms, data)
    return _event("review.posted", review_id, f"rate/{shop_id}", at_ms, data)


def agent_upserted(at_ms: int, shop_id: str, agent_id: str, name: str, team: str, role: str) -> Moment:
    """A service sub-account with its team and role."""
    data = {"shop_id": shop_id, "agent_id": agent_id, "name": name, "team": team, "role": role}
    return _event("agent.upserted", f"a-{agent_id.partition(':')[2]}", f"hr/{shop_id}", at_ms, data)


def sale_event_scheduled(at_ms: int, data: dict[str, Any]) -> Moment:
    """A sale event; `data` has starts_at, ends_at, teams, pk_basis and the hourly targets."""
    return _event("sale_event.scheduled", data["sale_event_id"], f"hr/{data['shop_id']}", at_ms, data)
