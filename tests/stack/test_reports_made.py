"""Reports on the hour, made from a real ClickHouse: each once, when it has settled, over restarts and in two processes."""

import asyncio
from collections.abc import Iterator

import orjson
import pytest
from report_floor import EIGHT, NINE, SHOP, Floor
from web_rows import HOUR, TEAMS, insert, partial

from processors.report import LIMIT_MS, QUIET_MS, STEADY_MS, Report, span_at
from schemas.settings import Settings
from schemas.types import format_time
from sinks.database import open_database
from sinks.kafka import PublishError
from sinks.migrate import up
from web.reports.maker import AGAIN_MS, LOOK_BACK_MS, NEWS_MS, Maker
from web.reports.robots import Robot

pytestmark = pytest.mark.stack

ROBOT = Robot("robot-1", "", None)
HOURLY = span_at("hour", SHOP, "Asia/Shanghai", EIGHT).report_id
DAILY = span_at("day", SHOP, "Asia/Shanghai", EIGHT).report_id


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    db = open_database(Settings(data_dir=tmp_path_factory.mktemp("reports")))
    up(db)
    yield Floor(db)
    db.close()


@pytest.fixture
def floor(database: Floor) -> Floor:
    for table in ("leaderboard_partials", "raw_events", "reports_raw", "sale_events_raw", "agents_raw"):
        database.db.command(f"TRUNCATE TABLE {table}")
    return Floor(database.db)


def maker(floor: Floor, *robots: Robot) -> Maker:
    return Maker(floor.parts(), floor.reader, robots)


def schedule(floor: Floor, *hours: int) -> None:
    """A sale event with a PK by orders, and targets of 5 000.00 and 40 orders in those hours."""
    targets = [{"hour_start": format_time(hour), "amount": "5000.00", "orders": 40} for hour in hours]
    sale = {"shop_id": SHOP, "sale_event_id": "d", "time": EIGHT, "source": "t", "id": "s", "name": "双十一"}
    sale |= {"starts_at": EIGHT - HOUR, "ends_at": NINE + HOUR, "teams": list(TEAMS)}
    insert(floor.db, "sale_events_raw", {**sale, "targets": orjson.dumps(targets).decode(), "pk_basis": "orders"})


