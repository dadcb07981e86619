"""The figures of scorecards out of events that went through worker and sink, against an oracle that knows the contract alone."""

import random
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from fixtures.named_server import clickhouse_at
from oracle.events import Facts
from oracle.making import Scene, random_scene
from oracle.scorecard import KEYS, cards
from pipeline import Pipeline, line_of
from web_rows import agent, flag, insert, partial, sampled

from processors.periods import Kind, Period, period_of
from processors.ruleset import RulesetBook, default_book, parse_rulesets
from processors.scorecard import FIGURES, add_up
from schemas.settings import Settings
from schemas.topics import TOPIC_OF_TYPE
from schemas.types import format_time, parse_time
from sinks import migrate, scorecard_model
from sinks.database import Database, open_database
from sinks.scorecard_model import ROWS, ScorecardModel
from sinks.verify import scope

pytestmark = pytest.mark.stack

DAY = date(2025, 11, 11)
SHIFT = timedelta(days=-365)  # the scenes' days, and the month after them, lie in the past of any clock
ZONE = "Asia/Shanghai"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path))
    migrate.up(database)
    yield database
    database.close()


def feed(db: Database, events: list[dict[str, Any]], book: RulesetBook | None = None) -> None:
    lines = ((TOPIC_OF_TYPE[event["type"]], line_of(event)) for event in events)
    Pipeline(db, book or default_book(), horizon_ms=2**60).feed(lines, chunk=400)


def figures(db: Database, shop: str, period: Period, book: RulesetBook | None = None) -> Any:
    model = ScorecardModel(db)
    return model.figures(book or default_book(), shop, period, model.sale_events(shop, period))


def of(kind: Kind, day: date = DAY, zone: str = ZONE) -> Period:
    return period_of(kind, day, zone)


