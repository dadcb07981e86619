"""Small results made by hand, for tests of `replay.diff`."""

from pathlib import Path
from typing import Any

import orjson

from replay.diff.model import Row, Table


def window(seconds: int = 3600, **more: Any) -> Row:
    key = {"shop_id": "s", "agent_id": "a", "window_start": "2026-11-11T20:00:00+08:00"}
    return key | {"window_seconds": seconds, "definition": "all", "rounds": 3, "avg_response_ms": 1000.0} | more


def with_rows(out: Path, table: Table, *rows: Row) -> Path:
    (out / f"{table.name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return out


def board(rank: int | None, agent: str, hour: int = 20, **more: Any) -> Row:
    row = {"shop_id": "s", "hour_start": f"2026-11-11T{hour}:00:00+08:00", "agent_id": agent, "rank": rank}
    return row | {"orders_paid": 2, "paid_amount": "30.00", "refunded_amount": "0.00", "team": "red"} | more


def flags_only(out: Path, rejected: int = 0, **more: Any) -> Path:
    """A result of one flag."""
    out.mkdir()
    flag = {
        "flag_id": "f-1",
        "rule": "language.vague",
        "severity": "notice",
        "status": "raised",
        "shop_id": "s",
        "buyer_id": "buyer-<b>77",
        "agent_id": "a",
        "message_id": "m-1",
        "review_id": None,
        "order_ids": [],
        "occurred_at": "2026-11-11T20:00:00+08:00",
        "evidence": {"text": "<script>alert(1)</script>", "phrases": [{"phrase": "可能", "start": 0, "end": 2}]},
        "in_sale_event": False,
        "revision": 1,
        "ruleset": "default@1",
    }
    for name in ("call_tasks", "response_rounds", "response_windows", "leaderboard_hourly"):
        (out / f"{name}.jsonl").write_bytes(b"")
    (out / "flags.jsonl").write_bytes(orjson.dumps(flag | more) + b"\n")
    (out / "rejected.jsonl").write_bytes(b'{"reason":"not_json"}\n' * rejected)
    summary = {"events": 1, "accepted": 1, "flags": {"language.vague": 1}, "call_tasks": 0, "rejected": rejected}
    (out / "summary.json").write_bytes(orjson.dumps(summary))
    return out
