"""Which events count (contract §1), as plain dicts: {"source", "id", "type", "t" (ms since the epoch), "shop", "buyer", "data"}.

Choices where the contract is silent:
- natural ids (order, payment, refund, review) are those of one buyer in one shop;
- of two events with one `source`+`id` and different content the one with the smaller (time, content) stands;
- where (`time`, `id`) are equal too, `source` decides;
- a later `agent.upserted` or `sale_event.scheduled` (by time, id) replaces the earlier of the same agent or sale event,
  for what lay before it as well.
"""

import json
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SHANGHAI = ZoneInfo("Asia/Shanghai")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text):
    """RFC 3339 -> ms since the epoch; digits finer than a millisecond are cut."""
    head, fraction, offset = re.fullmatch(r"(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text).groups()
    whole = datetime.fromisoformat(head + ("+00:00" if offset == "Z" else offset))
    return (whole - EPOCH) // timedelta(milliseconds=1) + int(((fraction or "0") + "000")[:3])


def local(t):
    """The shop's wall clock at that instant."""
    return (EPOCH + timedelta(milliseconds=t)).astimezone(SHANGHAI)


def local_day(t):
    return local(t).date()


def at(day: date, hour, minute=0):
    """The instant of a wall clock time; hour 24 is the next midnight."""
    moment = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + timedelta(hours=hour, minutes=minute)
    return (moment.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def midnight_after(t):
    return at(local_day(t), 24)


def window_start(t, seconds):
    """Start of the window of that size, counted from local midnight."""
    midnight = at(local_day(t), 0)
    return midnight + (t - midnight) // (seconds * SECOND) * (seconds * SECOND)


def fen(amount):
    """A decimal string of CNY as 1/100 CNY."""
    yuan, _, cents = amount.partition(".")
    return int(yuan) * 100 + int((cents + "00")[:2])


def order_key(event):
    return (event["t"], event["id"], event["source"])


class Facts:
    """The set of events, whatever their order and however often each arrived."""

    def __init__(self, events):
        same_id = {}
        for event in events:
            same_id.setdefault((event["source"], event["id"]), []).append(event)
        self.events = []
        for arrivals in same_id.values():
            event = min(arrivals, key=lambda e: (instant(e["time"]), json.dumps(e, sort_keys=True)))
            data = event["data"]
            self.events.append(
                {
                    "source": event["source"],
                    "id": event["id"],
                    "type": event["type"],
                    "t": instant(event["time"]),
                    "shop": data["shop_id"],
                    "buyer": data.get("buyer_id"),
                    "data": data,
                }
            )
        self.events.sort(key=order_key)
        self.now = max((event["t"] for event in self.events), default=0)

    def of_type(self, *types):
        return [event for event in self.events if event["type"] in types]

    def buyers(self):
        return sorted({(event["shop"], event["buyer"]) for event in self.events if event["buyer"] is not None})

    def of_buyer(self, shop, buyer, *types):
        return [event for event in self.of_type(*types) if (event["shop"], event["buyer"]) == (shop, buyer)]

    def messages(self, shop, buyer):
        return self.of_buyer(shop, buyer, "chat.message")

    def _earliest(self, shop, buyer, kind, natural_id):
        """One event for each natural id: the earliest by (time, id)."""
        found = {}
        for event in self.of_buyer(shop, buyer, kind):
            found.setdefault(event["data"][natural_id], event)
        return list(found.values())

    def orders(self, shop, buyer):
        return self._earliest(shop, buyer, "order.placed", "order_id")

    def closings(self, shop, buyer):
        return self._earliest(shop, buyer, "order.closed", "order_id")

    def payments(self, shop, buyer):
        return self._earliest(shop, buyer, "payment.succeeded", "payment_id")

    def refunds(self, shop, buyer):
        return self._earliest(shop, buyer, "payment.refunded", "refund_id")

    def order(self, shop, buyer, order_id):
        return next((order for order in self.orders(shop, buyer) if order["data"]["order_id"] == order_id), None)

    def review_versions(self, shop, buyer):
        return self.of_buyer(shop, buyer, "review.posted", "review.changed")

    def team(self, shop, agent):
        upserts = [e for e in self.of_type("agent.upserted") if e["shop"] == shop and e["data"]["agent_id"] == agent]
        return upserts[-1]["data"]["team"] if upserts else ""

    def in_sale_event(self, shop, t):
        standing = {}
        for event in self.of_type("sale_event.scheduled"):
            if event["shop"] == shop:
                standing[event["data"]["sale_event_id"]] = event["data"]
        return any(instant(sale["starts_at"]) <= t < instant(sale["ends_at"]) for sale in standing.values())


def is_buyer_message(message):
    return message["data"]["sender"] == "buyer"


def is_effective(message):
    """An effective reply: an agent's, by a human or with assistance (contract §2)."""
    return message["data"]["sender"] == "agent" and message["data"].get("reply_mode", "human") in ("human", "assisted")


def attributed_agent(facts, shop, buyer, t):
    """Who sent the buyer the last effective message in (t - 24 h, t]; empty: silent."""
    agent = ""
    for message in facts.messages(shop, buyer):
        if is_effective(message) and t - DAY < message["t"] <= t:
            agent = message["data"]["agent_id"]
    return agent
