"""One buyer's journey through the sale, as a generator of events in time order."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from replay.generator import events
from replay.generator.basket import draw_basket, draw_wish
from replay.generator.config import HOUR_MS, SaleConfig
from replay.generator.conversation import Buyer, Conversation
from replay.generator.demand import Demand, time_of_day_ms
from replay.generator.dice import Dice
from replay.generator.events import DAY_MS, Moment
from replay.generator.floor import Shop
from replay.generator.texts import texts
from replay.generator.trade import Order, remind, remind_by_mistake, reminder_chat, settle

_STORIES = ("chat", "silent", "aftersale", "review", "pending")
_STORY_SHARES = (0.66, 0.78, 0.87, 0.965, 1.0)
# Ratings 5, 4, 3, 2, 1 of an old order; people who come back to write are less content than the average buyer.
_RATINGS = (0.76, 0.85, 0.91, 0.945, 1.0)
_CAUSES = ("quality", "not_as_described", "logistics", "service_attitude", "wrong_or_missing_item", "price")
_CAUSE_SHARES = (0.30, 0.50, 0.66, 0.81, 0.92, 1.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a buyer comes for and when, in milliseconds; `first_ms` lies days before the arrival for an old order."""

    index: int
    first_ms: int
    arrival_ms: int
    story: str


