"""A web part with a wallboard for the browser tests: `wall_server.py DATA_DIR PORT [empty | sale]`, told what to do on stdin.

`rows SHOP AGENT ORDERS AMOUNT`: a newer leaderboard row of this hour, and a message. `waiting SHOP AGENT BUYERS`: so many
buyers begin to wait; `unanswered`: have waited in vain until now. `becomes TABLE KEY ID {...}`: what the worker that read a command
makes of that row. `down` / `up`: the database is away, is back.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
from pipeline import Pipeline
from web_rows import HOUR, fill, flag, insert, partial, raw_event, round_row, sampled, task

from processors.calendar import calendar
from processors.ruleset import default_book, load_book
from replay.generator import SaleConfig
from replay.generator.write import deliver
from schemas.settings import Settings
from schemas.types import parse_time
from sinks.batch import Batch, insert_batch
from sinks.database import Database, DatabaseUnavailableError, open_database
from sinks.migrate import up
from sinks.rows import Record
from web.app import create_app


class Broker:
    """A broker that no worker reads, so that flags and tasks stay as they are; a sink does."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._offset = 0

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        batch = Batch()
        for topic, key, value in records:
            self._offset += 1
            batch.add(Record(topic, 0, self._offset, key, value, None))
        insert_batch(self._db, batch)


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


def sell(db: Database) -> None:
    """A generated sale of 11 November 2025 that went through worker and sink, and what QC said of some of it."""
    config = SaleConfig(1, 12, 120, 3, 7, "2025-11-11T18:30:00+08:00")
    Pipeline(db, default_book()).feed((topic, line) for topic, line, _ in deliver(config))
    people = db.query("SELECT shop_id, agent_id FROM agents ORDER BY agent_id LIMIT 4")
    at = parse_time("2025-11-11T20:00:00+08:00")
    judged = [
        flag(
            f"j{n}", "language.vague", "notice", one["shop_id"], at + n, agent_id=one["agent_id"], buyer_id="b-000007",
            qc_status="upheld", qc_actor="mei", qc_score=95.0 - n,
        )
        for n, one in enumerate(people)
    ]  # fmt: skip
    insert(db, "flags_raw", *judged)
    told = {"actor": "mei", "verdict": "upheld", "reason": "含糊", "coaching": "少说可能，给准话"}
    said = [
        raw_event("qc.verdict_given", "audit.commands", f"told-{n}", row["shop_id"], at + 60_000 + n, flag_id=row["flag_id"],
                  buyer_id="b-000007", **told) | {"buyer_id": "b-000007"}
        for n, row in enumerate(judged)
    ]  # fmt: skip
    insert(db, "raw_events", *said)
    day = parse_time("2025-11-11T00:00:00+08:00")
    drawn = [
        sampled(
            f"s{n}",
            one["shop_id"],
            day,
            verdict,
            score,
            agent_id=one["agent_id"],
            buyer_id="b-000007",
            coaching="先听懂再答",
        )
        for n, (one, verdict, score) in enumerate(zip(people, ("dismissed", "upheld"), (88.0, 62.5), strict=False))
    ]
    insert(db, "qc_samples_raw", *drawn)


def go_unnoticed(db: Database, now_ms: int) -> None:
    """Conversations in which no rule found anything; in each the agent answers twice, and a colleague once."""
    rounds, said = [], []
    for number in range(16):
        shop, buyer, at = "anta-xm", f"b-quiet-{number:02d}", now_ms - 18 * HOUR + number * 600_000
        agent_id, colleague = f"{shop}:{number % 5:02d}", f"{shop}:19"
        ends_at = calendar("Asia/Shanghai").day_end(at)
        rounds += [round_row(shop, buyer, agent_id, at + ms, at + ms + 20_000, ends_at, ms) for ms in (0, 40_000)]
        for step, (who, sender, text) in enumerate(
            [
                (agent_id, "buyer", "这双鞋偏大还是偏小？"),
                (agent_id, "agent", "亲，您可以看一下详情页的尺码表哦"),
                (agent_id, "buyer", "看了，还是不确定"),
                (agent_id, "agent", "都差不多的"),
                (colleague, "agent", "亲，这款建议买大半码"),
            ]
        ):
            row = raw_event("chat.message", "chat.messages", f"q-{number}-{step}", shop, at + step * 20_000,
                            agent_id=who, sender=sender, text=text, buyer_id=buyer)  # fmt: skip
            said.append(row | {"buyer_id": buyer})
    insert(db, "rounds_raw", *rounds)
    insert(db, "raw_events", *said)


