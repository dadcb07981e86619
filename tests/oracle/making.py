"""Short ways to write CloudEvents by hand, and Hypothesis strategies that aim at every border the contract has."""

from datetime import timedelta, timezone
from itertools import count
from random import Random

from hypothesis import strategies as st

from oracle.events import DAY, EPOCH, HOUR, MINUTE, SECOND, at
from oracle.events import instant as instant

NEGATIVE = "质量太差了,非常失望,再也不会买了"
POSITIVE = "非常好,很喜欢,下次还来"


def is_negative(text):
    """The judgement of a review's text, for the texts used here."""
    return {NEGATIVE: True, POSITIVE: False, "": False}[text]


def rfc3339(t, offset_hours=8, cut="", letter=False):
    """ms -> text with that offset; `cut` are digits beyond the millisecond."""
    zone = timezone(timedelta(hours=offset_hours))
    moment = (EPOCH + timedelta(milliseconds=t)).astimezone(zone)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{t % 1000:03d}{cut}"
    if letter and offset_hours == 0:
        return text + "Z"
    return text + moment.isoformat()[-6:]


def clock(text):
    """ "11 09:00:03.120" -> that local moment of November 2026, in ms."""
    day, time = text.split()
    return instant(f"2026-11-{int(day):02d}T{time if time.count(':') == 2 else time + ':00'}+08:00")


class Scene:
    """A list of events in the making, with ids counted up. Times are texts for `clock`, or ms."""

    def __init__(self, shop="s1", buyer="b1", agent="a1"):
        self.events = []
        self.shop, self.buyer, self.agent = shop, buyer, agent
        self.ids = count(1)

    def add(self, kind, time, data, event_id=None, source="test"):
        t = clock(time) if isinstance(time, str) else time
        event_id = event_id or f"e{next(self.ids):04d}"
        body = {"specversion": "1.0", "id": event_id, "source": source, "type": kind, "time": rfc3339(t), "data": data}
        self.events.append(body)
        return event_id

    def _who(self, shop, buyer):
        return {"shop_id": shop or self.shop, "buyer_id": buyer or self.buyer}

    def asks(self, time, text="在吗", agent=None, buyer=None, shop=None, event_id=None):
        data = self._who(shop, buyer) | {"agent_id": agent or self.agent, "sender": "buyer", "text": text}
        return self.add("chat.message", time, data, event_id)

    def says(self, time, text="您好", agent=None, buyer=None, shop=None, event_id=None, **more):
        data = self._who(shop, buyer) | {"agent_id": agent or self.agent, "sender": "agent", "text": text} | more
        return self.add("chat.message", time, data, event_id)

    def places(self, time, order="o1", amount="100.00", quantity=1, buyer=None, shop=None, event_id=None):
        items = [{"sku_id": "k", "title": "鞋", "quantity": quantity, "unit_price": amount}]
        data = self._who(shop, buyer) | {"order_id": order, "amount": amount, "items": items}
        return self.add("order.placed", time, data, event_id)

    def closes(self, time, order="o1", buyer=None, shop=None, event_id=None):
        data = self._who(shop, buyer) | {"order_id": order, "reason": "timeout"}
        return self.add("order.closed", time, data, event_id)

    def pays(self, time, order="o1", amount="100.00", payment=None, buyer=None, shop=None, event_id=None):
        data = self._who(shop, buyer) | {"payment_id": payment or f"p-{order}", "order_id": order, "amount": amount}
        return self.add("payment.succeeded", time, data, event_id)

    def refunds(self, time, order="o1", amount="10.00", refund=None, buyer=None, shop=None, event_id=None):
        data = self._who(shop, buyer) | {"refund_id": refund or f"r-{order}", "order_id": order, "amount": amount}
        return self.add("payment.refunded", time, data, event_id)

    def reviews(
        self, time, rating, order="o1", review="v1", text="", buyer=None, shop=None, changed=False, event_id=None
    ):
        data = self._who(shop, buyer) | {"review_id": review, "order_id": order, "rating": rating, "text": text}
        return self.add("review.changed" if changed else "review.posted", time, data, event_id)

    def joins(self, time, agent, team, shop=None, event_id=None):
        data = {"shop_id": shop or self.shop, "agent_id": agent, "name": agent, "team": team, "role": "presale"}
        return self.add("agent.upserted", time, data, event_id)

    def sale(self, time, starts, ends, sale="sale", shop=None, event_id=None):
        data = {"shop_id": shop or self.shop, "sale_event_id": sale, "name": "双11", "teams": [], "targets": []}
        data |= {"starts_at": rfc3339(clock(starts)), "ends_at": rfc3339(clock(ends))}
        return self.add("sale_event.scheduled", time, data, event_id)

    def command(self, time, step, task, buyer=None, shop=None, event_id=None, **more):
        data = self._who(shop, buyer) | {"task_id": task, "actor": "wang"} | more
        return self.add(f"call_task.{step}", time, data, event_id)


# What the strategies choose from. Small sets make ids, times and orders collide.

