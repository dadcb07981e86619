"""Bad reviews and their follow-up calls: contract §2, "Follow-up call task" and review.hidden_negative."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from processors.calendar import Calendar
from processors.facts import Command, Order, ReviewVersion
from processors.ids import derive
from processors.reminders import Verdict
from processors.ruleset import DAY_MS, Rules, within


class CallTask(NamedTuple):
    """A follow-up call as the facts have it; times in ms. See schemas.outputs.CallTask for the fields' meaning."""

    task_id: str
    order_id: str
    review_ids: list[str]
    rating: int
    category: str
    priority: str
    raised_at: int
    not_before: int
    due_at: int
    assigned_role: str
    excluded_agent_id: str
    status: str
    claimed_by: str
    calls: int
    call_again_at: int | None
    outcome: str
    revisit_due_at: int | None
    ruleset: str


def task_id_of(shop_id: str, buyer_id: str, order_id: str) -> str:
    """One task per order."""
    return derive("t", "call_task", shop_id, buyer_id, order_id)


def standing(versions: Sequence[ReviewVersion]) -> list[ReviewVersion]:
    """The latest version of each review, by review id. `versions` are ordered by (time, id)."""
    latest = {version.review_id: version for version in versions}
    return [latest[review_id] for review_id in sorted(latest)]


def hidden_negative(version: ReviewVersion, rules: Rules) -> Verdict | None:
    """`review.hidden_negative` for a review's standing version: many stars, negative words."""
    rule = "review.hidden_negative"
    if version.rating < rules.hidden_negative_rating_min or not version.negative:
        return None
    return Verdict(rule, rules.severity[rule], [version.order_id], {"rating": version.rating})


def first_negative(versions: Sequence[ReviewVersion], rules: Rules) -> ReviewVersion | None:
    """The version that opens the task: the first with a rating of 3 or less."""
    return next((version for version in versions if version.rating <= rules.negative_rating_max), None)


def call_task(
    shop_id: str,
    buyer_id: str,
    versions: Sequence[ReviewVersion],
    others: Sequence[ReviewVersion],
    order: Order | None,
    excluded_agent_id: str,
    commands: Sequence[Command],
    rules: Rules,
    days: Calendar,
) -> CallTask | None:
    """The task of one order, or None when no review of it was ever negative.

    `versions`: all versions of the order's reviews; `others`: those of the buyer's other orders in the shop;
    `commands`: what people did to the task; each ordered by (time, id). `order` None: never heard of.
    """
    opener = first_negative(versions, rules)
    if opener is None:
        return None
    stands = standing(versions)
    worst = min(stands, key=lambda version: (version.rating, version.time, version.id))
    latest_negative = [version for version in versions if version.rating <= rules.negative_rating_max][-1]
    late_buyer = order is not None and within(rules.late_purchase_hours, days.ms_of_day(order.time))
    hours = rules.late_purchase_calling_hours if late_buyer else rules.calling_hours
    not_before = earliest_within(opener.time, hours, days)
    progress = _progress(versions, commands, excluded_agent_id, rules)
    return CallTask(
        task_id=task_id_of(shop_id, buyer_id, opener.order_id),
        order_id=opener.order_id,
        review_ids=[version.review_id for version in stands],
        rating=worst.rating,
        category=(worst if worst.rating <= rules.negative_rating_max else latest_negative).category,
        priority=_priority(worst.rating, order, opener.time, others, rules),
        raised_at=opener.time,
        not_before=not_before,
        due_at=max(opener.time + rules.due_after_review_ms, not_before + rules.due_after_not_before_ms),
        assigned_role=rules.assigned_role,
        excluded_agent_id=excluded_agent_id,
        status=progress.status,
        claimed_by=progress.claimed_by,
        calls=progress.calls,
        call_again_at=progress.call_again_at,
        outcome=progress.outcome,
        revisit_due_at=None if progress.resolved_at is None else progress.resolved_at + rules.revisit_after_ms,
        ruleset=rules.label,
    )


def earliest_within(time: int, hours: Sequence[tuple[int, int]], days: Calendar) -> int:
    """The earliest moment at or after `time` inside one of the [start, end) intervals of the local day."""
    while True:
        of_day = days.ms_of_day(time)
        if any(within(interval, of_day) for interval in hours):
            return time
        ahead = min((start - of_day) % DAY_MS for start, _ in hours)
        # where clocks change on the way the rest of it may be shorter or longer
        time = days.steady_until(time, time + ahead)


def _priority(rating: int, order: Order | None, raised_at: int, others: Sequence[ReviewVersion], rules: Rules) -> str:
    expensive = order is not None and order.amount >= rules.high_priority_amount_fen
    since = raised_at - rules.negative_lookback_ms
    unhappy_before = any(v.rating <= rules.negative_rating_max and since < v.time <= raised_at for v in others)
    if rating <= rules.high_priority_rating_max or expensive or unhappy_before:
        return "high"
    return "normal" if rating <= rules.normal_priority_rating_max else "low"


class _Progress:
    """The task's life so far, advanced by reviews and commands in order of time."""

    def __init__(self) -> None:
        self.status = "open"
        self.claimed_by = ""
        self.calls = 0
        self.call_again_at: int | None = None
        self.outcome = ""
        self.resolved_at: int | None = None

    def review(self, all_good: bool) -> None:
        """Every review at 4 or more before a call was logged withdraws it; a negative one later opens it again."""
        if all_good and self.status in ("open", "claimed"):
            self.status, self.claimed_by = "withdrawn", ""
        elif not all_good and self.status == "withdrawn":
            self.status = "open"

    def command(self, command: Command, excluded_agent_id: str) -> None:
        """One step of a person. What someone else's claim or the order of steps forbids changes nothing."""
        step = command.kind.removeprefix("call_task.")
        if step == "revisited":
            if self.status == "resolved":
                self.status = "revisited"
            return
        actor = command.actor
        if actor == excluded_agent_id or (self.claimed_by and self.claimed_by != actor):
            return
        details = orjson.loads(command.details)
        if step == "claimed" and self.status == "open":
            self.status, self.claimed_by = "claimed", actor
        elif step == "call_logged" and self.status in ("open", "claimed", "called"):
            self.status, self.claimed_by = "called", actor
            self.calls += 1
            self.call_again_at = None if details.get("reached") else details.get("call_again_at")
        elif step == "resolved" and self.status in ("open", "claimed", "called"):
            self.status, self.claimed_by = "resolved", actor
            self.outcome, self.resolved_at = details.get("outcome", ""), command.time
            self.call_again_at = None


def _progress(
    versions: Sequence[ReviewVersion], commands: Sequence[Command], excluded_agent_id: str, rules: Rules
) -> _Progress:
    progress = _Progress()
    ratings: dict[str, int] = {}
    opened = False
    steps: list[ReviewVersion | Command] = [*versions, *commands]
    # at one instant reviews come first: a person acts on what they see
    steps.sort(key=lambda step: (step.time, isinstance(step, Command), step.id, step.source))
    for step in steps:
        if isinstance(step, Command):
            if opened:
                progress.command(step, excluded_agent_id)
            continue
        ratings[step.review_id] = step.rating
        opened = opened or step.rating <= rules.negative_rating_max
        if opened:
            progress.review(all(rating > rules.negative_rating_max for rating in ratings.values()))
    return progress
