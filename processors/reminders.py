"""Reminders to unpaid orders (催付) and their flags: contract §2, "Reminder" and the reminder rules."""

from typing import Any, NamedTuple

from processors.calendar import Calendar
from processors.facts import BUYER, Message
from processors.ledger import Ledger
from processors.ruleset import Rules

INTENT = "payment_reminder"


class Verdict(NamedTuple):
    """A rule that a message or review breaks."""

    rule: str
    severity: str
    order_ids: list[str]
    evidence: dict[str, Any]


def is_reminder(message: Message, ledger: Ledger) -> bool:
    """An agent's message of any reply mode that says so by its intent, or by its words to a buyer with an open unpaid order."""
    if message.mode == BUYER:
        return False
    if message.intent is not None:
        return message.intent == INTENT
    return any(hit.category in ("reminder", "blunt") for hit in message.hits) and bool(ledger.unpaid_at(message.time))


def targets_of(reminder: Message, ledger: Ledger) -> list[str]:
    """The orders it reminds of: its own `order_id`, else all that are unpaid at that time."""
    return [reminder.order_id] if reminder.order_id is not None else ledger.unpaid_at(reminder.time)


def judge_reminder(
    reminder: Message, targets: list[str], earlier: dict[str, Message], ledger: Ledger, rules: Rules, days: Calendar
) -> list[Verdict]:
    """The reminder rules it breaks. `earlier`: order id -> the first reminder before this one that targeted it."""
    verdicts: list[Verdict] = []
    severity = rules.severity

    repeated = [order_id for order_id in targets if order_id in earlier]
    if repeated:
        first = min((earlier[order_id] for order_id in repeated), key=lambda m: (m.time, m.id, m.source))
        evidence: dict[str, Any] = {
            "earlier_message_id": first.id,
            "earlier_agent_id": first.agent_id,
            "seconds_since": (reminder.time - first.time) // 1000,
            "order_ids": repeated,
        }
        verdicts.append(Verdict("reminder.repeated", severity["reminder.repeated"], targets, evidence))

    verdict = _same_day(reminder, targets, ledger, rules, days)
    if verdict is not None:
        verdicts.append(verdict)

    if reminder.order_id is not None and ledger.order(reminder.order_id).paid_by(reminder.time):
        paid = ledger.order(reminder.order_id).payments[0]
        verdicts.append(
            Verdict(
                "reminder.after_payment",
                severity["reminder.after_payment"],
                targets,
                {"payment_id": paid.payment_id, "seconds_since": (reminder.time - paid.time) // 1000},
            )
        )

    blunt = [hit for hit in reminder.hits if hit.category == "blunt"]
    if blunt:
        evidence = {"phrases": [{"phrase": h.phrase, "start": h.start, "end": h.end} for h in blunt]}
        verdicts.append(Verdict("reminder.direct", severity["reminder.direct"], targets, evidence))
    return verdicts


def _same_day(reminder: Message, targets: list[str], ledger: Ledger, rules: Rules, days: Calendar) -> Verdict | None:
    day = days.day_start(reminder.time)
    bases: list[str] = []
    evidence: dict[str, Any] = {"basis": bases}
    if "payment" in rules.same_day_basis:
        paid = ledger.payments_between(day, reminder.time)
        if paid:
            bases.append("payment")
            evidence["payment_ids"] = [payment.payment_id for payment in paid]
    if "order" in rules.same_day_basis:
        placed = [
            order_id
            for order_id in targets
            if (order := ledger.order(order_id).placed) is not None and day <= order.time <= reminder.time
        ]
        if placed:
            bases.append("order")
            evidence["order_ids"] = placed
    if not bases:
        return None
    key = "reminder.same_day" if "payment" in bases else "reminder.same_day.order_alone"
    return Verdict("reminder.same_day", rules.severity[key], targets, evidence)
