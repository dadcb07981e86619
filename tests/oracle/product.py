"""The product as a black box: events in, the files of a replay out, and the comparison with what is expected."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from oracle.events import fen, instant
from processors import ruleset
from processors.ruleset import default_book
from replay.memory import replay

LISTS = yaml.safe_load((Path(ruleset.__file__).parent / "rulesets" / "default.yaml").read_text("utf-8"))["phrases"]
BOOK = default_book()
FILES = ("flags", "call_tasks", "response_rounds", "response_windows", "leaderboard_hourly", "rejected")
COMPARED = FILES[:-1]
KEYS = {
    "flags": ("shop_id", "buyer_id", "rule", "message_id", "review_id", "occurred_at"),
    "call_tasks": ("shop_id", "buyer_id", "order_id"),
    "response_rounds": ("shop_id", "buyer_id", "agent_id", "message_id", "opened_at"),
    "response_windows": ("shop_id", "agent_id", "window_start", "window_seconds", "definition"),
    "leaderboard_hourly": ("shop_id", "hour_start", "agent_id"),
}
IDS = {"flags": "flag_id", "call_tasks": "task_id", "response_rounds": "round_id"}
TIMES = {"occurred_at", "raised_at", "not_before", "due_at", "opened_at", "replied_at", "window_start", "hour_start"}
TIMES |= {"revisit_due_at", "call_again_at"}
AMOUNTS = {"paid_amount", "refunded_amount"}
PERCENTILES = {"p50_ms", "p90_ms", "p99_ms"}


def replay_lines(lines):
    """Raw lines (bytes) -> file name -> bytes written."""
    with TemporaryDirectory() as directory:
        source, out = Path(directory, "in"), Path(directory, "out")
        source.mkdir()
        (source / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        replay(source, out, BOOK)
        return {path.name: path.read_bytes() for path in out.iterdir()}


def lines_of(events):
    return [json.dumps(event, ensure_ascii=False).encode() for event in events]


def rows_of(written, name):
    return [json.loads(line) for line in written[f"{name}.jsonl"].splitlines()]


def run(events):
    """File name -> rows, with instants in ms and amounts in 1/100 CNY; and `summary`."""
    written = replay_lines(lines_of(events))
    result = {name: [_plain(row) for row in rows_of(written, name)] for name in FILES}
    result["summary"] = json.loads(written["summary.json"])
    return result


def _plain(row):
    for field, value in row.items():
        if field in TIMES and value is not None:
            row[field] = instant(value)
        elif field in AMOUNTS:
            row[field] = fen(value)
    return row


def differences(actual, expected):
    """Every field in which the product's rows and the expected ones differ, as lines of text."""
    found = []
    for name in COMPARED:
        key = KEYS[name]
        have, want = _by_key(actual[name], key), _by_key(expected[name], key)
        if name in IDS and len({row[IDS[name]] for row in actual[name]}) != len(actual[name]):
            found.append(f"{name}: two rows with one id")
        for k in have.keys() | want.keys():
            # one key twice: two events at one moment with one id, from two sources
            fields = sorted(expected[name][0]) if expected[name] else []
            mine = sorted(have.get(k, []), key=lambda row: str([row[field] for field in fields]))
            theirs = sorted(want.get(k, []), key=lambda row: str([row[field] for field in fields]))
            found += [f"{name}: not expected: {row}" for row in mine[len(theirs) :]]
            found += [f"{name}: missing: {row}" for row in theirs[len(mine) :]]
            for row, right in zip(mine, theirs, strict=False):
                for field, value in right.items():
                    if not _same(field, row[field], value):
                        found.append(f"{name} {k}: {field} is {row[field]!r}, expected {value!r}")
    statuses = {flag["status"] for flag in actual["flags"]}
    if statuses - {"raised"}:
        found.append(f"flags: status {statuses} in a final state")
    return sorted(found)


def _by_key(rows, key):
    found = {}
    for row in rows:
        found.setdefault(tuple(row[field] for field in key), []).append(row)
    return found


def _same(field, have, want):
    if field in ("review_ids", "order_ids"):
        return sorted(have) == sorted(want)
    if have is None or want is None:
        return have is want
    if field in PERCENTILES:  # the product keeps three significant digits of each response
        return abs(have - want) <= 0.006 * want
    if field in ("avg_response_ms", "rate_3min"):
        return abs(have - want) <= 1e-6 * max(1, want)
    return have == want and isinstance(have, bool) == isinstance(want, bool)
