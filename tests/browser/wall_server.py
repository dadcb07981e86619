"""A web part with a wallboard for the browser tests: `wall_server.py DATA_DIR PORT [empty]`, told what to do on stdin.

`rows SHOP AGENT ORDERS AMOUNT`: a newer leaderboard row of this hour, and a message. `down` / `up`: the database is away, is back.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1]))

from web_rows import HOUR, fill, insert, partial, raw_event

from processors.ruleset import default_book
from schemas.settings import Settings
from sinks.database import DatabaseUnavailableError, open_database
from sinks.migrate import up
from web.app import create_app


class NoProducer:
    """Nothing is published here."""

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        raise AssertionError("no test publishes")


def main(data_dir: str, port: str, empty: bool) -> None:
    settings = Settings(data_dir=Path(data_dir), web_port=int(port))
    db = open_database(settings)
    up(db)
    if not empty:
        fill(db, time.time_ns() // 1_000_000)
    app = create_app(settings, db, NoProducer(), default_book())
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
            elif word in ("down", "up"):
                db.query = refuse if word == "down" else query  # type: ignore[method-assign]

    threading.Thread(target=listen, daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=settings.web_port, log_level="warning", timeout_graceful_shutdown=1)
    db.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "empty" in sys.argv[3:])
