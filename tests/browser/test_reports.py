"""The reports' page in Chromium, on a real ClickHouse; what is spoken is caught before it is heard."""

from functools import partial
from typing import Any

import pytest
from desk_page import LAPTOP, PHONE, WIDE, at_its_top
from desk_page import look as open_desk
from report_page import SHOP, announce, api, listening, only, said
from wall_process import Wall

from processors.report_text import apart, whole

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SETTINGS = {"web_reports": "true"}
look = partial(open_desk, path="/reports", ready=".sheet")


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen(browser: Any, desk: Wall, lang: str, size: dict[str, int]) -> None:
    page = look(browser, desk, lang=lang, size=size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert at_its_top(page)
    rows = [row.get_attribute("data-report-row") for row in page.locator("[data-report-row]").all()]
    reports = api(page)["reports"]  # after the rows: those of one hour come one by one
    assert set(rows) <= {report["report_id"] for report in reports}
    shown = next(one for one in reports if one["report_id"] == page.locator(".sheet").get_attribute("data-report"))
    text = page.locator(".sheet").inner_text()
    assert f"¥{int(float(shown['paid_amount'])):,}" in text
    assert shown["stars"][0]["name"] in text
    assert ("整点报数" if lang == "zh" else "On the hour") in text
    assert "undefined" not in page.content()
    assert page.evaluate(
        "[...document.querySelectorAll('.sheet *')].every(one => one.scrollWidth <= one.clientWidth + 1 || getComputedStyle(one).textOverflow === 'ellipsis' || getComputedStyle(one).display === 'inline')"
    )
    assert (page.errors, page.foreign) == ([], [])
    page.context.close()


CROWDED = {
    "target_amount": "140000.00", "reached_amount": 52, "target_orders": 400, "reached_orders": 80, "day_target_amount": "20000000.00",
    "day_reached_amount": 5, "day_target_orders": 40000, "day_reached_orders": 102, "stars_left": 12, "complete": False, "paid_amount": "12345678.90",
    "sale_event": "双十一狂欢购物节", "shop_id": "a-shop-with-quite-a-long-name",
}  # fmt: skip


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("teams", [2, 6])
def test_a_crowded_report_has_everything_in_its_place(
    browser: Any, desk: Wall, lang: str, size: dict[str, int], teams: int
) -> None:
    page = look(browser, desk, lang=lang, size=size)
    reports = api(page)
    one = reports["reports"][0]
    star, team = one["stars"][0], one["teams"][0]
    crowd = {
        "stars": [
            {**star, "name": "客服" * 45, "team": "队" * 45, "agent_id": f"a{n}", "rank": 1 + n // 2} for n in range(6)
        ],
        "teams": [
            {**team, "team": f"第{n}大队" + "战无不胜" * 10, "paid_amount": f"{9 - n}234567.00"} for n in range(teams)
        ],
    }
    full = {**one, **CROWDED, **crowd}
    only(page, reports, full)
    page.wait_for_selector(".sheet .doubt", timeout=30_000)
    outside = page.evaluate(
        """() => {
          const sheet = document.querySelector('.sheet').getBoundingClientRect(), areas = [...document.querySelectorAll('.sheet > *')];
          const inside = (one) => [...one.querySelectorAll('*'), one].every((part) => {
            const at = part.getBoundingClientRect(), room = one.getBoundingClientRect();
            return at.right <= sheet.right + 1 && at.bottom <= Math.min(room.bottom, sheet.bottom) + 6 && at.top >= room.top - 6;
          });
          return areas.filter((one) => !inside(one)).map((one) => one.className || one.tagName);
        }"""
    )
    assert outside == []
    over = """() => [...document.querySelectorAll('.sheet .best li, .sheet .camp, .sheet .rungs li')].flatMap((row) => {
      const boxes = [...row.children].map((part) => part.getBoundingClientRect()), room = row.getBoundingClientRect();
      return boxes.filter((at) => at.right > room.right + 1 || boxes.some((other) => other.left > at.left && other.left < at.right - 1)).map(() => row.innerText);
    })"""
    assert page.evaluate(over) == []  # nothing lies over what is beside it
    assert page.locator(".person small").first.get_attribute("title") == "队" * 45
    more = "另有 2 队" if lang == "zh" else "+2 more teams"
    assert (more in page.locator(".pk h2").inner_text()) == (teams == 6)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


@pytest.mark.parametrize(
    ("amounts", "sides", "lead"),
    [(("8085.50", "8083.99"), ("¥8,085", "¥8,083"), "¥2"), (("8084.90", "8084.10"), ("¥8,084", "¥8,084"), "¥0.80")],
)
def test_amounts_are_shown_as_they_are_spoken_and_the_lead_agrees_with_them(
    browser: Any, desk: Wall, amounts: tuple[str, str], sides: tuple[str, str], lead: str
) -> None:
    page = look(browser, desk)
    reports = api(page)
    one = reports["reports"][0]
    teams = [{**one["teams"][0], "team": f"队{n}", "paid_amount": amount} for n, amount in enumerate(amounts)]
    more = {"paid_amount": amounts[0], "before_amount": amounts[1], "as_of": one["ends_at"], "pk_basis": "amount"}
    full = {**one, **more, "teams": teams}
    only(page, reports, full)
    page.wait_for_selector(".sheet .camp", timeout=30_000)
    assert page.locator(".camp .num").all_inner_texts() == list(sides)
    assert page.locator(".lead").inner_text() == f"队0 领先 {lead}"
    assert page.locator(".sum > b").inner_text() == sides[0]
    assert page.locator(".paid .up").inner_text().endswith(f"▲ {lead}")
    page.context.close()


def test_whole_yuan_are_the_same_on_the_page_and_in_the_text(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    amounts = [0, 1, 49, 50, 99, 100, 101, 808_450, 808_499, 123_456_789_99, -1, -99, -100, -199]
    yuan = "async (all) => { const { yuan } = await import('/static/words.js'); return all.map((fen) => yuan(fen)); }"
    assert page.evaluate(yuan, amounts) == [f"¥{whole(fen):,}" for fen in amounts]
    apart_ = "async (all) => { const { apart } = await import('/static/words.js'); return all.map(([a, b]) => apart(a, b)); }"
    pairs = [(8085_50, 8083_99), (8084_90, 8084_10), (8085_00, 8084_99), (50, -50), (12_345_678_00, 1)]
    assert page.evaluate(apart_, pairs) == [
        f"¥{gap // 100:,}" if (gap := apart(*pair)) >= 100 else f"¥{gap / 100:.2f}" for pair in pairs
    ]
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_report_is_spoken_in_the_language_of_the_page(browser: Any, desk: Wall, lang: str) -> None:
    page = listening(browser, desk, lang)
    page.wait_for_selector(".sheet", timeout=30_000)
    page.locator("[data-does=speak]").click()
    report = api(page, f"/api/v1/reports/{page.locator('.sheet').get_attribute('data-report')}")
    parts = page.evaluate("window.said")
    assert {(part[0], part[1]) for part in parts} == {("zh-CN", "zh") if lang == "zh" else ("en-GB", "en")}
    assert ("" if lang == "zh" else " ").join(part[2] for part in parts) == report["speech"][lang]
    assert len(parts) > 3  # a sentence each
    assert page.errors == []
    page.context.close()


def test_the_switch_is_remembered_and_says_when_the_browser_wants_a_click(browser: Any, desk: Wall) -> None:
    page = listening(browser, desk)
    page.wait_for_selector(".sheet", timeout=30_000)
    assert page.locator("[role=switch]").get_attribute("aria-checked") == "false"
    page.locator("[role=switch]").click()
    assert said(page) == "语音播报已打开。"
    page.reload()
    page.wait_for_selector(".sheet", timeout=30_000)
    assert page.locator("[role=switch]").get_attribute("aria-checked") == "true"
    page.wait_for_selector(".banner:has-text('浏览器要求先在页面上点一下')")
    page.locator(".queue .filters").click()
    page.wait_for_selector(".banner:has-text('浏览器要求先在页面上点一下')", state="detached")
    page.context.close()


def test_a_machine_without_a_voice_says_so(browser: Any, desk: Wall) -> None:
    page = listening(browser, desk, voices=[], speak="1")
    page.wait_for_selector(".banner:has-text('没有可用的语音')", timeout=30_000)
    page.context.close()


def test_one_report_fills_the_screen(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, size=WIDE)
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement && document.fullscreenElement.matches('.sheet-box')")
    box = page.locator(".sheet").bounding_box()
    assert (box["width"], box["height"]) == (1920, 1080)
    # at five metres a letter of 4 cm: on a screen 1.2 m wide 64 px
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.sum > b')).fontSize)") > 150
    page.keyboard.press("f")
    page.wait_for_function("!document.fullscreenElement")
    page.context.close()


def test_announced_by_hand_it_is_there_at_once_and_stays(browser: Any, desk: Wall) -> None:
    page = listening(browser, desk, speak="1")
    page.wait_for_selector(".sheet", timeout=30_000)
    before = page.locator(".sheet").get_attribute("data-report")
    page.locator("[data-announce=shop]").select_option(SHOP)
    page.locator("[data-does=announce]").click()
    page.wait_for_selector(".state:has-text('已报数')")
    made = page.locator(".sheet").get_attribute("data-report")
    assert made != before
    assert "王姐" in page.locator("[aria-selected=true]").inner_text()
    assert "到" in said(page)
    page.wait_for_timeout(6_000)
    assert page.locator(f"[data-report-row='{made}']").count() == 1
    assert api(page, f"/api/v1/reports/{made}")["made_by"] == "王姐"
    assert page.errors == []
    page.context.close()


def test_who_looks_at_the_newest_is_shown_and_told_the_next(browser: Any, desk: Wall) -> None:
    page = listening(browser, desk, speak="1")
    page.wait_for_selector(".sheet", timeout=30_000)
    page.wait_for_timeout(6_000)
    page.locator("[data-report-row]").first.click()
    made = announce(page)
    page.wait_for_selector(f".sheet[data-report='{made['report_id']}']", timeout=30_000)
    assert said(page).endswith(made["speech"]["zh"])
    page.locator("[data-report-row]").nth(2).click()
    read = page.locator(".sheet").get_attribute("data-report")
    later = announce(page)
    page.wait_for_selector(f"[data-report-row='{later['report_id']}']", timeout=30_000)
    assert page.locator(".sheet").get_attribute("data-report") == read  # who reads is not interrupted
    page.context.close()


def test_what_has_moved_since_is_said_and_the_report_stays(browser: Any, desk: Wall) -> None:
    page = listening(browser, desk)
    page.wait_for_selector(".sheet", timeout=30_000)
    made = announce(page)
    row = page.locator(f"[data-report-row='{made['report_id']}']")
    row.click(timeout=30_000)
    desk.tell(f"rows {SHOP} {SHOP}:03 99 99999.00")
    page.wait_for_timeout(1_500)
    page.locator("[data-report-row]").last.click()
    row.click()
    page.wait_for_selector(".doubt:has-text('此后数据有更新')", timeout=30_000)
    assert f"¥{int(float(made['paid_amount'])):,}" in page.locator(".sum").inner_text()
    page.context.close()


def test_filters_select_what_they_say(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    announce(page, shop_id="anta-xm")
    page.locator("[data-facet=shop]").select_option("anta-xm")
    page.wait_for_selector("[data-report-row]:has-text('anta-xm')")
    assert all("anta-xm" in row.inner_text() for row in page.locator("[data-report-row]").all())
    page.locator("[data-facet=until]").fill("2020-01-01")
    page.wait_for_selector("text=没有符合条件的报数")
    assert page.errors == []
    page.context.close()


def test_a_database_that_is_away_is_told_and_the_page_recovers(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    desk.tell("down")
    page.wait_for_selector(".banner.bad:has-text('连接不上')", timeout=20_000)
    assert page.locator(".sheet").count() == 1  # what was read stays
    desk.tell("up")
    page.wait_for_selector(".banner.bad", state="detached", timeout=20_000)
    page.context.close()


def test_an_empty_floor_says_what_will_come(browser: Any, start: Any) -> None:
    empty = start("empty")
    page = browser.new_context(viewport=LAPTOP).new_page()
    page.goto(f"{empty.address}/reports?lang=zh")
    page.wait_for_selector(".desk[data-state=empty]", timeout=30_000)
    assert "每个整点过后几秒自动播报" in page.locator(".queue").inner_text()
    assert page.locator(".sheet").count() == 0
    page.context.close()
