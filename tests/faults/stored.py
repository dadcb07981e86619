"""What stands in the event tables and their views, a file of JSON lines each. To be run as a process of its own, as the
embedded ClickHouse belongs to one; the statements are written for the suite and share nothing with `zhengdian export`."""

import sys
from pathlib import Path

import orjson

from schemas.settings import Settings
from schemas.topics import BY_NAME, COMMANDS
from sinks.database import open_database

RAW_EVENTS = """SELECT shop_id, buyer_id, source, id, type, toUnixTimestamp64Milli(time) AS time_ms, topic, partition, offset,
    lower(hex(SHA256(raw))) AS sha256 FROM raw_events FINAL"""
REFERENCE_TABLES = {
    "agents_raw": ("agent.upserted", ("shop_id", "agent_id", "name", "team", "role")),
    "sale_events_raw": ("sale_event.scheduled", ("shop_id", "sale_event_id", "name", "teams")),
}
"""table -> the type of its events, and columns that are fields of their data"""
VIEWS: dict[str, tuple[tuple[str, ...], str]] = {
    "messages": (("chat.message",), ""),
    "orders": (("order.placed",), "order_id"),
    "order_closings": (("order.closed",), "order_id"),
    "payments": (("payment.succeeded",), "payment_id"),
    "refunds": (("payment.refunded",), "refund_id"),
    "reviews": (("review.posted", "review.changed"), ""),
    "commands": (BY_NAME[COMMANDS].types, ""),
}
"""view -> the types of its events, and the field of which it shows each value once, the earliest by (time, id)"""


def statements() -> dict[str, str]:
    """Name of the file -> SELECT."""
    tables = {name: f"SELECT source, id, {', '.join(c)} FROM {name} FINAL" for name, (_, c) in REFERENCE_TABLES.items()}
    return {"raw_events": RAW_EVENTS} | tables | {name: f"SELECT source, id FROM {name}" for name in VIEWS}


def write(directory: Path) -> None:
    """Write the files."""
    directory.mkdir(parents=True)
    db = open_database(Settings())
    try:
        for name, sql in statements().items():
            with (directory / f"{name}.jsonl").open("wb") as file:
                file.writelines(orjson.dumps(row) + b"\n" for row in db.query(sql))
    finally:
        db.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
