"""Signing in at a provider that is really there, over HTTP, and what happens when it, or somebody in between, lies."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from fixtures.oidc_provider import CLIENT, SECRET, Claims, Provider
from web_people import HERE, SITE, Kept

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.topics import ACCESS
from sinks.database import Database, open_database
from sinks.migrate import up
from web.access import oidc
from web.access.roles import Role
from web.access.users import User, UsersError, UsersFile, hash_password, write_users
from web.app import create_app

pytestmark = pytest.mark.stack


def told(kept: Kept) -> list[tuple[str, str]]:
    return [(event["type"], event["data"]["actor"]) for event in kept.events(ACCESS)]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("oidc")))
    up(database)
    yield database
    database.close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def web(db: Database, provider: Provider, kept: Kept) -> Iterator[Callable[..., TestClient]]:
    """Browsers at a web part with that provider; the settings may be others."""
    opened: list[TestClient] = []

    def make(site: str = SITE, **more: Any) -> TestClient:
        known = {"web_oidc_client_id": CLIENT, "web_oidc_client_secret": SECRET, "web_secret": "same"}
        settings = Settings(**{"web_oidc_issuer": provider.issuer, **known, **more})
        app = create_app(settings, db, kept, default_book(), pages=False)
        opened.append(TestClient(app, base_url=site, follow_redirects=False))
        return opened[-1].__enter__()

    yield make
    for one in opened:
        one.__exit__(None, None, None)


def begin(client: TestClient, target: str = "/qc") -> str:
    """Where the provider sends the browser back to, once the person has signed in there."""
    sent = client.get("/sign-in/oidc", params={"next": target})
    assert sent.status_code == 303, sent.text
    back = httpx.get(sent.headers["location"])
    assert back.status_code == 303
    return str(back.headers["location"])


def enter(client: TestClient, target: str = "/qc") -> Any:
    return client.get(begin(client, target))


def error_of(answer: Any) -> str:
    found = re.search(r'role="alert">([^<]+)', answer.text)
    return found[1] if found else ""


REFUSED = "统一登录没有成功，请再试一次"
AGAIN = "登录已过期或被打断，请重新登录"


def test_a_person_signs_in_and_is_who_the_provider_says(web: Callable[..., TestClient], kept: Kept) -> None:
    browser = web()
    assert browser.get("/api/v1/me").status_code == 401
    page = browser.get("/sign-in?next=/qc&lang=en").text
    assert "/sign-in/oidc?next=/qc" in page
    assert "Sign in with" in page
    assert 'type="password"' not in page  # there is nobody who has one
    answer = enter(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/qc")
    me = browser.get("/api/v1/me").json()
    assert (me["name"], me["display_name"], me["roles"]) == ("oidc:lan", "小兰", ["qc"])
    assert "review" in me["may"]
    assert "query" not in me["may"]
    assert told(kept) == [("access.signed_in", "oidc:lan")]
    signed_in = kept.events(ACCESS)[0]["data"]
    assert (signed_in["recognised_by"], signed_in["detail"]) == ("oidc", "小兰")


def test_the_request_has_what_guards_the_answer(web: Callable[..., TestClient], provider: Provider) -> None:
    first, second = (web().get("/sign-in/oidc").headers["location"] for _ in range(2))
    asked, other = ({k: v[0] for k, v in parse_qs(urlsplit(url).query).items()} for url in (first, second))
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile"
    assert asked["redirect_uri"] == f"{SITE}/sign-in/oidc/callback"
    assert all(asked[name] != other[name] for name in ("state", "nonce", "code_challenge"))


def test_the_public_address_is_what_the_provider_and_the_cookie_get(web: Callable[..., TestClient]) -> None:
    # as behind a proxy with TLS: the web part itself is asked over http
    browser = web(web_public_url="https://audit.shop/")
    sent = browser.get("/sign-in/oidc")
    (back,) = parse_qs(urlsplit(sent.headers["location"]).query)["redirect_uri"]
    assert back == "https://audit.shop/sign-in/oidc/callback"
    assert "Secure" in sent.headers["set-cookie"]
    assert "HttpOnly" in sent.headers["set-cookie"]


@pytest.mark.parametrize(
    ("roles", "settings", "status"),
    [
        ({"roles": ["qc", "boss"]}, {}, ["qc"]),
        ({"roles": "caller"}, {}, ["caller"]),
        ({"roles": ["qc"]}, {"web_oidc_roles": '{"floor-qc": "qc"}'}, 403),
        ({"roles": ["floor-qc", "x"]}, {"web_oidc_roles": '{"floor-qc": "qc", "y": "admin"}'}, ["qc"]),
        ({"realm_access": {"roles": ["ops"]}}, {"web_oidc_roles_claim": "realm_access.roles"}, ["ops"]),
        ({"https://shop/roles": ["ops"]}, {"web_oidc_roles_claim": "https://shop/roles"}, ["ops"]),
        ({"roles": []}, {}, 403),
        ({"roles": {"admin": True}}, {}, 403),
        ({"roles": [["admin"]]}, {}, 403),
        ({}, {}, 403),
    ],
)
def test_roles_are_those_that_the_claim_is_mapped_to(
    web: Callable[..., TestClient], provider: Provider, kept: Kept, roles: Claims, settings: Any, status: Any
) -> None:
    provider.person = {"sub": "s-1", "preferred_username": "lan", **roles}
    provider.userinfo = {"sub": "s-1"}
    browser = web(**settings)
    answer = enter(browser)
    if status == 403:
        assert (answer.status_code, error_of(answer)) == (403, "您的账号在这里还没有角色，请联系管理员")
        assert browser.get("/api/v1/me").status_code == 401
        assert told(kept) == [("access.sign_in_refused", "")]
    else:
        assert browser.get("/api/v1/me").json()["roles"] == status


def test_groups_may_be_told_at_the_userinfo_endpoint(web: Callable[..., TestClient], provider: Provider) -> None:
    provider.person = {"sub": "s-1", "preferred_username": "lan"}
    provider.userinfo = {"sub": "s-1", "preferred_username": "boss", "roles": ["caller"]}
    browser = web()
    enter(browser)
    me = browser.get("/api/v1/me").json()
    assert (me["name"], me["roles"]) == ("oidc:lan", ["caller"])  # what is signed comes first
    provider.userinfo = {"sub": "s-2", "roles": ["admin"]}
    assert error_of(enter(web())) == REFUSED


def test_nobody_is_taken_for_a_local_user(web: Callable[..., TestClient], provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    write_users(path, UsersFile(users=[User(name="lan", roles=[Role.ADMIN], password=hash_password("long enough"))]))
    browser = web(web_users=path)
    page = browser.get("/sign-in").text
    assert 'type="password"' in page
    assert "/sign-in/oidc" in page
    enter(browser)
    assert (browser.get("/api/v1/me").json()["name"], browser.get("/api/v1/me").json()["roles"]) == ("oidc:lan", ["qc"])
    with pytest.raises(ValueError, match="name"):
        User(name="oidc:lan", roles=[Role.QC], password="$argon2id$")


def wrong(**claims: Any) -> Callable[[Claims], Claims]:
    return lambda told: {**told, **claims}


LIES: dict[str, Callable[[Claims], Claims]] = {
    "another nonce": wrong(nonce="another"),
    "no nonce": lambda told: {name: value for name, value in told.items() if name != "nonce"},
    "for another client": wrong(aud="other"),
    "for others, with our name as the party": wrong(aud=["other"], azp=CLIENT),
    "by another issuer": wrong(iss="https://evil.test"),
    "expired": wrong(exp=int(time.time()) - 120),
    "without an end": lambda told: {name: value for name, value in told.items() if name != "exp"},
    "without a subject": lambda told: {name: value for name, value in told.items() if name != "sub"},
    "no name": wrong(preferred_username=""),
    "a name of two lines": wrong(preferred_username="lan\nadmin"),
    "a name that is none": wrong(preferred_username=["admin"]),
    "a name without end": wrong(preferred_username="x" * 65),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_says_something_else_lets_nobody_in(
    web: Callable[..., TestClient], provider: Provider, kept: Kept, lie: str
) -> None:
    browser = web()
    provider.lie = LIES[lie]
    answer = enter(browser)
    assert (answer.status_code, error_of(answer)) == (401, REFUSED)
    assert browser.get("/api/v1/me").status_code == 401
    assert told(kept) == [("access.sign_in_refused", "")]
    provider.lie = lambda claims: claims
    assert enter(browser).status_code == 303  # it was this and nothing else


@pytest.mark.parametrize("forgery", ["unsigned", "signed_with_public_key", "by a stranger", "nonsense"])
def test_a_token_that_the_provider_has_not_signed_lets_nobody_in(
    web: Callable[..., TestClient], provider: Provider, forgery: str
) -> None:
    browser = web()
    stranger = Provider()
    forge = {"by a stranger": stranger.signed, "nonsense": lambda _: "x.y.z"}
    provider.sign = forge.get(forgery) or getattr(provider, forgery)
    answer = enter(browser)
    assert (answer.status_code, error_of(answer)) == (401, REFUSED)
    stranger.key = provider.key  # with the right key it is no forgery
    provider.sign = stranger.signed
    assert enter(browser).status_code == 303
    stranger.stop()


def test_the_answer_counts_once_and_in_the_browser_that_asked(web: Callable[..., TestClient]) -> None:
    browser, other = web(), web()
    back = begin(browser)
    stolen = other.get(back)  # no sign-in was begun there
    assert (stolen.status_code, error_of(stolen)) == (401, AGAIN)
    begin(other)
    mixed = other.get(back)  # and one that was has another state
    assert (mixed.status_code, error_of(mixed)) == (401, AGAIN)
    flow = browser.cookies["zhengdian_oidc"]
    assert browser.get(back).status_code == 303
    assert "zhengdian_oidc" not in browser.cookies
    browser.cookies.clear()
    assert error_of(browser.get(back)) == AGAIN
    browser.cookies.set("zhengdian_oidc", flow, domain="127.0.0.1", path="/")
    replayed = browser.get(back)  # the provider takes a code once
    assert (replayed.status_code, error_of(replayed)) == (401, REFUSED)
    assert browser.get("/api/v1/me").status_code == 401


def test_a_sign_in_does_not_wait_for_ever(web: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    browser = web()
    back = begin(browser)
    now = time.time()
    monkeypatch.setattr(oidc.time, "time", lambda: now + oidc.FLOW_SECONDS + 2)
    assert error_of(browser.get(back)) == AGAIN


@pytest.mark.parametrize("query", ["", "?state=x", "?code=x", "?error=access_denied", "?code=x&state=&error="])
def test_an_answer_that_is_none_is_refused(web: Callable[..., TestClient], query: str) -> None:
    browser = web()
    begin(browser)
    answer = browser.get("/sign-in/oidc/callback" + query)
    assert (answer.status_code, error_of(answer)) == (401, AGAIN)


def test_strangers_cannot_fill_the_trail_with_answers(web: Callable[..., TestClient], kept: Kept) -> None:
    browser = web()
    codes = [browser.get("/sign-in/oidc/callback?state=x").status_code for _ in range(40)]
    assert codes == [401] * 30 + [429] * 10
    assert len(kept.records) == 30


def test_who_says_no_at_the_provider_is_told_so(web: Callable[..., TestClient]) -> None:
    browser = web()
    state = parse_qs(urlsplit(begin(browser)).query)["state"][0]
    answer = browser.get("/sign-in/oidc/callback", params={"state": state, "error": "access_denied"})
    assert (answer.status_code, error_of(answer)) == (401, REFUSED)
    sent = browser.get("/sign-in/oidc?lang=en").headers["location"]
    state = parse_qs(urlsplit(sent).query)["state"][0]
    english = browser.get("/sign-in/oidc/callback", params={"state": state, "error": "access_denied"})
    assert error_of(english) == "The sign-in service did not let you in; try again"


@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_afterwards(web: Callable[..., TestClient], target: str) -> None:
    assert enter(web(), target).headers["location"] == "/qc"  # their own page


def test_a_provider_that_is_down_is_said_and_locks_nothing(
    web: Callable[..., TestClient], provider: Provider, db: Database
) -> None:
    browser = web()
    back = begin(browser)
    provider.stop()
    began = time.monotonic()
    answer = browser.get(back)
    assert (answer.status_code, error_of(answer)) == (503, "统一登录服务暂时连接不上，请稍后再试")
    browser = web()  # which has never seen the provider
    answer = browser.get("/sign-in/oidc?lang=en")
    assert (answer.status_code, error_of(answer)) == (503, "The sign-in service cannot be reached; try again later")
    assert browser.get("/sign-in").status_code == 200
    assert time.monotonic() - began < 8
    again = Provider(provider.port)
    try:
        assert enter(browser).status_code == 303  # as soon as it is back
    finally:
        again.stop()


@pytest.mark.parametrize("issuer", ["https://evil.test", None])
def test_metadata_of_somebody_else_is_not_used(web: Callable[..., TestClient], provider: Provider, issuer: Any) -> None:
    provider.metadata = {"issuer": issuer}
    browser = web()
    answer = browser.get("/sign-in/oidc")
    assert (answer.status_code, error_of(answer)) == (401, REFUSED)
    provider.metadata = {}
    assert enter(browser).status_code == 303


def test_metadata_and_keys_are_kept_and_renewed(
    web: Callable[..., TestClient], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = web()
    for _ in range(3):
        assert enter(browser).status_code == 303
    assert (provider.asked.count("/.well-known/openid-configuration"), provider.asked.count("/jwks")) == (1, 1)
    provider.new_key()
    assert enter(browser).status_code == 303
    assert provider.asked.count("/jwks") == 2
    monkeypatch.setattr(oidc, "_METADATA_SECONDS", 0.0)
    assert enter(browser).status_code == 303
    assert provider.asked.count("/.well-known/openid-configuration") > 1


def test_a_session_lasts_as_long_as_it_may_and_as_the_provider_is_the_same(
    web: Callable[..., TestClient], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = web(web_session_hours=1)
    enter(browser)
    cookie = {"cookie": f"zhengdian_session={browser.cookies['zhengdian_session']}"}
    assert web().get("/api/v1/me", headers=cookie).status_code == 200
    assert web(web_oidc_client_id="other").get("/api/v1/me", headers=cookie).status_code == 401
    assert web(web_oidc_issuer="https://other.test").get("/api/v1/me", headers=cookie).status_code == 401
    without = web(web_oidc_issuer="", web_access="open", web_host="0.0.0.0").get("/api/v1/me", headers=cookie)
    assert without.json()["name"] == ""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3602)
    assert browser.get("/api/v1/me", headers=cookie).status_code == 401


def test_signing_out_ends_it_here_and_at_the_provider(
    web: Callable[..., TestClient], provider: Provider, kept: Kept
) -> None:
    browser = web()
    enter(browser)
    out = browser.post("/sign-out", headers=HERE)
    address = urlsplit(out.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/end"
    assert parse_qs(address.query) == {"client_id": [CLIENT], "post_logout_redirect_uri": [f"{SITE}/sign-in"]}
    assert browser.get("/api/v1/me").status_code == 401
    assert told(kept)[-1] == ("access.signed_out", "oidc:lan")
    for metadata in ({"end_session_endpoint": None}, {"end_session_endpoint": "javascript:alert(1)"}):
        provider.metadata = metadata
        browser = web()
        enter(browser)
        assert browser.post("/sign-out", headers=HERE).headers["location"] == "/sign-in"


def test_the_accounts_that_somebody_chats_with_may_be_told_by_a_claim(
    web: Callable[..., TestClient], provider: Provider
) -> None:
    provider.person |= {"accounts": ["s:lan", 7]}
    browser = web(web_oidc_agents_claim="accounts")
    enter(browser)
    sessions = browser.cookies["zhengdian_session"]
    assert sessions
    known = create_sessions(provider).person(sessions)
    assert known is not None
    assert known.agent_ids == {"s:lan"}


def test_more_accounts_than_a_browser_would_keep_are_refused_rather_than_dropped(
    web: Callable[..., TestClient], provider: Provider
) -> None:
    provider.person |= {"name": "兰" * 64, "accounts": [f"lining-hz:agent-{number:02d}" for number in range(60)]}
    browser = web(web_oidc_agents_claim="accounts")
    enter(browser)
    assert len(browser.cookies["zhengdian_session"]) < 3_900
    provider.person |= {"accounts": [f"lining-hz:agent-{number:02d}" for number in range(70)]}
    browser = web(web_oidc_agents_claim="accounts")
    assert error_of(enter(browser)) == REFUSED
    assert "zhengdian_session" not in browser.cookies


def create_sessions(provider: Provider) -> Any:
    from web.access.sessions import Sessions
    from web.access.users import Users

    settings = Settings(web_oidc_issuer=provider.issuer, web_oidc_client_id=CLIENT)
    return Sessions(Users(None), "same", 1, oidc.Oidc(settings, "same").stamp)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"web_oidc_issuer": "http://sso.shop"}, "ISSUER: must be an https"),
        ({"web_oidc_issuer": "sso.shop"}, "ISSUER: must be an https"),
        ({"web_oidc_issuer": "https://sso.shop", "web_oidc_client_id": ""}, "CLIENT_ID: is missing"),
    ],
)
def test_settings_that_can_not_be_are_named(db: Database, settings: Any, said: str) -> None:
    with pytest.raises(UsersError, match=said):
        create_app(Settings(**{"web_oidc_client_id": CLIENT, **settings}), db, Kept(), default_book(), pages=False)


def test_a_web_with_a_provider_is_open_to_nobody(db: Database) -> None:
    settings = Settings(web_oidc_issuer="https://sso.shop", web_oidc_client_id=CLIENT)
    with TestClient(create_app(settings, db, Kept(), default_book(), pages=False), base_url=SITE) as browser:
        assert browser.get("/api/v1/flags").status_code == 401
