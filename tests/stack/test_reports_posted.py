"""Posting reports: once, by one of the web processes, with retries that outlive a restart."""

from collections.abc import Iterator

import orjson
import pytest
from fixtures.robots import SECRETS, Receiver
from report_floor import NINE, SHOP, Floor

from processors.report import Report
from schemas.settings import Settings
from sinks.database import open_database
from sinks.kafka import PublishError
from sinks.migrate import up
from web.reports.maker import AGAIN_MS, NEWS_MS, Maker
from web.reports.poster import FIRST_WAIT_MS, LEASE_MS, ROUNDS, Poster
from web.reports.robots import ATTEMPTS, Robot, read_robots

pytestmark = pytest.mark.stack

REFUSED = (200, b'{"errcode":130101,"code":130101}')


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    db = open_database(Settings(data_dir=tmp_path_factory.mktemp("posts")))
    up(db)
    yield Floor(db)
    db.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def robots(receiver: Receiver) -> list[Robot]:
    return read_robots(f"{receiver.urls['dingtalk']} {receiver.urls['wecom']} other={receiver.urls['feishu']}")


@pytest.fixture
async def floor(database: Floor, robots: list[Robot]) -> Floor:
    """With a report of 20:00 that waits to be posted."""
    for table in ("leaderboard_partials", "raw_events", "reports_raw"):
        database.db.command(f"TRUNCATE TABLE {table}")
    found = Floor(database.db)
    found.hour()
    found.event(NINE + 5)
    maker = Maker(found.parts(), found.reader, robots)
    while not found.topic.records:
        await maker.step()
        found.now += 1_000
    found.topic.sink()
    return found


def poster(floor: Floor, robots: list[Robot]) -> Poster:
    return Poster(floor.parts(), floor.reader, robots, "zh", patience=0.01)


async def steps(floor: Floor, *posters: Poster, count: int = 4, ms: int = 1_000, sink: bool = True) -> None:
    for _ in range(count):
        for one in posters:
            await one.step()
        if sink:
            floor.topic.sink()
        floor.now += ms


def report(floor: Floor) -> Report:
    (found,) = floor.reader.reports({"kind": "hour"}, 10)
    return found


async def test_each_robot_of_the_shop_gets_it_once(floor: Floor, robots: list[Robot], receiver: Receiver) -> None:
    await steps(floor, poster(floor, robots), count=8)
    assert sorted(platform for platform, _ in receiver.taken) == ["dingtalk", "wecom"]
    found = report(floor)
    assert (found.post_status, found.post_attempts, found.post_error) == ("done", 1, "")
    assert sorted(found.posted) == sorted(robot.name for robot in robots[:2])
    text = receiver.taken[0][1]["markdown"]
    assert "整点报数 lining-hz 11月11日 20:00–21:00" in str(text)
    assert "¥4,000" in str(text)


async def test_of_many_processes_one_posts(floor: Floor, robots: list[Robot], receiver: Receiver) -> None:
    await steps(floor, *(poster(floor, robots) for _ in range(4)), count=8)
    assert len(receiver.taken) == 2
    claims = [orjson.loads(value) for _, value in floor.topic.records[1:5]]
    assert {(claim["revision"], claim["post_status"]) for claim in claims} == {(2, "sending")}
    assert report(floor).post_by == claims[0]["post_by"]
    floor.topic.sink(again=True)  # the sink starts over
    await steps(floor, poster(floor, robots), count=4)
    assert (len(receiver.taken), report(floor).post_status) == (2, "done")


async def test_a_restart_after_the_claim_posts_nothing_twice_and_says_so(
    floor: Floor, robots: list[Robot], receiver: Receiver
) -> None:
    await steps(floor, poster(floor, robots), count=1)
    assert report(floor).post_status == "sending"
    other = poster(floor, robots)
    await steps(floor, other, count=2)
    assert report(floor).post_status == "sending"
    floor.now += LEASE_MS
    await steps(floor, other, count=2)
    assert (report(floor).post_status, receiver.asked) == ("unknown", 0)


