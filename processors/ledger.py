"""A buyer's orders, payments and refunds in one shop, and who is credited with them (contract §1 natural ids, §2)."""

from bisect import bisect_right
from collections.abc import Sequence

from processors.facts import Closing, Message, Order, Payment, Refund


class OrderRecord:
    """What is known of one order. Of several facts with one natural id the earliest by (time, id) counts."""

    __slots__ = ("closed_at", "named_by", "payments", "placed", "placings")

    def __init__(self) -> None:
        self.placed: Order | None = None
        self.placings: list[int] = []
        """times of all `order.placed` facts of it, in order: the first counts"""
        self.closed_at: int | None = None
        self.payments: list[Payment] = []
        self.named_by: list[int] = []
        """times of all payment facts that name it, also of those whose payment_id an earlier one took"""

    def placed_by(self, time: int) -> bool:
        return self.placed is not None and self.placed.time <= time

    def paid_by(self, time: int) -> bool:
        return bool(self.payments) and self.payments[0].time <= time

    def unpaid_at(self, time: int) -> bool:
        """Placed at or before `time`, with neither a payment nor a closing at or before it."""
        closed = self.closed_at is not None and self.closed_at <= time
        return self.placed_by(time) and not self.paid_by(time) and not closed

    def payment_before(self, time: int) -> Payment | None:
        """The latest payment at or before `time`."""
        before = [payment for payment in self.payments if payment.time <= time]
        return before[-1] if before else None


class Ledger:
    """All of a buyer's commerce facts in one shop. Facts are added in order of (time, id, source)."""

    __slots__ = ("_payment_ids", "_refund_ids", "orders", "payments")

    def __init__(self) -> None:
        self.orders: dict[str, OrderRecord] = {}
        self.payments: list[Payment] = []
        self._payment_ids: set[str] = set()
        self._refund_ids: set[str] = set()

    def order(self, order_id: str) -> OrderRecord:
        """The record of that order, made when it is first heard of."""
        record = self.orders.get(order_id)
        if record is None:
            record = self.orders[order_id] = OrderRecord()
        return record

    def add(self, fact: Order | Closing | Payment | Refund) -> bool:
        """Takes in the next fact. Whether it counts: a later one with the same natural id does not."""
        if isinstance(fact, Payment):
            self.order(fact.order_id).named_by.append(fact.time)
            if fact.payment_id in self._payment_ids:
                return False
            self._payment_ids.add(fact.payment_id)
            self.payments.append(fact)
            self.order(fact.order_id).payments.append(fact)
            return True
        if isinstance(fact, Refund):
            if fact.refund_id in self._refund_ids:
                return False
            self._refund_ids.add(fact.refund_id)
            return True
        record = self.order(fact.order_id)
        if isinstance(fact, Closing):
            if record.closed_at is not None:
                return False
            record.closed_at = fact.time
            return True
        record.placings.append(fact.time)
        if record.placed is not None:
            return False
        record.placed = fact
        return True

    def unpaid_at(self, time: int) -> list[str]:
        """Ids of the orders that are open and unpaid at `time`, sorted."""
        return sorted(order_id for order_id, record in self.orders.items() if record.unpaid_at(time))

    def payments_between(self, start: int, end: int) -> list[Payment]:
        """Payments with start <= time <= end, in order."""
        return [payment for payment in self.payments if start <= payment.time <= end]


def credited_agent(effective: Sequence[Message], times: Sequence[int], time: int, horizon_ms: int) -> str:
    """Attribution (contract §2): the agent of the last effective message in (time - horizon, time]; empty: silent.

    `effective`: the buyer's effective messages ordered by (time, id), `times`: their times.
    """
    at = bisect_right(times, time) - 1
    if at >= 0 and times[at] > time - horizon_ms:
        return effective[at].agent_id
    return ""
