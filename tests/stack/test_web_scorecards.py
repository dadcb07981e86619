"""The scorecards' API over a real ClickHouse: the sheet, the CSV file that equals it, the rows behind each figure, who sees what."""

import asyncio
import csv
import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from oracle.making import Scene
from pipeline import Pipeline, line_of
from web_people import Kept
from web_rows import flag, insert, sampled
from web_served import FOREVER, asking, running, serving, wait_for

from processors.periods import period_of
from processors.ruleset import default_book
from processors.scorecard import FIGURES
from schemas.settings import Settings
from schemas.topics import TOPIC_OF_TYPE
from schemas.types import parse_time
from sinks.database import Database, open_database
from sinks.migrate import up
from sinks.scorecard_model import ScorecardModel
from web import scorecards
from web.access.roles import Role
from web.access.users import Token, UsersFile, new_token, write_users
from web.api import encode_cursor
from web.app import create_app
from web.parts import Parts
from web.sheet import Sheet, read_sheet
from web.texts import texts

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-12T20:40:00+08:00")
KEYS = [figure.key for figure in FIGURES]
COUNTS = {figure.key for figure in FIGURES if figure.counts}
DAY = {"shop_id": "s1", "period": "day", "on": "2026-11-11"}


def day() -> list[dict[str, Any]]:
    """Three agents in two teams, an hour of sale, orders, payments, reviews; every figure has something in it."""
    scene = Scene()
    for agent, team, role, name in (
        ("a1", "红队", "presale", "小美"), ("a2", "红队", "aftersale", "=小雪"), ("a3", "蓝队", "reminder", "阿杰"),
    ):  # fmt: skip
        scene.add(
            "agent.upserted", "10 00:00", {"shop_id": "s1", "agent_id": agent, "name": name, "team": team, "role": role}
        )
    targets = [
        {"hour_start": "2026-11-11T20:00:00+08:00", "amount": "300", "agent_id": agent} for agent in ("a1", "a2", "a3")
    ]
    scene.add(
        "sale_event.scheduled", "10 00:00",
        {
            "shop_id": "s1", "sale_event_id": "d11", "name": "双十一", "teams": ["红队"], "targets": targets,
            "starts_at": "2026-11-11T20:00:00+08:00", "ends_at": "2026-11-11T21:00:00+08:00",
        },
    )  # fmt: skip
    for number in range(12):
        agent, buyer, hour = f"a{number % 3 + 1}", f"b-buyer-{number:02d}", 9 + number
        scene.asks(f"11 {hour:02d}:00:00", agent=agent, buyer=buyer)
        if number != 5:
            scene.says(f"11 {hour:02d}:00:{7 + number:02d}", agent=agent, buyer=buyer)
            scene.places(f"11 {hour:02d}:05", f"o{number}", "150.00", 1 + number % 2, buyer=buyer)
        if number % 4:
            scene.pays(f"11 {hour:02d}:06", f"o{number}", "150.00", f"p{number}", buyer=buyer)
            scene.reviews(f"11 {hour:02d}:30", 1 + number % 5, f"o{number}", f"v{number}", buyer=buyer)
    return scene.events


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("scorecards")))
    up(database)
    Pipeline(database, default_book()).feed((TOPIC_OF_TYPE[event["type"]], line_of(event)) for event in day())
    noon = parse_time("2026-11-11T12:00:00+08:00")
    for number, agent in enumerate(("a1", "a1", "a2", "a3")):
        judged = {"agent_id": agent, "buyer_id": "b-buyer-99", "qc_status": "upheld", "qc_score": 90.5 - number}
        insert(database, "flags_raw", flag(f"f{number}", "reminder.repeated", "violation", "s1", noon, **judged))
    midnight = parse_time("2026-11-11T00:00:00+08:00")
    for number, (agent, score) in enumerate((("a2", 60.0), ("a2", 75.5), ("a3", 100.0))):
        of = {"agent_id": agent, "buyer_id": f"b-buyer-9{number}"}
        insert(database, "qc_samples_raw", sampled(f"s{number}", "s1", midnight, "dismissed", score, **of))
    insert(database, "flags_raw", flag("x", "reminder.repeated", "violation", "s2", noon, agent_id="a9"))
    yield database
    database.close()