async def test_a_restart_between_attempts_goes_on_with_the_robots_that_are_left(
    floor: Floor, robots: list[Robot], receiver: Receiver
) -> None:
    receiver.faults.extend([REFUSED] * ATTEMPTS)
    await steps(floor, poster(floor, robots[:1]), count=4)
    waiting = report(floor)
    assert (waiting.post_status, waiting.post_attempts, waiting.posted) == ("waiting", 1, ())
    assert waiting.post_error == f"{robots[0].name}: errcode 130101"
    assert not [secret for secret in SECRETS if secret in str(floor.topic.records)]
    after = poster(floor, robots)
    await steps(floor, after, count=2)
    assert receiver.taken == []  # not before its time
    floor.now += FIRST_WAIT_MS
    await steps(floor, after)
    assert sorted(platform for platform, _ in receiver.taken) == ["dingtalk", "wecom"]
    assert (report(floor).post_status, report(floor).post_attempts, report(floor).post_error) == ("done", 2, "")


async def test_who_has_it_does_not_get_it_again(floor: Floor, robots: list[Robot], receiver: Receiver) -> None:
    wrong = read_robots(receiver.urls["wecom"].replace("693a", "wrong"))
    one = poster(floor, [robots[0], *wrong])
    for number in range(ROUNDS):
        await steps(floor, one)
        floor.now += FIRST_WAIT_MS * 2**number
    assert [platform for platform, _ in receiver.taken] == ["dingtalk"]
    found = report(floor)
    assert (found.post_status, found.post_attempts, found.posted) == ("failed", ROUNDS, (robots[0].name,))
    assert found.post_error == f"{wrong[0].name}: errcode 93000"


async def test_old_news_is_given_up(floor: Floor, robots: list[Robot], receiver: Receiver) -> None:
    receiver.faults.extend([REFUSED] * 100)
    one = poster(floor, robots)
    await steps(floor, one)
    floor.now += NEWS_MS
    await steps(floor, one)
    assert (report(floor).post_status, report(floor).post_attempts) == ("failed", 1)


async def test_nothing_is_posted_hours_later(floor: Floor, robots: list[Robot], receiver: Receiver) -> None:
    floor.now += NEWS_MS
    await steps(floor, poster(floor, robots))
    assert (report(floor).post_status, report(floor).post_error, receiver.asked) == ("failed", "too late", 0)


async def test_a_slow_sink_and_a_broker_that_is_away_post_nothing_twice(
    floor: Floor, robots: list[Robot], receiver: Receiver
) -> None:
    one = poster(floor, robots)
    floor.topic.down = True
    with pytest.raises(PublishError):
        await one.step()
    floor.topic.down = False
    floor.now += AGAIN_MS
    await steps(floor, one, count=3, ms=AGAIN_MS, sink=False)  # nothing that it writes is to be seen
    assert receiver.asked == 0
    floor.topic.sink()
    floor.topic.down = True  # it is sent, and that can't be written down
    with pytest.raises(PublishError):
        await one.step()
    assert len(receiver.taken) == 2
    floor.topic.down = False
    await steps(floor, one)
    assert (report(floor).post_status, len(receiver.taken)) == ("done", 2)


async def test_what_is_not_to_be_posted_is_not(floor: Floor, robots: list[Robot], receiver: Receiver) -> None:
    floor.db.command("TRUNCATE TABLE reports_raw")
    maker = Maker(floor.parts(), floor.reader, [])
    records = len(floor.topic.records)
    while len(floor.topic.records) == records:
        await maker.step()
        floor.now += 1_000
    await steps(floor, poster(floor, robots))
    assert (report(floor).post_status, receiver.asked, report(floor).shop_id) == ("none", 0, SHOP)