SHOPS, BUYERS, AGENTS, ORDERS = ("s1", "s2"), ("b1", "b2", "b3"), ("a1", "a2", "a3"), ("o1", "o2", "o3")
START = at(EPOCH.replace(year=2026, month=11, day=11).date(), 0)
BORDERS = [START + day * DAY + hour * HOUR for day in (0, 1) for hour in (0, 6, 8, 9, 10, 12, 14, 20, 22, 23)]
BORDERS += [START + 9 * HOUR + 5 * MINUTE, START + 23 * HOUR + 55 * MINUTE, START + DAY - 10 * MINUTE]
BORDERS += [START + 30 * DAY, START + 30 * DAY + 10 * HOUR]
GAPS = [0, 1, SECOND, 10 * SECOND, 10 * SECOND + 1, 60 * SECOND, 120 * SECOND, 120 * SECOND + 1, 180 * SECOND]
GAPS += [180 * SECOND + 1, 5 * MINUTE, 600 * SECOND - 1, 600 * SECOND, 600 * SECOND + 1, HOUR, 2 * HOUR]
GAPS += [DAY - 1, DAY, DAY + 1, 3 * DAY]
AROUND = [-600 * SECOND, -120 * SECOND - 1, -1, 0, 0, 1, 60 * SECOND]
TEXTS = [
    "",
    "在吗",
    "您好,请问有什么可以帮您",
    "亲,您的订单还没有付款哦",
    "记得付款",
    "尽快付款,赶紧付款",
    "再不付款就关闭了",
]
TEXTS += [
    "不可能",
    "可能吧",
    "也许不行",
    "行不行",
    "尽可能早发",
    "给个好评",
    "感谢您给好评",
    "要好评,不可能",
    "怎么还没付款,不用马上付款",
]
INTENTS = [None, None, None, None, "payment_reminder", "greeting"]
AMOUNTS_CHOSEN = ["0.01", "100.00", "100", "100.0", "499.99", "500.00"]
REMINDING = TEXTS[3:7]

STEPS_OF = {
    "anything": "ask wait say say remind place close pay refund review join sale command",
    "chat": "ask ask say say wait wait sale",
    "reminders": "remind remind remind place place pay close sale",
    "sales": "say say place place pay pay refund join",
    "reviews": "review review review place say command command",
}
LENGTH = {"anything": 60, "chat": 40, "reminders": 25, "sales": 35, "reviews": 20}


def scenes(kind, task_ids):
    """Strategy for lists of events. A scene has few people, few orders, and few distances in time, so that things meet."""
    return st.integers(0, 2**48).map(lambda seed: random_scene(kind, Random(seed), task_ids))


def random_scene(kind, random, task_ids):
    shops, buyers, agents, orders = (
        names[: random.randint(1, len(names))] for names in (SHOPS, BUYERS, AGENTS, ORDERS)
    )
    gaps, borders, texts = [*random.sample(GAPS, 4), 0], random.sample(BORDERS, 3), random.sample(TEXTS, 5)
    modes = random.choice([["human"], ["human", "assisted", "auto", None]])
    scene, t, pick = Scene(), random.choice(BORDERS) + random.choice(AROUND), random.choice
    for number in range(random.randint(1, LENGTH[kind])):
        t = pick(borders) + pick(AROUND) if random.random() < 0.1 else t + pick(gaps)
        # ids don't grow with time; now and then one id comes from two sources, which makes two events
        event_id = (
            f"{random.randrange(10)}-{number}" if number == 0 or random.random() < 0.9 else scene.events[-1]["id"]
        )
        who = {"shop": pick(shops), "buyer": pick(buyers), "event_id": event_id}
        order, agent, amount = pick(orders), pick(agents), pick(AMOUNTS_CHOSEN)
        step = pick(STEPS_OF[kind].split())
        if step == "ask":
            scene.asks(t, agent=agent, **who)
        elif step == "wait":
            scene.asks(t, agent=agent, **{**who, "event_id": f"w-{number}"})
            t += pick([10_000, 10_001, 120_000, 120_001, 120_001, 180_000, 180_001, 599_999, 600_001])
            scene.says(t, agent=agent, **who)
        elif step in ("say", "remind"):
            text = pick(texts if step == "say" else REMINDING)
            more = {"reply_mode": pick(modes), "order_id": pick([None, None, order]), "intent": pick(INTENTS)}
            scene.says(t, text, agent, **who, **{name: value for name, value in more.items() if value is not None})
        elif step == "place":
            scene.places(t, order, amount, random.randint(0, 3), **who)
        elif step == "close":
            scene.closes(t, order, **who)
        elif step == "pay":
            scene.pays(t, order, amount, f"p{random.randint(1, 6)}", **who)
        elif step == "refund":
            scene.refunds(t, order, amount, f"r{random.randint(1, 4)}", **who)
        elif step == "review":
            rating, review = pick([1, 2, 3, 4, 5, 5]), f"v-{order}-{pick([1, 1, 2])}"
            scene.reviews(t, rating, order, review, pick(["", POSITIVE, NEGATIVE]), changed=pick([True, False]), **who)
        elif step == "join":
            scene.joins(t, agent, pick(["t1", "t2"]), who["shop"], event_id)
        elif step == "sale":
            starts = pick([t, pick(borders)])
            data = {
                "shop_id": who["shop"],
                "sale_event_id": pick(["x", "y"]),
                "name": "双11",
                "teams": [],
                "targets": [],
            }
            data |= {"starts_at": rfc3339(starts), "ends_at": rfc3339(starts + pick([1, MINUTE, HOUR, DAY]))}
            scene.add("sale_event.scheduled", t, data, event_id)
        else:
            task = task_ids[who["shop"], who["buyer"], order]
            step = pick(["claimed", "call_logged", "resolved", "revisited"])
            scene.command(t, step, task, **who, actor=pick(["wang", "wang", "li", "a1"]))
        offset, cut = pick([(8, ""), (8, ""), (0, "9"), (-5, "999"), (5.5, "")])
        scene.events[-1] |= {"time": rfc3339(t, offset, cut), "source": f"source-{number}"}
    return scene.events


def smallest(events, fails):
    """Events left out one at a time for as long as it still fails."""
    for event in list(events):
        fewer = [other for other in events if other is not event]
        if fails(fewer):
            events = fewer
    return events