class Shoppers:
    """All buyers of a sale. A buyer depends on the seed and the buyer's index alone."""

    def __init__(self, config: SaleConfig, shops: Sequence[Shop], demand: Demand) -> None:
        self._seed = config.seed
        self._shops = shops
        self._demand = demand
        self._words = texts()

    def plan(self, index: int) -> Plan:
        """The buyer's plan; cheap, so that journeys can be opened in the order of their first moment."""
        dice = Dice(self._seed, "plan", index)
        arrival = self._demand.arrival_ms(dice.random())
        story = _STORIES[dice.index(_STORY_SHARES)]
        if story in ("aftersale", "review"):
            days = dice.between(2, 9) if story == "aftersale" else dice.between(4, 14)
            first = events.local_midnight(arrival) - days * DAY_MS + time_of_day_ms(dice.random())
        elif story == "pending":
            first = arrival - dice.between(16 * HOUR_MS, 23 * HOUR_MS)
        else:
            first = arrival
        return Plan(index, first, arrival, story)

    def journey(self, plan: Plan) -> Iterator[Moment]:
        """All events that the buyer causes, in time order, beginning at or after `plan.first_ms`."""
        buyer = Buyer(plan.index, Dice(self._seed, "buyer", plan.index), plan.first_ms)
        shop = buyer.dice.pick(self._shops)
        if plan.story == "aftersale":
            yield from self._aftersale(buyer, shop, plan)
        elif plan.story == "review":
            yield from self._review(buyer, shop, plan)
        elif plan.story == "pending":
            yield from self._pending(buyer, shop, plan)
        else:
            yield from self._visit(buyer, shop, plan.story == "silent")
            yield from self._return(buyer, shop)

    def _chat(self, buyer: Buyer, shop: Shop, role: str) -> Conversation:
        return Conversation(buyer, shop, self._demand, role, draw_wish(buyer.dice, shop.kinds))

    def _return(self, buyer: Buyer, shop: Shop) -> Iterator[Moment]:
        """Some come back later in the sale, to the same shop or to another one."""
        if not buyer.dice.chance(0.14):
            return
        buyer.wait_about(40 * 60.0)
        if buyer.now >= self._demand.end_ms:
            return
        if buyer.dice.chance(0.4):
            shop = buyer.dice.pick(self._shops)
        yield from self._visit(buyer, shop, buyer.dice.chance(0.4))

    def _visit(self, buyer: Buyer, shop: Shop, silent: bool) -> Iterator[Moment]:
        dice = buyer.dice
        wish = draw_wish(dice, shop.kinds)
        chat = Conversation(buyer, shop, self._demand, "reminder" if silent else "presale", wish)
        if not silent:
            yield from chat.open()
            yield from self._inquire(chat, wish, dice.between(3, 12))
            if not dice.chance(0.2 if chat.lost else 0.68):
                if not chat.lost:
                    yield from chat.close()
                return
        buyer.wait_about(40.0)
        order = Order(shop, buyer, draw_basket(dice, shop.kinds, wish))
        yield order.placed()
        if not silent and dice.chance(0.45):
            buyer.wait_about(8.0)
            yield chat.agent_says(dice.pick(self._words["order_confirm"]), "assisted" if dice.chance(0.6) else "auto")
        yield from settle(reminder_chat(chat, own=not silent and dice.chance(0.6)), order, 0.52)
        if order.paid_fen:
            yield from self._after_payment(chat, order, silent)

    def _inquire(self, chat: Conversation, wish: dict[str, str], rounds: int) -> Iterator[Moment]:
        dice = chat.buyer.dice
        kinds = (wish["kind"],)
        for number in range(rounds):
            if chat.lost:
                return
            if number and dice.chance(0.008):
                role = "order_change" if dice.chance(0.5) else "presale"
                yield from chat.hand_over(role, dice.pick(self._words["topics"]["any"])["ask"])
            else:
                yield from chat.ask(kinds)

    def _after_payment(self, chat: Conversation, order: Order, silent: bool) -> Iterator[Moment]:
        buyer, dice = order.buyer, order.buyer.dice
        if dice.chance(0.004 + 0.025 * chat.agent.eagerness):
            buyer.wait_about(25.0)
            yield remind_by_mistake(chat, order)
        elif not silent:
            yield from chat.close()
        if dice.chance(0.07):  # an add-on order, often left unpaid: who reminds now reminds a buyer who paid today
            buyer.wait_about(240.0)
            second = Order(order.shop, buyer, draw_basket(dice, order.shop.kinds))
            yield second.placed()
            yield from settle(chat, second, 0.45)
        if dice.chance(0.035):
            buyer.wait_about(500.0)
            yield from order.refund()

    def _past_order(self, buyer: Buyer, shop: Shop) -> Generator[Moment, None, Order]:
        """An order paid some days before, with or without a chat."""
        dice = buyer.dice
        wish = draw_wish(dice, shop.kinds)
        if dice.chance(0.5):
            chat = Conversation(buyer, shop, self._demand, "presale", wish)
            yield from chat.open()
            yield from self._inquire(chat, wish, dice.between(1, 4))
        buyer.wait_about(40.0)
        order = Order(shop, buyer, draw_basket(dice, shop.kinds, wish))
        yield order.placed()
        buyer.wait_about(50.0)
        yield from order.pay()
        return order

    def _pending(self, buyer: Buyer, shop: Shop, plan: Plan) -> Iterator[Moment]:
        """An order left unpaid the evening before, reminded of gently during the sale."""
        order = Order(shop, buyer, draw_basket(buyer.dice, shop.kinds))
        yield order.placed()
        buyer.now = plan.arrival_ms
        chat = self._chat(buyer, shop, "reminder")
        yield remind(chat, order)
        yield from settle(chat, order, 0.5)

    def _complain(self, chat: Conversation, cause: str | None) -> Iterator[Moment]:
        """Questions about goods that have arrived, or have not: two to six rounds, often with a picture."""
        buyer, dice = chat.buyer, chat.buyer.dice
        subjects = self._words["aftersale"]
        subject = next((s for s in subjects if s["cause"] == cause), None) or dice.pick(subjects)
        yield from chat.open()
        if chat.lost:
            return
        if dice.chance(0.45):
            buyer.wait_about(15.0)
            yield chat.buyer_shows()
            buyer.wait_about(6.0)
        for number in range(dice.between(2, 6)):
            matter = subject if number < 2 else self._words["aftersale_more"]
            yield from chat.round(matter["ask"], matter["reply"])
            if chat.lost:
                return
        if dice.chance(0.18):
            yield from chat.hand_over("escalation" if dice.chance(0.5) else "order_change", subject["ask"])
            yield from chat.round(subject["ask"], subject["reply"])
        if not chat.lost:
            yield from chat.close(self._words["aftersale_settled"])

    def _aftersale(self, buyer: Buyer, shop: Shop, plan: Plan) -> Iterator[Moment]:
        order = yield from self._past_order(buyer, shop)
        buyer.now = max(buyer.now, plan.arrival_ms)
        chat = self._chat(buyer, shop, "aftersale")
        yield from self._complain(chat, None)
        if not chat.lost and buyer.dice.chance(0.28):
            buyer.wait_about(300.0)
            yield from order.refund()
        if buyer.dice.chance(0.2):
            buyer.wait_about(900.0)
            yield from self._rate(order, buyer.dice.pick((1, 2, 3, 5, 5)) if not chat.lost else 1, None)

    def _review(self, buyer: Buyer, shop: Shop, plan: Plan) -> Iterator[Moment]:
        order = yield from self._past_order(buyer, shop)
        dice = buyer.dice
        buyer.now = max(buyer.now, plan.arrival_ms)
        rating = 5 - dice.index(_RATINGS)
        cause = _CAUSES[dice.index(_CAUSE_SHARES)] if rating <= 3 else None
        if cause and dice.chance(0.5):
            yield from self._complain(self._chat(buyer, shop, "aftersale"), cause)
            buyer.wait_about(300.0)
        yield from self._rate(order, rating, cause)

    def _rate(self, order: Order, rating: int, cause: str | None) -> Iterator[Moment]:
        """The review, and what may follow: a talk that raises it, or second thoughts that lower it."""
        buyer, dice, words = order.buyer, order.buyer.dice, self._words["reviews"]
        if rating <= 3:
            text = dice.pick(words["bad"][cause or _CAUSES[dice.index(_CAUSE_SHARES)]])
        elif dice.chance(0.05):
            text = dice.pick(words["hidden_negative"])
        else:
            text = dice.pick(words["good" if rating == 5 else "fair"])
        review_id = buyer.new_id("r")
        where = (order.shop.shop_id, buyer.buyer_id, review_id, order.order_id)
        yield events.review(buyer.now, *where, rating, text)
        if rating <= 3 and dice.chance(0.5):
            raised = yield from self._follow_up(order)
            if raised:
                buyer.wait_about(1200.0)
                yield events.review(buyer.now, *where, raised, dice.pick(words["raised"]), 1)
        elif rating >= 4 and dice.chance(0.02):
            buyer.wait_about(3000.0)
            yield events.review(buyer.now, *where, dice.between(1, 2), dice.pick(words["lowered"]), 1)

    def _follow_up(self, order: Order) -> Generator[Moment, None, int]:
        """A specialist writes after a bad review; returns the new rating, 0 when the review stays."""
        buyer, dice = order.buyer, order.buyer.dice
        buyer.wait_about(1500.0)
        chat = self._chat(buyer, order.shop, "review_specialist")
        yield chat.agent_says(dice.pick(self._words["follow_up"]))
        if not dice.chance(0.75):
            return 0
        buyer.wait_about(180.0)
        yield chat.buyer_says(dice.pick(self._words["follow_up_answer"]))
        yield from chat.answer(self._words["follow_up_settled"], polish=False)
        if chat.lost:
            return 0
        if dice.chance(0.25):
            buyer.wait_about(120.0)
            yield from order.refund()
        if dice.chance(0.06 + 0.25 * chat.agent.eagerness):
            buyer.wait_about(60.0)
            yield chat.agent_says(dice.pick(self._words["misconduct"]["after_review"]))
        return dice.pick((5, 5, 5, 4)) if dice.chance(0.6) else 0
