"""A desk in a browser of its own: how tests open one, and the sizes that they look at it in."""

import time
from collections.abc import Sequence
from typing import Any

from wall_process import Wall

LAPTOP, WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 1920, "height": 1080}, {"width": 390, "height": 844}


def look(
    browser: Any,
    desk: Wall,
    name: str = "王姐",
    lang: str = "zh",
    size: dict[str, int] = LAPTOP,
    *,
    path: str,
    ready: str,
    **context: Any,
) -> Any:
    """The desk at that path, with its first row open, once there is something to select by `ready`.

    `page.errors` is what went wrong in it, `page.foreign` what it asked of others.
    """
    page = browser.new_context(viewport=size, **context).new_page()
    page.errors, page.foreign = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on(
        "request",
        lambda one: (
            None if one.url.startswith((desk.address, "ws:", "data:", "blob:")) else page.foreign.append(one.url)
        ),
    )
    page.add_init_script(f"localStorage.setItem('zhengdian.actor', '{name}')")
    page.goto(f"{desk.address}{path}?lang={lang}")
    page.wait_for_selector(f".desk[data-state=busy] {ready}", timeout=30_000)
    return page


def at_its_top(page: Any) -> bool:
    """Whether the page shows its top though its rows have been brought into view, each in its box."""
    page.wait_for_timeout(500)
    inside = """() => [...document.querySelectorAll('.list [aria-selected=true], .line .accused')].every((one) => {
      const box = one.closest('.list, .line').getBoundingClientRect(), at = one.getBoundingClientRect();
      return at.top < box.bottom && at.bottom > box.top;
    })"""
    return bool(page.evaluate("window.scrollY === 0") and page.evaluate(inside))


def untouched(page: Any, what: str) -> str:
    """The first row on the list of `flag`s or `task`s that no test has done anything to."""
    path = {"flag": "/api/v1/flags/", "task": "/api/v1/call-tasks/"}[what]
    read = f"id => fetch('{path}' + id).then(a => a.json()).then(a => a.history)"
    rows = [str(line.get_attribute(f"data-{what}")) for line in page.locator(f".list [data-{what}]").all()]
    return next(row for row in rows if not page.evaluate(read, row))


def comes_to(page: Any, found: Sequence[object], count: int) -> None:
    """Waits until there are so many, and then as long as one too many might take."""
    deadline = time.monotonic() + 30
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count}"
        page.wait_for_timeout(50)
    page.wait_for_timeout(600)
