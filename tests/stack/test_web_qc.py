"""The QC desk's API over a real ClickHouse: order, filters, pages, counts, precision."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from web_rows import HOUR, SHOPS, agent, fill, flag, insert

from processors.ruleset import default_book
from schemas.outputs import RULES
from schemas.settings import Settings
from schemas.types import format_time, parse_time
from sinks.database import Database, open_database
from sinks.migrate import up
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
SHOP = SHOPS[0]


class Recorder:
    """A producer that keeps what it was given."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        self.values += [value for _, _, value in records]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("qc")))
    up(database)
    fill(database, NOW)
    judged = ("upheld", "upheld", "dismissed", "claimed")
    insert(
        database,
        "flags_raw",
        *(
            flag(f"j-{n}", "review.solicited", "violation", "qc-shop", NOW + n, qc_status=s)
            for n, s in enumerate(judged)
        ),
        flag("j-9", "review.solicited", "violation", "qc-shop", NOW + 9, status="cleared", qc_status="upheld"),
        flag("j-10", "language.vague", "notice", "qc-shop", NOW - HOUR),
    )
    insert(database, "agents_raw", agent("qc-shop", 0, "小美", NOW, team="蓝队"))
    yield database
    database.close()


@pytest.fixture
def producer() -> Recorder:
    return Recorder()


