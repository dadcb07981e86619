"""What becomes of an order: payment, reminders, closing, refund."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from replay.generator import events
from replay.generator.basket import Basket
from replay.generator.conversation import Buyer, Conversation
from replay.generator.events import Moment
from replay.generator.floor import Shop
from replay.generator.texts import texts

TIMEOUT_MS = 3_600_000  # a sale order is closed by the platform when it is unpaid after an hour


@dataclass(slots=True)
class Order:
    """An order as the buyer knows it; amounts in fen, time in milliseconds since the epoch."""

    shop: Shop
    buyer: Buyer
    basket: Basket
    order_id: str = field(init=False)
    placed_ms: int = field(init=False)
    paid_fen: int = 0  # net of refunds

    def __post_init__(self) -> None:
        self.order_id = self.buyer.new_id("o")
        self.placed_ms = self.buyer.now

    def placed(self) -> Moment:
        """The order itself, at the buyer's now."""
        basket = self.basket
        return events.order_placed(
            self.placed_ms, self.shop.shop_id, self.buyer.buyer_id, self.order_id, basket.fen, basket.items
        )

    def pay(self) -> Iterator[Moment]:
        """One payment; sometimes two parts, a few minutes apart."""
        buyer = self.buyer
        if self.basket.fen >= 10_000 and buyer.dice.chance(0.04):
            yield self._payment(self.basket.fen * buyer.dice.between(1, 5) // 10)
            buyer.wait_about(150.0)
        yield self._payment(self.basket.fen - self.paid_fen)

    def _payment(self, fen: int) -> Moment:
        buyer = self.buyer
        self.paid_fen += fen
        return events.payment_succeeded(
            buyer.now, self.shop.shop_id, buyer.buyer_id, buyer.new_id("p"), self.order_id, fen
        )

    def refund(self) -> Iterator[Moment]:
        """The whole sum back, or in three of ten cases a part of it, now; nothing when nothing is left to refund."""
        buyer = self.buyer
        if not self.paid_fen:
            return
        fen = self.paid_fen
        if buyer.dice.chance(0.3):
            fen = max(1, fen * buyer.dice.between(5, 30) // 100)
        self.paid_fen -= fen
        yield events.payment_refunded(
            buyer.now, self.shop.shop_id, buyer.buyer_id, buyer.new_id("rf"), self.order_id, fen
        )

    def close(self, reason: str) -> Moment:
        """The end of the order without a payment, now."""
        return events.order_closed(self.buyer.now, self.shop.shop_id, self.buyer.buyer_id, self.order_id, reason)


def remind(chat: Conversation, order: Order) -> Moment:
    """A reminder by the agent of the chat: gentle as a rule, blunt from the eager, sometimes only known by its intent."""
    dice, words = chat.buyer.dice, texts()["reminders"]
    plain = False
    if dice.chance(0.35 * chat.agent.eagerness):
        template = dice.pick(words["blunt"])
    else:
        plain = dice.chance(0.12)
        template = dice.pick(words["plain" if plain else "gentle"])
    extra: dict[str, Any] = {}
    if dice.chance(0.6):
        extra["order_id"] = order.order_id
    if plain or dice.chance(0.4):
        extra["intent"] = "payment_reminder"
    return chat.agent_says(template, dice.pick(("human", "human", "assisted", "auto")), **extra)


def remind_by_mistake(chat: Conversation, order: Order) -> Moment:
    """A reminder that crosses with the payment: its sender looked at a stale list of unpaid orders."""
    template = chat.buyer.dice.pick(texts()["reminders"]["gentle"])
    return chat.agent_says(template, None, order_id=order.order_id, intent="payment_reminder")


def settle(chat: Conversation, order: Order, at_once: float) -> Iterator[Moment]:
    """The buyer pays at once with the chance `at_once` (0 to 1), else is chased, pays late or lets the order go."""
    buyer, dice = order.buyer, order.buyer.dice
    if dice.chance(at_once):
        buyer.wait_about(45.0, 0.9)
        yield from order.pay()
    else:
        yield from _chase(chat, order)


def _chase(chat: Conversation, order: Order) -> Iterator[Moment]:
    buyer, dice = order.buyer, order.buyer.dice
    buyer.wait_about(480.0, 0.5)
    reminded = 0
    while reminded < 4 and dice.chance(0.62 if reminded == 0 else 0.6 * chat.agent.eagerness):
        yield remind(chat, order)
        reminded += 1
        if dice.chance(0.35):
            buyer.wait_about(60.0)
            yield chat.buyer_says(dice.pick(texts()["reminder_answer"]))
            if dice.chance(0.7):
                yield from chat.answer(texts()["thanks_agent"], polish=False)
        if dice.chance(0.42):
            buyer.wait_about(75.0)
            yield from order.pay()
            return
        buyer.wait_about(420.0, 0.4)
        if dice.chance(0.25):  # a colleague works through the same list of unpaid orders
            chat.assign(chat.shop.agent("reminder", buyer.now, dice, chat.agent))
    if dice.chance(0.28):
        buyer.wait_about(420.0)
        yield from order.pay()
    else:
        yield from _let_go(order)


def _let_go(order: Order) -> Iterator[Moment]:
    buyer, outcome = order.buyer, order.buyer.dice.random()
    if outcome < 0.25:
        buyer.wait_about(200.0)
        yield order.close("buyer_cancelled")
    elif outcome < 0.75:
        buyer.wait(max(order.placed_ms + TIMEOUT_MS - buyer.now, 0))
        yield order.close("timeout")
    elif outcome < 0.82:
        buyer.wait_about(300.0)
        yield order.close("seller_closed")


def reminder_chat(chat: Conversation, own: bool) -> Conversation:
    """The chat in which an unpaid order is reminded of: the seller's own, or that of an agent for reminders."""
    if not own:
        chat.assign(chat.shop.agent("reminder", chat.buyer.now, chat.buyer.dice))
    return chat
