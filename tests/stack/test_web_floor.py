"""Who waits and how fast answers come, as the API tells it, against the same worked out by hand from the rows."""

import random
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web_rows import HOUR, Row, agent, insert, partial, round_row, window_row

from processors.ruleset import default_book, load_book
from schemas.settings import Settings
from schemas.types import parse_time
from sinks.database import Database, open_database
from sinks.floor_model import FloorModel
from sinks.migrate import up
from web.app import create_app
from web.floor import read_floor, service_of

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
HOUR_START, DAY_START = parse_time("2026-11-11T20:00:00+08:00"), parse_time("2026-11-11T00:00:00+08:00")
DAY_END = DAY_START + 24 * HOUR
MINUTE = 60_000


class NoBroker:
    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        raise AssertionError("nothing is published here")


def any_window(shop: str, agent_id: str, start: int, size: int, definition: str, part: int, dice: random.Random) -> Row:
    rounds = dice.randint(0, 30)
    answered = dice.randint(0, rounds)
    return window_row(
        shop,
        agent_id,
        start,
        size,
        definition,
        rounds,
        answered,
        answered * dice.randint(1000, 200_000),
        partition=part,
        # the hour's day is over, or it never ends
        day_ends_at=DAY_START if agent_id.endswith("1") else parse_time("2199-01-01T00:00:00+08:00"),
        answered_within_3min=dice.randint(0, answered),
    )


SHOPS, AGENTS = ("s1", "s2"), ("a0", "a1", "a2")


@pytest.fixture(scope="module")
def rounds() -> list[Row]:
    dice = random.Random(11)
    found, number = [], 0
    for shop in SHOPS:
        for buyer in range(120):
            at = NOW - dice.randint(0, 25) * MINUTE
            for _ in range(dice.randint(1, 4)):
                number += 1
                replied = None if dice.random() < 0.4 else at + dice.randint(1, 300_000)
                found.append(round_row(shop, f"b{buyer}", dice.choice(AGENTS), at, replied, DAY_END, number))
                at += dice.randint(1, 6 * MINUTE)
    # about the hour's beginning: still of the hour before, of this one, and answered late or by somebody else
    for name, opened, replied in (
        ("early", HOUR_START - 11 * MINUTE, None),
        ("edge", HOUR_START - 10 * MINUTE, None),
        ("late", HOUR_START - 8 * MINUTE, HOUR_START + 9 * MINUTE),
        ("else", HOUR_START - 7 * MINUTE, None),
        ("else", HOUR_START - 6 * MINUTE, HOUR_START - 5 * MINUTE),
    ):
        number += 1
        found.append(round_row("s1", name, "a0", opened, replied, DAY_END, number))
    return found


@pytest.fixture(scope="module")
def windows() -> list[Row]:
    dice = random.Random(12)
    return [
        any_window(shop, agent_id, start, size, definition, part, dice)
        for shop in SHOPS
        for agent_id in AGENTS
        for start, size in ((HOUR_START, 3600), (HOUR_START - HOUR, 3600), (DAY_START, 86_400), (HOUR_START, 300))
        for definition in ("all", "platform")
        for part in (0, 1)
    ]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, rounds: list[Row], windows: list[Row]) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("floor")))
    up(database)
    # rounds that have not happened yet at NOW are there, too: the wall clock decides what is now
    insert(database, "rounds_raw", *rounds)
    insert(database, "window_partials", *windows)
    insert(database, "agents_raw", agent("s1", 0, "小美", NOW), agent("s1", 1, "阿杰", NOW) | {"role": "aftersale"})
    insert(
        database,
        "leaderboard_partials",
        partial("s1", "s1:00", HOUR_START, 3, "30.00"),
        partial("s1", "s1:01", HOUR_START, 1, "10.00"),
        partial("s1", "", HOUR_START, 1, "10.00"),
    )
    yield database
    database.close()