def client(db: Database, settings: Settings | None = None) -> TestClient:
    app = create_app(settings or Settings(), db, Kept(), default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)
    return TestClient(app, base_url="http://127.0.0.1:8080")


@pytest.fixture(scope="module")
def web(db: Database) -> Iterator[TestClient]:
    with client(db) as found:
        yield found


def sheet(web: TestClient, **params: str) -> Any:
    answer = web.get("/api/v1/scorecards", params=DAY | params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def all_rows(web: TestClient, limit: int = 500, **params: str) -> tuple[list[Any], Any]:
    rows: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = web.get("/api/v1/scorecards/rows", params={**DAY, **params, "limit": limit, "cursor": cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["rows"]
        cursor = page["next_cursor"]
    return rows, page


def test_rows_of_an_agent_are_recomputed_once_and_without_the_sheet(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spy(sql: str, *args: Any, **more: Any) -> Any:
        asked.append(sql)
        return query(sql, *args, **more)

    asked: list[str] = []
    query = db.query
    monkeypatch.setattr(db, "query", spy)
    with client(db) as web:
        rows, page = all_rows(web, figure="paid_amount", agent_id="a1")
        assert len(rows) == page["total"] == 3
        assert sum("WITH events" in sql for sql in asked) == 1


def test_beyond_the_last_row_the_sums_are_still_those_of_all(web: TestClient) -> None:
    for who in ({"agent_id": "a1"}, {"team": "红队"}):
        _, page = all_rows(web, figure="paid_amount", **who)
        params = {**DAY, **who, "figure": "paid_amount", "cursor": encode_cursor(page["total"])}
        beyond = web.get("/api/v1/scorecards/rows", params=params).json()
        assert beyond == page | {"rows": []}
        assert page["numerator"] > 0


def test_the_sheet_of_a_day(web: TestClient) -> None:
    found = sheet(web)
    assert (found["first"], found["last"], found["over"]) == ("2026-11-11", "2026-11-11", True)
    assert (found["starts_at"], found["ends_at"]) == ("2026-11-11T00:00:00+08:00", "2026-11-12T00:00:00+08:00")
    assert [sale["name"] for sale in found["sale_events"]] == ["双十一"]
    assert [figure["key"] for figure in found["figures"]] == KEYS
    assert found["shops"] == ["s1"]
    assert {card["id"] for card in found["cards"]} == {"a1", "a2", "a3"}
    ranked = [card["rank"] for card in found["cards"]]
    assert ranked == sorted(ranked)
    assert [card["star"] for card in found["cards"]] == [True, True, True]
    one = next(card for card in found["cards"] if card["id"] == "a1")
    # buyers 0, 3, 6, 9: four asked, answered and ordered; 3, 6 and 9 paid 150 each
    figures = {key: (one["figures"][key]["value"], one["figures"][key]["met"]) for key in KEYS}
    assert figures["inquiry_to_order"] == ("100.0", True)
    assert figures["order_to_paid"] == ("75.0", True)
    assert figures["items_per_order"] == ("1.67", True)
    assert figures["amount_per_order"] == ("150.00", False)
    assert figures["own_target"] == ("0.0", False)
    assert figures["paid_amount"] == ("450.00", None)
    assert figures["first_response"] == ("11.5", False)  # 7, 10, 13, 16 s
    assert figures["qc_score"] == ("90.0", None)
    assert figures["violations"] == ("2", None)
    assert one["score"]["weights"] == "presale"
    assert [(part["key"], part["points"]) for part in one["score"]["parts"] if part["points"]] == [
        ("own_target", "0.0"), ("qc", "90.0"), ("rating", "66.7"), ("complaints", "0.0"),
    ]  # fmt: skip
    assert (one["score"]["counted"], one["score"]["value"]) == (90, "34.8")  # (20 x 90 + 20 x 66.67) / 90


def test_the_sample_goes_before_the_flags_in_the_score_and_stays_apart_from_them(web: TestClient) -> None:
    cards = {card["id"]: card for card in sheet(web)["cards"]}
    found = {
        name: (
            card["figures"]["sample_score"]["value"],
            card["figures"]["qc_score"]["value"],
            next(part["points"] for part in card["score"]["parts"] if part["key"] == "qc"),
        )
        for name, card in cards.items()
    }
    assert found == {"a1": (None, "90.0", "90.0"), "a2": ("67.8", "88.5", "67.8"), "a3": ("100.0", "87.5", "100.0")}
    rows, page = all_rows(web, figure="sample_score", agent_id="a2")
    assert [(row["at"], row["ref"], row["buyer_id"], row["what"], row["value"]) for row in rows] == [
        ("2026-11-11T00:00:00+08:00", "s0", "b-buyer-90", "dismissed", "60.0"),
        ("2026-11-11T00:00:00+08:00", "s1", "b-buyer-91", "dismissed", "75.5"),
    ]
    assert (page["unit"], page["sum"]) == ("points", "135.5")


def test_a_team_adds_numerators_and_denominators(web: TestClient) -> None:
    agents = {card["id"]: card for card in sheet(web)["cards"]}
    teams = {card["id"]: card for card in sheet(web, by="team")["cards"]}
    assert set(teams) == {"红队", "蓝队"}
    assert (teams["红队"]["agents"], teams["红队"]["rank"] is not None, teams["红队"]["star"]) == (2, True, False)
    for key in KEYS:
        for part in ("numerator", "denominator"):
            both = agents["a1"]["figures"][key][part] + agents["a2"]["figures"][key][part]
            assert teams["红队"]["figures"][key][part] == both, key


@pytest.mark.parametrize(("by", "lang"), [("agent", None), ("agent", "zh"), ("team", "en")])
def test_the_csv_file_has_the_sheets_rows_and_figures(web: TestClient, by: str, lang: str | None) -> None:
    cards = sheet(web, by=by)["cards"]
    answer = web.get(
        "/api/v1/scorecards", params={**DAY, "by": by, "format": "csv", **({"lang": lang} if lang else {})}
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="scorecards-day-2026-11-11-{by}.csv"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, *lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert all(len(line) == len(head) == 14 + 3 * len(KEYS) for line in lines)
    if lang:
        text = texts("zh" if lang == "zh" else "en")
        assert head[3:5] == [text["scorecards_as_of_head"], text["scorecards_id"]]
        assert head[14].startswith(text["scorecards.own_target"])
    else:
        assert head[:5] == ["shop_id", "first", "last", "as_of", "id"]
        assert head[14 : 14 + len(KEYS)] == KEYS
    assert len(lines) == len(cards)
    for line, card in zip(lines, cards, strict=True):
        assert line[3] == "2026-11-12T20:40:00+08:00"
        assert line[4] == card["id"]
        assert line[5] == ("'=小雪" if card["name"] == "=小雪" else card["name"])  # no formula in a spreadsheet
        assert line[9] == str(card["rank"])
        assert line[13] == card["score"]["value"]
        assert line[14 : 14 + len(KEYS)] == [card["figures"][key]["value"] or "" for key in KEYS]
        pairs = [str(card["figures"][key][part]) for key in KEYS for part in ("numerator", "denominator")]
        assert line[14 + len(KEYS) :] == pairs


def test_a_sheet_is_answered_again_by_its_moment_until_it_is_kept_no_more(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client(db) as web:
        parts, now = web.app.state.parts, [NOW + 123]  # type: ignore[attr-defined]
        monkeypatch.setattr(parts, "clock_ns", lambda: now[0] * 1_000_000)
        monkeypatch.setattr(scorecards, "KEPT", 2)
        first = sheet(web)
        now[0] += 100 * scorecards.KEPT_MS
        second = sheet(web)
        assert second["generated_at"] != first["generated_at"]
        asked = DAY | {"as_of": first["generated_at"]}
        assert sheet(web, **asked) == first
        answer = web.get("/api/v1/scorecards", params=asked | {"format": "csv"})
        assert {line["as_of"] for line in csv.DictReader(io.StringIO(answer.text))} == {first["generated_at"]}
        assert sheet(web) == second
        for strange in ({"period": "month"}, {"shop_id": "s2"}):  # it is not that one's sheet
            assert web.get("/api/v1/scorecards", params=asked | strange).status_code == 410
        assert web.get("/api/v1/scorecards", params=asked | {"as_of": "lately"}).status_code == 422
        now[0] += scorecards.KEPT_MS
        sheet(web)
        assert web.get("/api/v1/scorecards", params=asked).status_code == 410
        assert sheet(web, as_of=second["generated_at"]) == second


@pytest.mark.parametrize("figure", KEYS)
def test_the_rows_behind_a_figure_are_the_figure(web: TestClient, figure: str) -> None:
    tried = 0
    for by, whose in (("agent", "agent_id"), ("team", "team")):
        for card in sheet(web, by=by)["cards"]:
            rows, page = all_rows(web, figure=figure, **{whose: card["id"]})
            wanted = (card["figures"][figure]["numerator"], card["figures"][figure]["denominator"])
            assert (page["numerator"], page["denominator"]) == wanted
            assert (sum(row["numerator"] for row in rows), sum(row["denominator"] for row in rows)) == wanted
            assert len(rows) == page["total"]
            tried += any(wanted)
    assert tried >= 4


def test_rows_come_page_by_page(web: TestClient) -> None:
    whole, _ = all_rows(web, figure="complaints", team="红队")
    paged, _ = all_rows(web, 2, figure="complaints", team="红队")
    assert paged == whole
    assert len(whole) > 4
    hours, _ = all_rows(web, 1, figure="own_target", team="红队")
    assert [(hour["agent_id"], hour["at"], hour["denominator"], hour["what"]) for hour in hours] == [
        (agent, "2026-11-11T20:00:00+08:00", 30_000, "300.00") for agent in ("a1", "a2")
    ]


def test_without_a_shop_and_a_day_it_is_the_first_shops_month(web: TestClient) -> None:
    found = web.get("/api/v1/scorecards").json()
    assert (found["shop_id"], found["period"], found["first"], found["last"], found["over"]) == (
        "s1", "month", "2026-11-01", "2026-11-30", False,
    )  # fmt: skip
    assert web.get("/api/v1/scorecards", params={"shop_id": "nobody"}).json()["cards"] == []


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("", {"on": "1999-12-31"}),
        ("", {"on": "yesterday"}),
        ("", {"period": "year"}),
        ("", {"by": "shop"}),
        ("/rows", {"figure": "luck", "agent_id": "a1"}),
        ("/rows", {"figure": "judged"}),
        ("/rows", {"figure": "judged", "agent_id": "a1", "team": "红队"}),
        ("/rows", {"figure": "judged", "agent_id": "a1", "cursor": "nonsense"}),
        ("/rows", {"figure": "judged", "agent_id": "a1", "cursor": "Wzk5OTk5OTk5OTk5XQ"}),
    ],
)
def test_what_can_not_be_read_is_refused(web: TestClient, path: str, params: dict[str, str]) -> None:
    assert web.get("/api/v1/scorecards" + path, params=DAY | params).status_code == 422


def test_buyers_are_masked_for_whoever_need_not_know_them(db: Database, tmp_path: Path) -> None:
    users, tokens = tmp_path / "users.yaml", {}
    entries = []
    for role in (Role.OPS, Role.QC):
        tokens[role], digest = new_token()
        entries.append(Token(name=role.value, roles=[role], sha256=digest))
    write_users(users, UsersFile(tokens=entries))
    with client(db, Settings(web_users=users)) as found:
        assert found.get("/api/v1/scorecards").status_code == 401
        seen = {}
        for role, token in tokens.items():
            answer = found.get(
                "/api/v1/scorecards/rows",
                params=DAY | {"figure": "reply_rate", "agent_id": "a1"},
                headers={"authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 200
            seen[role] = [row["buyer_id"] for row in answer.json()["rows"]]
    assert seen[Role.QC] == ["b-buyer-00", "b-buyer-03", "b-buyer-06", "b-buyer-09"]
    assert seen[Role.OPS] == ["•••00", "•••03", "•••06", "•••09"]
    assert "b-buyer-00" not in str(seen[Role.OPS])


# ---- slow reading ------------------------------------------------------------------------------------------------------


def forever(model: ScorecardModel) -> None:
    model.rows(FOREVER, {})  # hours, if nobody ended it


@pytest.fixture
def slow(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A web in which the day's sheet has been read, and nothing more can be read in time."""
    with client(db, Settings(web_read_seconds=55)) as found:
        assert found.get("/api/v1/scorecards", params=DAY).status_code == 200
        monkeypatch.setattr(scorecards, "read_sheet", lambda _, model, *__: forever(model))
        monkeypatch.setattr(ScorecardModel, "behind", lambda model, *_: forever(model))
        yield found


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("", {"on": "2026-11-10"}),
        ("", {"on": "2026-11-10", "format": "csv"}),
        ("/rows", {"figure": "paid_amount", "agent_id": "a1"}),
    ],
)
def test_what_can_not_be_read_in_time_is_ended_and_said_to_be(
    slow: TestClient, db: Database, path: str, params: dict[str, str]
) -> None:
    slow.app.state.parts.settings = Settings(web_read_seconds=0.3)  # type: ignore[attr-defined]
    answer = slow.get("/api/v1/scorecards" + path, params=DAY | params)
    assert (answer.status_code, answer.json()["detail"]) == (
        504,
        "it took longer than 0.3 s; ask for a shorter period, or later",
    )
    assert running(db) == 0
    assert slow.get("/api/v1/scorecards", params=DAY).status_code == 200  # what is there can be looked at


@pytest.fixture
def served(slow: TestClient) -> Iterator[str]:
    """The same over a socket. Nothing ends there before 55 seconds by itself."""
    with serving(slow.app) as address:  # type: ignore[arg-type]
        yield address


@pytest.mark.parametrize(
    "path", ["?shop_id=s1&on=2026-11-10", "/rows?shop_id=s1&period=day&on=2026-11-11&figure=paid_amount&agent_id=a1"]
)
def test_reading_is_stopped_when_its_viewer_has_gone(db: Database, served: str, path: str) -> None:
    connection = asking(served, "/api/v1/scorecards" + path)
    wait_for(db, 1, seconds=30)
    connection.close()
    wait_for(db, 0, seconds=20)


def test_reading_goes_on_for_whoever_still_waits(db: Database, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()

    def slowly(parts: Parts, model: ScorecardModel, *of: Any) -> Sheet:
        while not enough.is_set():
            model.rows("SELECT sleep(0.2)", {})
        return read_sheet(parts, model, *of)

    monkeypatch.setattr(scorecards, "read_sheet", slowly)
    path = "/api/v1/scorecards?shop_id=s1&period=day&on=2026-11-09"
    with ThreadPoolExecutor(1) as pool:
        leaving = asking(served, path)
        staying = pool.submit(httpx.get, served + path, timeout=60)
        time.sleep(2)
        leaving.close()
        time.sleep(2)
        enough.set()
        assert staying.result().status_code == 200


def connected() -> Request:
    """The request of somebody who stays."""
    return Request({"type": "http"}, asyncio.Event().wait)  # type: ignore[arg-type]


async def test_viewers_who_come_while_a_slow_sheet_is_read_share_it(
    web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, now, reads = web.app.state.parts, [NOW], []  # type: ignore[attr-defined]

    def slow(*asked: Any) -> Sheet:
        read = read_sheet(*asked)
        reads.append(read)
        now[0] += 10 * scorecards.KEPT_MS  # longer than a sheet is new
        return read

    monkeypatch.setattr(scorecards, "read_sheet", slow)
    monkeypatch.setattr(parts, "clock_ns", lambda: now[0] * 1_000_000)
    sheets, month = scorecards.Sheets(parts), period_of("month", date(2026, 11, 11), "Asia/Shanghai")
    first, *others = await asyncio.gather(*(sheets.get("s", month, connected()) for _ in range(5)))
    assert all(other is first for other in others)
    now[0] += scorecards.KEPT_MS - 1
    assert await sheets.get("s", month, connected()) is first
    now[0] += 1
    assert await sheets.get("s", month, connected()) is reads[1]
    assert len(reads) == 2
