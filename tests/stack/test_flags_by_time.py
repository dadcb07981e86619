"""What is asked of all shops at once is what the view `flags` says, after any revisions and duplicates in any order."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from web_rows import agent, flag, insert

from schemas.types import DAY_MS
from sinks import migrate
from sinks.database import Database
from sinks.embedded import EmbeddedDatabase
from sinks.read_model import BUCKET_MS, ReadModel
from web.qc import KindCounts, QueueCounts, count_facets, queue_counts

pytestmark = [pytest.mark.stack]

NOW: Final = 1_762_840_800_000
SHOPS: Final = ("a", "b:1", "丙")
AGENTS: Final = ("", "1", "x:2")
RULES: Final = ("language.vague", "reminder.same_day", "a rule with blanks")
SEVERITIES: Final = ("violation", "notice")
STATUSES: Final = ("open", "claimed", "upheld", "dismissed")
FILTERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"qc_status": "open"},
    {"qc_status": "open", "severity": "notice"},
    {"qc_status": "upheld", "rule": RULES[2]},
    {"agent_id": "x:2", "qc_status": "open"},
    {"team": "蓝队", "qc_status": "open", "rule": RULES[1]},
)
Row = dict[str, Any]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = EmbeddedDatabase(tmp_path, "zhengdian")
    yield db
    db.close()


def revisions(random: Random, flags: int) -> list[Row]:
    """Some revisions of each flag, shuffled, a share of them twice. A message's time stays; everything else may change, of a review
    the time too.
    """
    rows = []
    for number in range(flags):
        message = random.random() < 0.7
        # many in one moment, and in months that lie apart
        at = NOW - random.choice((0, 1, 40, 400)) * DAY_MS - random.randrange(3) * BUCKET_MS
        shop = random.choice(SHOPS)
        for _ in range(random.randint(1, 4)):
            severity, rule = random.choice(SEVERITIES), random.choice(RULES)
            row = flag(f"f-{number}", rule, severity, shop, at if message else at + random.randrange(-60, 60) * DAY_MS)
            row |= {
                "message_id": f"m-{number}" if message else None,
                "review_id": None if message else f"r-{number}",
                "agent_id": random.choice(AGENTS),
                "status": random.choice(("raised", "raised", "raised", "cleared")),
                "qc_status": random.choice(STATUSES),
                "revision": random.randint(1, 5),
            }
            rows += [row] * random.choice((1, 1, 2))
    random.shuffle(rows)
    return rows


def fill(db: Database, random: Random, rows: list[Row]) -> None:
    """In batches of any size, as a sink that is slow or fast."""
    while rows:
        size = random.choice((1, 7, 60))
        insert(db, "flags_raw", *rows[:size])
        rows = rows[size:]


def people(db: Database) -> None:
    insert(
        db,
        "agents_raw",
        *(agent(shop, n, "", NOW, team="蓝队") | {"agent_id": "x:2"} for n, shop in enumerate(SHOPS[:2])),
        agent("丙", 7, "", NOW, team="红队") | {"agent_id": "1"},
    )


def compare(db: Database) -> None:
    """All questions, with and without spans and filters, against the view."""
    read = ReadModel(db)
    teams = {(row["shop_id"], row["agent_id"]): row["team"] for row in read.agents()}
    flags = read.rows("SELECT * FROM flags", {})
    for row in flags:
        row["team"] = teams.get((row["shop_id"], row["agent_id"]), "")
    for span in ((None, None), (NOW - 40 * DAY_MS, None), (None, NOW - DAY_MS), (NOW - 45 * DAY_MS, NOW)):
        timely = [f for f in flags if (span[0] or 0) <= f["occurred_at"] < (span[1] or 2**62)]
        for filters in FILTERS:
            raised = [{**f, "count": 1} for f in timely if f["status"] == "raised"]
            wanted = count_facets(raised, filters, QueueCounts)
            assert queue_counts(*read.review_counts(filters, *span), filters) == wanted
            chosen = [f for f in raised if all(f[name] == value for name, value in filters.items())]
            key = lambda f: (int(f["severity"] != "violation"), f["occurred_at"], f["flag_id"])  # noqa: E731
            queue = lambda after: read.review_queue(filters, 9, after, from_ms=span[0], to_ms=span[1])  # noqa: B023, E731
            assert paged(queue, key) == sorted(map(key, chosen))
        precision = {row["rule"]: row for row in read.rule_precision(*span)}
        assert list(precision) == sorted({f["rule"] for f in timely})
        for rule, row in precision.items():
            of_rule = [f for f in timely if f["rule"] == rule]
            judged = [f for f in of_rule if f["qc_status"] in ("upheld", "dismissed")]
            assert row["raised"] == sum(f["status"] == "raised" for f in of_rule)
            assert (row["judged"], row["upheld"]) == (len(judged), sum(f["qc_status"] == "upheld" for f in judged))
        if None not in span:
            buckets = Counter(
                (f["shop_id"], f["rule"], f["severity"], f["occurred_at"] // BUCKET_MS * BUCKET_MS) for f in raised
            )
            found = read.flag_buckets(*span)  # type: ignore[arg-type]
            assert {(r["shop_id"], r["rule"], r["severity"], r["bucket"]): r["count"] for r in found} == buckets
    for filters in ({}, {"status": "raised", "qc_status": "open"}, {"agent_id": "1", "severity": "violation"}):
        chosen = [f for f in flags if all(f[name] == value for name, value in filters.items())]
        by_time = lambda f: (f["occurred_at"], f["flag_id"])  # noqa: E731
        assert paged(lambda after: read.flags(filters, 9, after), by_time) == sorted(map(by_time, chosen), reverse=True)  # noqa: B023
        counts = Counter(f["rule"] for f in chosen)
        assert read.flag_counts(filters) == [
            {"rule": rule, "count": n} for rule, n in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        ]


def paged(question: Callable[[Any], list[Row]], key: Callable[[Row], Any]) -> list[Any]:
    """The keys of all pages."""
    found: list[Any] = []
    while page := question(found[-1] if found else None):
        found += map(key, page)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_all_shops_are_answered_as_the_view_has_it(db: Database, seed: int) -> None:
    random = Random(seed)
    migrate.up(db)
    people(db)
    db.command("SYSTEM STOP MERGES") if seed % 2 else None
    fill(db, random, revisions(random, 80))
    compare(db)
    if not seed % 2:
        db.command("OPTIMIZE TABLE flags_by_time FINAL")
        compare(db)


def test_flags_of_before_are_there_after_the_migration(db: Database) -> None:
    random = Random(10)
    migrate.up(db, target=9)
    people(db)
    rows = revisions(random, 80)
    fill(db, random, rows[:150])
    migrate.up(db)
    fill(db, random, rows[150:])
    compare(db)
    assert count_facets(ReadModel(db).review_counts({}, None, None)[0], {}, KindCounts).total > 30
