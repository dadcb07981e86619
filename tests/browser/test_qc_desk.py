"""The QC desk as reviewers use it, in Chromium, on a real ClickHouse."""

from collections.abc import Iterator
from typing import Any

import pytest
from wall_process import Wall

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

LAPTOP, WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 1920, "height": 1080}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Wall]:
    running = Wall(tmp_path_factory.mktemp("qc") / "data")
    yield running
    running.stop()


def look(browser: Any, desk: Wall, name: str = "王姐", lang: str = "zh", size: dict[str, int] = LAPTOP) -> Any:
    """The desk, with its first flag open. `page.errors` is what went wrong in it, `page.foreign` what it asked of others."""
    page = browser.new_context(viewport=size).new_page()
    page.errors, page.foreign = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on(
        "request",
        lambda one: (
            None if one.url.startswith((desk.address, "ws:", "data:", "blob:")) else page.foreign.append(one.url)
        ),
    )
    page.add_init_script(f"localStorage.setItem('zhengdian.actor', '{name}')")
    page.goto(f"{desk.address}/qc?lang={lang}")
    page.wait_for_selector(".desk[data-state=busy] .sheet", timeout=30_000)
    return page


def selected(page: Any) -> str:
    return str(page.locator("[aria-selected=true]").get_attribute("data-flag"))


def judge(page: Any, verdict: str) -> None:
    page.locator(f".verdict .{verdict}").click()


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen(browser: Any, desk: Wall, lang: str, size: dict[str, int]) -> None:
    page = look(browser, desk, lang=lang, size=size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if size is not PHONE:
        assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert page.locator("html").get_attribute("lang") == ("zh-CN" if lang == "zh" else "en")
    assert ("质检台" if lang == "zh" else "QC desk") in page.locator("h1").inner_text()
    assert "undefined" not in page.content()
    assert (page.errors, page.foreign) == ([], [])
    page.context.close()


def test_the_oldest_violation_is_open_and_its_evidence_marked(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.wait_for_selector(".accused mark")
    assert selected(page) == "accused"
    assert page.locator(".accused mark").all_inner_texts() == ["赶紧付款"]
    assert "😊亲，赶紧付款哦" in page.locator(".accused p").inner_text()
    assert page.locator(".cited").get_attribute("data-entry") == "m-asked"
    assert "「赶紧付款」" in page.locator(".why").inner_text()
    assert "<b>在吗</b>" in page.locator(".line").inner_text()  # what a buyer writes is text
    page.context.close()


def test_counts_are_the_apis(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    counts = page.evaluate("fetch('/api/v1/qc/counts?qc_status=open').then(a => a.json())")
    assert str(counts["total"]) in page.locator(".count").inner_text()
    page.locator("[data-facet=severity]").select_option("notice")
    page.wait_for_selector(".list li.notice")
    assert page.locator(".list li.violation").count() == 0
    assert str(counts["severity"]["notice"]) in page.locator(".count").inner_text()
    page.context.close()


def test_a_reviewer_works_by_keyboard(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "键盘")
    first = selected(page)
    page.keyboard.press("j")
    page.wait_for_function(f"document.querySelector('[aria-selected=true]').dataset.flag !== '{first}'")
    second = selected(page)
    page.keyboard.press("k")
    page.wait_for_function(f"document.querySelector('[aria-selected=true]').dataset.flag === '{first}'")
    page.keyboard.press("j")
    page.wait_for_selector(".sheet")
    page.keyboard.press("c")
    page.wait_for_selector("text=键盘 已领取")
    page.keyboard.press("d")
    page.wait_for_selector("text=请写明不成立的理由")
    page.keyboard.type("客人主动问付款")  # the reason has the focus
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("text=已提交：不成立")
    assert page.locator(f"[data-flag='{second}']").count() == 0
    assert selected(page) not in (first, second)  # the next one loads by itself
    assert page.errors == []
    page.context.close()


def test_a_sheet_is_filled_in_whole_and_scored(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "评分")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.wait_for_selector(".sheet")
    rows = page.locator(".item")
    for row in rows.all()[:-1]:
        row.locator("label").first.click()
    judge(page, "uphold")
    page.wait_for_selector("text=评分表还有 1 项未填")
    rows.last.locator("label").first.click()
    assert page.locator(".sheet output b").inner_text() == "100.0"
    rows.first.locator("label").nth(1).click()
    assert page.locator(".sheet output b").inner_text() == "95.0"
    rows.last.locator("label").nth(1).click()
    assert page.locator(".sheet output b").inner_text() == "0"
    rows.last.locator("label").first.click()
    with page.expect_request("**/verdict") as asked:
        judge(page, "uphold")
    assert asked.value.post_data_json["marks"]["greeting"] == 0.5
    page.wait_for_selector("text=已提交：成立")
    page.context.close()


def test_two_who_want_the_same_one(browser: Any, desk: Wall) -> None:
    one, two = look(browser, desk, "甲", size=WIDE), look(browser, desk, "乙", size=WIDE)
    # the last ones, which the other tests leave alone
    for page in (one, two):
        page.locator("[data-facet=severity]").select_option("notice")
        page.wait_for_selector(".list li.notice[aria-selected=true]")
        page.wait_for_selector(".sheet")
    assert selected(one) == selected(two)
    one.keyboard.press("c")
    one.wait_for_selector("text=甲 已领取")
    two.keyboard.press("c")
    two.wait_for_selector("text=甲 已领取")
    assert two.locator(".verdict .claim").count() == 1  # it is not theirs
    assert two.errors == []
    for page in (one, two):
        page.context.close()


def test_nobody_acts_without_a_name(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "")
    page.keyboard.press("c")
    page.wait_for_selector("text=请先填写您的名字")
    page.context.close()


def test_the_database_goes_and_comes_back(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    desk.tell("down")
    page.wait_for_selector(".banner.bad", timeout=20_000)
    assert "正在自动重试" in page.locator(".banner.bad").inner_text()
    assert page.locator(".list li").count() > 0  # what was there stays
    desk.tell("up")
    page.wait_for_selector(".banner.bad", state="detached", timeout=20_000)
    page.context.close()


def test_the_server_goes_and_comes_back(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.context.set_offline(True)
    page.wait_for_selector("text=连接不上服务器", timeout=20_000)
    page.context.set_offline(False)
    page.wait_for_selector(".banner.bad", state="detached", timeout=20_000)
    page.context.close()


def test_nothing_to_review(browser: Any, start: Any) -> None:
    empty = start("empty")
    page = browser.new_page(viewport=LAPTOP)
    page.goto(f"{empty.address}/qc?lang=en")
    page.wait_for_selector(".desk[data-state=empty]", timeout=30_000)
    assert "Nothing to review" in page.locator(".queue").inner_text()
    page.close()