@pytest.fixture(scope="module")
def web(db: Database) -> Iterator[TestClient]:
    app = create_app(Settings(), db, NoBroker(), default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client


def shops(web: TestClient, **query: Any) -> dict[str, Any]:
    answer = web.get("/api/v1/service", params=query)
    assert answer.status_code == 200, answer.text
    return {shop["shop_id"]: shop for shop in answer.json()["shops"]}


def test_a_buyer_waits_for_who_has_them_now_from_the_first_message_after_the_last_answer(
    web: TestClient, rounds: list[Row]
) -> None:
    for shop, found in shops(web).items():
        waits: dict[str, list[int]] = defaultdict(list)
        by_buyer: dict[str, list[Row]] = defaultdict(list)
        for row in rounds:
            if row["shop_id"] == shop and row["opened_at"] <= NOW:
                by_buyer[row["buyer_id"]].append(row)
        for mine in by_buyer.values():
            answered = max((row["replied_at"] for row in mine if row["replied_at"]), default=0)
            still = [row for row in mine if row["replied_at"] is None and row["opened_at"] > answered]
            newest = max(still, key=lambda row: row["opened_at"], default=None)
            if newest is not None and newest["opened_at"] > NOW - 10 * MINUTE:
                waits[newest["agent_id"]].append(NOW - min(row["opened_at"] for row in still))
        waiting = found["waiting"]
        assert waiting["buyers"] == sum(map(len, waits.values())) > 10
        assert waiting["longest_ms"] == max(max(one) for one in waits.values())
        assert {one["agent_id"]: (one["buyers"], one["longest_ms"]) for one in waiting["agents"]} == {
            agent_id: (len(one), max(one)) for agent_id, one in waits.items()
        }
        assert (waiting["level"], waiting["warning_at"], waiting["overload_at"]) == ("ok", 300, 500)


BOOK = """
name: minutes
version: "1"
shops:
  patient: {overload: {waiting_minutes: 30}}
  hasty: {overload: {waiting_minutes: 2}}
  evening: {overload: {waiting_minutes: 20}, response: {platform_hours: ["20:30", "21:00"]}}
"""


THEN = NOW - 72 * HOUR
"""a moment that no other test asks about"""


def test_every_buyer_without_an_answer_waits_or_has_given_up_by_their_own_shops_minutes(db: Database) -> None:
    minutes = (0, 1, 3, 9, 11, 25, 29, 31, 35, 65)
    # the first round of each is a minute older than the last: with whom they began is not who has them now
    rows = (
        round_row(shop, f"b{ago}", f"a{step}", THEN - (ago + 1 - step) * MINUTE, None, THEN + HOUR, 2 * ago + step)
        for shop in ("patient", "hasty", "usual")
        for ago in minutes
        for step in (0, 1)
    )
    insert(db, "rounds_raw", *rows)
    parts = SimpleNamespace(db=db, book=load_book(BOOK, "minutes.yaml"))
    found = read_floor(parts, THEN, THEN, None, live=True)  # type: ignore[arg-type]
    told = {shop: (one.waiting.buyers, one.gave_up) for shop, one in found.items() if one.waiting}
    assert told == {"patient": (7, 3), "hasty": (2, 7), "usual": (4, 5)}


def test_a_shop_tells_the_minutes_and_hours_of_its_own_rules(db: Database) -> None:
    day, shops_rules = THEN - 20 * HOUR - 40 * MINUTE, load_book(BOOK, "minutes.yaml")
    parts = SimpleNamespace(db=db, book=shops_rules, time=lambda ms, _: str(ms))

    def told(shop: str, hour: int) -> tuple[Any, ...]:
        at = day + hour * HOUR
        insert(db, "rounds_raw", round_row(shop, f"b{hour}", "a", at, None, at + HOUR, hour))
        (one,) = service_of(parts, [], at, at, shop, live=True).shops  # type: ignore[arg-type]
        assert one.waiting is not None
        return one.waiting.waiting_minutes, one.platform_hours, one.in_platform_hours

    evening, usual = ("20:30", "21:00"), ("08:00", "23:00")
    assert [told("evening", hour) for hour in (19, 20, 21)] == [(20, evening, hour == 20) for hour in (19, 20, 21)]
    assert [told("at-ease", hour) for hour in (7, 8, 22, 23)] == [
        (10, usual, hour in (8, 22)) for hour in (7, 8, 22, 23)
    ]


@pytest.mark.parametrize("asked_minutes_ago", [11, 59, 75, 600])
def test_an_answer_to_a_round_of_any_age_ends_the_wait_with_everybody(db: Database, asked_minutes_ago: int) -> None:
    shop, asked = f"old-{asked_minutes_ago}", THEN - asked_minutes_ago * MINUTE
    insert(
        db,
        "rounds_raw",
        round_row(shop, "b", "a0", asked, THEN - 2 * MINUTE, THEN + HOUR, 1),
        round_row(shop, "b", "a1", THEN - 5 * MINUTE, None, THEN + HOUR, 2),
        round_row(shop, "c", "a0", asked, THEN - 6 * MINUTE, THEN + HOUR, 3),
        round_row(shop, "c", "a1", THEN - 5 * MINUTE, None, THEN + HOUR, 4),
    )
    (row,) = FloorModel(db).unanswered(THEN - 10 * MINUTE, THEN, shop)
    assert (row["agent_id"], row["since"], row["newest"]) == ("a1", THEN - 5 * MINUTE, THEN - 5 * MINUTE)


def test_who_gave_up_in_this_hour_is_what_a_query_by_hand_says(web: TestClient, db: Database) -> None:
    by_hand = db.query(
        "SELECT shop_id, count() AS buyers FROM (SELECT shop_id, buyer_id, max(opened_at) AS newest FROM response_rounds"
        " WHERE replied_at IS NULL AND opened_at <= {now:DateTime64(3, 'UTC')} AND (shop_id, buyer_id, opened_at) NOT IN"
        " (SELECT r.shop_id, r.buyer_id, r.opened_at FROM response_rounds AS r JOIN response_rounds AS a"
        " ON a.shop_id = r.shop_id AND a.buyer_id = r.buyer_id WHERE a.replied_at >= r.opened_at"
        " AND a.opened_at <= {now:DateTime64(3, 'UTC')}) GROUP BY shop_id, buyer_id)"
        " WHERE newest + INTERVAL 10 MINUTE >= {hour:DateTime64(3, 'UTC')}"
        " AND newest + INTERVAL 10 MINUTE <= {now:DateTime64(3, 'UTC')} GROUP BY shop_id ORDER BY shop_id",
        {"now": "2026-11-11 12:40:00.000", "hour": "2026-11-11 12:00:00.000"},
    )
    told = {shop: found["waiting"]["gave_up"] for shop, found in shops(web).items()}
    assert told == {row["shop_id"]: row["buyers"] for row in by_hand}
    assert min(told.values()) > 5
    assert {shop["waiting"]["gave_up"] for shop in shops(web, shop_id="s2").values()} == {told["s2"]}


@pytest.mark.parametrize(("size", "seconds", "start"), [("hour", 3600, HOUR_START), ("day", 86_400, DAY_START)])
def test_a_shops_response_is_its_agents_added_up(
    web: TestClient, windows: list[Row], size: str, seconds: int, start: int
) -> None:
    for shop, found in shops(web).items():
        for definition in ("all", "platform"):
            mine = [
                row
                for row in windows
                if (row["shop_id"], row["window_seconds"], row["window_start"], row["definition"])
                == (shop, seconds, start, definition)
            ]
            total = {key: sum(row[key] for row in mine) for key in ("rounds", "answered", "response_ms_sum")}
            within = sum(row["answered_within_3min"] for row in mine)
            pending = sum(row["rounds"] - row["answered"] for row in mine if not row["agent_id"].endswith("1"))
            unanswered = total["rounds"] - total["answered"] - pending
            figures = found[size][definition]
            assert (figures["rounds"], figures["answered"]) == (total["rounds"], total["answered"])
            assert (figures["pending"], figures["unanswered"]) == (pending, unanswered)
            counted = total["answered"] + unanswered
            if definition == "all":
                average = total["response_ms_sum"] / total["answered"]
            else:
                average = (total["response_ms_sum"] + 600_000 * unanswered) / counted
            assert figures["avg_response_ms"] == pytest.approx(average)
            assert figures["rate_3min"] == pytest.approx(within / counted)
            if definition == "all":
                first = found[size]["first_responses"]
                assert first["count"] == sum(row["first_responses"] for row in mine)
                assert first["avg_ms"] == pytest.approx(
                    sum(row["first_response_ms_sum"] for row in mine) / first["count"]
                )
                if size == "day":
                    wrote = sum(row["buyers_wrote"] for row in mine)
                    assert found["reply_rate"] == pytest.approx(sum(row["buyers_replied"] for row in mine) / wrote)


def test_a_past_hour_has_nobody_waiting(web: TestClient) -> None:
    past = shops(web, hour="2026-11-11T19:30:00+08:00")
    assert {shop["waiting"] for shop in past.values()} == {None}
    assert past["s1"]["hour"]["all"]["rounds"] > 0


def test_one_shop_alone(web: TestClient) -> None:
    assert list(shops(web, shop_id="s2")) == ["s2"]


def test_before_and_after_sales_by_the_role_of_who_served(web: TestClient) -> None:
    assert shops(web)["s1"]["served"] == {"presale": 15, "aftersale": 11}
