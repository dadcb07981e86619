"""Derived records as JSON-ready dicts with the fields of schemas/outputs.py: the one place where they are written out."""

from typing import Any

from processors.changes import FlagRecord, RoundRecord, TaskRecord
from processors.leaderboard import BoardKey, BoardSums
from processors.ruleset import Rules
from processors.windows import WindowKey, WindowSums
from schemas.types import format_amount, format_time


def round_record(shop_id: str, buyer_id: str, record: RoundRecord, zone: str, *, void: bool = False) -> dict[str, Any]:
    """schemas.outputs.ResponseRound."""
    opening, reply = record.round.opening, record.round.reply
    return {
        "round_id": record.round_id,
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "agent_id": opening.agent_id,
        "opened_at": format_time(opening.time, zone),
        "message_id": opening.id,
        "replied_at": None if reply is None else format_time(reply.time, zone),
        "reply_message_id": None if reply is None else reply.id,
        "response_ms": None if reply is None else reply.time - opening.time,
        "in_platform_hours": record.in_platform_hours,
        "day_ends_at": format_time(record.day_ends_at, zone),
        "status": "void" if void else "open" if reply is None else "answered",
        "revision": record.revision,
        "ruleset": record.ruleset,
    }


def flag_record(shop_id: str, buyer_id: str, flag: FlagRecord, zone: str, *, cleared: bool = False) -> dict[str, Any]:
    """schemas.outputs.Flag."""
    return {
        "flag_id": flag.flag_id,
        "rule": flag.rule,
        "severity": flag.severity,
        "status": "cleared" if cleared else "raised",
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "agent_id": flag.agent_id,
        "message_id": flag.message_id,
        "review_id": flag.review_id,
        "order_ids": flag.order_ids,
        "occurred_at": format_time(flag.occurred_at, zone),
        "evidence": flag.evidence,
        "qc_status": flag.qc_status,
        "qc_actor": flag.qc_actor,
        "qc_reason": flag.qc_reason,
        "qc_score": flag.qc_score,
        "revision": flag.revision,
        "ruleset": flag.ruleset,
    }


def task_record(shop_id: str, buyer_id: str, record: TaskRecord, zone: str) -> dict[str, Any]:
    """schemas.outputs.CallTask."""
    task = record.task
    again, revisit = task.call_again_at, task.revisit_due_at
    return {
        "task_id": task.task_id,
        "shop_id": shop_id,
        "buyer_id": buyer_id,
        "order_id": task.order_id,
        "review_ids": task.review_ids,
        "rating": task.rating,
        "category": task.category,
        "priority": task.priority,
        "raised_at": format_time(task.raised_at, zone),
        "not_before": format_time(task.not_before, zone),
        "due_at": format_time(task.due_at, zone),
        "assigned_role": task.assigned_role,
        "excluded_agent_id": task.excluded_agent_id,
        "status": task.status,
        "claimed_by": task.claimed_by,
        "calls": task.calls,
        "call_again_at": None if again is None else format_time(again, zone),
        "outcome": task.outcome,
        "revisit_due_at": None if revisit is None else format_time(revisit, zone),
        "revision": record.revision,
        "ruleset": task.ruleset,
    }


def window_partial(key: WindowKey, sums: WindowSums, partition: int, day_ends_at: int, rules: Rules) -> dict[str, Any]:
    """schemas.outputs.ResponseWindowPartial."""
    return {
        "partition": partition,
        "shop_id": key.shop_id,
        "agent_id": key.agent_id,
        "window_start": format_time(key.start, rules.timezone),
        "window_seconds": key.size_ms // 1000,
        "definition": key.definition,
        "day_ends_at": format_time(day_ends_at, rules.timezone),
        "response_cap_ms": rules.response_cap_ms,
        "rounds": sums.rounds,
        "answered": sums.answered,
        "answered_within_3min": sums.answered_in_target,
        "response_ms_sum": sums.response_ms_sum,
        "first_responses": sums.first_responses,
        "first_response_ms_sum": sums.first_ms_sum,
        "first_within_10s": sums.first_in_target,
        "buyers_wrote": sums.buyers_wrote,
        "buyers_replied": sums.buyers_replied,
        "histogram": {str(value): sums.responses[value] for value in sorted(sums.responses)},
        "revision": sums.revision,
        "ruleset": rules.label,
    }


def leaderboard_partial(key: BoardKey, sums: BoardSums, partition: int, rules: Rules) -> dict[str, Any]:
    """schemas.outputs.LeaderboardPartial."""
    return {"partition": partition, **board_figures(key, sums, rules.timezone, rules.label)}


def board_figures(key: BoardKey, sums: BoardSums, zone: str, ruleset: str) -> dict[str, Any]:
    """What a partition's share of a leaderboard row and the whole row have in common."""
    return {
        "shop_id": key.shop_id,
        "hour_start": format_time(key.hour_start, zone),
        "agent_id": key.agent_id,
        "orders_placed": sums.orders_placed,
        "orders_paid": sums.orders_paid,
        "paid_amount": format_amount(sums.paid_amount),
        "items_paid": sums.items_paid,
        "refunded_amount": format_amount(sums.refunded_amount),
        "buyers_served": sums.buyers_served,
        "buyers_paid": sums.buyers_paid,
        "revision": sums.revision,
        "ruleset": ruleset,
    }
