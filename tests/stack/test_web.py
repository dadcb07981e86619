"""The HTTP API over a real ClickHouse with rows put there by hand, and a producer that records."""

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from web_rows import HOUR, fill, flag, insert, partial, raw_event, round_row, task
from web_served import routes_of, serving

from processors.ruleset import default_book
from schemas.events import parse_event
from schemas.settings import Settings
from schemas.types import format_time, parse_time
from sinks.database import Database, DatabaseUnavailableError, open_database
from sinks.kafka import PublishError
from sinks.migrate import up
from web.access.guard import SIGN_OUT
from web.api import Frame, _events, read_frame
from web.app import create_app
from web.ingest import MAX_BODY_BYTES
from web.moves import Moves
from web.shared import LONGEST_REST_SECONDS, Shared
from web.wallboard import read_board

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
HOUR_START = "2026-11-11T20:00:00+08:00"
SHOP = "lining-hz"
ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


class Recorder:
    """A producer that keeps what it was given, or fails."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes]] = []
        self.down = False

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        if self.down:
            raise PublishError("no broker")
        self.records += records

    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(value) for _, _, value in self.records]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("web")))
    up(database)
    fill(database, NOW)
    yield database
    database.close()


@pytest.fixture
def producer() -> Recorder:
    return Recorder()


@pytest.fixture
def app(db: Database, producer: Recorder) -> FastAPI:
    return create_app(Settings(), db, producer, default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)


@pytest.fixture
def web(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client


def message(number: int = 1, **change: Any) -> dict[str, Any]:
    data = {"shop_id": SHOP, "buyer_id": "b-1", "agent_id": f"{SHOP}:00", "sender": "buyer", "text": "在吗?"}
    event = {"specversion": "1.0", "id": f"m-{number}", "source": "test", "type": "chat.message"}
    return event | {"time": format_time(NOW, "Asia/Shanghai"), "data": data} | change


def post(web: TestClient, body: object, kind: str = ONE) -> Any:
    return web.post(
        "/v1/events", content=body if isinstance(body, bytes) else orjson.dumps(body), headers={"content-type": kind}
    )


# ---- leaderboard -----------------------------------------------------------------------------------------------------


def test_leaderboard_of_one_shop(web: TestClient) -> None:
    board = web.get("/api/v1/leaderboard", params={"shop_id": SHOP}).json()
    assert board["hour_start"] == HOUR_START
    assert [shop["shop_id"] for shop in board["shops"]] == [SHOP]
    assert board["rows"] == board["shops"][0]["rows"]
    assert board["teams"] == board["shops"][0]["teams"]
    *ranked, silent = board["rows"]
    assert len(ranked) == 20
    assert [row["rank"] for row in ranked] == sorted(row["rank"] for row in ranked)
    assert ranked[0]["rank"] == 1
    amounts = [float(row["paid_amount"]) for row in ranked]
    assert amounts == sorted(amounts, reverse=True)
    assert silent["agent_id"] == ""
    assert silent["rank"] is None
    assert silent["conversion"] is None
    first = ranked[0]
    assert first["name"] != first["agent_id"]
    assert first["conversion"] == pytest.approx(first["buyers_paid"] / first["buyers_served"])
    assert float(first["average_order"]) == pytest.approx(float(first["paid_amount"]) / first["orders_paid"], abs=0.006)
    totals = board["shops"][0]["totals"]
    assert float(totals["paid_amount"]) == pytest.approx(sum(amounts) + 4588)
    assert sum(float(team["paid_amount"]) for team in board["teams"]) == pytest.approx(sum(amounts))
    assert board["shops"][0]["sale_event"]["target_amount"] == "90000.00"


def test_leaderboard_of_all_shops_and_of_a_past_hour(web: TestClient) -> None:
    board = web.get("/api/v1/leaderboard").json()
    assert [shop["shop_id"] for shop in board["shops"]] == ["anta-xm", SHOP]
    assert board["rows"] == [row for shop in board["shops"] for row in shop["rows"]]
    assert {row["shop_id"] for row in board["rows"]} == {"anta-xm", SHOP}
    assert board["teams"] == [team for shop in board["shops"] for team in shop["teams"]]
    assert {team["shop_id"] for team in board["teams"]} == {"anta-xm", SHOP}
    # a plus that the URL turned into a blank is meant as a plus
    for hour in ("2026-11-11T18:59:59.999%2B08:00", "2026-11-11T18:00:00+08:00", "2026-11-11T10:30:00Z"):
        past = web.get(f"/api/v1/leaderboard?shop_id={SHOP}&hour={hour}").json()
        assert past["hour_start"] == "2026-11-11T18:00:00+08:00"
        assert len(past["rows"]) == 21


def test_leaderboard_without_rows_and_with_a_wrong_hour(web: TestClient) -> None:
    empty = web.get("/api/v1/leaderboard", params={"shop_id": "none"}).json()
    assert (empty["rows"], empty["teams"], empty["shops"]) == ([], [], [])
    assert web.get("/api/v1/leaderboard", params={"hour": "2026-11-11T20:00:00"}).status_code == 422


def test_an_agent_without_a_name_is_called_by_its_id(web: TestClient, db: Database) -> None:
    hour = NOW - NOW % HOUR
    insert(db, "leaderboard_partials", partial("new-shop", "new-shop:x", hour, 1, "10.00"))
    (row,) = web.get("/api/v1/leaderboard", params={"shop_id": "new-shop"}).json()["rows"]
    assert (row["name"], row["team"], row["paid_amount"], row["rank"]) == ("new-shop:x", "", "10.00", 1)


async def test_stream_sends_new_rows_within_a_second(app: FastAPI, db: Database) -> None:
    parts = app.state.parts

    class Request:
        async def is_disconnected(self) -> bool:
            return False

    poll = asyncio.create_task(parts.live.run())
    waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    frames = Shared(parts, lambda hour, shop: read_frame(parts, hour, shop))
    stream = _events(parts, frames, Request(), "stream-shop", None)  # type: ignore[arg-type]
    try:
        first = await anext(stream)
        assert json.loads(first.data)["rows"] == []
        waiting = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0.3)
        assert not waiting.done(), "nothing new, nothing sent"
        took: list[float] = []
        while len(took) < 5 and min(took, default=inf) >= 1:  # whatever else runs on the machine only adds
            revision = len(took) + 1
            began = time.monotonic()
            row = partial("stream-shop", "a", NOW - NOW % HOUR, revision, f"{revision}.00")
            await asyncio.to_thread(insert, db, "leaderboard_partials", row)
            parts.live.rows_arrived(["leaderboard_partials"])
            event = await asyncio.wait_for(waiting, 30)
            took.append(time.monotonic() - began)
            assert json.loads(event.data)["rows"][0]["paid_amount"] == f"{revision}.00"
            waiting = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        assert min(took) < 1, took
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await stream.aclose()  # type: ignore[attr-defined]
        poll.cancel()


async def test_streams_share_their_reads(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = app.state.parts
    reads: list[str | None] = []

    def read(hour: int | None, shop: str | None) -> Frame:
        reads.append(shop)
        time.sleep(0.05)
        return Frame({"read": len(reads)}, "", "")

    class Request:
        async def is_disconnected(self) -> bool:
            return False

    frames = Shared(parts, read)
    streams = [_events(parts, frames, Request(), shop, None) for shop in ["s"] * 20 + ["t"]]  # type: ignore[arg-type]
    try:
        await asyncio.gather(*(anext(stream) for stream in streams))
        assert sorted(map(str, reads)) == ["s", "t"]
        parts.live.bump()
        await asyncio.gather(*(anext(stream) for stream in streams[:20]))
        assert reads.count("s") == 2
    finally:
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("takes", [0.1, 0.4])
async def test_what_is_read_rests_twice_as_long_as_it_took_but_not_for_long(app: FastAPI, takes: float) -> None:
    spans: list[tuple[float, float]] = []

    def read(hour: int | None, shop: str | None) -> int:
        began = time.monotonic()
        time.sleep(takes)
        spans.append((began, time.monotonic()))
        return len(spans)

    shared = Shared(app.state.parts, read)
    live = app.state.parts.live
    for number in range(1, 6):
        assert await shared.get(None, "s", live.version) == number
        assert await shared.get(None, "s", live.version) == number  # known, and given at once
        live.bump()
    rests = [
        (began - ended, min(2 * (ended - started), LONGEST_REST_SECONDS))
        for (started, ended), (began, _) in pairwise(spans)
    ]
    assert all(rested >= 0.95 * due for rested, due in rests), rests
    assert min(rested - due for rested, due in rests) < 0.2, rests  # whatever else runs on the machine only adds


async def test_nobody_queues_behind_a_database_that_is_down(app: FastAPI) -> None:
    tries: list[int] = []

    def fail(hour: int | None, shop: str | None) -> None:
        tries.append(1)
        time.sleep(0.05)
        raise DatabaseUnavailableError("away")

    shared = Shared(app.state.parts, fail)
    found = await asyncio.gather(*(shared.get(None, "s", 0) for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in found} == {DatabaseUnavailableError}
    assert len(tries) == 1
    with pytest.raises(DatabaseUnavailableError):
        await shared.get(None, "s", 0)
    assert len(tries) == 2, "who comes afterwards tries anew"


# ---- flags, tasks, conversations -------------------------------------------------------------------------------------


def test_flags_page_by_page_newest_first(web: TestClient) -> None:
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = web.get(
            "/api/v1/flags", params={"shop_id": SHOP, "limit": 50} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += page["flags"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len({one["flag_id"] for one in seen}) == 147
    times = [parse_time(one["occurred_at"]) for one in seen]
    assert times == sorted(times, reverse=True)
    assert seen[0]["occurred_at"].endswith("+08:00")
    assert seen[0]["in_sale_event"] is True
    assert seen[0]["evidence"] == {"phrases": [{"phrase": "马上付款", "start": 0, "end": 4}]}


def test_flags_filtered_and_counted(web: TestClient) -> None:
    page = web.get("/api/v1/flags", params={"rule": "review.solicited", "agent_id": f"{SHOP}:01"}).json()
    assert [one["flag_id"] for one in page["flags"]] == [f"{SHOP}-review.solicited-001"]
    counts = web.get("/api/v1/flags/counts", params={"shop_id": SHOP}).json()
    assert counts["total"] == 147
    assert counts["counts"][0] == {"rule": "language.vague", "count": 51}
    assert web.get("/api/v1/flags", params={"rule": "no.such"}).status_code == 422
    assert web.get("/api/v1/flags", params={"cursor": "%%%"}).status_code == 422
    assert web.get("/api/v1/flags", params={"shop_id": "x' OR 1=1 --"}).json() == {"flags": [], "next_cursor": None}


def test_call_tasks_due_first(web: TestClient) -> None:
    page = web.get("/api/v1/call-tasks", params={"shop_id": SHOP, "status": "open", "limit": 4}).json()
    rest = web.get(
        "/api/v1/call-tasks", params={"shop_id": SHOP, "status": "open", "cursor": page["next_cursor"]}
    ).json()
    ids = [one["task_id"] for one in page["call_tasks"] + rest["call_tasks"]]
    assert ids == [f"{SHOP}-t{number}" for number in range(6)]
    assert page["call_tasks"][0]["due_at"] == "2026-11-11T19:39:00+08:00"
    assert page["call_tasks"][0]["revisit_due_at"] is None


def test_conversation_is_one_time_line(web: TestClient) -> None:
    found = web.get(f"/api/v1/conversations/{SHOP}/b-77").json()
    kinds = ["chat.message", "chat.message", "order.placed", "payment.succeeded", "review.posted"]
    assert [entry["type"] for entry in found["entries"]] == kinds
    assert found["entries"][0]["text"] == "在吗?"
    assert found["entries"][2]["amount"] == "199.00"
    assert found["entries"][2]["items"][0]["title"] == "跑鞋"
    assert found["entries"][4]["time"] == "2026-11-11T20:39:58+08:00"
    assert len(found["flags"]) == 147
    assert web.get(f"/api/v1/conversations/{SHOP}/nobody").status_code == 404
    assert web.get("/api/v1/conversations", params={"shop_id": SHOP, "buyer_id": "b-77"}).json() == found


def test_whatever_a_buyers_id_is_their_conversation_is_found(app: FastAPI, db: Database) -> None:
    slashed = "天猫/旗舰店"
    buyers = ["a/b", "/a//b/", "..", "100%/?#&+ x", "a%2Fb", "小美/1"]
    ids = [(shop, buyer) for buyer in buyers for shop in (SHOP, slashed)]
    for number, (shop, buyer) in enumerate(ids):
        said = {"buyer_id": buyer, "agent_id": "a", "sender": "buyer", "text": f"在吗 {number}"}
        row = raw_event("chat.message", "chat.messages", f"m-slash-{number}", shop, NOW - HOUR, **said)
        insert(db, "raw_events", row | {"buyer_id": buyer})
    # a server of its own, since TestClient decodes paths twice
    with serving(app) as address, httpx.Client(base_url=f"{address}/api/v1") as web:
        for number, (shop, buyer) in enumerate(ids):
            answers = [web.get("/conversations", params={"shop_id": shop, "buyer_id": buyer})]
            if shop != slashed and buyer != "..":
                answers.append(web.get(f"/conversations/{shop}/{quote(buyer, safe='')}"))
            for answer in answers:
                assert answer.status_code == 200, (shop, buyer, answer.text)
                found = answer.json()
                assert (found["shop_id"], found["buyer_id"]) == (shop, buyer)
                assert [entry["text"] for entry in found["entries"]] == [f"在吗 {number}"]


def test_one_flag_and_one_task(web: TestClient, db: Database) -> None:
    claimed = flag("f-one", "language.vague", "notice", "cmd", NOW, qc_status="claimed", qc_actor="qc-li")
    insert(db, "flags_raw", claimed)
    found = web.get("/api/v1/flags/f-one").json()
    assert (found["qc_status"], found["qc_actor"]) == ("claimed", "qc-li")
    assert found["occurred_at"].endswith("+08:00")
    assert web.get(f"/api/v1/call-tasks/{SHOP}-t7").json()["claimed_by"] == "王姐"
    for path, missing in (("flags", "no such flag"), ("call-tasks", "no such call task")):
        answer = web.get(f"/api/v1/{path}/none")
        assert (answer.status_code, answer.json()["detail"]) == (404, missing)


# ---- commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_conflicting_events_the_first_in_the_log_shows(
    web: TestClient, db: Database, order: tuple[int, ...]
) -> None:
    buyer = "b-conflict-" + "".join(map(str, order))
    said = {"buyer_id": buyer, "agent_id": "a", "sender": "buyer"}
    # another text, another time, another month
    rows = [
        raw_event("chat.message", "chat.messages", "m-1", SHOP, NOW - back, **said, text=text)
        | {"buyer_id": buyer, "offset": offset}
        for offset, back, text in ((7, 10_000, "first"), (8, 15_000, "second"), (9, 40 * 24 * HOUR, "third"))
    ]
    for number in order:
        insert(db, "raw_events", rows[number])
    found = web.get(f"/api/v1/conversations/{SHOP}/{buyer}").json()
    assert [entry["text"] for entry in found["entries"]] == ["first"]


def test_claim_and_verdict(web: TestClient, producer: Recorder, db: Database) -> None:
    insert(db, "flags_raw", flag("f-1", "language.vague", "notice", "cmd", NOW))
    answer = web.post("/api/v1/flags/f-1/claim", json={"actor": "qc-li"})
    assert answer.status_code == 202
    ((topic, key, raw),) = producer.records
    event = parse_event(raw)
    assert (topic, key) == ("audit.commands", b"cmd|b-77")
    assert (event.type, event.source, event.id) == ("qc.claimed", "zhengdian/web", answer.json()["event_id"])
    # the read model does not know yet, this process does
    assert web.post("/api/v1/flags/f-1/claim", json={"actor": "qc-wang"}).status_code == 409
    assert web.post("/api/v1/flags/f-1/claim", json={"actor": "qc-li"}).json() == {
        "status": "claimed",
        "event_id": None,
    }
    assert web.post("/api/v1/flags/f-1/verdict", json={"actor": "qc-wang", "verdict": "upheld"}).status_code == 409
    verdict = {"actor": "qc-li", "verdict": "dismissed", "reason": "引用买家原话", "score": 90}
    assert web.post("/api/v1/flags/f-1/verdict", json=verdict).json()["status"] == "dismissed"
    assert producer.events()[-1]["data"]["reason"] == "引用买家原话"
    assert web.post("/api/v1/flags/f-1/verdict", json=verdict).status_code == 409
    assert len(producer.records) == 2


def test_what_the_read_model_knows_wins_once_it_is_newer(web: TestClient, db: Database) -> None:
    insert(db, "flags_raw", flag("f-2", "language.vague", "notice", "cmd", NOW))
    assert web.post("/api/v1/flags/f-2/claim", json={"actor": "qc-li"}).status_code == 202
    # of two claims the worker took the other one
    insert(
        db,
        "flags_raw",
        flag("f-2", "language.vague", "notice", "cmd", NOW, revision=6, qc_status="claimed", qc_actor="qc-wang"),
    )
    answer = web.post("/api/v1/flags/f-2/claim", json={"actor": "qc-li"})
    assert (answer.status_code, answer.json()["detail"]) == (409, "qc-wang has it (claimed)")


def test_a_claim_holds_while_others_facts_raise_the_revision(
    web: TestClient, app: FastAPI, producer: Recorder, db: Database
) -> None:
    show = lambda **more: insert(db, "flags_raw", flag("f-4", "language.vague", "notice", "cmd", NOW, **more))  # noqa: E731
    claim = lambda actor: web.post("/api/v1/flags/f-4/claim", json={"actor": actor})  # noqa: E731
    show(revision=5)
    assert claim("qc-li").status_code == 202
    show(revision=6)  # a message that came late: the claim is not in it
    assert claim("qc-wang").status_code == 409
    assert claim("qc-li").json() == {"status": "claimed", "event_id": None}
    show(revision=7, qc_status="claimed", qc_actor="qc-li")
    assert claim("qc-wang").json()["detail"] == "qc-li has it (claimed)"
    # the worker has it, so from now on the read model alone counts
    show(revision=8, qc_status="open", qc_actor="")
    assert claim("qc-wang").status_code == 202
    # a claim that the worker never took is forgotten after a while
    app.state.parts.clock_ns = lambda: (NOW + 61_000) * 1_000_000
    assert claim("qc-li").status_code == 202
    assert [event["data"]["actor"] for event in producer.events()] == ["qc-li", "qc-wang", "qc-li"]


def test_a_resolved_task_stays_so_while_its_rows_lag(web: TestClient, db: Database) -> None:
    show = lambda **more: insert(db, "call_tasks_raw", task("t-2", "cmd", NOW + HOUR, **more))  # noqa: E731
    step = lambda name, actor, **more: web.post(f"/api/v1/call-tasks/t-2/{name}", json={"actor": actor, **more})  # noqa: E731
    show(revision=1)
    assert step("claim", "kf-zhao").status_code == 202
    assert step("call", "kf-zhao").status_code == 202
    assert step("resolve", "kf-zhao", outcome="refund").status_code == 202
    show(revision=3, status="claimed", claimed_by="kf-zhao")  # the first of the three
    assert step("call", "kf-zhao").json()["detail"].startswith("it is resolved")
    # the worker saw another one's earlier claim: what the row says is the later word
    show(revision=4, status="claimed", claimed_by="kf-qian")
    assert step("call", "kf-zhao").json()["detail"] == "kf-qian has it (claimed)"


def test_a_call_from_claim_to_revisit(web: TestClient, app: FastAPI, producer: Recorder, db: Database) -> None:
    insert(db, "call_tasks_raw", task("t-1", "cmd", NOW + HOUR))
    steps: list[tuple[str, dict[str, Any], int]] = [
        ("claim", {"actor": "cmd:00"}, 403),
        ("revisit", {"actor": "kf-zhao"}, 409),
        ("claim", {"actor": "kf-zhao"}, 202),
        ("claim", {"actor": "kf-qian"}, 409),
        ("call", {"actor": "kf-qian"}, 409),
        ("call", {"actor": "kf-zhao", "reached": False, "call_again_at": "2026-11-12T14:00:00+08:00"}, 202),
        ("call", {"actor": "kf-zhao"}, 202),
        ("resolve", {"actor": "kf-zhao", "outcome": "exchange", "note": "换货"}, 202),
        ("claim", {"actor": "kf-qian"}, 409),
    ]
    for step, body, status in steps:
        answer = web.post(f"/api/v1/call-tasks/t-1/{step}", json=body)
        assert answer.status_code == status, (step, body, answer.text)
    settled = {"status": "resolved", "claimed_by": "kf-zhao", "outcome": "exchange", "revisit_due_at": NOW + 72 * HOUR}
    insert(db, "call_tasks_raw", task("t-1", "cmd", NOW + HOUR, revision=9, **settled))
    revisit = {"actor": "kf-qian", "outcome": "satisfied"}
    assert web.post("/api/v1/call-tasks/t-1/revisit", json=revisit).status_code == 202
    kinds = ["claimed", "call_logged", "call_logged", "resolved", "revisited"]
    assert [event["type"] for event in producer.events()] == [f"call_task.{kind}" for kind in kinds]
    assert len({event["id"] for event in producer.events()}) == 5
    again = parse_event(producer.records[1][2]).data
    assert again.call_again_at == parse_time("2026-11-12T14:00:00+08:00")  # type: ignore[union-attr]


def test_commands_refused(web: TestClient, producer: Recorder, db: Database) -> None:
    insert(db, "flags_raw", flag("f-3", "language.vague", "notice", "cmd", NOW))
    assert web.post("/api/v1/flags/none/claim", json={"actor": "a"}).status_code == 404
    assert web.post("/api/v1/call-tasks/none/claim", json={"actor": "a"}).status_code == 404
    assert web.post("/api/v1/flags/f-3/claim", json={}).status_code == 422
    assert web.post("/api/v1/flags/f-3/claim", json={"actor": "a", "extra": 1}).status_code == 422
    assert web.post("/api/v1/flags/f-3/verdict", json={"actor": "a", "verdict": "maybe"}).status_code == 422
    producer.down = True
    assert web.post("/api/v1/flags/f-3/claim", json={"actor": "a"}).status_code == 503
    producer.down = False
    assert web.post("/api/v1/flags/f-3/claim", json={"actor": "b"}).status_code == 202  # a failed claim holds nothing


JSON = {"content-type": "application/json"}
JUDGED = "/api/v1/flags/f-5/verdict"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"verdict": "dismissed"}, "reason"),
        ({"verdict": "dismissed", "reason": " \u3000\n"}, "reason"),
        ({"verdict": "upheld", "reason": "x" * 2001}, "reason"),
        ({"verdict": "upheld", "coaching": "x" * 2001}, "coaching"),
        ({"verdict": "upheld", "score": 100.5}, "score"),
        ({"verdict": "upheld", "score": -1}, "score"),
        ({"verdict": "upheld", "score": float("nan")}, "score"),
    ],
)
def test_a_verdict_that_is_none_is_refused_by_the_field(
    web: TestClient, producer: Recorder, db: Database, body: dict[str, Any], field: str
) -> None:
    insert(db, "flags_raw", flag("f-5", "language.vague", "notice", "cmd", NOW))
    answer = web.post(JUDGED, content=json.dumps({"actor": "qc-li", **body}), headers=JSON)
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["body", field]
    assert set(problem) == {"loc", "msg", "type"}
    assert producer.records == []


def test_texts_of_full_length_and_a_score_without_a_sheet_are_taken(
    web: TestClient, producer: Recorder, db: Database
) -> None:
    insert(db, "flags_raw", flag("f-6", "language.vague", "notice", "cmd", NOW))
    long = "😀" * 2000
    body = {"actor": "qc-li", "verdict": "upheld", "reason": long, "coaching": long, "score": 100}
    escaped = json.dumps(body)  # as long as it can be: twelve bytes a character
    assert web.post("/api/v1/flags/f-6/verdict", content=escaped, headers=JSON).status_code == 202
    data = producer.events()[-1]["data"]
    assert (data["reason"], data["coaching"], data["score"]) == (long, long, 100)


def test_a_task_is_settled_with_an_outcome(web: TestClient, producer: Recorder, db: Database) -> None:
    insert(db, "call_tasks_raw", task("t-3", "cmd", NOW + HOUR))
    step = lambda name, **more: web.post(f"/api/v1/call-tasks/t-3/{name}", json={"actor": "kf-zhao", **more})  # noqa: E731
    assert step("claim").status_code == 202
    assert step("call", reached=False).status_code == 202  # and no word of when again
    for outcome, loc in (({}, "outcome"), ({"outcome": "\t "}, "outcome"), ({"outcome": "x" * 257}, "outcome")):
        answer = step("resolve", **outcome)
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", loc])
    answer = step("resolve", outcome="refund", note="x" * 2001)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "note"])
    assert step("resolve", outcome="refund").status_code == 202
    assert [event["type"] for event in producer.events()] == [
        f"call_task.{kind}" for kind in ("claimed", "call_logged", "resolved")
    ]


def test_the_next_call_lies_within_a_year(web: TestClient, producer: Recorder, db: Database) -> None:
    insert(db, "call_tasks_raw", task("t-4", "cmd", NOW + HOUR))
    year = 366 * 24 * HOUR
    for at, status in ((NOW + year + 1, 422), (NOW + year, 202), (NOW - HOUR, 202)):
        body = {"actor": "kf-zhao", "reached": False, "call_again_at": format_time(at, "Asia/Shanghai")}
        answer = web.post("/api/v1/call-tasks/t-4/call", json=body)
        assert answer.status_code == status, answer.text
        if status == 422:
            assert answer.json() == {"detail": "call_again_at: must lie within 366 days"}
    assert len(producer.records) == 2


def test_a_call_before_its_hours_is_logged(web: TestClient, db: Database) -> None:
    insert(db, "call_tasks_raw", task("t-5", "cmd", NOW + 9 * HOUR, not_before=NOW + 7 * HOUR))
    assert web.post("/api/v1/call-tasks/t-5/call", json={"actor": "kf-zhao"}).status_code == 202


HALF = r'"\ud83d"'


@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        (JUDGED, '{"verdict":"upheld","actor":"a","reason":%s}', ["reason"]),
        (JUDGED, '{"verdict":"upheld","actor":"a","coaching":%s}', ["coaching"]),
        (JUDGED, '{"verdict":"upheld","actor":"a","marks":{%s:1}}', ["marks"]),
        (JUDGED, '{"verdict":"upheld","actor":"a","marks":{"x":%s}}', ["marks", "x"]),
        (JUDGED, '{"verdict":%s,"actor":"a"}', ["verdict"]),
        (JUDGED, '{"verdict":"upheld","actor":"a",%s:1}', []),
        ("/api/v1/flags/f-5/claim", '{"actor":%s}', ["actor"]),
        ("/api/v1/qc/samples/s-1/verdict", '{"verdict":"upheld","actor":"a","reason":%s}', ["reason"]),
        ("/api/v1/call-tasks/t-1/call", '{"actor":"a","note":%s}', ["note"]),
        ("/api/v1/call-tasks/t-1/call", '{"actor":"a","call_again_at":%s}', ["call_again_at"]),
        ("/api/v1/call-tasks/t-1/resolve", '{"actor":"a","outcome":%s}', ["outcome"]),
        ("/api/v1/call-tasks/t-1/revisit", '{"actor":"a","outcome":%s}', ["outcome"]),
        ("/api/v1/reports", '{"actor":"a","shop_id":%s}', ["shop_id"]),
        ("/api/v1/reports", '{"actor":"a","shop_id":"s","hour":%s}', ["hour"]),
        ("/api/v1/sql", '{"sql":%s}', []),
        ("/api/v1/sql", '{"sql":"SELECT {x:String}","parameters":{"x":%s}}', []),
    ],
)
def test_half_a_character_is_refused_by_the_field(
    web: TestClient, producer: Recorder, db: Database, path: str, body: str, loc: list[str]
) -> None:
    answer = web.post(path, content=body % HALF, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"] == ["body", *loc]
    assert producer.records == []


def test_bytes_that_are_no_text_are_refused(web: TestClient) -> None:
    for path, status in (("/api/v1/sql", 422), (JUDGED, 400), ("/v1/events", 422)):
        answer = web.post(path, content=b'{"sql":"\xff"}', headers=JSON)
        assert answer.status_code == status, (path, answer.text)
    half = f'{{"specversion":{HALF}}}'.encode()
    assert post(web, half).json()["errors"][0]["reason"] == "not_json"


@pytest.mark.parametrize("chunked", [False, True])
def test_no_route_reads_a_body_without_end(web: TestClient, app: FastAPI, producer: Recorder, chunked: bool) -> None:
    def endless() -> Iterator[bytes]:
        nonlocal read
        while read <= MAX_BODY_BYTES:
            read += len(block)
            yield block

    block = b'{"reason":"' + b"x" * 100_000
    posts = [route.path for route in routes_of(app.routes) if "POST" in route.methods and route.path != SIGN_OUT]
    assert len(posts) >= 12
    for path in posts:
        read = 0
        whole = b"".join(endless())
        read = 0
        body = endless() if chunked else whole
        answer = web.post(path, content=body, headers=JSON)
        assert answer.status_code == 413, (path, answer.text)
    assert producer.records == []


def test_a_command_of_more_than_64_kib_is_too_long(web: TestClient, producer: Recorder) -> None:
    for path in (JUDGED, "/api/v1/call-tasks/t-1/call", "/api/v1/reports"):
        answer = web.post(path, content=b" " * 65_537, headers=JSON)
        assert answer.status_code == 413, path
        assert answer.json() == {"detail": "the body may have 65536 bytes at most"}
        assert web.post(path, content=b" " * 65_536, headers=JSON).status_code == 422
    assert producer.records == []


# ---- ingest ------------------------------------------------------------------------------------------------------------


def test_one_event(web: TestClient, producer: Recorder) -> None:
    raw = orjson.dumps(message(), option=orjson.OPT_INDENT_2)
    for kind in (ONE, "application/json", f"{ONE}; charset=utf-8"):
        answer = post(web, raw, kind)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert producer.records[0] == ("chat.messages", f"{SHOP}|b-1".encode(), raw)


def test_a_batch_goes_to_its_topics(web: TestClient, producer: Recorder) -> None:
    agent = {"shop_id": SHOP, "agent_id": f"{SHOP}:99", "name": "新人", "team": "追风队", "role": "presale"}
    batch = [message(1, extension="kept"), message(2, type="agent.upserted", data=agent)]
    assert post(web, batch, BATCH).json() == {"accepted": 2}
    assert [(topic, key) for topic, key, _ in producer.records] == [
        ("chat.messages", f"{SHOP}|b-1".encode()),
        ("reference", SHOP.encode()),
    ]
    assert producer.events()[0]["extension"] == "kept"
    assert post(web, [], BATCH).json() == {"accepted": 0}


def test_all_or_nothing(web: TestClient, producer: Recorder) -> None:
    late = format_time(NOW + 3_601_000, "Asia/Shanghai")
    order = {"shop_id": SHOP, "buyer_id": "b-1", "order_id": "o", "amount": "-5.00", "items": []}
    batch = [
        message(1),
        message(2, type="order.placed", data=order),
        message(3, time=late),
        message(4, type="no.such"),
        7,
        message(5, time="2026-11-11T20:00:00"),
    ]
    answer = post(web, batch, BATCH)
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert [(one["index"], one["reason"]) for one in errors] == [
        (1, "invalid"),
        (2, "future"),
        (3, "unknown_type"),
        (4, "invalid"),
        (5, "invalid"),
    ]
    assert errors[0]["error"].startswith("data.amount: ")
    assert producer.records == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", ONE, 422),
        (b"{", BATCH, 422),
        (b"{}", BATCH, 422),
        (b"\xff\xfe", ONE, 422),
        (b"", ONE, 422),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b" " * (MAX_BODY_BYTES + 1), ONE, 413),
        (b" " * 950_000, ONE, 413),
        (b"[" + b"1," * 10_000 + b"1]", BATCH, 413),
    ],
)
def test_bodies_refused(web: TestClient, producer: Recorder, body: bytes, kind: str, status: int) -> None:
    assert post(web, body, kind).status_code == status
    assert producer.records == []


def test_a_long_body_without_a_length(web: TestClient) -> None:
    chunks = (b" " * 1_000_000 for _ in range(9))
    assert web.post("/v1/events", content=chunks, headers={"content-type": ONE}).status_code == 413


def test_no_broker(web: TestClient, producer: Recorder) -> None:
    producer.down = True
    assert post(web, message()).status_code == 503


# ---- operations --------------------------------------------------------------------------------------------------------


def test_health_metrics_and_openapi(web: TestClient) -> None:
    health = web.get("/healthz")
    assert health.status_code == 503, "no broker runs here"
    assert health.json() == {"status": "unavailable", "database": "ok", "broker": "unreachable", "sink": None}
    post(web, message())
    metrics = web.get("/metrics").text
    assert 'zhengdian_web_events_accepted_total{type="chat.message"}' in metrics
    assert 'route="/v1/events",status="202"' in metrics
    paths = web.get("/openapi.json").json()["paths"]
    assert {"/healthz", "/metrics", "/v1/events", "/api/v1/leaderboard", "/api/v1/sql"} <= set(paths)
    assert paths["/api/v1/flags/{flag_id}/claim"]["post"]["responses"]["202"]


def test_what_the_api_does_not_have_is_told_in_json(app: FastAPI, web: TestClient) -> None:
    # as the pages are: at the root, for everything that is left
    app.mount("/", lambda scope, receive, send: HTMLResponse("<html>", 404)(scope, receive, send))
    for path in ("/api", "/api/", "/api/v1/nothing", "/v1/event", "/api/v1/conversations/s"):
        answer = web.get(path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"}), path
    for method, path, allow in (("DELETE", "/api/v1/flags", "GET"), ("GET", "/v1/events", "POST")):
        answer = web.request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"}), path
        assert answer.headers["allow"] == allow
    assert web.get("/apiary").text == "<html>"


def test_a_foreign_host_name_is_refused(web: TestClient) -> None:
    assert web.get("/api/v1/leaderboard", headers={"host": "evil.example"}).status_code == 400
    assert web.get("/api/v1/leaderboard", headers={"host": "localhost:8080"}).status_code == 200


def test_database_down_is_503(app: FastAPI, web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("connection refused")

    for method in ("query", "ping", "query_format"):
        monkeypatch.setattr(app.state.parts.db, method, refuse)
    for path in ("leaderboard", "flags", "call-tasks", f"conversations/{SHOP}/b-77"):
        assert web.get(f"/api/v1/{path}").status_code == 503, path
    assert web.post("/api/v1/sql", json={"sql": "SELECT 1"}).status_code == 503
    assert web.post("/api/v1/flags/f/claim", json={"actor": "a"}).status_code == 503
    assert web.get("/healthz").json()["database"] == "unreachable"


# ---- the wallboard's data ----------------------------------------------------------------------------------------------


def board_at(
    app: FastAPI, now_ms: int, hour_ms: int | None = None, shop: str | None = SHOP, moves: Moves | None = None
) -> dict[str, Any]:
    parts = app.state.parts
    parts.clock_ns = lambda: now_ms * 1_000_000
    return read_board(parts, moves or Moves(), hour_ms, shop)


def test_board_now_in_the_past_and_without_rows(app: FastAPI) -> None:
    live = board_at(app, NOW)
    assert (live["status"], live["mode"], live["last_event_ms"]) == ("ok", "live", NOW - 2000)
    (shop,) = live["shops"]
    assert (len(shop["rows"]), shop["target_fen"], shop["hour"]["silent_fen"]) == (20, 9_000_000, 458_800)
    assert {row["move"] for row in shop["rows"]} == {None}, "what stood a minute ago is not known yet"
    assert shop["day"]["paid_fen"] > shop["hour"]["paid_fen"]
    assert live["tasks"] == {"open": 6, "claimed": 3, "overdue": 2, "high": 3, "revisit": 0}
    assert live["flags"][0]["severity"] == "violation"

    past = board_at(app, NOW, NOW - HOUR)
    assert past["mode"] == "past"
    assert {row["move"] for row in past["shops"][0]["rows"]} - {0, None}, "somebody has moved since the hour before"
    assert board_at(app, NOW, NOW - HOUR)["hour_start_ms"] == parse_time(HOUR_START) - HOUR
    assert board_at(app, NOW, NOW - 20 * HOUR)["status"] == "empty"
    later = board_at(app, NOW + 3 * HOUR)
    assert (later["status"], later["mode"], later["hour_start_ms"]) == ("ok", "fallback", parse_time(HOUR_START))
    assert board_at(app, NOW, None, "none")["status"] == "empty"


def test_ranks_are_compared_with_those_of_a_minute_ago(app: FastAPI, db: Database) -> None:
    moves = Moves()
    (before,) = board_at(app, NOW, moves=moves)["shops"]
    last = before["rows"][-1]
    insert(db, "leaderboard_partials", partial(SHOP, last["agent_id"], parse_time(HOUR_START), 99, "99999.00", 1000))
    (after,) = board_at(app, NOW + 1000, moves=moves)["shops"]
    first = after["rows"][0]
    assert (first["agent_id"], first["move"]) == (last["agent_id"], last["rank"] - 1)
    assert after["rows"][1]["move"] == -1
    insert(db, "leaderboard_partials", partial(SHOP, last["agent_id"], parse_time(HOUR_START), 99, "99999.01", 1001))
    (later,) = board_at(app, NOW + 70_000, moves=moves)["shops"]
    assert later["rows"][0]["move"] == 0


def test_a_days_target_is_told_where_every_hour_with_figures_has_one(app: FastAPI) -> None:
    (shop,) = board_at(app, NOW)["shops"]
    assert (shop["target_fen"], shop["day"]["target_fen"]) == (9_000_000, None), (
        "one hour of the day's six has a target"
    )


def test_who_waits_is_told_before_anybody_has_been_served_in_the_hour(app: FastAPI, db: Database) -> None:
    day_end = parse_time("2026-11-12T00:00:00+08:00")
    insert(
        db, "rounds_raw", *(round_row("w-shop", f"b{n}", "w-shop:1", NOW - 60_000, None, day_end, n) for n in range(3))
    )
    waits = {shop["shop_id"]: shop["service"]["waiting"]["buyers"] for shop in board_at(app, NOW, None, None)["shops"]}
    assert waits["w-shop"] == 3
    later = board_at(app, NOW + HOUR)  # no figures in that hour yet
    assert later["mode"] == "fallback"
    assert later["shops"][0]["service"]["waiting"]["buyers"] == 0


def test_events_without_results_are_told(app: FastAPI, db: Database) -> None:
    now = time.time_ns() // 1_000_000
    assert board_at(app, now)["waiting"] == 0
    rows = [raw_event("chat.message", "chat.messages", f"w-{n}", "busy", now - n) for n in range(150)]
    insert(db, "raw_events", *rows)
    assert board_at(app, now)["waiting"] == 150
