"""The hourly leaderboard (contract §2).

Choices where the contract is silent:
- an order counts once in `orders_paid` and `items_paid`, at its first payment (the earliest by time, id);
- a refund belongs to the agent credited with the order's latest payment at or before the refund, else to silent;
- the team of a row is the agent's latest one;
- a row has at least one figure that is not zero.
"""

from oracle.events import attributed_agent, fen, is_effective, order_key, window_start

FIGURES = (
    "orders_placed",
    "orders_paid",
    "paid_amount",
    "items_paid",
    "refunded_amount",
    "buyers_served",
    "buyers_paid",
)


def leaderboard(facts):
    rows, served, paid = {}, {}, {}

    def row(shop, agent, t):
        key = (shop, window_start(t, 3600), agent)
        return key, rows.setdefault(key, dict.fromkeys(FIGURES, 0))

    for shop, buyer in facts.buyers():
        for message in facts.messages(shop, buyer):
            if is_effective(message):
                key, _ = row(shop, message["data"]["agent_id"], message["t"])
                served.setdefault(key, set()).add(buyer)
        for order in facts.orders(shop, buyer):
            _, figures = row(shop, attributed_agent(facts, shop, buyer, order["t"]), order["t"])
            figures["orders_placed"] += 1
        payments = sorted(facts.payments(shop, buyer), key=order_key)
        seen_orders = set()
        for payment in payments:
            key, figures = row(shop, attributed_agent(facts, shop, buyer, payment["t"]), payment["t"])
            figures["paid_amount"] += fen(payment["data"]["amount"])
            paid.setdefault(key, set()).add(buyer)
            order_id = payment["data"]["order_id"]
            if order_id not in seen_orders:
                seen_orders.add(order_id)
                figures["orders_paid"] += 1
                order = facts.order(shop, buyer, order_id)
                figures["items_paid"] += sum(item["quantity"] for item in order["data"]["items"]) if order else 0
        for refund in facts.refunds(shop, buyer):
            before = [
                payment
                for payment in payments
                if payment["data"]["order_id"] == refund["data"]["order_id"] and payment["t"] <= refund["t"]
            ]
            agent = attributed_agent(facts, shop, buyer, before[-1]["t"]) if before else ""
            _, figures = row(shop, agent, refund["t"])
            figures["refunded_amount"] += fen(refund["data"]["amount"])

    for key, buyers in served.items():
        rows[key]["buyers_served"] = len(buyers)
    for key, buyers in paid.items():
        rows[key]["buyers_paid"] = len(buyers)

    rows = {key: figures for key, figures in rows.items() if any(figures.values())}
    result = []
    for (shop, hour, agent), figures in sorted(rows.items()):
        rank = None
        if agent:
            rivals = [f for (s, h, a), f in rows.items() if (s, h) == (shop, hour) and a]
            score = (figures["paid_amount"], figures["orders_paid"])
            rank = 1 + sum((rival["paid_amount"], rival["orders_paid"]) > score for rival in rivals)
        team = facts.team(shop, agent) if agent else ""
        result.append({"shop_id": shop, "hour_start": hour, "agent_id": agent, "team": team, **figures, "rank": rank})
    return result