def nasty(dice: random.Random, count: int) -> list[dict[str, Any]]:
    """Many scenes in which times, ids and orders collide, a year back, each with buyers of its own, in the same two shops."""
    found = []
    for number in range(count):
        for place, event in enumerate(
            random_scene(dice.choice(["anything", "chat", "sales", "reviews"]), dice, _any_task())
        ):
            if event["type"].startswith("call_task."):
                continue
            event["time"] = format_time(parse_time(event["time"]) + SHIFT // timedelta(milliseconds=1), ZONE)
            event["source"] = f"{number}-{place}-{event['source']}"
            data = event["data"]
            if "buyer_id" in data:
                data["buyer_id"] = f"{number}-{data['buyer_id']}"
            for bound in ("starts_at", "ends_at"):
                if bound in data:
                    data[bound] = format_time(parse_time(data[bound]) + SHIFT // timedelta(milliseconds=1), ZONE)
            if "sale_event_id" in data and number % 10:
                continue  # else everything would lie in a sale event
            found.append(event)
    dice.shuffle(found)
    return found


def _any_task() -> Any:
    return type("Tasks", (dict,), {"__missing__": lambda self, key: "t"})()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_figures_are_the_oracles_and_their_rows_add_up_to_them(db: Database) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)  # shown when it fails
    events = nasty(random.Random(seed), 60)
    feed(db, events)
    facts = Facts(events)
    model, book, seen = ScorecardModel(db), default_book(), set()
    for shop in ("s1", "s2"):
        for period in (of("day"), of("day", DAY + timedelta(days=1)), of("week"), of("month")):
            days = {period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)}
            expected = cards(facts, shop, days, time.time_ns() // 1_000_000)
            sales = model.sale_events(shop, period)
            found = model.figures(book, shop, period, sales)
            assert {name: {key: card[key] for key in KEYS} for name, card in found.items()} == expected, (seed, period)
            seen |= {key for card in expected.values() for key in KEYS if all(card[key])}
            if period.kind == "month":
                total = add_up(found.values())
                for figure in ROWS:
                    behind = model.behind(book, shop, period, sales, figure, sorted(found), 1, 0)
                    assert (behind.numerator, behind.denominator) == total[figure], (seed, shop, figure)
    assert {*KEYS} - seen <= {"paid_amount", "orders_paid"}  # every ratio was tried with something above and below


def test_pages_of_rows_are_all_rows_and_each_is_the_agents_own(db: Database) -> None:
    feed(db, nasty(random.Random(5), 12))
    model, book, period = ScorecardModel(db), default_book(), of("week")
    sales = model.sale_events("s1", period)
    found = model.figures(book, "s1", period, sales)
    assert len(found) > 1
    for figure in ("reply_rate", "complaints", "average_response"):  # one and two sources, recomputed and stored
        for name, card in found.items():
            rows: list[Any] = []
            while True:
                page = model.behind(book, "s1", period, sales, figure, [name], 8, len(rows))
                if not page.rows:
                    break
                rows += page.rows
            assert {row["agent"] for row in rows} <= {name}
            assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
            assert all(period.from_ms <= row["at"] < period.to_ms for row in rows)
            assert len(rows) == page.total
            assert (sum(row["n"] for row in rows), sum(row["d"] for row in rows)) == card[figure], figure


# ---- one rule at a time, by hand ---------------------------------------------------------------------------------------


def test_what_was_asked_in_a_sale_event_leaves_the_response_figures_and_no_other(db: Database) -> None:
    scene = Scene()
    scene.sale("10 00:00", "11 10:00:00", "11 10:02:00")
    for minute, buyer in (("09:50", "b1"), ("10:01", "b2"), ("10:03", "b3"), ("10:06", "b4")):
        scene.asks(f"11 {minute}:00", buyer=buyer)
        scene.says(f"11 {minute}:08", buyer=buyer)
    feed(db, scene.events)
    card = figures(db, "s1", of("day", date(2026, 11, 11)))["a1"]
    assert card["average_response"] == (3 * 8_000, 3)
    assert card["rate_3min"] == (3, 3)
    # first responses are kept by five minutes, and 10:03 shares them with the sale event
    assert card["first_response"] == (2 * 8_000, 2)
    assert card["reply_rate"] == (4, 4)


def test_without_a_sale_event_the_platform_figures_are_the_day_windows(db: Database) -> None:
    feed(db, [event for event in nasty(random.Random(11), 30) if event["type"] != "sale_event.scheduled"])
    period = of("month")
    rows = db.query(
        "SELECT agent_id, sum(response_ms_sum + 600000 * unanswered) AS ms, sum(answered + unanswered) AS n,"
        " sum(answered_within_3min) AS within FROM response_windows WHERE shop_id = 's1' AND window_seconds = 86400"
        " AND definition = 'platform' AND window_start >= fromUnixTimestamp64Milli({from:Int64})"
        " AND window_start < fromUnixTimestamp64Milli({to:Int64}) GROUP BY agent_id",
        {"from": period.from_ms, "to": period.to_ms},
    )
    found = figures(db, "s1", period)
    assert {row["agent_id"] for row in rows} == {name for name, card in found.items() if card["rate_3min"][1]} != set()
    for row in rows:
        card = found[row["agent_id"]]
        assert (card["average_response"], card["rate_3min"]) == ((row["ms"], row["n"]), (row["within"], row["n"]))


@pytest.mark.parametrize(
    ("zone", "inside", "outside"),
    [
        ("Asia/Shanghai", ["2026-11-08T16:00:00Z", "2026-11-15T15:59:59.999Z"], ["2026-11-08T15:59:59.999Z"]),
        # clocks go back on 1 November: the week before it ends five hours after UTC's
        ("America/New_York", ["2026-11-09T05:00:00Z", "2026-11-16T04:59:59.999Z"], ["2026-11-09T04:59:59.999Z"]),
        ("Asia/Kathmandu", ["2026-11-08T18:15:00Z", "2026-11-15T18:14:59.999Z"], ["2026-11-15T18:15:00Z"]),
    ],
)
def test_a_week_is_monday_to_sunday_of_the_shops_zone(
    db: Database, zone: str, inside: list[str], outside: list[str]
) -> None:
    book = parse_rulesets(f'name: mine\nversion: "1"\nshops: {{s1: {{timezone: {zone}}}}}\n')
    scene = Scene()
    for number, moment in enumerate([*inside, *outside]):
        t = parse_time(moment)
        scene.says(t, buyer=f"b{number}")
        scene.places(t, buyer=f"b{number}", event_id=f"z-{number}")
        scene.pays(t, buyer=f"b{number}", event_id=f"zz-{number}")
        scene.reviews(t, 5, buyer=f"b{number}", event_id=f"zzz-{number}")
    feed(db, scene.events, book)
    card = figures(db, "s1", of("week", date(2026, 11, 12), zone), book)["a1"]
    assert card["orders_paid"] == (len(inside), 0)
    assert card["order_to_paid"] == (len(inside), len(inside))
    assert card["rating"] == (5 * len(inside), len(inside))


def test_an_order_of_last_month_that_is_paid_now_counts_in_both(db: Database) -> None:
    scene = Scene()
    scene.says("1 08:00", agent="old")
    scene.add("order.placed", parse_time("2026-10-31T23:59:00+08:00"), _order("o1"))
    scene.says(parse_time("2026-10-31T23:58:00+08:00"), agent="old")
    scene.says("1 09:00", agent="new")
    scene.pays("1 10:00")
    feed(db, scene.events)
    october, november = (figures(db, "s1", of("month", day)) for day in (date(2026, 10, 5), date(2026, 11, 5)))
    assert october["old"]["order_to_paid"] == (1, 1)
    assert october["old"]["orders_paid"] == (0, 0)
    assert november["new"]["orders_paid"] == (1, 0)
    assert november["new"]["order_to_paid"] == (0, 0)


def _order(order_id: str) -> dict[str, Any]:
    items = [{"sku_id": "k", "title": "鞋", "quantity": 1, "unit_price": "100.00"}]
    return {"shop_id": "s1", "buyer_id": "b1", "order_id": order_id, "amount": "100.00", "items": items}


def test_a_review_stays_in_the_month_it_was_posted_in_at_the_stars_it_has_now(db: Database) -> None:
    scene = Scene()
    scene.says("2 08:00")
    scene.places("2 09:00")
    scene.reviews("3 09:00", 1)
    scene.reviews(parse_time("2026-12-02T09:00:00+08:00"), 5, changed=True)
    feed(db, scene.events)
    assert figures(db, "s1", of("month", date(2026, 11, 1)))["a1"]["rating"] == (5, 1)
    assert figures(db, "s1", of("month", date(2026, 12, 1))) == {}


def test_qc_figures_leave_out_cleared_flags_and_slow_replies_in_a_sale_event(db: Database) -> None:
    noon = parse_time("2025-11-11T12:00:00+08:00")
    insert(db, "sale_events_raw", _sale(noon, noon + 3_600_000, []))
    judged = {"qc_status": "upheld", "qc_score": 80.5}
    insert(
        db,
        "flags_raw",
        flag("1", "reminder.repeated", "violation", "s", noon, **judged),
        flag("2", "language.vague", "notice", "s", noon + 1, qc_status="dismissed", qc_score=100.0),
        flag("3", "review.solicited", "violation", "s", noon + 2, qc_status="dismissed", qc_score=None),
        flag("4", "response.slow", "notice", "s", noon + 3, **judged),
        flag("5", "response.slow", "notice", "s", noon - 1, qc_status="upheld", qc_score=33.3333),
        flag("6", "reminder.repeated", "violation", "s", noon, **judged, status="cleared"),
        flag("7", "reminder.repeated", "violation", "s", noon, qc_status="open", qc_score=None),
        flag("8", "reminder.repeated", "violation", "s", noon - 86_400_000, **judged),
    )
    period = of("day")
    card = figures(db, "s", period)["s:00"]
    assert card["qc_score"] == (805_000 + 1_000_000 + 333_333, 3)
    assert card["judged"] == (4, 0)
    assert card["violations"] == (1, 0)
    model = ScorecardModel(db)
    sales = model.sale_events("s", period)
    refs = {
        figure: [row["ref"] for row in model.behind(default_book(), "s", period, sales, figure, ["s:00"], 9, 0).rows]
        for figure in ("qc_score", "judged", "violations")
    }
    assert refs == {"qc_score": ["5", "1", "2"], "judged": ["5", "1", "2", "3"], "violations": ["1"]}


def test_the_sample_counts_on_its_own_day_once_it_has_a_score_and_never_among_the_flags(db: Database) -> None:
    day = parse_time("2025-11-11T00:00:00+08:00")
    insert(
        db,
        "qc_samples_raw",
        sampled("1", "s", day, "dismissed", 88.8888),
        sampled("2", "s", day, "upheld", 50.0),
        sampled("3", "s", day, "upheld", None),
        sampled("4", "s", day, "", None),  # claimed
        sampled("5", "s", day - 86_400_000, "upheld", 10.0),
        sampled("6", "s", day + 86_400_000, "upheld", 20.0),
        sampled("7", "other", day, "upheld", 30.0),
        sampled("1", "s", day, "upheld", 0.0, id="later", actor="somebody else", time=day + 3 * 86_400_000),
    )
    insert(db, "flags_raw", flag("1", "language.vague", "notice", "s", day, qc_status="upheld", qc_score=70.0))
    card = figures(db, "s", of("day"))["s:00"]
    assert card["sample_score"] == (888_888 + 500_000, 2)
    assert card["qc_score"] == (700_000, 1)
    assert card["judged"] == (1, 0)
    model, period = ScorecardModel(db), of("day")
    behind = model.behind(default_book(), "s", period, [], "sample_score", ["s:00"], 9, 0)
    assert [(row["ref"], row["what"], row["n"]) for row in behind.rows] == [
        ("1", "dismissed", 888_888), ("2", "upheld", 500_000),
    ]  # fmt: skip


def _sale(starts: int, ends: int, targets: list[dict[str, Any]], sale: str = "d11") -> dict[str, Any]:
    return {
        "shop_id": "s", "sale_event_id": sale, "time": starts, "source": "t", "id": sale, "name": "双十一", "starts_at": starts,
        "ends_at": ends, "teams": [], "targets": orjson.dumps(targets).decode(), "pk_basis": "amount",
    }  # fmt: skip


def test_own_target_is_what_was_paid_in_the_hours_that_have_one(db: Database) -> None:
    noon = parse_time("2025-11-11T12:00:00+08:00")
    hour = 3_600_000

    def at(n: int) -> str:
        return format_time(noon + n * hour, ZONE)

    targets = [
        {"hour_start": at(0), "amount": "100", "agent_id": "s:00"},
        {"hour_start": at(1), "amount": "300", "agent_id": "s:00"},
        {"hour_start": at(0), "amount": "50", "team": "蓝队"},
        {"hour_start": at(0), "amount": "70", "team": "红队"},
        {"hour_start": at(13), "amount": "999", "agent_id": "s:00"},  # tomorrow
        {"hour_start": at(0), "amount": "5000"},  # the shop's
    ]
    insert(db, "agents_raw", agent("s", 0, "小美", noon, team="蓝队"), agent("s", 1, "小雪", noon, team="红队"))
    insert(db, "sale_events_raw", _sale(noon, noon + 24 * hour, targets))
    # an hour that two sale events share is reached once: the later event's target holds
    insert(db, "sale_events_raw", _sale(noon - hour, noon + hour, [{**targets[0], "amount": "7"}], "early"))
    insert(
        db,
        "leaderboard_partials",
        partial("s", "s:00", noon, 2, "80.00"),
        partial("s", "s:00", noon + hour, 2, "20.50"),
        partial("s", "s:00", noon + 2 * hour, 9, "900.00"),  # no target
        partial("s", "s:01", noon, 3, "35.00"),
    )
    model, period = ScorecardModel(db), of("day")
    sales = model.sale_events("s", period)
    goals = model.goals("s", period, sales, ZONE, model.agents("s"), noon + 24 * hour)
    assert [tuple(hour) for hour in goals.agents["s:00"]] == [
        ("s:00", noon, 8_000, 10_000), ("s:00", noon + hour, 2_050, 30_000),
    ]  # fmt: skip
    # a team whose agents have targets is their sum; another has its own
    assert {team: [tuple(hour) for hour in hours] for team, hours in goals.teams.items()} == {
        "红队": [("", noon, 3_500, 7_000)]
    }
    # of a day that lasts the hours that are over
    so_far = model.goals("s", period, sales, ZONE, model.agents("s"), noon + hour + 60_000)
    assert [tuple(hour) for hour in so_far.agents["s:00"]] == [("s:00", noon, 8_000, 10_000)]


def test_spans_of_days_add_up_to_the_whole(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recomputed at once is bounded, and where it is cut changes nothing."""
    feed(db, nasty(random.Random(7), 12))
    model, book, period = ScorecardModel(db), default_book(), of("week")
    sales = model.sale_events("s1", period)
    whole = model.figures(book, "s1", period, sales)
    some = ("complaints", "first_response", "average_response")
    rows = {figure: model.behind(book, "s1", period, sales, figure, sorted(whole), 9, 2) for figure in some}
    assert all(behind.total > 3 for behind in rows.values())
    monkeypatch.setattr(scorecard_model, "spans", lambda *args: scope.spans(*args, max_events=1))
    assert len(model._spans(book, "s1", period)) > 2
    assert model.figures(book, "s1", period, sales) == whole
    assert {f: model.behind(book, "s1", period, sales, f, sorted(whole), 9, 2) for f in some} == rows


@pytest.mark.slow
def test_a_server_gives_the_same(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    events = nasty(random.Random(3), 20)
    days = {date(2025, 11, 1) + timedelta(days=n) for n in range(30)}
    expected = cards(Facts(events), "s1", days, time.time_ns() // 1_000_000)
    with clickhouse_at("real", request) as clickhouse:
        served = open_database(Settings(data_dir=tmp_path, **clickhouse))
        migrate.up(served)
        feed(served, events)
        found = figures(served, "s1", of("month"))
        served.close()
    assert {name: {key: card[key] for key in KEYS} for name, card in found.items()} == expected
    assert len(FIGURES) == len(KEYS) + 5  # targets and QC have tests of their own
