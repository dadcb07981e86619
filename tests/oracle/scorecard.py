"""The figures of scorecards (docs/scorecards.md): agent -> figure -> (numerator, denominator), of one shop and whole days.

QC figures and targets are not in it.
"""

from oracle.events import MINUTE, attributed_agent, fen, instant, is_buyer_message, is_effective, local_day, order_key
from oracle.response import CAP, first_responses, rounds

KEYS = (
    "paid_amount", "orders_paid", "inquiry_to_order", "order_to_paid", "items_per_order", "amount_per_order", "reply_rate",
    "first_response", "average_response", "rate_3min", "rating", "complaints",
)  # fmt: skip


def cards(facts, shop, days, now):
    """`days`: the local days of the period; `now`: the wall clock in ms."""
    found = {}

    def add(agent, figure, numerator, denominator):
        if agent:
            card = found.setdefault(agent, dict.fromkeys(KEYS, (0, 0)))
            n, d = card[figure]
            card[figure] = (n + numerator, d + denominator)

    sales = {}
    for event in facts.of_type("sale_event.scheduled"):
        if event["shop"] == shop:
            sales[event["data"]["sale_event_id"]] = event["data"]
    spans = [(instant(sale["starts_at"]), instant(sale["ends_at"])) for sale in sales.values()]
    for buyer in [b for s, b in facts.buyers() if s == shop]:
        _trade(facts, shop, buyer, days, add)
        _talk(facts, shop, buyer, days, add)
    for one in rounds(facts):
        t = one["opened_at"]
        pending = one["response_ms"] is None and local_day(now) <= local_day(t)
        outside = not any(start <= t < end for start, end in spans)
        if one["shop_id"] == shop and local_day(t) in days and one["in_platform_hours"] and outside and not pending:
            waited = CAP if one["response_ms"] is None else one["response_ms"]
            add(one["agent_id"], "average_response", min(waited, CAP), 1)
            add(one["agent_id"], "rate_3min", int(one["response_ms"] is not None and waited <= 3 * MINUTE), 1)
    for where, agent, t, ms in first_responses(facts):
        window = t // (5 * MINUTE) * (5 * MINUTE)
        untouched = all(end <= window or start >= window + 5 * MINUTE for start, end in spans)
        if where == shop and local_day(t) in days and untouched:
            add(agent, "first_response", ms, 1)
    return {agent: card for agent, card in found.items() if any(map(any, card.values()))}


def _trade(facts, shop, buyer, days, add):
    payments = sorted(facts.payments(shop, buyer), key=order_key)
    paid_orders = [payment["data"]["order_id"] for payment in payments]
    for order in facts.orders(shop, buyer):
        if local_day(order["t"]) in days:
            agent = attributed_agent(facts, shop, buyer, order["t"])
            add(agent, "order_to_paid", int(order["data"]["order_id"] in paid_orders), 1)
    seen = set()
    for payment in payments:
        order_id, agent = payment["data"]["order_id"], attributed_agent(facts, shop, buyer, payment["t"])
        first = order_id not in seen
        seen.add(order_id)
        if local_day(payment["t"]) not in days:
            continue
        order = facts.order(shop, buyer, order_id)
        items = sum(item["quantity"] for item in order["data"]["items"]) if first and order else 0
        amount = fen(payment["data"]["amount"])
        for figure, n, d in (
            ("paid_amount", amount, 0),
            ("orders_paid", int(first), 0),
            ("items_per_order", items, int(first)),
            ("amount_per_order", amount, int(first)),
            ("complaints", 0, int(first)),
        ):
            add(agent, figure, n, d)
    versions = {}
    for version in sorted(facts.review_versions(shop, buyer), key=order_key):
        versions.setdefault(version["data"]["review_id"], []).append(version)
    for first, *rest in versions.values():
        standing = (rest or [first])[-1]["data"]
        order = facts.order(shop, buyer, standing["order_id"])
        if order is not None and local_day(first["t"]) in days:
            agent = attributed_agent(facts, shop, buyer, order["t"])
            add(agent, "rating", standing["rating"], 1)
            add(agent, "complaints", int(standing["rating"] <= 3), 0)


def _talk(facts, shop, buyer, days, add):
    messages = [message for message in facts.messages(shop, buyer) if local_day(message["t"]) in days]
    ordered = {
        (local_day(order["t"]), attributed_agent(facts, shop, buyer, order["t"])) for order in facts.orders(shop, buyer)
    }
    for day, agent in {(local_day(m["t"]), m["data"]["agent_id"]) for m in messages if is_buyer_message(m)}:
        thread = [m for m in messages if (local_day(m["t"]), m["data"]["agent_id"]) == (day, agent)]
        add(agent, "reply_rate", int(any(map(is_effective, thread))), 1)
        add(agent, "inquiry_to_order", int((day, agent) in ordered), 1)
