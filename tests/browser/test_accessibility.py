"""axe finds nothing serious on any page, busy or empty, in both languages, on a wall and on a phone; nor on what lies over one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk_page import LAPTOP, PHONE, WIDE
from report_page import announce
from wall_process import Wall
from web_people import PASSWORD, write_people

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

PAGES = {
    "/": ".wall[data-status=ok], .wall[data-status=empty]",
    "/?rotate=1": ".wall.rotating, .wall[data-status=empty]",
    "/qc": ".desk[data-state=busy], .desk[data-state=empty]",
    "/calls": ".desk[data-state=busy], .desk[data-state=empty]",
    "/scorecards": ".desk[data-state=busy] .sheetbox, .desk[data-state=empty]",
    "/sql": ".sql[data-state=ready] .cm-content",
    "/audit": ".desk[data-state=busy], .desk[data-state=empty]",
    "/reports": ".desk[data-state=busy] .sheet, .desk[data-state=empty]",
    "/sign-in": "form",
}
BAD = ("serious", "critical")


@pytest.fixture(scope="module", params=["busy", "empty"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Wall]:
    """A web part with data, and one without."""
    options = ["empty"] if request.param == "empty" else []
    running = Wall(tmp_path_factory.mktemp("axe") / "data", *options, web_reports="true")
    if request.param == "busy":
        page = browser.new_page()
        page.goto(f"{running.address}/reports")
        page.wait_for_selector(".sheet", timeout=60_000)  # some seconds after the start
        page.close()
    yield running
    running.stop()


def found_by_axe(page: Any) -> list[tuple[Any, ...]]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.wait_for_timeout(400)
    return [
        (
            page.viewport_size["width"],
            violation["id"],
            violation["help"],
            [f"{node['target']}: {node['failureSummary'][:300]}" for node in violation["nodes"][:4]],
        )
        for violation in axe.run(page).response["violations"]
        if violation["impact"] in BAD
    ]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_serious(browser: Any, served: Wall, path: str, lang: str) -> None:
    found = []
    for size in (
        (WIDE, LAPTOP, PHONE) if lang == "zh" else (LAPTOP, PHONE)
    ):  # on a wall colours and roles speak no language
        page = browser.new_page(viewport=size)
        page.goto(f"{served.address}{path}{'&' if '?' in path else '?'}lang={lang}")
        page.wait_for_selector(PAGES[path], timeout=30_000)
        found += found_by_axe(page)
        page.close()
    assert found == []


@pytest.mark.parametrize("served", ["busy"], indirect=True)
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_serious_in_a_scorecards_panel(
    browser: Any, served: Wall, lang: str, size: dict[str, int]
) -> None:
    page = browser.new_page(viewport=size)
    page.goto(f"{served.address}/scorecards?lang={lang}")
    found = []
    for button, part in (("score", ".parts"), ("reply_rate", ".behind")):
        page.locator(f"tbody tr [data-figure={button}]").first.click(timeout=30_000)
        page.wait_for_selector(f".panel[data-panel={button}] {part}", timeout=30_000)
        found += found_by_axe(page)
        page.keyboard.press("Escape")
        page.wait_for_selector(".panel", state="detached")
    page.close()
    assert found == []


@pytest.mark.parametrize("served", ["busy"], indirect=True)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wall", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_serious_in_a_report_over_the_wall(
    browser: Any, served: Wall, lang: str, size: dict[str, int]
) -> None:
    page = browser.new_page(viewport=size)
    page.goto(f"{served.address}/?lang={lang}")
    page.wait_for_selector(".wall[data-status=ok]", timeout=30_000)
    announce(page)
    page.wait_for_selector(".report-stage .sheet", timeout=60_000)
    page.wait_for_timeout(800)  # it comes nearer
    found = found_by_axe(page)
    assert page.locator(".report-stage .sheet").count() == 1  # axe has read it, not the wall below
    page.close()
    assert found == []


def test_axe_finds_nothing_serious_on_a_refusal(browser: Any, tmp_path: Path) -> None:
    write_people(tmp_path / "users.yaml")
    site = Wall(tmp_path / "data", web_users=str(tmp_path / "users.yaml"))
    found = []
    try:
        for lang, size in (("zh", LAPTOP), ("en", LAPTOP), ("zh", PHONE), ("en", PHONE)):
            context = browser.new_context(viewport=size)
            page = context.new_page()
            page.goto(f"{site.address}/audit?lang={lang}")
            page.fill("#name", "qc")
            page.fill("#password", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_selector(".desk[data-state=forbidden] .refusal", timeout=30_000)
            found += found_by_axe(page)
            context.close()
    finally:
        site.stop()
    assert found == []


def test_no_request_of_a_page_shows_a_bar_without_a_name(browser: Any, served: Wall) -> None:
    page = browser.new_page()
    page.goto(f"{served.address}/qc")
    page.wait_for_selector(PAGES["/qc"], timeout=30_000)
    page.route("**/slow", lambda _: None)  # never answered
    page.evaluate("const asked = new XMLHttpRequest(); asked.open('GET', '/slow'); asked.send();")
    page.wait_for_timeout(500)
    assert page.locator(".q-loading-bar").get_attribute("aria-hidden") == "true"
    page.close()
