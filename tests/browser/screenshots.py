"""`make screenshots`: every page, busy and empty, on a wall, a laptop and a phone, in both languages, out of the running product.

Writes PNG files to screenshots/ and those that the README and docs show (`DOCS`) to docs/images/.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from conftest import CHROMIUM, FLAGS
from fixtures.demo_process import Demo, until
from playwright.sync_api import Browser, Page, sync_playwright
from wall_process import Wall

from deploy.demo_users import PASSWORD, PEOPLE

ROOT: Final = Path(__file__).parents[2]
SIZES: Final = {"wall": (1920, 1080), "laptop": (1440, 900), "phone": (390, 844)}
PAGES: Final = {
    "wall": "/",
    "service": "/?rotate=1",
    "qc": "/qc",
    "calls": "/calls",
    "reports": "/reports",
    "scorecards": "/scorecards",
    "sql": "/sql",
    "audit": "/audit",
    "sign-in": "/sign-in",
}
DOCS: Final = {
    **{
        f"{page}-{lang}.png": (page, "laptop", lang)
        for page in ("qc", "calls", "scorecards", "sql")
        for lang in ("zh", "en")
    },
    **{f"{page}-{lang}.png": (page, "wall", lang) for page in ("wall", "service", "reports") for lang in ("zh", "en")},
    "wall-phone.png": ("wall", "phone", "zh"),
}
READY: Final = ".wall:not([data-status=loading]), .desk:not([data-state=loading]), form"
SETTLE_MS: Final = 2500


@contextmanager
def busy() -> Iterator[str]:
    """The address of a demo, with a sale of which some hours are over."""
    with tempfile.TemporaryDirectory() as directory:
        demo = Demo(Path(directory), "--buyers", "6000", "--seed", "7")
        try:
            for path, rows in (("qc/queue", "flags"), ("calls/queue", "call_tasks"), ("reports", "reports")):
                until(lambda path=path, rows=rows: demo.web.get(f"/api/v1/{path}").json().get(rows), 120)
            look_around(demo.address)
            yield demo.address
        finally:
            demo.end()


@contextmanager
def empty() -> Iterator[str]:
    """The address of a web part without any data."""
    with tempfile.TemporaryDirectory() as directory:
        wall = Wall(Path(directory) / "data", "empty")
        try:
            yield wall.address
        finally:
            wall.stop()


def act(page: Page, name: str) -> None:
    """What makes a page worth looking at: somebody is at work in it."""
    while page.locator(".report-stage").count():  # the wall itself, not the reports that have just been made
        page.keyboard.press("Escape")
        page.wait_for_timeout(100)
    if name == "service":
        page.wait_for_selector(".floor", timeout=40_000)
    elif name == "qc":
        page.keyboard.press("c")
        page.wait_for_selector(".sheet", timeout=10_000)
    elif name == "calls":
        page.keyboard.press("c")
        page.wait_for_selector(".ways", timeout=10_000)
    elif name == "sql":
        page.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".ag-row", timeout=20_000)


def look_around(address: str) -> None:
    """Something for the access log: people sign in, and read what they read."""
    for name in PEOPLE:
        with httpx.Client(base_url=address, follow_redirects=True) as person:
            person.post("/sign-in", data={"name": name, "password": PASSWORD, "next": "/qc"}).raise_for_status()
            for path in ("qc/queue", "calls/queue", "access-log"):
                person.get(f"/api/v1/{path}")


def shoot(browser: Browser, address: str, state: str, out: Path) -> None:
    """All pages at that address."""
    for name, path in PAGES.items():
        for size, (width, height) in SIZES.items():
            for lang in ("zh", "en"):
                context = browser.new_context(viewport={"width": width, "height": height}, timezone_id="Asia/Shanghai")
                context.add_init_script("localStorage.setItem('zhengdian.actor', '李静')")
                page = context.new_page()
                failed: list[str] = []
                page.on("pageerror", lambda error, failed=failed: failed.append(str(error)))
                page.goto(f"{address}{path}{'&' if '?' in path else '?'}lang={lang}")
                page.wait_for_selector(READY, timeout=30_000)
                page.wait_for_timeout(SETTLE_MS)
                if state == "busy":
                    act(page, name)
                    page.wait_for_timeout(SETTLE_MS // 2)
                page.screenshot(path=out / f"{name}-{state}-{size}-{lang}.png")
                context.close()
                if failed:
                    raise SystemExit(f"{path} at {size} in {lang}: {failed[0]}")
        print(f"{state}: {path}", flush=True)


def main(only: Any = None) -> None:
    """All of them, or those states that are named."""
    out = ROOT / "screenshots"
    out.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for state, served in (("busy", busy), ("empty", empty)):
            if not only or state in only:
                with served() as address:
                    shoot(browser, address, state, out)
        browser.close()
    for name, (page_name, size, lang) in DOCS.items():
        shot = out / f"{page_name}-busy-{size}-{lang}.png"
        if shot.exists():
            shutil.copy(shot, ROOT / "docs" / "images" / name)


if __name__ == "__main__":
    main(sys.argv[1:])
