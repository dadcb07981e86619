"""Inputs for replays that hold everything a replay has to cope with, and the comparison of two results."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import orjson
import zstandard
from oracle.making import instant, random_scene, rfc3339

from processors.reviews import task_id_of
from processors.ruleset import default_book
from replay.generator import SaleConfig, write_sale
from replay.memory import replay
from replay.output import TABLES


class _TaskIds:
    """(shop, buyer, order) -> task id; `suffix` as the shops will be called."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix

    def __getitem__(self, key: tuple[str, str, str]) -> str:
        shop, buyer, order = key
        return task_id_of(shop + self._suffix, buyer, order)


def scenes(seed: int, count: int) -> list[dict[str, Any]]:
    """The events of many small scenes at the contract's borders, each in shops of its own."""
    events = []
    for number in range(count):
        suffix = f"-{seed}-{number}"
        kind = ("anything", "chat", "reminders", "sales", "reviews")[number % 5]
        for event in random_scene(kind, Random(seed * 1000 + number), _TaskIds(suffix)):
            event["data"]["shop_id"] += suffix
            events.append(event)
    return events


def chat(number: int, time: str, shop: str, sender: str = "buyer", **more: Any) -> dict[str, Any]:
    """A chat message."""
    data = {"shop_id": shop, "buyer_id": "b", "agent_id": "a", "sender": sender, "text": "在吗", **more}
    head = {"specversion": "1.0", "id": f"m-{number}", "source": "t", "type": "chat.message", "time": time}
    return {**head, "data": data}


def conflicting(events: list[dict[str, Any]], dice: Random) -> list[dict[str, Any]]:
    """Other contents of some of the events."""
    found = []
    for event in dice.sample(events, min(60, len(events))):
        for _ in range(dice.choice([1, 1, 2])):
            other = orjson.loads(orjson.dumps(event))
            data = other["data"]
            if "text" in data and dice.random() < 0.5:
                data["text"] = dice.choice(["不行", "改过的", "还没有付款哦"])
            elif "team" in data:
                data["team"] = "another"
            elif "buyer_id" in data and dice.random() < 0.2:
                found.append({**chat(0, other["time"], data["shop_id"]), "id": other["id"], "source": other["source"]})
                found[-1]["data"]["buyer_id"] = data["buyer_id"]
                continue
            else:
                other["time"] = rfc3339(instant(other["time"]) + dice.choice([-1000, 1, 3_600_000, 40 * 86_400_000]))
            found.append(other)
    return found


def judged(events: list[dict[str, Any]], directory: Path, dice: Random) -> list[dict[str, Any]]:
    """What quality control may do to the flags that the events raise."""
    source = directory / "unjudged.jsonl"
    source.write_bytes(b"\n".join(map(orjson.dumps, events)))
    replay(source, directory / "unjudged", default_book())
    commands: list[dict[str, Any]] = []
    for line in (directory / "unjudged" / "flags.jsonl").read_bytes().splitlines():
        flag = orjson.loads(line)
        for kind in dice.choice([(), ("qc.claimed",), ("qc.claimed", "qc.verdict_given")]):
            data = {name: flag[name] for name in ("shop_id", "buyer_id", "flag_id")} | {"actor": "qc"}
            if kind == "qc.verdict_given":
                data |= {"verdict": "dismissed", "reason": "没有\n问题", "score": dice.choice([0, 87.5, 33.3, None])}
            number = len(commands)
            head = {"specversion": "1.0", "id": f"q-{number}", "source": "qc", "type": kind}
            moment = rfc3339(instant(flag["occurred_at"]) + number + 1)
            commands.append({**head, "time": moment, "data": data})
    return commands


def write_input(directory: Path, seed: int, *, count: int = 40, buyers: int = 60, future: bool = False) -> Path:
    """A directory of everything: a sale, scenes, commands, duplicates, conflicts, old events, lines that are none."""
    directory.mkdir(parents=True)
    dice = Random(seed)
    source = directory / "in"
    config = SaleConfig(buyers=buyers, agents=6, seed=seed, duplicates=0.05, disorder=0.1, faults=8)
    write_sale(config, source / "sale")
    events = scenes(seed, count)
    events += judged(events, directory, dice)
    old = [chat(n, f"20{n:02d}-02-29T12:00:00+08:00", "old", "agent" if n % 3 else "buyer") for n in range(4, 24, 4)]
    last = [("buyer", 0), ("buyer", 1), ("agent", 2)]
    # their day begins before 2000, and ends after 2199
    first = [chat(n, f"2000-01-01T00:0{n}:00Z", "first", sender) for sender, n in last]
    ahead = [chat(n, f"2199-12-31T23:5{n}:00Z", "ahead", sender) for sender, n in last] if future else []
    events += first + old + ahead
    lines = [orjson.dumps(event) for event in events + conflicting(events, dice)]
    lines += dice.sample(lines, len(lines) // 20)
    big = orjson.dumps(chat(1, "2026-11-11T10:00:00+08:00", "big", text="长" * 500_000))
    lines += [b"\xff\xfe no text", b"[]", b"x" * 500_000, big, b'{"type":"chat.message"}', b'{"a":"\\u0000\\n"}']
    dice.shuffle(lines)
    third = len(lines) // 3
    (source / "plain.jsonl").write_bytes(b"\n".join(lines[:third]))
    (source / "deep").mkdir()
    (source / "deep" / "some.jsonl.gz").write_bytes(gzip.compress(b"\r\n".join(lines[third : 2 * third])))
    (source / "some.jsonl.zst").write_bytes(zstandard.compress(b"\n\n".join(lines[2 * third :])))
    return source


def environment(directory: Path, **settings: object) -> dict[str, str]:
    """Ours without settings but those, with the temporary files in that directory."""
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
    return (
        env | {f"ZHENGDIAN_{name.upper()}": str(value) for name, value in settings.items()} | {"TMPDIR": str(temporary)}
    )


def zhengdian(env: dict[str, str], *arguments: object, code: int = 0) -> str:
    """Run a command to its end; returns its output, of one that fails its last words."""
    command = [sys.executable, "-m", "deploy.cli", *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def differing(one: Path, other: Path) -> list[str]:
    """The files that are not the same byte for byte; of the summary all but `seconds` counts."""
    found = [name for name in TABLES if (one / f"{name}.jsonl").read_bytes() != (other / f"{name}.jsonl").read_bytes()]
    summaries = [orjson.loads((side / "summary.json").read_bytes()) | {"seconds": 0} for side in (one, other)]
    return found if summaries[0] == summaries[1] else [*found, "summary"]
