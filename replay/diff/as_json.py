"""The comparison as JSON: complete, unmasked, in an order of its own. Its fields are described in docs/replay.md."""

from typing import Any, Final

from replay.diff.model import Changed, Diff, Group, Row, Side

SCHEMA: Final = "zhengdian.diff/1"


def as_json(diff: Diff) -> Row:
    """The comparison as JSON-ready values."""
    return {
        "schema": SCHEMA,
        "tolerance": diff.tolerance,
        "differs": diff.differs,
        "warnings": diff.warnings,
        "a": _side(diff.a),
        "b": _side(diff.b),
        "flags": {
            "in_a": diff.flags.in_a,
            "in_b": diff.flags.in_b,
            "raised": diff.flags.new,
            "cleared": diff.flags.gone,
            "changed": _changed(diff.flags.changed),
            "moved": [
                {"shop_id": cleared["shop_id"], "cleared": cleared["flag_id"], "raised": raised["flag_id"]}
                for cleared, raised in diff.flags_moved
            ],
            "sale_event_only": diff.sale_event_only,
            "by_rule": [{"rule": group.key[0]} | _group(group) for group in diff.by_rule],
            "by_agent": [
                {"shop_id": group.key[0], "agent_id": group.key[1]} | _group(group) for group in diff.by_agent
            ],
        },
        "call_tasks": {
            "in_a": diff.tasks.in_a,
            "in_b": diff.tasks.in_b,
            "opened": diff.tasks.new,
            "gone": diff.tasks.gone,
            "changed": _changed(diff.tasks.changed),
        },
        "response_rounds": {
            "in_a": diff.rounds.in_a,
            "in_b": diff.rounds.in_b,
            "new": diff.rounds.new,
            "gone": diff.rounds.gone,
            "changed": diff.rounds.changed,
            "fields": dict(sorted(diff.rounds.fields.items())),
        },
        "response_windows": {
            "in_a": diff.windows.in_a,
            "in_b": diff.windows.in_b,
            "new": diff.windows.new,
            "gone": diff.windows.gone,
            "changed": _changed(diff.windows.changed),
            "within_tolerance": diff.windows.within,
        },
        "leaderboard": {
            "in_a": diff.leaderboard.in_a,
            "in_b": diff.leaderboard.in_b,
            "new": diff.leaderboard.new,
            "gone": diff.leaderboard.gone,
            "changed": _changed(diff.leaderboard.changed),
            "moved": [
                {
                    "shop_id": move.shop_id,
                    "hour_start": move.hour_start,
                    "agent_id": move.agent_id,
                    "from": move.rank_a,
                    "to": move.rank_b,
                    "by": move.by,
                }
                for move in diff.moved
            ],
            "agents_moved": diff.agents_moved,
        },
        "rejected": [
            {"reason": reason, "in_a": diff.a.rejected[reason], "in_b": diff.b.rejected[reason]}
            for reason in sorted({*diff.a.rejected, *diff.b.rejected})
        ],
    }


def _side(side: Side) -> Row:
    return {
        "path": side.path,
        "events": side.events,
        "accepted": side.accepted,
        "duplicates": side.duplicates,
        "rejected": side.rejected.total(),
        "rulesets": sorted(side.rulesets),
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "in_a": group.in_a,
        "in_b": group.in_b,
        "raised": group.new,
        "cleared": group.gone,
        "changed": group.changed,
    }


def _changed(rows: list[Changed]) -> list[Row]:
    return [
        {"row": row, "fields": {name: {"a": before, "b": after} for name, (before, after) in fields.items()}}
        for row, fields in rows
    ]
