"""A new report on the wallboard, in Chromium: over the whole screen, spoken where the switch is on."""

from typing import Any

import pytest
from report_page import announce, listening, said
from wall_process import Wall

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SETTINGS = {"web_reports": "true"}


def test_a_new_report_comes_over_the_wallboard_is_spoken_once_and_leaves(browser: Any, desk: Wall) -> None:
    wall = listening(browser, desk, path="/", speak="1")
    wall.wait_for_selector(".wall[data-status=ok]", timeout=30_000)
    while wall.locator(".report-stage").count():
        wall.keyboard.press("Escape")
        wall.wait_for_timeout(100)
    wall.evaluate("window.said.length = 0")
    made = announce(wall)
    mine = f".report-stage .sheet[data-report='{made['report_id']}']"  # shortly after an hour there are others
    wall.wait_for_selector(mine, timeout=60_000)
    wall.wait_for_timeout(2_000)  # it comes nearer
    box = wall.locator(".report-stage .sheet").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 1920, 1080)
    assert said(wall).endswith(made["speech"]["zh"])
    wall.wait_for_selector(mine, state="detached", timeout=30_000)
    wall.reload()
    wall.wait_for_selector(".wall[data-status=ok]", timeout=30_000)
    wall.wait_for_timeout(3_000)
    assert wall.locator(mine).count() == 0
    assert made["speech"]["zh"] not in said(wall)
    assert wall.errors == []
    wall.context.close()


def test_a_wall_whose_switch_is_off_shows_and_says_nothing(browser: Any, desk: Wall) -> None:
    wall = listening(browser, desk, "en", path="/")
    wall.wait_for_selector(".wall[data-status=ok]", timeout=30_000)
    made = announce(wall)
    while wall.locator(f".report-stage .sheet[data-report='{made['report_id']}']").count() == 0:
        wall.keyboard.press("Escape")  # those of before
        wall.wait_for_timeout(300)
    assert "The hour so far" in wall.locator(".report-stage").inner_text()
    assert wall.evaluate("window.said") == []
    wall.locator(".report-stage").click()
    wall.wait_for_selector(f".sheet[data-report='{made['report_id']}']", state="detached")
    while wall.locator(".report-stage").count():
        wall.keyboard.press("Escape")
        wall.wait_for_timeout(100)
    wall.locator(".wall [role=switch]").click()
    assert said(wall) == "Reports will be spoken."
    wall.context.close()
