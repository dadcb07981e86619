"""The web with people who sign in: what each role gets, and what nobody gets from elsewhere."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sse_starlette import EventSourceResponse
from web_people import HERE, PASSWORD, SITE, Kept, sign_in, write_people
from web_rows import fill, flag, insert, raw_event, task
from web_served import routes_of

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.types import format_time, parse_time
from sinks.access_log import TRAIL_TABLES
from sinks.database import Database, open_database
from sinks.migrate import up
from web.access import users as users_module
from web.access.guard import person_of
from web.access.roles import Role
from web.access.users import Token, UsersError, UsersFile, new_token, read_users, write_users
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
SHOP, BUYER = "lining-hz", "b-10077"
ORDER, REVIEW, PAYMENT, PHONE = "o-20088", "r-30099", "p-40066", "13812345678"
READS = {
    "leaderboard": "/api/v1/leaderboard",
    "flags": "/api/v1/flags",
    "counts": "/api/v1/flags/counts",
    "tasks": "/api/v1/call-tasks",
    "flag": "/api/v1/flags/f-access",
    "task": "/api/v1/call-tasks/t-access",
    "conversation": f"/api/v1/conversations/{SHOP}/{BUYER}",
    "same conversation": f"/api/v1/conversations?shop_id={SHOP}&buyer_id={BUYER}",
    "metrics": "/metrics",
    "sql tables": "/api/v1/sql/tables",
    "sql queries": "/api/v1/sql/queries",
    "openapi": "/openapi.json",
}
TALK = {"conversation", "same conversation"}
FLOOR = {"leaderboard", "flags", "counts", "tasks", "flag", "task", "openapi"}
ALLOWED = {
    "ops": FLOOR,
    "qc": FLOOR | TALK | {"verdict"},
    "caller": FLOOR | TALK | {"call"},
    "engineer": FLOOR | TALK | {"metrics", "sql tables", "sql queries", "sql", "events"},
    "admin": {*READS, "verdict", "call", "sql", "events"},
}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("access")))
    up(database)
    fill(database, NOW)
    evidence = orjson.dumps({"order_ids": [ORDER], "payment_ids": [PAYMENT], "phrases": []}).decode()
    more = {"buyer_id": BUYER, "order_ids": [ORDER], "evidence": evidence, "qc_reason": f"已致电 {PHONE}"}
    insert(database, "flags_raw", flag("f-access", "reminder.direct", "notice", SHOP, NOW, **more))
    called = {"buyer_id": BUYER, "order_id": ORDER, "review_ids": [REVIEW], "excluded_agent_id": f"{SHOP}:07"}
    insert(database, "call_tasks_raw", task("t-access", SHOP, NOW, **called))
    said = {"agent_id": f"{SHOP}:07", "sender": "buyer", "text": f"打我电话{PHONE}", "buyer_id": BUYER}
    wrote = {"order_id": ORDER, "review_id": REVIEW, "rating": 1, "text": f"坏了，电话 {PHONE}", "buyer_id": BUYER}
    events = (
        raw_event("chat.message", "chat.messages", "m-access", SHOP, NOW - 9_000, **said),
        raw_event("review.posted", "commerce.reviews", "e-access", SHOP, NOW - 8_000, **wrote),
    )
    insert(database, "raw_events", *(event | {"buyer_id": BUYER} for event in events))
    yield database
    database.close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """One user per role, named like it."""
    monkeypatch.setattr(users_module, "_HASHER", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    monkeypatch.setattr(users_module, "_LOOK_SECONDS", 0.0)
    path = tmp_path / "users.yaml"
    write_people(path, caller=[f"{SHOP}:07"])
    return Settings(web_users=path)


@pytest.fixture
def app(db: Database, settings: Settings) -> FastAPI:
    return create_app(settings, db, Kept(), default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)


@pytest.fixture
def client(app: FastAPI) -> Iterator[Callable[..., TestClient]]:
    """Browsers; with a name it has signed in."""
    opened: list[TestClient] = []

    def make(name: str = "", **headers: str) -> TestClient:
        one = TestClient(app, base_url=SITE, headers=headers, follow_redirects=False)
        if not opened:  # the app starts once
            one.__enter__()
        opened.append(one)
        if name:
            assert sign_in(one, name).status_code == 303
        return one

    yield make
    for one in opened[1:]:
        one.close()
    if opened:
        opened[0].__exit__(None, None, None)


def test_every_route_asks_for_a_permission(app: FastAPI) -> None:
    open_to_all = {"/healthz", "/sign-in", "/sign-in/oidc", "/sign-in/oidc/callback", "/sign-out"}
    routes = list(routes_of(app.routes))
    assert {route.path_format for route in routes} >= {*app.openapi()["paths"], *open_to_all}
    for route in routes:
        asked = [getattr(one.call, "needs", None) for one in route.dependant.dependencies]
        if route.path == "/api/v1/me":
            assert [one.call for one in route.dependant.dependencies] == [person_of]
            continue
        assert any(asked) != (route.path in open_to_all), route.path


@pytest.mark.parametrize("name", list(ALLOWED))
def test_each_role_gets_what_it_needs_and_no_more(client: Callable[..., TestClient], name: str) -> None:
    web = client(name)
    got = {what: web.get(path).status_code for what, path in READS.items()}
    claim = {"verdict": "/api/v1/flags/none/verdict", "call": "/api/v1/call-tasks/none/call"}
    for what, path in claim.items():
        body = {"verdict": "upheld"} if what == "verdict" else {}
        got[what] = web.post(path, json=body, headers=HERE).status_code
    got["sql"] = web.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers=HERE).status_code
    batch = {"content-type": "application/cloudevents-batch+json", **HERE}
    got["events"] = web.post("/v1/events", content=b"[]", headers=batch).status_code
    allowed = {what for what, status in got.items() if status != 403}
    assert allowed == ALLOWED[name]
    # 404: no such flag or task, which is asked after the permission
    assert {status for status in got.values() if status != 403} <= {200, 202, 404}


def test_whoever_has_not_signed_in_gets_nothing(client: Callable[..., TestClient]) -> None:
    web = client()
    for path in [*READS.values(), "/", "/api/v1/nothing"]:
        answer = web.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert answer.json() == {"detail": "sign in first"}
    assert web.post("/v1/events", content=b"[]").status_code == 401
    assert web.get("/healthz").status_code in (200, 503)


def test_a_browser_is_sent_to_the_sign_in_page_and_back(client: Callable[..., TestClient]) -> None:
    web = client(accept="text/html")
    sent = web.get("/api/v1/flags?rule=reminder.direct")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/sign-in?next=%2Fapi%2Fv1%2Fflags%3Frule%3Dreminder.direct"
    page = web.get(sent.headers["location"])
    assert page.status_code == 200
    assert 'value="/api/v1/flags?rule=reminder.direct"' in page.text
    assert "登录" in page.text
    assert "Sign in" in web.get("/sign-in?lang=en").text
    back = sign_in(web, "qc", next="/api/v1/flags?rule=reminder.direct")
    assert (back.status_code, back.headers["location"]) == (303, "/api/v1/flags?rule=reminder.direct")
    cookie = back.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert web.get("/api/v1/flags").status_code == 200
    assert sign_in(web, "qc", next="https://evil.test/").headers["location"] == "/qc"
    assert web.post("/sign-out", headers=HERE).status_code == 303
    assert web.get("/api/v1/flags", headers={"accept": "*/*"}).status_code == 401


HOMES = {"ops": "/", "admin": "/", "qc": "/qc", "caller": "/calls", "engineer": "/sql"}


@pytest.mark.parametrize("name", list(HOMES))
def test_who_asked_for_no_page_lands_on_their_own(client: Callable[..., TestClient], name: str) -> None:
    web = client(accept="text/html")
    for target in ("", "/", "/?lang=en"):
        assert sign_in(web, name, next=target).headers["location"].partition("?")[0] == HOMES[name]
    for target in ("/reports", "/?rotate=1", "/?shop_id=s1&lang=en"):
        assert sign_in(web, name, next=target).headers["location"] == target


def test_the_language_is_kept_until_another_is_asked_for(client: Callable[..., TestClient]) -> None:
    web = client(accept="text/html")
    assert "登录" in web.get("/sign-in").text
    # what is asked for where one is not let in, is the language of the sign-in page, and of all that follows
    sent = web.get("/qc?lang=en")
    assert "Sign in" in web.get(sent.headers["location"]).text
    assert sign_in(web, "qc").headers["location"] == "/qc"
    out = web.post("/sign-out", headers=HERE)
    assert "Sign in" in web.get(out.headers["location"]).text
    # switched there, it is switched where one goes next, too
    switched = web.get("/sign-in?lang=zh&next=/qc?lang=en").text
    assert 'value="/qc?lang=zh"' in switched
    assert "登录" in web.get("/sign-in").text
    assert "登录" in web.get("/sign-in?lang=fr").text


def test_a_wrong_password_says_no_more_than_that(client: Callable[..., TestClient]) -> None:
    web = client()
    wrong, unknown = sign_in(web, "qc", "wrong password"), sign_in(web, "nobody", "wrong password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace('value="qc"', "") == unknown.text.replace('value="nobody"', "")
    assert "set-cookie" not in wrong.headers
    script = sign_in(web, "<script>alert(1)</script>", "wrong password")
    assert "<script>" not in script.text


def test_guessing_is_slowed_down(client: Callable[..., TestClient]) -> None:
    web = client()
    codes = [sign_in(web, "qc", f"wrong password {number}").status_code for number in range(10)]
    assert codes == [401] * 8 + [429] * 2
    assert sign_in(web, "qc").status_code == 429  # the right one, too
    assert sign_in(web, "ops").status_code == 303


def test_buyers_are_masked_for_whoever_need_not_know_them(client: Callable[..., TestClient]) -> None:
    for name, seen in (("ops", "•••77"), ("qc", BUYER)):
        web = client(name)
        flags = web.get("/api/v1/flags", params={"rule": "reminder.direct", "limit": 500}).json()["flags"]
        assert {f["buyer_id"] for f in flags if f["flag_id"] == "f-access"} == {seen}
        queued = web.get("/api/v1/qc/queue", params={"limit": 500}).json()["flags"]
        assert {f["buyer_id"] for f in queued if f["flag_id"] == "f-access"} == {seen}
        called = web.get("/api/v1/calls/queue", params={"limit": 500}).json()["call_tasks"]
        assert {t["buyer_id"] for t in called if t["task_id"] == "t-access"} == {seen}
        tasks = web.get("/api/v1/call-tasks", params={"limit": 500}).json()["call_tasks"]
        assert {t["buyer_id"] for t in tasks if t["task_id"] == "t-access"} == {seen}
        if name == "ops":
            assert all("•••" in row["buyer_id"] for row in [*flags, *queued, *called, *tasks])
            assert all(id.startswith("•••") for row in flags for id in row["order_ids"])


def test_people_are_called_what_the_users_file_says_else_what_they_were_when_they_signed_in(
    db: Database, settings: Settings, client: Callable[..., TestClient]
) -> None:
    assert settings.web_users is not None
    users = read_users(settings.web_users)
    named = [user.model_copy(update={"display_name": "李静"}) if user.name == "qc" else user for user in users.users]
    write_users(settings.web_users, UsersFile(users=named))
    row = {"roles": [], "recognised_by": "oidc", "address": "", "what": "sign-in", "shop_id": "", "buyer_ids": []}
    seen = [("oidc:lan", "兰", NOW - 2), ("oidc:lan", "小兰", NOW - 1), ("qc", "旧名", NOW), ("gone", "", NOW)]
    for number, (actor, shown, at) in enumerate(seen):
        more = {"event_id": f"in-{number}", "time": at, "type": "access.signed_in", "actor": actor, "detail": shown}
        insert(db, "access_log_raw", {**row, **more, "target_id": "", "status": 200, "size": 0})
    people = client("ops").get("/api/v1/people").json()["people"]
    assert people == [{"name": "oidc:lan", "display_name": "小兰"}, {"name": "qc", "display_name": "李静"}]


def test_who_may_not_see_the_trail_is_not_shown_its_tables(client: Callable[..., TestClient]) -> None:
    told = {name: client(name).get("/api/v1/sql/tables").json()["tables"] for name in ("engineer", "admin")}
    engineer, admin = ({table["name"] for table in tables} for tables in told.values())
    assert admin - engineer == TRAIL_TABLES
    assert "flags" in engineer


PARAMETERS = {
    "shop_id": SHOP,
    "buyer_id": BUYER,
    "flag_id": "f-access",
    "task_id": "t-access",
    "sample_id": "none",
    "report_id": "none",
}


@pytest.mark.parametrize("name", list(ALLOWED))
def test_no_reading_route_tells_what_a_role_need_not_know(
    app: FastAPI, client: Callable[..., TestClient], name: str
) -> None:
    """Every GET route, those that are yet to come included: a new path parameter has to be given a value above."""
    web, sees_buyers, sees_phones = client(name), name != "ops", name in ("caller", "engineer", "admin")
    told = ""
    reading = [route for route in routes_of(app.routes) if "GET" in route.methods]
    # a stream has no end, and tells what the leaderboard does
    for path in sorted({route.path_format for route in reading if route.response_class is not EventSourceResponse}):
        answer = web.get(path.format(**PARAMETERS), params={"limit": "500"})
        if answer.status_code != 422:  # a route that needs more than that tells nothing without
            told += answer.text
    for secret, seen in ((BUYER, sees_buyers), (ORDER, sees_buyers), (REVIEW, sees_buyers), (PAYMENT, sees_buyers)):
        assert (secret in told) == seen, secret
    assert (PHONE in told) == sees_phones
    assert ("138****5678" in told) != sees_phones


def test_who_has_signed_in_is_the_actor(client: Callable[..., TestClient]) -> None:
    web = client("qc")
    other = web.post("/api/v1/flags/f-access/claim", json={"actor": "caller"}, headers=HERE)
    assert (other.status_code, other.json()["detail"]) == (403, "actor: qc has signed in, not caller")
    assert web.post("/api/v1/flags/f-access/claim", json={}, headers=HERE).status_code == 202
    taken = client("admin").post("/api/v1/flags/f-access/claim", json={}, headers=HERE)
    assert (taken.status_code, taken.json()["detail"]) == (409, "qc has it (claimed)")


def test_the_agent_who_served_the_buyer_can_not_take_the_call(client: Callable[..., TestClient]) -> None:
    refused = client("caller").post("/api/v1/call-tasks/t-access/claim", json={}, headers=HERE)
    assert refused.status_code == 403
    assert "must not handle the review" in refused.json()["detail"]


def test_what_others_have_done_is_sent_by_admins_alone(client: Callable[..., TestClient]) -> None:
    at = format_time(NOW, "Asia/Shanghai")
    data = {"shop_id": SHOP, "buyer_id": BUYER, "flag_id": "f-access", "actor": "mei", "verdict": "upheld"}
    verdict = {"specversion": "1.0", "id": "v-1", "source": "x", "type": "qc.verdict_given", "time": at, "data": data}
    kind = {"content-type": "application/cloudevents+json", **HERE}
    refused = client("engineer").post("/v1/events", json=verdict, headers=kind)
    assert (refused.status_code, "may not send what others have done" in refused.json()["detail"]) == (403, True)
    assert client("admin").post("/v1/events", json=verdict, headers=kind).status_code == 202


def test_a_cookie_over_https_stays_there(app: FastAPI) -> None:
    with TestClient(app, base_url="https://audit.shop", follow_redirects=False) as web:
        answer = web.post(
            "/sign-in", data={"name": "qc", "password": PASSWORD}, headers={"origin": "https://audit.shop"}
        )
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert web.get("/api/v1/flags").status_code == 200


def test_a_form_that_is_none_is_refused(client: Callable[..., TestClient]) -> None:
    web = client()
    assert web.post("/sign-in", content=b"x" * 20_000, headers=HERE).status_code == 413
    for body in (b"", b"\xff", b"&" * 50, b"name=qc", b"name=qc&password=" + b"y" * 9_000):
        assert web.post("/sign-in", content=body, headers=HERE).status_code in (401, 429), body[:20]


def test_the_schema_says_how_programs_sign_in(client: Callable[..., TestClient]) -> None:
    schema = client("admin").get("/openapi.json").json()
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert {"401", "403", "429"} <= schema["paths"]["/api/v1/flags"]["get"]["responses"].keys()


def test_an_open_web_can_be_told_its_names(db: Database) -> None:
    settings = Settings(web_host="0.0.0.0", web_access="open", web_hosts="audit.shop, localhost")
    app = create_app(settings, db, Kept(), default_book(), pages=False)
    with TestClient(app) as web:
        assert web.get("/api/v1/flags", headers={"host": "audit.shop"}).status_code == 200
        assert web.get("/api/v1/flags", headers={"host": "evil.test"}).status_code == 400


def test_a_program_sends_its_token(client: Callable[..., TestClient], settings: Settings) -> None:
    token, sha256 = new_token()
    assert settings.web_users is not None
    write_users(settings.web_users, UsersFile(tokens=[Token(name="feeder", roles=[Role.ENGINEER], sha256=sha256)]))
    batch = {"content-type": "application/cloudevents-batch+json"}
    web = client()
    # a program is no browser: nothing is asked about where the request comes from
    good = {"authorization": f"Bearer {token}", "origin": "http://evil.test", **batch}
    assert web.post("/v1/events", content=b"[]", headers=good).status_code == 202
    wrong = web.post("/v1/events", content=b"[]", headers={"authorization": "Bearer zd_wrong", **batch})
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "unknown token")
    assert web.post("/v1/events", content=b"[]", headers={"authorization": f"Basic {token}"}).status_code == 401


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}])
def test_another_site_can_not_act_through_the_browser(client: Callable[..., TestClient], headers: Any) -> None:
    web = client("admin")
    for path in ("/api/v1/flags/f-access/claim", "/api/v1/sql", "/sign-in", "/sign-out"):
        answer = web.post(path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (403, "the request comes from another site"), path
    assert web.get("/api/v1/flags", headers=headers).status_code == 200  # reading is no act, and stays in the browser


def test_a_web_that_is_open_lets_everybody_of_this_machine_in(db: Database) -> None:
    app = create_app(Settings(), db, Kept(), default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)
    with TestClient(app, base_url=SITE) as web:
        assert all(web.get(path).status_code == 200 for path in READS.values())
        # yet no other site
        assert (
            web.post("/api/v1/sql", json={"sql": "SELECT 1"}, headers={"origin": "http://evil.test"}).status_code == 403
        )
        unnamed = web.post("/api/v1/flags/f-access/claim", json={})
        assert (unnamed.status_code, unnamed.json()["detail"]) == (422, "actor: who does it? Nobody has signed in")


def test_a_web_bound_to_the_network_without_users_does_not_start(db: Database) -> None:
    for settings in (Settings(web_host="0.0.0.0"), Settings(web_access="sign-in")):
        with pytest.raises(UsersError, match="nobody could sign in"):
            create_app(settings, db, Kept(), default_book(), pages=False)
    create_app(Settings(web_host="0.0.0.0", web_access="open"), db, Kept(), default_book(), pages=False)


def test_without_a_secret_a_session_is_of_one_process(db: Database, settings: Settings) -> None:
    first, second = (create_app(settings, db, Kept(), default_book(), pages=False) for _ in range(2))
    with TestClient(first, base_url=SITE) as web, TestClient(second, base_url=SITE) as other:
        sign_in(web, "qc")
        cookie = {"cookie": f"zhengdian_session={web.cookies['zhengdian_session']}"}
        assert web.get("/api/v1/me").status_code == 200
        assert other.get("/api/v1/me", headers=cookie).status_code == 401


def test_a_local_web_is_open_and_who_signs_in_has_their_role(db: Database, settings: Settings) -> None:
    local = settings.model_copy(update={"web_access": "local"})
    with TestClient(create_app(local, db, Kept(), default_book(), pages=False), base_url=SITE) as web:
        me = web.get("/api/v1/me").json()
        assert (me["name"], me["can_sign_in"], "query" in me["may"]) == ("", True, True)
        proxied = {"x-forwarded-for": "203.0.113.7"}
        assert web.get("/api/v1/me", headers=proxied).status_code == 403  # open to this machine, and no other
        sign_in(web, "ops")
        me = web.get("/api/v1/me").json()
        assert (me["name"], "query" in me["may"]) == ("ops", False)
        assert web.get("/api/v1/conversations/x/y").status_code == 403
    elsewhere = settings.model_copy(update={"web_access": "local", "web_host": "0.0.0.0"})
    with TestClient(create_app(elsewhere, db, Kept(), default_book(), pages=False), base_url=SITE) as web:
        assert web.get("/api/v1/me").status_code == 401
