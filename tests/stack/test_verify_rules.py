"""verify's SQL on single rules: hard texts, times and zones, and what it must not overlook."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline import Pipeline, line_of
from test_verify import database, lines

from processors.reviews import task_id_of
from processors.ruleset import default_book, parse_rulesets
from schemas.topics import TOPIC_OF_TYPE
from schemas.types import format_time, parse_time
from sinks.database import Database

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture
def fresh(tmp_path: Path, clickhouse: dict[str, str]) -> Iterator[Database]:
    """An empty database."""
    found = database(tmp_path, **clickhouse)
    yield found
    found.close()


def event(kind: str, event_id: str, time: str, **data: Any) -> tuple[str, bytes]:
    known = {"shop_id": "s", "buyer_id": "b", **data}
    line = {"specversion": "1.0", "id": event_id, "source": "x", "type": kind, "time": time, "data": known}
    return TOPIC_OF_TYPE[kind], line_of(line)


def said(name: str, time: str, text: str, sender: str = "agent") -> tuple[str, bytes]:
    return event("chat.message", name, time, agent_id="a", sender=sender, text=text)


def review(name: str, time: str, rating: int = 2, order: str = "o") -> tuple[str, bytes]:
    return event("review.posted", name, time, review_id=f"v-{order}", order_id=order, rating=rating, text="质量太差了")


# ---- phrases ------------------------------------------------------------------------------------------------------------

OVERLAPPING = """
name: mine
version: "1"
phrases:
  forbidden: [aba, bab, cc, ab, "a.b", "(a"]
  vague: [ab, bac, c, aa, "b|", "*a"]
  solicitation: [abab, acb, "a\\\\", A]
  blunt: [bb, "+a+"]
  exceptions: [abac, ca, a, bcb, caca]
