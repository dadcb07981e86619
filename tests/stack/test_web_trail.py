"""The trail: what people are shown is on record before they are shown it, and admins read who saw what."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from web_people import HERE, PASSWORD, SITE, Kept, sign_in, write_people
from web_rows import fill, flag, insert, task
from web_served import FOREVER, asking, serving, wait_for

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.topics import ACCESS
from schemas.types import parse_time
from sinks.batch import Batch, insert_batch
from sinks.database import Database, open_database
from sinks.migrate import up
from sinks.rows import Record
from web import sql as sql_module
from web.access import users as users_module
from web.access.roles import Role
from web.access.trail import AWAY_MS, SUMMED_MS
from web.access.users import Token, UsersFile, new_token, read_users, write_users
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
SHOP, BUYER = "lining-hz", "b-10077"
TALK = f"/api/v1/conversations/{SHOP}/{BUYER}"
UNRECORDED = "this goes on record first, and the broker cannot be reached; try again"


class Clock:
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms * 1_000_000


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("trail")))
    up(database)
    fill(database, NOW)
    insert(database, "flags_raw", flag("f-trail", "reminder.direct", "notice", SHOP, NOW, buyer_id=BUYER))
    insert(database, "call_tasks_raw", task("t-trail", SHOP, NOW, buyer_id=BUYER))
    yield database
    database.close()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(users_module, "_HASHER", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    monkeypatch.setattr(users_module, "_LOOK_SECONDS", 0.0)
    write_people(tmp_path / "users.yaml")
    return Settings(web_users=tmp_path / "users.yaml")


@pytest.fixture
def client(db: Database, settings: Settings, kept: Kept, clock: Clock) -> Iterator[Callable[..., TestClient]]:
    """Browsers in which somebody has signed in; what that left on the trail is forgotten."""
    app = create_app(settings, db, kept, default_book(), clock_ns=clock, pages=False)
    with TestClient(app):

        def make(name: str = "") -> TestClient:
            one = TestClient(app, base_url=SITE, follow_redirects=False, client=("192.0.2.17", 5000))
            if name:
                assert sign_in(one, name).status_code == 303
                kept.records.clear()
            return one

        yield make


def told(kept: Kept, *fields: str) -> list[tuple[Any, ...]]:
    """(type, those fields of the data) of each event."""
    return [(e["type"].removeprefix("access."), *(e["data"][f] for f in fields)) for e in kept.events(ACCESS)]


def test_who_signs_in_and_out_is_on_record(client: Callable[..., TestClient], kept: Kept) -> None:
    web = client()
    sign_in(web, "qc", "wrong password")
    sign_in(web, PASSWORD, "typed in the wrong place")
    sign_in(web, "qc")
    web.post("/sign-out", headers=HERE)
    assert told(kept, "actor", "roles", "recognised_by", "address", "status") == [
        ("sign_in_refused", "qc", [], "", "192.0.2.17", 401),
        ("sign_in_refused", "", [], "", "192.0.2.17", 401),
        ("signed_in", "qc", ["qc"], "password", "192.0.2.17", 200),
        ("signed_out", "qc", ["qc"], "password", "192.0.2.17", 200),
    ]
    assert all(
        key == event["data"]["actor"].encode()
        for (_, key, _), event in zip(kept.records, kept.events(ACCESS), strict=True)
    )
    assert PASSWORD not in str(kept.records)


def test_a_conversation_is_on_record_once_a_minute(client: Callable[..., TestClient], kept: Kept, clock: Clock) -> None:
    web = client("qc")
    for _ in range(3):
        assert web.get(TALK).status_code == 200
    assert told(kept, "actor", "what", "shop_id", "buyer_ids") == [("seen", "qc", "conversation", SHOP, [BUYER])]
    assert kept.events(ACCESS)[0]["time"] == "2026-11-11T20:40:00+08:00"
    clock.ms += SUMMED_MS - 1
    web.get(TALK)
    assert len(kept.records) == 1
    clock.ms += 1
    web.get(TALK)
    assert len(kept.records) == 2
    client("caller").get(TALK)  # somebody else
    assert told(kept, "actor") == [("seen", "caller")]
    assert web.get("/api/v1/conversations/none/none").status_code == 404  # where nothing is shown, nobody saw it
    assert len(kept.records) == 1


LISTS = {
    "flags": "/api/v1/flags",
    "call_tasks": "/api/v1/call-tasks",
    "qc_queue": "/api/v1/qc/queue",
    "call_queue": "/api/v1/calls/queue",
}


@pytest.mark.parametrize("what", LISTS)
def test_a_page_is_one_event_a_shop_with_the_buyers_on_it(
    client: Callable[..., TestClient], kept: Kept, what: str
) -> None:
    web = client("caller")
    page = web.get(LISTS[what], params={"limit": 300}).json()
    rows = page.get("flags") or page["call_tasks"]
    shown: dict[str, set[str]] = {}
    for row in rows:
        shown.setdefault(row["shop_id"], set()).add(row["buyer_id"])
    assert len(shown) == 2
    assert told(kept, "what", "shop_id", "buyer_ids") == [
        ("seen", what, shop, sorted(buyers)) for shop, buyers in sorted(shown.items())
    ]
    web.get(LISTS[what], params={"limit": 300})
    assert len(kept.records) == 2


def test_a_new_buyer_on_a_page_is_on_record_at_once(
    client: Callable[..., TestClient], kept: Kept, db: Database
) -> None:
    web = client("qc")
    web.get("/api/v1/flags", params={"limit": 300, "shop_id": SHOP})
    insert(db, "flags_raw", flag("f-new", "reminder.direct", "notice", SHOP, NOW, buyer_id="b-new"))
    web.get("/api/v1/flags", params={"limit": 300, "shop_id": SHOP})
    assert told(kept, "buyer_ids")[-1] == ("seen", ["b-new"])


@pytest.mark.parametrize(("path", "what"), [("flags/f-trail", "flag"), ("call-tasks/t-trail", "call_task")])
def test_one_flag_or_task_is_named(client: Callable[..., TestClient], kept: Kept, path: str, what: str) -> None:
    client("qc").get(f"/api/v1/{path}")
    assert told(kept, "what", "target_id", "buyer_ids") == [("seen", what, path.rpartition("/")[2], [BUYER])]


def test_who_is_shown_masked_buyers_has_not_seen_them(client: Callable[..., TestClient], kept: Kept) -> None:
    web = client("ops")
    for path in [*LISTS.values(), "/api/v1/flags/f-trail", "/api/v1/call-tasks/t-trail"]:
        assert web.get(path).status_code == 200
    assert kept.records == []


def test_queries_are_on_record_with_their_text(client: Callable[..., TestClient], kept: Kept) -> None:
    web = client("engineer")
    good = web.post("/api/v1/sql", json={"sql": "SELECT 1 FORMAT CSV"}, headers=HERE)
    bad = web.post("/api/v1/sql", json={"sql": "SELECT nothing"}, headers=HERE)
    assert (good.status_code, bad.status_code) == (200, 400)
    assert told(kept, "what", "detail", "status", "size") == [
        ("queried", "CSV", "SELECT 1 FORMAT CSV", 200, len(good.content)),
        ("queried", "JSON", "SELECT nothing", 400, 0),
    ]


def test_a_statement_that_was_stopped_is_on_record(
    db: Database, kept: Kept, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_module, "SECONDS", 300.0)
    token, digest = new_token()
    write_users(tmp_path / "t.yaml", UsersFile(tokens=[Token(name="etl", roles=[Role.ENGINEER], sha256=digest)]))
    app = create_app(Settings(web_users=tmp_path / "t.yaml"), db, kept, default_book(), clock_ns=clock, pages=False)
    with serving(app) as address:
        connection = asking(address, "/api/v1/sql", {"sql": FOREVER}, Authorization=f"Bearer {token}")
        wait_for(db, 1, seconds=60)
        assert told(kept) == []
        connection.close()
        wait_for(db, 0, seconds=120)
    assert told(kept, "actor", "detail", "status") == [("queried", "etl", FOREVER, 499)]


def test_a_long_statement_is_on_record_by_its_beginning_and_its_hash(
    client: Callable[..., TestClient], kept: Kept
) -> None:
    long = "SELECT 1 -- " + "很长" * 20_000
    assert client("engineer").post("/api/v1/sql", json={"sql": long}, headers=HERE).status_code == 200
    *_, (_, detail) = told(kept, "detail")
    whole = long.encode()
    assert detail.startswith("SELECT 1 -- 很长很长")
    assert detail.endswith(f"… ({len(whole)} bytes, sha256 {hashlib.sha256(whole).hexdigest()})")
    assert len(detail.encode()) < 60_000


def test_what_people_post_and_what_they_may_not_do_is_on_record(
    client: Callable[..., TestClient], kept: Kept, settings: Settings
) -> None:
    event = {
        "specversion": "1.0",
        "id": "r-1",
        "source": "x",
        "type": "payment.refunded",
        "time": "2026-11-11T20:00:00+08:00",
    }
    event |= {"data": {"shop_id": SHOP, "buyer_id": BUYER, "refund_id": "f", "order_id": "o", "amount": "1.00"}}
    kind = {"content-type": "application/cloudevents+json"}
    assert client("engineer").post("/v1/events", json=event, headers=kind | HERE).status_code == 202
    assert told(kept, "actor", "what", "detail", "size") == [("sent", "engineer", "events", "payment.refunded", 1)]
    assert client("qc").post("/api/v1/sql", json={"sql": "SELECT 1"}, headers=HERE).status_code == 403
    assert told(kept, "actor", "what", "status") == [("refused", "qc", "POST /api/v1/sql", 403)]
    token, sha256 = new_token()
    assert settings.web_users is not None
    people = read_users(settings.web_users).users
    write_users(
        settings.web_users, UsersFile(users=people, tokens=[Token(name="feeder", roles=["engineer"], sha256=sha256)])
    )
    kept.records.clear()
    web, mine = client(), {"authorization": f"Bearer {token}"}
    assert web.post("/v1/events", json=event, headers=kind | mine).status_code == 202
    assert kept.events(ACCESS) == []  # a feed's events are their own record
    web.get(TALK, headers=mine)
    assert told(kept, "actor", "recognised_by") == [("seen", "feeder", "token")]


def test_what_can_not_be_recorded_is_not_shown(client: Callable[..., TestClient], kept: Kept, clock: Clock) -> None:
    web, out = client("admin"), client()
    kept.away = True
    for path in (TALK, *LISTS.values(), "/api/v1/flags/f-trail", "/api/v1/call-tasks/t-trail"):
        answer = web.get(path)
        assert (answer.status_code, answer.json()) == (503, {"detail": UNRECORDED}), path
        assert answer.headers["retry-after"] == "2"
    assert web.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers=HERE).status_code == 503
    refused = sign_in(out, "qc")
    assert (refused.status_code, "set-cookie" in refused.headers) == (503, False)
    assert sign_in(out, "qc", "wrong password").status_code == 401
    assert web.get("/api/v1/leaderboard").status_code == 200  # nobody is on it
    assert web.post("/sign-out", headers=HERE).status_code == 303  # one may always leave
    kept.away = False
    clock.ms += AWAY_MS
    assert sign_in(out, "qc").status_code == 303
    assert out.get(TALK).status_code == 200


def test_an_open_web_keeps_no_trail(db: Database, kept: Kept) -> None:
    with TestClient(
        create_app(Settings(), db, kept, default_book(), clock_ns=Clock(), pages=False), base_url=SITE
    ) as web:
        for path in (TALK, *LISTS.values(), "/api/v1/access-log"):
            assert web.get(path).status_code == 200
        web.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers=HERE)
        web.post("/sign-out", headers=HERE)
        assert kept.records == []


def keep(db: Database, kept: Kept) -> None:
    """What the sink does with it."""
    batch = Batch()
    for offset, (topic, key, value) in enumerate(kept.records):
        batch.add(Record(topic, 0, offset, key, value, None))
    assert "access_log_raw" in insert_batch(db, batch)


def test_admins_read_who_saw_what(client: Callable[..., TestClient], kept: Kept, db: Database, clock: Clock) -> None:
    clock.ms += 3_600_000
    client("qc").get(TALK)
    keep(db, kept)
    keep(db, kept)  # at least once
    clock.ms += 1000
    client("caller").get("/api/v1/call-tasks/t-trail")
    keep(db, kept)
    clock.ms += 1000
    web = client("admin")

    def read(**params: Any) -> list[tuple[str, str]]:
        page = web.get("/api/v1/access-log", params={"since": "2026-11-11T21:40:00+08:00", **params}).json()
        return [(entry["actor"], entry["what"]) for entry in page["entries"]]

    assert read() == [("caller", "call_task"), ("qc", "conversation")]
    assert read(actor="qc") == read(until="2026-11-11T21:40:01+08:00") == [("qc", "conversation")]
    assert read(type="access.queried") == read(buyer_id="b-none") == read(shop_id="anta-xm") == []
    assert read(buyer_id=BUYER, shop_id=SHOP) == read()
    first = web.get("/api/v1/access-log", params={"limit": 1, "type": "access.seen"}).json()
    assert [entry["actor"] for entry in first["entries"]] == ["caller"]
    second = web.get(
        "/api/v1/access-log", params={"limit": 1, "type": "access.seen", "cursor": first["next_cursor"]}
    ).json()
    assert [(e["actor"], e["time"], e["address"]) for e in second["entries"]] == [
        ("qc", "2026-11-11T21:40:00+08:00", "192.0.2.17")
    ]
    # and who reads that has seen it, too
    assert told(kept, "actor", "what", "buyer_ids") == [("seen", "admin", "access_log", [BUYER])]


@pytest.mark.parametrize("name", ["ops", "qc", "caller", "engineer"])
def test_nobody_else_reads_the_trail(client: Callable[..., TestClient], name: str) -> None:
    web = client(name)
    assert web.get("/api/v1/access-log").status_code == 403
    if name == "engineer":
        for table in ("access_log", "access_log_raw", "`access_log`", "zhengdian.access_log", '"access_log_raw"'):
            for sql in (
                f"SELECT * FROM {table}",
                f"SELECT 1 WHERE 'a' IN (SELECT actor FROM {table})",
                f"DESCRIBE {table}",
            ):
                answer = web.post("/api/v1/sql", json={"sql": sql}, headers=HERE)
                assert (answer.status_code, "is for admins" in answer.json()["detail"]) == (400, True), sql
        about = "SELECT 'access_log' AS a, count() FROM system.tables WHERE name = 'access_log'"
        assert web.post("/api/v1/sql", json={"sql": about}, headers=HERE).status_code == 200
        admin = client("admin").post("/api/v1/sql", json={"sql": "SELECT count() FROM access_log"}, headers=HERE)
        assert admin.status_code == 200