async def steps(floor: Floor, *makers: Maker, ms: int, every: int = 1_000, sink: bool = True) -> None:
    """Let that much time pass for them."""
    for _ in range(ms // every):
        for one in makers:
            await one.step()
        if sink:
            floor.topic.sink()
        floor.now += every


def kept(floor: Floor) -> list[Report]:
    return floor.reader.reports({}, 100)


async def test_the_maker_goes_on_after_what_nobody_foresaw(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    maker, tries = Maker(floor.parts(), floor.reader, []), []

    async def step() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("nobody foresaw it")
        raise asyncio.CancelledError

    monkeypatch.setattr(maker, "step", step)
    monkeypatch.setattr("web.reports.maker.RETRY_SECONDS", 0)
    with pytest.raises(asyncio.CancelledError):
        await maker.run()
    assert len(tries) == 2


async def test_an_hour_is_reported_some_seconds_after_its_end_with_all_that_is_in_it(floor: Floor) -> None:
    schedule(floor, *(EIGHT + n * HOUR for n in (-1, 0, 1)))
    floor.hour()
    floor.hour(EIGHT - HOUR, ("小美", 10, "1000.00"))
    floor.event(NINE - 5, amount="4000.00", payment_id="p1")
    floor.event(NINE + 5)
    one = maker(floor)
    floor.now = NINE + 1
    await steps(floor, one, ms=STEADY_MS)
    assert HOURLY not in floor.reader.made(0)
    await steps(floor, one, ms=3_000)
    (report,) = (report for report in kept(floor) if report.report_id == HOURLY)
    assert (report.paid_amount, report.orders_paid, report.silent_amount) == (400_000, 20, 20_000)
    assert (report.starts_at, report.ends_at, report.as_of) == (EIGHT, NINE, NINE)
    assert NINE + STEADY_MS <= report.made_at < NINE + STEADY_MS + 3_000
    assert report.complete
    assert report.made_by == ""
    assert (report.target_amount, report.target_orders, report.before_amount) == (500_000, 40, 100_000)
    assert (report.day_amount, report.day_orders) == (500_000, 30)
    assert (report.day_target_amount, report.day_target_orders) == (1_500_000, 120)
    assert (report.sale_event, report.pk_basis) == ("双十一", "orders")
    assert [(team.team, team.orders_paid) for team in report.teams] == [(TEAMS[0], 19), (TEAMS[1], 0)]
    assert [(star.name, star.rank, star.orders_paid) for star in report.stars] == [("小美", 1, 12), ("阿杰", 2, 7)]


async def test_a_day_with_hours_that_have_no_target_has_none(floor: Floor) -> None:
    schedule(floor, EIGHT, NINE)
    floor.hour()
    floor.hour(EIGHT - HOUR)
    floor.event(NINE + 5)
    await steps(floor, maker(floor), ms=7_000)
    report = floor.reader.report(HOURLY)
    assert report is not None
    assert (report.target_amount, report.day_target_amount, report.day_target_orders) == (500_000, None, None)


async def test_each_once_over_restarts_and_in_two_processes(floor: Floor) -> None:
    floor.hour()
    floor.event(NINE + 5)
    one, two = maker(floor, ROBOT), maker(floor, ROBOT)
    await steps(floor, one, two, ms=10_000)
    first = [report for report in kept(floor) if report.report_id == HOURLY]
    floor.hour(EIGHT, ("小美", 99, "9900.00"), revision=99)  # late facts: what was announced stays
    await steps(floor, maker(floor, ROBOT), one, two, ms=10_000)
    assert [report for report in kept(floor) if report.report_id == HOURLY] == first
    written = [key for key, _ in floor.topic.records]
    assert written.count(HOURLY.encode()) == 2  # both before either could be read


async def test_of_two_that_were_made_at_once_the_first_on_the_topic_counts(floor: Floor) -> None:
    floor.hour()
    floor.event(NINE + 5)
    one, two = maker(floor), maker(floor)
    await steps(floor, one, ms=6_000, sink=False)
    floor.hour(EIGHT, ("小美", 99, "9900.00"), revision=99)
    await steps(floor, two, ms=6_000, sink=False)
    floor.topic.sink()
    floor.topic.sink(again=True)
    floor.topic.records.reverse()
    (report,) = (report for report in kept(floor) if report.report_id == HOURLY)
    assert report.paid_amount == 400_000


async def test_it_waits_for_a_worker_that_lags_and_says_so_when_that_takes_too_long(floor: Floor) -> None:
    floor.hour()
    floor.event(NINE - 9, amount="4000.00", payment_id="p1")
    floor.event(NINE - 5, amount="150.00", payment_id="p2")  # in no result yet
    floor.event(NINE + 5)
    one = maker(floor)
    await steps(floor, one, ms=LIMIT_MS // 2, every=2_000)
    assert kept(floor) == []
    floor.hour(EIGHT, ("小美", 13, "2550.00"), revision=10)
    await steps(floor, one, ms=STEADY_MS + 4_000)
    (report,) = kept(floor)
    assert (report.paid_amount, report.complete) == (415_000, True)


async def test_a_worker_that_stands_still_is_not_waited_for_for_ever(floor: Floor) -> None:
    floor.hour()
    floor.event(NINE - 5, amount="4150.00", payment_id="p2")
    floor.event(NINE + 5)
    await steps(floor, maker(floor), ms=LIMIT_MS + 4_000, every=2_000)
    (report,) = kept(floor)
    assert (report.paid_amount, report.complete) == (400_000, False)


async def test_figures_that_move_are_waited_for(floor: Floor) -> None:
    floor.hour()
    floor.event(NINE + 5)
    one = maker(floor)
    for number in range(10):
        floor.hour(EIGHT, ("小美", 12 + number, "2400.00"), revision=10 + number)
        await steps(floor, one, ms=2_000)
    assert kept(floor) == []
    await steps(floor, one, ms=STEADY_MS + 2_000)
    assert [report.orders_paid for report in kept(floor)] == [29]


async def test_a_quiet_shop_is_reported_by_the_clock(floor: Floor) -> None:
    floor.hour()
    one = maker(floor)
    await steps(floor, one, ms=QUIET_MS)
    assert kept(floor) == []
    await steps(floor, one, ms=3_000)
    assert [(report.report_id, report.complete) for report in kept(floor)] == [(HOURLY, True)]


async def test_an_hour_in_which_nothing_happened_is_no_news(floor: Floor) -> None:
    insert(floor.db, "leaderboard_partials", partial(SHOP, "", EIGHT, 0, "0.00"))  # an order that nobody has paid
    floor.hour(EIGHT, ("小美", 0, "0.00"), shop="anta-xm")  # somebody was served
    for shop in (SHOP, "anta-xm"):
        floor.event(NINE + 5, shop)
    await steps(floor, maker(floor), ms=8_000)
    assert [report.shop_id for report in kept(floor)] == ["anta-xm"]


async def test_the_day_is_reported_at_its_end(floor: Floor) -> None:
    midnight = EIGHT + 4 * HOUR
    for back in (1, 4):
        floor.hour(midnight - back * HOUR)
    floor.event(midnight + 5)
    floor.now = midnight
    await steps(floor, maker(floor), ms=10_000)
    day = floor.reader.report(DAILY)
    assert day is not None
    assert (day.kind, day.starts_at, day.ends_at) == ("day", midnight - 24 * HOUR, midnight)
    assert (day.paid_amount, day.orders_paid, day.day_amount) == (800_000, 40, 800_000)
    assert [(star.name, star.orders_paid) for star in day.stars] == [("小美", 24), ("阿杰", 14)]
    assert [report.kind for report in kept(floor)].count("hour") == 2


async def test_missed_hours_are_made_up_for_and_old_ones_are_not_posted(floor: Floor) -> None:
    for back in range(1, 40):
        floor.hour(NINE - back * HOUR, ("小美", back, "100.00"))
    floor.event(NINE + 5)
    floor.now = NINE + 60_000
    await steps(floor, maker(floor, ROBOT), ms=QUIET_MS + 3_000)
    made = {report.ends_at: report.post_status for report in kept(floor) if report.kind == "hour"}
    ends = [NINE - back * HOUR for back in range(40)]
    assert made == {
        end: "waiting" if floor.now - end < NEWS_MS else "none" for end in ends if floor.now - end < LOOK_BACK_MS
    }
    assert sorted(made.values()).count("waiting") == 2


async def test_a_past_sale_that_is_read_in_makes_no_reports(floor: Floor) -> None:
    for back in range(1, 10):
        floor.hour(NINE - 365 * 24 * HOUR - back * HOUR)
    await steps(floor, maker(floor, ROBOT), ms=LIMIT_MS + 4_000, every=4_000)
    assert floor.topic.records == []


async def test_only_who_has_a_robot_is_posted(floor: Floor) -> None:
    floor.hour()
    floor.hour(shop="anta-xm")
    for shop in (SHOP, "anta-xm"):
        floor.event(NINE + 5, shop)
    await steps(floor, maker(floor, Robot("robot-1", "anta-xm", None)), ms=8_000)
    assert {report.shop_id: report.post_status for report in kept(floor)} == {SHOP: "none", "anta-xm": "waiting"}


async def test_a_broker_that_is_away_or_a_slow_sink_loses_nothing(floor: Floor) -> None:
    floor.hour()
    floor.event(NINE + 5)
    one = maker(floor)
    floor.topic.down = True
    with pytest.raises(PublishError):
        await steps(floor, one, ms=8_000)
    floor.topic.down = False
    await steps(floor, one, ms=AGAIN_MS + 10_000, every=2_000, sink=False)
    assert len(floor.topic.records) == 2  # once more, since nothing had become of the first
    floor.topic.sink()
    assert len(kept(floor)) == 1
