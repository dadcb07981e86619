"""A web part with a wallboard for the browser tests: `wall_server.py DATA_DIR PORT [empty]`, told what to do on stdin.

`rows SHOP AGENT ORDERS AMOUNT`: a newer leaderboard row of this hour, and a message. `waiting SHOP AGENT BUYERS`: so many
buyers begin to wait. `down` / `up`: the database is away, is back.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
from web_rows import HOUR, fill, flag, insert, partial, raw_event, round_row

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.topics import REPORTS
from sinks.database import Database, DatabaseUnavailableError, open_database
from sinks.migrate import up
from sinks.rows import COLUMNS, Record, rows_of
from web.app import create_app


class Broker:
    """Takes everything. No worker reads it; reports go on into ClickHouse, as the sink puts them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._offset = 0

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        for topic, key, value in records:
            if topic == REPORTS:
                self._offset += 1
                ((table, row),) = rows_of(Record(topic, 0, self._offset, key, value, None))
                self._db.insert(table, {name: [one] for name, one in zip(COLUMNS[table], row, strict=True)})


def accuse(db: Database, now_ms: int) -> None:
    """The oldest violation, on a message that is there, with its evidence behind an emoji."""
    shop, at, text = "anta-xm", now_ms - 20 * HOUR, "😊亲，赶紧付款哦"
    said = {"agent_id": f"{shop}:01", "sender": "agent", "text": text, "buyer_id": "b-accused"}
    asked = {"agent_id": f"{shop}:01", "sender": "buyer", "text": "<b>在吗</b>", "buyer_id": "b-accused"}
    insert(
        db,
        "raw_events",
        raw_event("chat.message", "chat.messages", "m-asked", shop, at - 60_000, **asked) | {"buyer_id": "b-accused"},
        raw_event("chat.message", "chat.messages", "m-accused", shop, at, **said) | {"buyer_id": "b-accused"},
    )
    start = text.index("赶紧付款")
    phrases = [{"phrase": "赶紧付款", "start": start, "end": start + 4}]
    evidence = {"phrases": phrases, "earlier_message_id": "m-asked"}
    more = {"buyer_id": "b-accused", "agent_id": f"{shop}:01", "message_id": "m-accused"}
    row = flag("accused", "reminder.direct", "violation", shop, at, evidence=orjson.dumps(evidence).decode(), **more)
    insert(db, "flags_raw", row)


def main(data_dir: str, port: str, empty: bool) -> None:
    settings = Settings(data_dir=Path(data_dir), web_port=int(port))
    db = open_database(settings)
    up(db)
    if not empty:
        fill(db, time.time_ns() // 1_000_000)
        accuse(db, time.time_ns() // 1_000_000)
    app = create_app(settings, db, Broker(db), default_book())
    query = db.query

    def refuse(*_: Any) -> Any:
        raise DatabaseUnavailableError("connection refused")

    def listen() -> None:
        revision = 100
        for line in sys.stdin:
            word, *rest = line.split()
            if word == "rows":
                revision += 1
                shop, agent_id, orders, amount = rest
                hour = time.time_ns() // 1_000_000 // HOUR * HOUR
                now = time.time_ns() // 1_000_000
                said = {"agent_id": agent_id, "sender": "agent", "text": "已为您安排发货"}
                insert(db, "raw_events", raw_event("chat.message", "chat.messages", f"m-{revision}", shop, now, **said))
                insert(db, "leaderboard_partials", partial(shop, agent_id, hour, int(orders), amount, revision))
                app.state.parts.live.rows_arrived(["leaderboard_partials"])
            elif word == "waiting":
                shop, agent_id, buyers = rest
                now = time.time_ns() // 1_000_000
                waits = [
                    round_row(shop, f"q{n}", agent_id, now - 90_000, None, now + 24 * HOUR, n)
                    for n in range(int(buyers))
                ]
                insert(db, "rounds_raw", *waits)
                app.state.parts.live.rows_arrived(["rounds_raw"])
            elif word in ("down", "up"):
                db.query = refuse if word == "down" else query  # type: ignore[method-assign]

    threading.Thread(target=listen, daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=settings.web_port, log_level="warning", timeout_graceful_shutdown=1)
    db.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "empty" in sys.argv[3:])
