"""The reports' API over a real ClickHouse: past ones, one by hand, who may announce, and the tasks behind them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from fixtures.robots import SECRETS, Receiver
from pydantic import SecretStr
from report_floor import EIGHT, NINE, SHOP, Floor
from web_rows import HOUR, insert

from processors.report import span_at
from processors.ruleset import default_book
from schemas import outputs
from schemas.settings import Settings
from schemas.types import parse_time
from sinks.database import open_database
from sinks.migrate import up
from web.access.roles import Role
from web.access.users import Token, UsersFile, new_token, write_users
from web.app import create_app
from web.reports.maker import Maker
from web.reports.robots import RobotsError
from web.reports.wall import FRESH_MS, fresh_reports

pytestmark = pytest.mark.stack

FOUR = parse_time("2026-11-11T16:00:00+08:00")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    db = open_database(Settings(data_dir=tmp_path_factory.mktemp("api")))
    up(db)
    yield Floor(db)
    db.close()


@pytest.fixture
def floor(database: Floor) -> Floor:
    for table in ("leaderboard_partials", "raw_events", "reports_raw", "sale_events_raw", "agents_raw"):
        database.db.command(f"TRUNCATE TABLE {table}")
    return Floor(database.db)


@pytest.fixture
def web(floor: Floor) -> Iterator[Callable[..., TestClient]]:
    clients: list[TestClient] = []

    def make(token: str = "", **settings: Any) -> TestClient:
        app = create_app(
            Settings(web_reports=False, **settings),
            floor.db,
            floor.topic,
            default_book(),
            clock_ns=lambda: floor.now * 1_000_000,
            pages=False,
        )
        headers = {"authorization": f"Bearer {token}"} if token else {}
        clients.append(TestClient(app, base_url="http://127.0.0.1:8080", headers=headers))
        return clients[-1].__enter__()

    yield make
    for client in clients:
        client.__exit__(None, None, None)


async def past(floor: Floor) -> None:
    """Two shops, five hours each, and their reports."""
    for shop in (SHOP, "anta-xm"):
        for hour in range(FOUR, NINE, HOUR):
            floor.hour(hour, ("小美", 12, "2400.00"), shop=shop)
        floor.event(NINE + 5, shop)
    maker = Maker(floor.parts(), floor.reader, [])
    for _ in range(7):
        await maker.step()
        floor.topic.sink()
        floor.now += 1_000


async def test_past_reports_are_read_page_by_page_the_newest_first(
    floor: Floor, web: Callable[..., TestClient]
) -> None:
    await past(floor)
    client = web()
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/api/v1/reports", params={"limit": 3, "cursor": cursor}).json()
        found += page["reports"]
        cursor = page["next_cursor"]
    assert len(found) == len({report["report_id"] for report in found}) == 10
    assert [report["as_of"] for report in found] == sorted((report["as_of"] for report in found), reverse=True)
    ours = client.get("/api/v1/reports", params={"shop_id": SHOP}).json()["reports"]
    assert ours == [report for report in found if report["shop_id"] == SHOP]
    until = client.get("/api/v1/reports", params={"shop_id": SHOP, "until": "2026-11-11T19:00:00+08:00"}).json()
    assert [report["ends_at"][11:16] for report in until["reports"]] == ["19:00", "18:00", "17:00"]
    assert client.get("/api/v1/reports", params={"kind": "day"}).json()["reports"] == []
    assert client.get("/api/v1/reports", params={"cursor": "x"}).status_code == 422
    assert client.get("/api/v1/reports", params={"kind": "week"}).status_code == 422


async def test_one_report_says_what_was_announced_and_how_things_stand_now(
    floor: Floor, web: Callable[..., TestClient]
) -> None:
    await past(floor)
    floor.hour(EIGHT, ("小美", 14, "2900.00"), revision=99)
    report_id = span_at("hour", SHOP, "Asia/Shanghai", EIGHT).report_id
    client = web()
    report = client.get(f"/api/v1/reports/{report_id}").json()
    assert (report["paid_amount"], report["orders_paid"], report["starts_at"]) == (
        "2400.00",
        12,
        "2026-11-11T20:00:00+08:00",
    )
    assert report["standing"] == {"paid_amount": "2900.00", "orders_paid": 14}
    assert report["day_amount"] == "12000.00"
    assert report["before_amount"] == "2400.00"
    assert report["stars"][0]["name"] == "小美"
    assert "20点到21点，成交2400元，付款12单" in report["speech"]["zh"]
    assert "20:00 to 21:00: 2,400 yuan paid" in report["speech"]["en"]
    assert report["post"] == {"status": "none", "taken": 0, "error": ""}
    assert client.get("/api/v1/reports/none-such").status_code == 404


def test_by_hand_the_hour_is_told_as_far_as_it_has_come(floor: Floor, web: Callable[..., TestClient]) -> None:
    floor.hour()
    floor.now = EIGHT + 35 * 60_000
    client = web()
    answers = [client.post("/api/v1/reports", json={"shop_id": SHOP, "actor": "王姐"})]
    floor.now += 1_000
    answers.append(client.post("/api/v1/reports", json={"shop_id": SHOP, "actor": "王姐"}))
    answers.append(client.post("/api/v1/reports", json={"shop_id": SHOP, "actor": "李哥"}))
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["report_id"] for answer in answers}) == 3
    assert span_at("hour", SHOP, "Asia/Shanghai", EIGHT).report_id not in {a.json()["report_id"] for a in answers}
    report = answers[0].json()
    assert (report["made_by"], report["as_of"], report["paid_amount"]) == (
        "王姐",
        "2026-11-11T20:35:00+08:00",
        "4000.00",
    )
    assert "20点到20点35分" in report["speech"]["zh"]
    # what was answered can be read at once, before the sink has it
    assert client.get(f"/api/v1/reports/{report['report_id']}").json() | {"standing": None} == report
    floor.topic.sink()
    assert client.get(f"/api/v1/reports/{report['report_id']}").json() | {"standing": None} == report
    outputs.Report.model_validate_json(floor.topic.records[0][1])
    day = client.post("/api/v1/reports", json={"shop_id": SHOP, "actor": "王姐", "kind": "day"}).json()
    assert (day["kind"], day["starts_at"], day["orders_paid"]) == ("day", "2026-11-11T00:00:00+08:00", 20)
    past = client.post("/api/v1/reports", json={"shop_id": SHOP, "actor": "王姐", "hour": "2026-11-11T19:10:00+08:00"})
    assert (past.status_code, past.json()["detail"]) == (404, "the shop has no figures in that hour or day")


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"shop_id": SHOP}, 422, "actor"),
        ({"shop_id": SHOP, "actor": "a", "hour": "2026-11-11T22:00:00+08:00"}, 422, "has not begun"),
        ({"shop_id": SHOP, "actor": "a", "hour": "20:00"}, 422, "hour"),
        ({"shop_id": SHOP, "actor": "a", "post": True}, 422, "no robot"),
        ({"shop_id": SHOP, "actor": "a", "more": 1}, 422, "more"),
        ({"actor": "a"}, 422, "shop_id"),
        ({"shop_id": "nobody", "actor": "a"}, 404, "no figures"),
    ],
)
def test_what_cannot_be_announced_is_refused_with_the_reason(
    floor: Floor, web: Callable[..., TestClient], body: dict[str, Any], status: int, detail: str
) -> None:
    floor.hour(NINE)
    answer = web().post("/api/v1/reports", json=body)
    assert answer.status_code == status
    assert detail in answer.text
    assert floor.topic.records == []


def test_a_broker_that_is_away_is_told(floor: Floor, web: Callable[..., TestClient]) -> None:
    floor.hour(NINE)
    floor.topic.down = True
    assert web().post("/api/v1/reports", json={"shop_id": SHOP, "actor": "a"}).status_code == 503


def test_ops_announce_and_everybody_reads(floor: Floor, web: Callable[..., TestClient], tmp_path: Path) -> None:
    floor.hour(NINE)
    tokens = {role: new_token() for role in Role}
    programs = [Token(name=role.value, roles=[role], sha256=kept) for role, (_, kept) in tokens.items()]
    write_users(tmp_path / "users.yaml", UsersFile(tokens=programs))
    for role, (token, _) in tokens.items():
        client = web(token, web_users=tmp_path / "users.yaml")
        assert client.get("/api/v1/reports").status_code == 200
        answer = client.post("/api/v1/reports", json={"shop_id": SHOP})
        assert answer.status_code == (202 if role in (Role.OPS, Role.ADMIN) else 403), role
        if role is Role.OPS:
            assert answer.json()["made_by"] == "ops"


def test_the_web_part_makes_and_posts_by_itself(floor: Floor, tmp_path: Path) -> None:
    receiver = Receiver()
    floor.hour()
    floor.event(NINE + 5)
    start, began = NINE + 10, time.monotonic()
    urls = " ".join(receiver.urls.values())
    app = create_app(
        Settings(web_report_urls=SecretStr(urls), web_report_language="en"),
        floor.db,
        floor.topic,
        default_book(),
        clock_ns=lambda: int((start / 1000 + time.monotonic() - began) * 1e9),
        pages=False,
    )
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        deadline = time.monotonic() + 30
        while (page := client.get("/api/v1/reports").json()["reports"]) == [] or page[0]["post"]["status"] != "done":
            assert time.monotonic() < deadline, page
            floor.topic.sink()
            time.sleep(0.1)
        metrics = client.get("/metrics").text
    receiver.close()
    assert sorted(platform for platform, _ in receiver.taken) == ["dingtalk", "feishu", "wecom"]
    assert page[0]["post"]["taken"] == 3
    assert "Hourly report lining-hz 11 Nov 20:00–21:00" in str(receiver.taken)
    told = str(floor.topic.records) + str(page) + metrics
    assert not [secret for secret in SECRETS if secret in told]


def test_a_robot_that_cannot_be_stops_the_web_part_from_starting(floor: Floor) -> None:
    with pytest.raises(RobotsError, match="entry 1 is no address"):
        create_app(
            Settings(web_report_urls=SecretStr("dingtalk://no_such!/")),
            floor.db,
            floor.topic,
            default_book(),
            pages=False,
        )


def test_the_wall_gets_what_is_new_and_no_old_hours_that_were_made_up_for(floor: Floor) -> None:
    parts, now = floor.parts(), NINE + 8_000
    record = outputs.Report.model_validate_json((Path("schemas/examples") / "report.json").read_bytes())

    def put(report_id: str, **more: Any) -> None:
        row = record.model_dump(mode="json") | {"report_id": report_id, "shop_id": SHOP, "made_at": NINE + 6_000}
        row |= {"starts_at": EIGHT, "ends_at": NINE, "as_of": NINE, "made_by": "", "offset": 1, **more}
        row |= {key: orjson.dumps(row[key]).decode() for key in ("teams", "stars")}
        insert(floor.db, "reports_raw", row)

    put("new")
    put("earlier", made_at=NINE + 5_000)
    put("other", shop_id="anta-xm")
    put("shown", made_at=now - FRESH_MS - 1)
    put("made-up-for", starts_at=EIGHT - HOUR, ends_at=EIGHT)
    put("by-hand", starts_at=EIGHT - HOUR, ends_at=EIGHT, made_by="王姐", made_at=NINE + 7_000)
    ids = [report["report_id"] for report in fresh_reports(parts, now, None)]
    assert ids[0] == "earlier"
    assert ids[-1] == "by-hand"
    assert set(ids) == {"earlier", "new", "other", "by-hand"}
    assert [report["report_id"] for report in fresh_reports(parts, now, "anta-xm")] == ["other"]
