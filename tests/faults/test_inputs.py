"""Records that no one should send: poison, giants, everything twice, everything late and in the wrong order."""

import random
from collections import Counter

import orjson

from replay.generator import SaleConfig
from schemas.topics import CHAT, COMMANDS, ORDERS, PAYMENTS, REFERENCE, REVIEWS
from schemas.types import format_time, parse_time

from .compare import read
from .events import kept
from .feeding import NOBODY, Sent, key_of, sale, write_lines
from .system import System

DEEP = b'{"a":' * 3000 + b"1" + b"}" * 3000


def changed(record: Sent, **fields: object) -> bytes:
    """The event with other fields, under an id of its own."""
    assert record.value is not None
    value = orjson.loads(record.value)
    return orjson.dumps(value | {"id": value["id"] + "-x"} | fields)


def poison(records: list[Sent]) -> list[tuple[str, Sent]]:
    """Records that are no events, with the reasons for which they have to be rejected."""
    chat = next(record for record in records if record.topic == CHAT)
    order = next(record for record in records if record.topic == ORDERS)
    assert chat.value is not None
    found = [
        ("not_json", Sent(CHAT, NOBODY, b"no json")),
        ("not_json", Sent(CHAT, NOBODY, b"")),
        ("not_json", Sent(ORDERS, NOBODY, None)),  # a tombstone
        ("not_json", Sent(CHAT, None, b"\0")),
        ("not_json", Sent(REVIEWS, NOBODY, b"\xff\xfe\x00\x80" * 10)),
        ("not_json", Sent(CHAT, chat.key, chat.value[: len(chat.value) // 2])),
        ("not_json", Sent(CHAT, chat.key, chat.value.replace("亲".encode(), b"\xe4\xba", 1) + b"\xff")),
        ("not_json", Sent(CHAT, NOBODY, DEEP)),
        ("not_json", Sent(CHAT, NOBODY, b"[" * 100_000)),
        ("invalid", Sent(PAYMENTS, NOBODY, b"[]")),
        ("invalid", Sent(PAYMENTS, NOBODY, b"null")),
        ("unknown_type", Sent(CHAT, chat.key, changed(chat, type="chat.typing"))),
        ("invalid", Sent(CHAT, chat.key, changed(chat, time="2025-11-11T18:00:00"))),
        ("invalid", Sent(CHAT, chat.key, changed(chat, data={}))),
        ("wrong_key", Sent(CHAT, b"lining-hz|somebody-else", changed(chat))),
        ("wrong_key", Sent(CHAT, None, changed(chat))),
        ("wrong_key", Sent(CHAT, b"\xff\x00", changed(chat))),
        ("wrong_topic", Sent(ORDERS, chat.key, changed(chat))),
        ("wrong_topic", Sent(CHAT, order.key, changed(order))),
    ]
    return found


def test_poison_records(system: System) -> None:
    dice = random.Random(51)
    for name in ("worker-1", "worker-2", "sink"):
        system.add(name)
    records = sale(SaleConfig(buyers=150, agents=8, seed=51, duplicates=0.05, disorder=0.2))
    bad = poison(records)
    mixed = [*records, *(record for _, record in bad)]
    dice.shuffle(mixed)
    system.feed(mixed, seconds=6)
    for reason, _ in bad:
        system.scenario.inject(f"poison: {reason}")
    system.run(3)
    system.kill("worker-1")  # what is rejected is rejected again by the next owner
    system.finish(lines=records, rejections=Counter((reason, kept(record.value)) for reason, record in bad))
    for name in ("worker-1", "worker-2"):
        assert not system.parts[name].died("SIGKILL")


def test_huge_records(system: System) -> None:
    for name in ("worker-1", "sink"):
        system.add(name)
    records = sale(SaleConfig(buyers=100, agents=8, seed=52))
    chats = [record for record in records if record.topic == CHAT and record.value is not None]
    huge: list[Sent] = []
    for number, size in enumerate((250_000, 900_000, 1_000_000)):
        value = orjson.loads(chats[number].value or b"")
        value["id"] += "-huge"
        value["data"]["text"] = "亲" * (size // 3)
        raw = orjson.dumps(value)
        huge.append(Sent(CHAT, key_of(raw), raw))
    bad = [
        Sent(CHAT, NOBODY, b"\x01" * 1_000_000),
        Sent(CHAT, NOBODY, b"\xff" * 1_000_000),
    ]  # JSON makes six times of it
    middle = len(records) // 2
    system.feed([*records[:middle], *huge, *bad, *records[middle:]], seconds=4)
    for record in (*huge, *bad):
        system.scenario.inject(f"record of {len(record.value or b'') // 1000} kB")
    expected = Counter(("not_json", kept(record.value)) for record in bad)
    system.finish(lines=[*records, *huge], rejections=expected)
    assert not system.parts["worker-1"].died()


def test_everything_twice(system: System) -> None:
    for name in ("worker-1", "worker-2", "sink"):
        system.add(name)
    records = sale(SaleConfig(buyers=300, agents=8, seed=53))
    system.feed(records, seconds=3)
    system.drained()
    system.scenario.inject("the whole sale again")
    system.feed(records, seconds=3)
    system.run(2)
    system.kill("worker-1")
    system.drained()
    system.scenario.inject("the whole sale again, backwards")
    system.feed(records[::-1], seconds=3)
    system.finish()


def test_hours_late_and_out_of_order(system: System) -> None:
    """One topic after the other, each buyer by buyer and backwards: every reply before its question, days apart."""
    for name in ("worker-1", "worker-2", "sink"):
        system.add(name)
    records = sale(SaleConfig(buyers=250, agents=8, hours=72, seed=54))
    late = sorted(records, key=lambda record: (record.topic, record.key or b""), reverse=True)
    system.scenario.inject("buyers one by one, backwards")
    system.feed(late[: len(late) // 2], seconds=4)
    system.drained()  # what comes now is late for everything that was derived
    system.feed(late[len(late) // 2 :], seconds=4)
    system.run(2)
    system.kill("worker-2")
    system.finish()


def steps(records: list[Sent], system: System) -> list[Sent]:
    """What people do about the flags and call tasks that a sale comes to."""
    write_lines(records, system.directory / "before" / "sale.jsonl")
    results = system.directory / "known"
    system.command("replay", str(system.directory / "before"), "--engine", "memory", "--out", str(results))
    found = []
    for table, target, moment, kinds in (
        ("flags", "flag_id", "occurred_at", ("qc.claimed", "qc.verdict_given")),
        ("call_tasks", "task_id", "not_before", ("call_task.claimed", "call_task.resolved")),
    ):
        for row in read(results, table):
            for number, kind in enumerate(kinds, start=1):
                data = {name: row[name] for name in ("shop_id", "buyer_id", target)} | {"actor": "li"}
                if kind == "qc.verdict_given":
                    data |= {"verdict": "dismissed", "score": 87.5}
                if kind == "call_task.resolved":
                    data |= {"outcome": "refund"}
                event = {"specversion": "1.0", "id": f"{kind}-{row[target]}", "source": "steps", "type": kind}
                event |= {"time": format_time(parse_time(row[moment]) + number * 60_000), "data": data}
                value = orjson.dumps(event)
                found.append(Sent(COMMANDS, key_of(value), value))
    return found


def test_commands_and_conflicts(system: System) -> None:
    """Steps on flags and tasks, and other contents under ids that are known, while a worker is killed."""
    dice = random.Random(55)
    for name in ("worker-1", "worker-2", "sink"):
        system.add(name)
    records = sale(SaleConfig(buyers=250, agents=8, seed=55))
    commands = steps(records, system)
    assert len({orjson.loads(command.value or b"")["type"] for command in commands}) == 4
    system.feed(records, seconds=3)
    system.drained()
    late = []
    for record in dice.sample([record for record in records if record.topic != REFERENCE], 60):
        # later and second: it counts neither live, where the first does, nor in a replay, where the earlier does
        event = orjson.loads(record.value or b"")
        event["time"] = format_time(parse_time(event["time"]) + 1000)
        late.append(record._replace(value=orjson.dumps(event)))
    system.scenario.inject(f"{len(late)} ids with other contents")
    mixed = commands + late
    dice.shuffle(mixed)
    system.feed(mixed, seconds=8)
    system.run(3)
    system.kill("worker-1")
    system.run(2)
    system.kill("sink")
    live, _ = system.finish()
    assert Counter(row["reason"] for row in read(live, "rejected")) == {"conflict": len(late)}
    assert {row["qc_status"] for row in read(live, "flags") if row["status"] == "raised"} == {"dismissed"}