def settle(db: Database, now_ms: int) -> None:
    """Two complaints that were settled four days ago, each after two calls: a revisit is due. And one of today, where it is not."""
    shop, at = "anta-xm", now_ms - 96 * HOUR
    more = {"status": "resolved", "claimed_by": "兰姐", "calls": 2, "outcome": "exchange"}
    for name, ago in (("zh", 96), ("en", 96), ("early", 2)):
        due = now_ms + (72 - ago) * HOUR
        row = task(f"settled-{name}", shop, at, buyer_id=f"b-settled-{name}", **more, revisit_due_at=due)
        insert(db, "call_tasks_raw", row)
        steps = (
            ("call_logged", {"reached": False, "call_again_at": "2026-11-12T15:00:00+08:00", "note": "无人接听"}),
            ("call_logged", {"reached": True, "note": "买家很生气，先道歉"}),
            ("resolved", {"outcome": "exchange", "note": "答应换货，顺丰寄出"}),
        )
        said = [
            raw_event(
                f"call_task.{kind}", "audit.commands", f"{name}-{n}", shop, now_ms - ago * HOUR - (3 - n) * 60_000,
                buyer_id=f"b-settled-{name}", task_id=f"settled-{name}", actor="兰姐", **data,
            )
            | {"buyer_id": f"b-settled-{name}"}
            for n, (kind, data) in enumerate(steps)
        ]  # fmt: skip
        insert(db, "raw_events", *said)


def main(data_dir: str, port: str, what: list[str]) -> None:
    settings = Settings(data_dir=Path(data_dir), web_port=int(port))
    db = open_database(settings)
    up(db)
    if "sale" in what:
        sell(db)
    elif "empty" not in what:
        fill(db, time.time_ns() // 1_000_000, ahead=2)
        accuse(db, time.time_ns() // 1_000_000)
        go_unnoticed(db, time.time_ns() // 1_000_000)
        settle(db, time.time_ns() // 1_000_000)
    book = (
        default_book() if "sale" in what else load_book("name: all\nversion: '1'\nqc: {sample: {rate: 1}}", "all.yaml")
    )
    app = create_app(settings, db, Broker(db), book)
    query = db.query

    def refuse(*_: Any, **__: Any) -> Any:
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
            elif word in ("waiting", "unanswered"):
                shop, agent_id, buyers = rest
                now = time.time_ns() // 1_000_000
                opened = now - (90_000 if word == "waiting" else 600_000)
                waits = [
                    round_row(shop, f"{word}{n}", agent_id, opened, None, now + 24 * HOUR, n)
                    for n in range(int(buyers))
                ]
                insert(db, "rounds_raw", *waits)
                app.state.parts.live.rows_arrived(["rounds_raw"])
            elif word == "becomes":
                table, key, one, change = rest
                (row,) = db.query(
                    f"SELECT * EXCEPT (written_at) FROM {table} FINAL WHERE {key} = {{id:String}}", {"id": one}
                )
                insert(db, table, row | orjson.loads(change) | {"revision": row["revision"] + 1})
            elif word in ("down", "up"):
                db.query = refuse if word == "down" else query  # type: ignore[method-assign]

    threading.Thread(target=listen, daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=settings.web_port, log_level="warning", timeout_graceful_shutdown=1)
    db.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
