"""axe finds nothing serious on any page, busy or empty, in both languages, on a wall and on a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from desk_page import LAPTOP, PHONE, WIDE
from wall_process import Wall

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


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_serious(browser: Any, served: Wall, path: str, lang: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = []
    for size in (WIDE, LAPTOP, PHONE) if lang == "zh" else (LAPTOP,):  # colours and roles speak no language
        page = browser.new_page(viewport=size)
        page.goto(f"{served.address}{path}{'&' if '?' in path else '?'}lang={lang}")
        page.wait_for_selector(PAGES[path], timeout=30_000)
        page.wait_for_timeout(400)
        for violation in axe.run(page).response["violations"]:
            if violation["impact"] in BAD:
                nodes = [f"{node['target']}: {node['failureSummary'][:300]}" for node in violation["nodes"][:4]]
                found.append((size["width"], violation["id"], violation["help"], nodes))
        page.close()
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
