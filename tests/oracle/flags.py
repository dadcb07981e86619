"""Flags (contract §2). `lists` are the ruleset's phrase lists; `is_negative(text)` judges a review's text.

Choices where the contract is silent:
- a message with intent payment_reminder is a reminder even if nothing is unpaid; one with another intent never is;
- `reminder.direct` is raised on reminders only;
- the same-day basis `order` means an order placed at or before the reminder, as the basis `payment` does;
- `order_ids` of a reminder's flags are its targets, of other messages' flags the message's own `order_id`;
- `review.solicited` is raised on any reply mode;
- `review.hidden_negative` judges a review as it stands at the end: one flag, at the time of that version.
"""

from oracle.events import attributed_agent, is_effective, local_day
from oracle.phrases import matched_lists
from oracle.response import rounds


def flags(facts, lists, is_negative):
    found = []
    for shop, buyer in facts.buyers():
        found += _reminder_flags(facts, shop, buyer, lists)
        found += _language_flags(facts, shop, buyer, lists)
        found += _hidden_negatives(facts, shop, buyer, is_negative)
    found += _slow_flags(facts)
    for flag in found:
        flag["in_sale_event"] = facts.in_sale_event(flag["shop_id"], flag["occurred_at"])
    return found


def _flag(rule, severity, message, order_ids=()):
    return {
        "rule": rule,
        "severity": severity,
        "shop_id": message["shop"],
        "buyer_id": message["buyer"],
        "agent_id": message["data"]["agent_id"],
        "message_id": message["id"],
        "review_id": None,
        "order_ids": sorted(order_ids),
        "occurred_at": message["t"],
    }


def unpaid_orders(facts, shop, buyer, t):
    """Orders placed at or before t, with neither a payment nor a closing at or before t."""
    settled = {
        event["data"]["order_id"]
        for event in facts.payments(shop, buyer) + facts.closings(shop, buyer)
        if event["t"] <= t
    }
    placed = {order["data"]["order_id"] for order in facts.orders(shop, buyer) if order["t"] <= t}
    return placed - settled


def is_reminder(facts, message, lists):
    if message["data"]["sender"] != "agent":
        return False
    intent = message["data"].get("intent")
    if intent is not None:
        return intent == "payment_reminder"
    asks = matched_lists(message["data"]["text"], lists) & {"reminder", "blunt"}
    return bool(asks) and bool(unpaid_orders(facts, message["shop"], message["buyer"], message["t"]))


def targets(facts, message):
    order_id = message["data"].get("order_id")
    return {order_id} if order_id else unpaid_orders(facts, message["shop"], message["buyer"], message["t"])


def _reminder_flags(facts, shop, buyer, lists):
    found, already = [], set()
    for message in facts.messages(shop, buyer):
        if not is_reminder(facts, message, lists):
            continue
        t, mine = message["t"], targets(facts, message)
        paid = [payment for payment in facts.payments(shop, buyer) if payment["t"] <= t]
        if already & mine:
            found.append(_flag("reminder.repeated", "violation", message, mine))
        already |= mine
        if any(local_day(payment["t"]) == local_day(t) for payment in paid):
            found.append(_flag("reminder.same_day", "violation", message, mine))
        elif any(
            order["data"]["order_id"] in mine and local_day(order["t"]) == local_day(t) and order["t"] <= t
            for order in facts.orders(shop, buyer)
        ):
            found.append(_flag("reminder.same_day", "notice", message, mine))
        if any(payment["data"]["order_id"] == message["data"].get("order_id") for payment in paid):
            found.append(_flag("reminder.after_payment", "violation", message, mine))
        if "blunt" in matched_lists(message["data"]["text"], lists):
            found.append(_flag("reminder.direct", "notice", message, mine))
    return found


def _language_flags(facts, shop, buyer, lists):
    found = []
    for message in facts.messages(shop, buyer):
        if message["data"]["sender"] != "agent":
            continue
        said = matched_lists(message["data"]["text"], lists)
        orders = [message["data"]["order_id"]] if message["data"].get("order_id") else []
        if is_effective(message) and "forbidden" in said:
            found.append(_flag("language.forbidden", "notice", message, orders))
        if is_effective(message) and "vague" in said:
            found.append(_flag("language.vague", "notice", message, orders))
        if "solicitation" in said:
            found.append(_flag("review.solicited", "violation", message, orders))
    return found


def _slow_flags(facts):
    slow, found = {}, []
    for r in sorted(rounds(facts), key=lambda r: r["opened_at"]):
        if r["status"] == "answered" and r["response_ms"] > 120_000:
            day = (r["shop_id"], r["buyer_id"], r["agent_id"], local_day(r["opened_at"]))
            slow.setdefault(day, []).append(r)
    for (shop, buyer, agent, _), late in slow.items():
        if len(late) >= 3:
            reply = next(
                message
                for message in facts.messages(shop, buyer)
                if (message["id"], message["t"]) == (late[2]["reply_message_id"], late[2]["replied_at"])
                and message["data"]["agent_id"] == agent
            )
            found.append(_flag("response.slow", "notice", reply))
    return found


def _hidden_negatives(facts, shop, buyer, is_negative):
    standing = {}
    for version in facts.review_versions(shop, buyer):
        standing[version["data"]["review_id"]] = version
    found = []
    for review_id, version in standing.items():
        if version["data"]["rating"] >= 4 and is_negative(version["data"]["text"]):
            order_id = version["data"]["order_id"]
            order = facts.order(shop, buyer, order_id)
            found.append(
                {
                    "rule": "review.hidden_negative",
                    "severity": "notice",
                    "shop_id": shop,
                    "buyer_id": buyer,
                    "agent_id": attributed_agent(facts, shop, buyer, order["t"]) if order else "",
                    "message_id": None,
                    "review_id": review_id,
                    "order_ids": [order_id],
                    "occurred_at": version["t"],
                }
            )
    return found
