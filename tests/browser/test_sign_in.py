"""Signing in as people do, by password and at a provider, and what becomes of what is open when somebody is taken out."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from desk_page import LAPTOP, PHONE, WIDE
from fixtures.oidc_provider import CLIENT, SECRET, Provider
from wall_process import Wall
from web_people import PASSWORD, write_people

from web.access.users import UsersFile, read_users, write_users

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

ENDS_WITHIN = 8.0
DESK_OF = {"ops": "/qc", "qc": "/qc", "caller": "/calls", "engineer": "/calls", "admin": "/audit"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "users.yaml"
    write_people(path)
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, users: Path, provider: Provider) -> Iterator[Wall]:
    oidc = {"web_oidc_issuer": provider.issuer, "web_oidc_client_id": CLIENT, "web_oidc_client_secret": SECRET}
    running = Wall(tmp_path_factory.mktemp("site") / "data", web_users=str(users), **oidc)
    yield running
    running.stop()


def fresh(browser: Any, size: dict[str, int] = LAPTOP) -> Any:
    """A page of a browser that nobody has signed in with."""
    page = browser.new_context(viewport=size).new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page


def sign_in(page: Any, site: Wall, name: str, target: str, lang: str = "zh") -> None:
    page.goto(f"{site.address}{target}?lang={lang}")
    page.wait_for_selector("input[name=password]")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", list(DESK_OF))
def test_a_password_leads_to_the_desk_and_out_again(browser: Any, site: Wall, name: str, lang: str) -> None:
    page = fresh(browser)
    sign_in(page, site, name, DESK_OF[name], lang)
    page.wait_for_selector(".desk[data-state=busy]", timeout=30_000)
    assert page.url == f"{site.address}{DESK_OF[name]}?lang={lang}"
    assert page.locator(".who b").inner_text() == name
    assert page.locator(".enter").count() == 0
    shown = {link.get_attribute("href").partition("?")[0] for link in page.locator(".bar nav a").all()}
    assert ("/sql" in shown) == (name in ("engineer", "admin"))
    assert ("/audit" in shown) == (name == "admin" and DESK_OF[name] != "/audit")
    page.click(".who button")
    page.wait_for_selector("input[name=password]")
    page.goto(site.address + DESK_OF[name])
    page.wait_for_selector("input[name=password]")
    assert page.locator("html").get_attribute("lang") == lang  # nobody has asked for it again
    assert page.errors == []
    page.context.close()


HOMES = {"ops": "/", "qc": "/qc", "caller": "/calls", "engineer": "/sql", "admin": "/"}


@pytest.mark.parametrize("name", list(HOMES))
def test_everybody_lands_at_their_own_desk_in_their_language_and_goes_on_from_the_walls_menu(
    browser: Any, site: Wall, name: str
) -> None:
    page = fresh(browser)
    page.goto(f"{site.address}/sign-in?lang=en")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(site.address + HOMES[name], timeout=30_000)
    page.wait_for_selector(":is(.desk, .wall):has-text('Zhengdian')", timeout=30_000)
    page.goto(site.address + "/")
    page.locator(".menu summary").click()
    page.wait_for_selector(".menu .who b")
    links = page.locator(".menu nav a").all_inner_texts()
    more = {"engineer": ["SQL"], "admin": ["SQL", "Access log"]}.get(name, [])
    assert links == ["QC desk", "Call desk", "Scorecards", "Reports", *more]
    page.locator(".menu .who button").click()
    page.wait_for_selector("button:has-text('Sign in')")
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_who_may_not_see_a_page_is_told_so_once_and_nothing_is_asked(
    browser: Any, site: Wall, lang: str, size: dict[str, int]
) -> None:
    page = fresh(browser, size)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/api/" in one.url else None)
    sign_in(page, site, "qc", "/audit", lang)
    page.wait_for_selector(".desk[data-state=forbidden] .refusal", timeout=30_000)
    page.wait_for_timeout(6_000)
    assert (asked, page.errors) == ([], [])
    assert page.locator("[role=alert]").count() == 1
    assert ("管理员" if lang == "zh" else "administrator") in page.locator(".refusal").inner_text()
    assert page.locator(".bar nav a").count() == 5
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert "undefined" not in page.content()
    page.context.close()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_long_statement_in_the_access_log_is_opened_by_a_click(
    browser: Any, site: Wall, size: dict[str, int]
) -> None:
    page = fresh(browser, size)
    sign_in(page, site, "admin", "/audit")
    page.wait_for_selector(".audit[data-state=busy]", timeout=30_000)
    statement = "SELECT " + ",\n  ".join(f"{n} AS column_{n}" for n in range(40))
    asked = "body => fetch('/api/v1/sql', {method: 'POST', headers: {'content-type': 'application/json'}, body}).then(a => a.status)"
    assert page.evaluate(asked, orjson.dumps({"sql": statement, "format": "JSONCompactStrings"}).decode()) == 200
    page.select_option("[data-filter=type]", "access.queried")
    page.wait_for_selector("[data-entry='access.queried'] .detail button[aria-expanded=false]", timeout=15_000)
    row = page.locator("[data-entry='access.queried']").first
    assert "数据表查询" in row.inner_text()
    assert "JSONCompact" not in row.inner_text()
    before = row.bounding_box()["height"]
    assert row.locator(".detail").bounding_box()["height"] < 100
    row.locator(".detail button").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-entry='access.queried'] .detail button[aria-expanded=true]")
    assert row.bounding_box()["height"] > before + 300
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(("role", "desk"), [("qc", "/qc"), ("caller", "/calls"), ("admin", "/audit")])
def test_a_provider_leads_to_the_desk_and_out_again(
    browser: Any, site: Wall, provider: Provider, role: str, desk: str, lang: str
) -> None:
    provider.person = {"sub": "s-1", "preferred_username": "lan", "name": "小兰", "roles": [role]}
    page = fresh(browser)
    page.goto(f"{site.address}{desk}?lang={lang}")
    said = "用统一账号登录" if lang == "zh" else "Sign in with"
    assert said in page.locator(".provider").inner_text()
    page.click(".provider")
    page.wait_for_selector(".desk[data-state=busy]", timeout=30_000)
    assert page.url == f"{site.address}{desk}?lang={lang}"
    assert page.locator(".who b").inner_text() == "小兰"
    page.click(".who button")
    page.wait_for_selector(".provider")
    assert "/end" in provider.asked
    page.goto(site.address + desk)
    page.wait_for_selector(".provider")
    assert page.errors == []
    page.context.close()


def test_who_has_no_role_is_told_so(browser: Any, site: Wall, provider: Provider) -> None:
    provider.person = {"sub": "s-2", "preferred_username": "wei", "roles": []}
    page = fresh(browser, PHONE)
    page.goto(f"{site.address}/sign-in?lang=zh")
    page.click(".provider")
    assert page.locator("[role=alert]").inner_text() == "您的账号在这里还没有角色，请联系管理员"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_access_log_is_on_the_screen(browser: Any, site: Wall, lang: str, size: dict[str, int]) -> None:
    other = fresh(browser)
    sign_in(other, site, "qc", "/qc")
    other.wait_for_selector(".desk[data-state=busy] .line li", timeout=30_000)
    buyer = other.evaluate("fetch('/api/v1/qc/queue?limit=1').then(a => a.json())")["flags"][0]["buyer_id"]
    other.context.close()
    page = fresh(browser, size)
    sign_in(page, site, "admin", "/audit", lang)
    page.wait_for_selector(".audit[data-state=busy] tbody tr", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert "undefined" not in page.content()
    found = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run(page).response["violations"]
    assert [one["help"] for one in found if one["impact"] in ("serious", "critical")] == []
    page.select_option("[data-filter=type]", "access.seen")
    page.fill("[data-filter=actor]", "qc")
    page.fill("[data-filter=buyer_id]", buyer)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "[...document.querySelectorAll('tbody tr td:nth-child(2) b')].every(b => b.innerText === 'qc')"
    )
    assert ("会话" if lang == "zh" else "conversation") in page.locator("tbody").inner_text()
    page.fill("[data-filter=buyer_id]", "nobody")
    page.keyboard.press("Enter")
    page.wait_for_selector(".audit[data-state=empty] .empty b")
    site.tell("down")
    page.wait_for_selector(".banner.bad", timeout=15_000)
    site.tell("up")
    page.wait_for_selector(".banner.bad", state="detached", timeout=15_000)
    assert page.errors == []
    page.context.close()


def test_what_is_open_ends_when_somebody_is_taken_out(browser: Any, site: Wall, users: Path) -> None:
    page = fresh(browser)
    opened: list[Any] = []
    closed: list[float] = []

    def follow(socket: Any) -> None:
        opened.append(socket)
        socket.on("close", lambda _: closed.append(time.monotonic()))

    page.on("websocket", follow)
    sign_in(page, site, "ops", "/")
    page.wait_for_selector(".wall", timeout=30_000)
    page.wait_for_timeout(1_000)
    assert (len(opened), closed) == (1, [])
    cookie = {one["name"]: one["value"] for one in page.context.cookies()}
    ended: list[float] = []
    lines: list[str] = []

    def listen() -> None:
        with httpx.stream("GET", site.address + "/api/v1/leaderboard/stream", cookies=cookie, timeout=60) as stream:
            lines.extend(stream.iter_lines())
        ended.append(time.monotonic())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    page.wait_for_timeout(6_000)  # it is asked about some times, and goes on
    assert (closed, ended) == ([], [])
    before = read_users(users)
    out_at = time.monotonic()
    try:
        write_users(users, UsersFile(users=[user for user in before.users if user.name != "ops"]))
        while not (closed and ended) and time.monotonic() < out_at + 2 * ENDS_WITHIN:
            page.wait_for_timeout(100)
        thread.join(1)
        assert closed
        assert ended  # and not broken off: the stream has an end
        assert closed[0] - out_at < ENDS_WITHIN
        assert ended[0] - out_at < ENDS_WITHIN
        page.wait_for_timeout(3_000)
        live = [socket for socket in opened if not socket.is_closed()]
        assert live == []  # nor does it come back
        page.wait_for_selector("input[name=password]")
        assert page.evaluate("fetch('/api/v1/leaderboard').then(a => a.status)") == 401
    finally:
        write_users(users, before)
    page.context.close()


def test_a_web_that_is_open_offers_to_sign_in(browser: Any, tmp_path: Path, users: Path) -> None:
    site = Wall(tmp_path / "data", web_users=str(users), web_access="local", web_sign_in_hint="密码：demo")
    try:
        page = fresh(browser)
        page.goto(site.address + "/qc")
        page.wait_for_selector(".desk[data-state=busy]", timeout=30_000)
        assert page.locator(".who input").count() == 1
        page.click(".enter")
        page.wait_for_selector("input[name=password]")
        assert page.locator(".hint").inner_text() == "密码：demo"
        page.fill("#name", "ops")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector(".desk[data-state=busy] .who b", timeout=30_000)
        assert page.locator(".who b").inner_text() == "ops"
        page.wait_for_selector("text=您的角色看不到会话")
        page.click(".who button")
        page.click("text=不登录，直接进入")
        page.goto(site.address + "/qc")
        page.wait_for_selector(".who input", timeout=30_000)
        assert page.errors == []
    finally:
        site.stop()