@pytest.fixture
def web(db: Database, producer: Recorder) -> Iterator[TestClient]:
    app = create_app(Settings(), db, producer, default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client


def pages(web: TestClient, limit: int, **filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = web.get("/api/v1/qc/queue", params={**filters, "limit": limit, "cursor": cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert 0 < len(page["flags"]) <= limit or not found
        found += page["flags"]
        cursor = page["next_cursor"]
    return found


@pytest.mark.parametrize("limit", [7, 500])
def test_the_worst_come_first_and_of_these_the_oldest(web: TestClient, limit: int) -> None:
    queue = pages(web, limit)
    keys = [(f["severity"] != "violation", parse_time(f["occurred_at"]), f["flag_id"]) for f in queue]
    assert keys == sorted(keys)
    assert len({f["flag_id"] for f in queue}) == len(queue) > 60
    assert {f["severity"] for f in queue} == {"violation", "notice"}
    assert {(f["status"], f["qc_status"]) for f in queue} == {("raised", "open")}


def test_filters_select_what_they_say(web: TestClient) -> None:
    everything = pages(web, 500)
    rule = everything[0]["rule"]
    teams = {"蓝队": {("qc-shop", "qc-shop:00")}}
    since, until = format_time(NOW - 2 * HOUR, "Asia/Shanghai"), format_time(NOW - HOUR, "Asia/Shanghai")
    wanted: list[tuple[dict[str, str], Any]] = [
        ({"rule": rule}, lambda f: f["rule"] == rule),
        ({"severity": "notice"}, lambda f: f["severity"] == "notice"),
        ({"shop_id": SHOP}, lambda f: f["shop_id"] == SHOP),
        ({"agent_id": f"{SHOP}:03"}, lambda f: f["agent_id"] == f"{SHOP}:03"),
        ({"team": "蓝队"}, lambda f: (f["shop_id"], f["agent_id"]) in teams["蓝队"]),
        ({"since": since}, lambda f: parse_time(f["occurred_at"]) >= NOW - 2 * HOUR),
        ({"until": until}, lambda f: parse_time(f["occurred_at"]) < NOW - HOUR),
        ({"since": since, "until": until}, lambda f: NOW - 2 * HOUR <= parse_time(f["occurred_at"]) < NOW - HOUR),
    ]
    for filters, holds in wanted:
        found = pages(web, 500, **filters)
        assert found == [f for f in everything if holds(f)], filters
        assert 0 < len(found) < len(everything), filters
    assert {f["flag_id"] for f in pages(web, 500, qc_status="claimed", shop_id="qc-shop")} == {"j-3"}


def test_counts_are_those_of_the_queue(web: TestClient) -> None:
    for filters in ({}, {"shop_id": SHOP}, {"shop_id": SHOP, "severity": "notice"}, {"team": "蓝队"}):
        counts = web.get("/api/v1/qc/counts", params={"qc_status": "open", **filters}).json()
        queue = pages(web, 500, **filters)
        assert counts["total"] == len(queue)
        for value, count in counts["rule"].items():
            assert count == sum(f["rule"] == value for f in queue)
        for value, count in counts["agent_id"].items():
            assert count == sum(f["agent_id"] == value for f in queue)
        # the choice of a severity does not hide how many the other one has
        others = {key: value for key, value in filters.items() if key != "severity"}
        assert sum(counts["severity"].values()) == len(pages(web, 500, **others))


def test_precision_is_upheld_of_judged(web: TestClient) -> None:
    rules = web.get("/api/v1/qc/precision", params={"shop_id": "qc-shop"}).json()["rules"]
    assert [rule["rule"] for rule in rules] == list(RULES)  # also those that nobody has broken
    assert {(r["raised"], r["precision"]) for r in rules if r["rule"].startswith("reminder")} == {(0, None)}
    assert [rule for rule in rules if rule["raised"]] == [
        {"rule": "language.vague", "raised": 1, "judged": 0, "upheld": 0, "precision": None},
        {"rule": "review.solicited", "raised": 4, "judged": 4, "upheld": 3, "precision": 0.75},
    ]
    later = format_time(NOW + 2, "Asia/Shanghai")
    rules = web.get("/api/v1/qc/precision", params={"shop_id": "qc-shop", "since": later}).json()["rules"]
    assert [(r["judged"], r["upheld"]) for r in rules if r["raised"]] == [(2, 1)]


def test_a_verdict_by_the_sheet_carries_its_score(web: TestClient, producer: Recorder) -> None:
    sheet = web.get("/api/v1/qc/rubric", params={"shop_id": SHOP}).json()
    assert sheet["ruleset"] == "default@1"
    marks = {item["key"]: 1.0 for item in sheet["items"]}
    flags = [f["flag_id"] for f in pages(web, 500, shop_id=SHOP)[:3]]
    light = min((item for item in sheet["items"] if not item["critical"]), key=lambda item: item["weight"])
    critical = next(item["key"] for item in sheet["items"] if item["critical"])
    wanted = [({}, 100.0), ({light["key"]: 0.5}, 100 - light["weight"] / 2), ({critical: 0.0}, 0.0)]
    for flag_id, (missed, score) in zip(flags, wanted, strict=True):
        body = {"actor": "王姐", "verdict": "upheld", "reason": "催付太急", "marks": marks | missed}
        assert web.post(f"/api/v1/flags/{flag_id}/verdict", json=body).status_code == 202
        data = orjson.loads(producer.values[-1])["data"]
        assert (data["score"], data["marks"]) == (score, marks | missed)
    published, other = len(producer.values), pages(web, 500, shop_id=SHOP)[5]["flag_id"]
    for body, said in (
        ({"marks": {}}, "marks: greeting: has no mark"),
        ({"marks": marks | {"x": 1}}, "marks: x: is not in the rubric"),
    ):
        refused = web.post(f"/api/v1/flags/{other}/verdict", json={"actor": "王姐", "verdict": "upheld", **body})
        assert (refused.status_code, refused.json()["detail"]) == (422, said)
    both = {"actor": "王姐", "verdict": "upheld", "marks": marks, "score": 3}
    assert web.post(f"/api/v1/flags/{other}/verdict", json=both).status_code == 422
    assert len(producer.values) == published


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"since": "2026-11-11"}, "since: "),
        ({"until": "yesterday"}, "until: "),
        ({"cursor": "nonsense"}, "cursor: "),
        ({"cursor": "WzEsMl0"}, "cursor: "),
        ({"cursor": "WzAsOTk5OTk5OTk5OTk5OTk5OTksIngiXQ"}, "cursor: "),
        ({"cursor": "Wy0xLDAsIngiXQ"}, "cursor: "),
    ],
)
def test_what_can_not_be_read_is_named(web: TestClient, params: dict[str, str], said: str) -> None:
    answer = web.get("/api/v1/qc/queue", params=params)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)