"""


def test_of_overlapping_phrases_the_longest_counts_alone_in_sql_too(fresh: Database) -> None:
    book = parse_rulesets(OVERLAPPING)
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    texts = [
        "".join(dice.choices("abcA.|(\\*+x\ue000", [9, 9, 9, 3, 1, 1, 1, 1, 1, 1, 1, 1], k=12)) for _ in range(2000)
    ]
    Pipeline(fresh, book).feed(
        (said(f"m{n}", f"2026-11-01T10:{n // 60:02d}:{n % 60:02d}+08:00", text) for n, text in enumerate(texts)),
        chunk=len(texts),
    )
    assert lines(fresh, book) == [], seed


@pytest.mark.parametrize("text", ["不行可能" * 8_500, "行不" * 17_000], ids=["side by side", "one chain of overlaps"])
def test_a_long_text_full_of_phrases_takes_little_memory(
    fresh: Database, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert len(text.encode()) > 100_000
    Pipeline(fresh, default_book()).feed([said("m1", "2026-11-01T10:00:00+08:00", text)])
    query = fresh.query
    monkeypatch.setattr(
        fresh, "query", lambda sql, params=None: query(f"{sql}\nSETTINGS max_memory_usage = 300000000", params)
    )
    assert lines(fresh) == []


# ---- times and tasks ----------------------------------------------------------------------------------------------------


def test_a_sale_events_times_may_be_in_lower_case(fresh: Database) -> None:
    times = {"starts_at": "2026-11-01t09:00:00z", "ends_at": "2026-11-01t11:00:00.5z"}
    moments = ("2026-11-01T16:59:59.999+08:00", "2026-11-01T17:00:00+08:00", "2026-11-01T19:00:00.500+08:00")
    Pipeline(fresh, default_book()).feed(
        [
            event("sale_event.scheduled", "e", "2026-10-01T10:00:00+08:00", sale_event_id="e", name="n", **times),
            *(said(f"m{n}", moment, "可能") for n, moment in enumerate(moments)),
        ]
    )
    assert lines(fresh) == []
    assert fresh.query("SELECT in_sale_event FROM flags ORDER BY occurred_at") == [
        {"in_sale_event": inside} for inside in (False, True, False)
    ]


def test_a_step_on_one_task_leaves_the_buyers_other_tasks_compared(fresh: Database) -> None:
    task = task_id_of("s", "b", "taken")
    Pipeline(fresh, default_book()).feed(
        [
            review("r1", "2026-11-01T10:00:00+08:00", order="taken"),
            review("r2", "2026-11-01T10:00:00+08:00", order="free"),
            event("call_task.claimed", "c", "2026-11-01T11:00:00+08:00", task_id=task, actor="w"),
        ]
    )
    assert lines(fresh) == []
    fresh.command(
        "INSERT INTO call_tasks_raw SELECT * REPLACE('resolved' AS status, revision + 1 AS revision) FROM call_tasks_raw FINAL"
    )
    (line,) = lines(fresh)
    assert line.startswith("call_tasks shop=s buyer=b order_id=free status: pipeline resolved, recomputed open")


@pytest.mark.parametrize(
    ("zone", "day", "posted"),
    [
        ("America/New_York", "2026-11-01", "2026-11-01T03:00:00-05:00"),
        ("America/New_York", "2026-03-08", "2026-03-08T04:00:00-04:00"),
        ("America/New_York", "2026-11-01", "2026-10-31T21:00:00-04:00"),
        ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_calling_hours_are_those_of_the_clock_on_days_when_it_changes(
    fresh: Database, zone: str, day: str, posted: str
) -> None:
    book = parse_rulesets(f'name: mine\nversion: "1"\ntimezone: {zone}\n')
    Pipeline(fresh, book).feed([review("r", posted)])
    assert lines(fresh, book) == []
    assert fresh.query(f"SELECT toString(toTimeZone(not_before, '{zone}')) AS at FROM call_tasks") == [
        {"at": f"{day} 10:00:00.000"}
    ]


@pytest.mark.parametrize(
    ("zone", "first"), [("Atlantic/Azores", "2026-10-25T00:00:00Z"), ("America/Havana", "2026-11-01T04:00:00Z")]
)
def test_a_day_whose_midnight_comes_twice_is_one_day(fresh: Database, zone: str, first: str) -> None:
    book = parse_rulesets(f'name: mine\nversion: "1"\ntimezone: {zone}\n')
    start = parse_time(first)
    asked, answered = (format_time(start + minutes * 60_000, zone) for minutes in (30, 600))
    Pipeline(fresh, book).feed([said("m1", asked, "", "buyer"), said("m2", answered, "")])
    assert lines(fresh, book) == []
    days = "SELECT toUnixTimestamp64Milli(window_start) AS start, answered FROM response_windows"
    assert fresh.query(f"{days} WHERE window_seconds = 86400 AND definition = 'all'") == [
        {"start": start, "answered": 1}
    ]


GAPS = """
name: mine
version: "1"
response: {session_gap_ms: 600000}
---
version: "2"
effective_from: 2026-11-11T00:00:00+08:00
response: {session_gap_ms: 50000}
---
version: "3"
effective_from: 2026-11-11T00:01:00+08:00
response: {session_gap_ms: 900000}
"""


def test_versions_of_the_rules_part_sessions_the_same_in_sql(fresh: Database) -> None:
    book = parse_rulesets(GAPS)
    start = parse_time("2026-11-10T23:40:00+08:00")
    dice = random.Random(1)
    conversations = []
    for buyer in range(200):
        for number, second in enumerate(sorted(dice.sample(range(0, 2400, 10), 6))):
            data = {"buyer_id": f"b{buyer}", "agent_id": "a", "sender": dice.choice(["buyer", "agent"]), "text": ""}
            time = format_time(start + second * 1000, "Asia/Shanghai")
            conversations.append(event("chat.message", f"m{buyer}-{number}", time, **data))
    dice.shuffle(conversations)
    Pipeline(fresh, book).feed(conversations, chunk=100)
    assert lines(fresh, book) == []
