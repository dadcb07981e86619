"""A Chromium and a running wallboard. Skipped, with the reason, where Chromium or Playwright is not installed."""

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fixtures.required import absent
from wall_process import Wall

CHROMIUM = os.environ.get("ZHENGDIAN_TEST_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--no-sandbox",  # containers run tests as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SHOWN = """() => [
  ...[...document.querySelectorAll('[data-state], [data-status]')].map((el) => el.className + ': ' + (el.dataset.state || el.dataset.status)),
  'chosen: ' + [...document.querySelectorAll('[aria-selected=true]')].map((el) => el.id),
  document.body.innerText.slice(0, 3000),
].join('\\n')"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium with an empty profile. It ends with the module: Playwright's loop would be in the way of others."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        absent("chromium", "no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        running.on("context", _follow)
        yield running
        running.close()


def _follow(context: Any) -> None:
    """Keep what a browser went through: keys, commands and their answers, pages that loaded anew, what the console said."""
    began = time.monotonic()
    context.trail = trail = deque(maxlen=40)

    def note(what: str, text: str) -> None:
        trail.append(f"{time.monotonic() - began:.2f} {what} {text}")

    def noted(what: str, one: Any) -> None:
        if one.method != "GET" or one.is_navigation_request():
            note(what, f"{one.method} {one.url}")

    for event in ("request", "requestfinished", "requestfailed"):
        context.on(event, partial(noted, event))
    context.on("console", lambda said: note("console", said.text))
    context.add_init_script("addEventListener('keydown', (event) => console.debug('key ' + event.key), true)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What every open page showed when the test failed, and how it came to it: a wait that ended in vain says nothing of it."""
    report = yield
    running = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and running is not None:
        for context in running.contexts:
            report.sections += [(f"page {page.url}", _shown(page)) for page in context.pages]
            report.sections.append(("what went before, in seconds", "\n".join(getattr(context, "trail", ()))))
    return report


def _shown(page: Any) -> str:
    try:
        return str(page.evaluate(SHOWN))
    except Exception as error:  # a page that has crashed must not hide the test's own failure
        return f"{type(error).__name__}: {error}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Wall]]:
    """Starts wallboards, which end with the test."""
    walls: list[Wall] = []

    def make(*options: str, port: int = 0) -> Wall:
        walls.append(Wall(tmp_path / f"wall{len(walls)}", *options, port=port))
        return walls[-1]

    yield make
    for wall in walls:
        wall.stop()


@pytest.fixture(scope="module")
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Wall]:
    """A web part with flags and calls, for the tests of one desk; a module's `SETTINGS` are its own."""
    running = Wall(tmp_path_factory.mktemp("desk") / "data", **getattr(request.module, "SETTINGS", {}))
    yield running
    running.stop()
