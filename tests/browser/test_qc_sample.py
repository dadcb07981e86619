"""The QC desk's view of the sample, in Chromium, on a real ClickHouse."""

import json
from typing import Any

import pytest
from desk_page import LAPTOP, PHONE, WIDE, comes_to, look
from wall_process import Wall

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

ACCEPTED = json.dumps({"status": "dismissed", "event_id": "e"})


def sample(browser: Any, desk: Wall, name: str = "王姐", lang: str = "zh", size: dict[str, int] = LAPTOP) -> Any:
    """The desk with the sample chosen and its first conversation open."""
    page = look(browser, desk, name, lang, size, path="/qc", ready=".sheet")
    page.locator("[data-view=samples]").click()
    page.wait_for_selector(".samples[data-state=busy] .sheet", timeout=30_000)
    page.wait_for_selector(".line .cited")
    return page


def selected(page: Any) -> str:
    return str(page.locator("[aria-selected=true]").get_attribute("data-sample"))


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen(browser: Any, desk: Wall, lang: str, size: dict[str, int]) -> None:
    page = sample(browser, desk, lang=lang, size=size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if size is not PHONE:
        assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    row = page.locator("[aria-selected=true]").inner_text()
    assert ("2 轮" if lang == "zh" else "2 rounds") in row
    assert ("发现问题" if lang == "zh" else "Fault found") in page.locator(".uphold").inner_text()
    assert ("随机" if lang == "zh" else "at random") in page.locator(".why").inner_text()
    assert "undefined" not in page.content()
    assert (page.errors, page.foreign) == ([], [])
    page.context.close()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_axe_finds_nothing_serious(browser: Any, desk: Wall, size: dict[str, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = sample(browser, desk, size=size)
    found = axe.run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    page.context.close()


def test_the_agents_own_words_of_that_day_are_pointed_at(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk)
    assert page.locator(".cited p").all_inner_texts() == ["亲，您可以看一下详情页的尺码表哦", "都差不多的"]
    assert page.locator(".accused").count() == 0
    assert page.locator(".line li.agent").count() == 3  # the colleague's is there, and not pointed at
    page.context.close()


def test_counts_and_filters_are_the_apis(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk)
    counts = page.evaluate("fetch('/api/v1/qc/samples/counts?qc_status=open').then(a => a.json())")
    assert page.locator(".count").inner_text() == f"待抽检 {counts['total']} 个会话"
    agent, some = next(iter(counts["agent_id"].items()))
    page.locator("[data-facet=agent_id]").select_option(agent)
    page.wait_for_selector(f".count >> text=待抽检 {some} 个会话")
    page.wait_for_function(f"document.querySelectorAll('.list li').length === {some}")
    page.locator("[data-facet=agent_id]").select_option("")
    page.locator("[data-facet=qc_status]").select_option("upheld")
    page.wait_for_selector(".count >> text=/^0 个会话$/")
    page.wait_for_selector("text=没有待抽检的会话")
    page.context.close()


@pytest.mark.parametrize(("lang", "who"), [("zh", "键盘"), ("en", "Kay")])
def test_from_the_list_to_the_verdict_by_keyboard(browser: Any, desk: Wall, lang: str, who: str) -> None:
    page = look(browser, desk, who, lang, path="/qc", ready=".sheet")
    page.locator("[data-view=flags]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".samples[data-state=busy] .sheet", timeout=30_000)
    # who has come by keyboard is where they were
    assert page.evaluate("document.activeElement.dataset.view") == "samples"
    first = selected(page)
    page.keyboard.press("j")
    page.wait_for_selector(f"[data-sample='{first}'][aria-selected=false]")
    second = selected(page)
    page.wait_for_selector(".sheet")
    page.keyboard.press("c")
    page.wait_for_selector(f"text={who} 已领取" if lang == "zh" else f"text={who} has it")
    page.keyboard.press("u")
    page.wait_for_selector("text=请写明发现了什么问题" if lang == "zh" else "text=Say what is wrong")
    page.keyboard.type("尺码没说清")  # the reason has the focus
    with page.expect_request("**/verdict") as asked:
        page.keyboard.press("Control+Enter")
    assert asked.value.url.endswith(f"/api/v1/qc/samples/{second}/verdict")
    assert (asked.value.post_data_json["verdict"], asked.value.post_data_json["reason"]) == ("upheld", "尺码没说清")
    page.wait_for_selector("text=已提交：发现问题" if lang == "zh" else "text=Saved: Fault found")
    third = selected(page)
    assert third not in (first, second)
    page.keyboard.press("d")  # nothing needs saying where nothing was found
    page.wait_for_selector("text=已提交：无问题" if lang == "zh" else "text=Saved: Nothing found")
    page.locator("[data-facet=qc_status]").select_option("upheld")
    page.locator(f"[data-sample='{second}']").click()
    page.wait_for_selector(".history [data-said=reason] >> text=尺码没说清")
    page.locator("[data-facet=qc_status]").select_option("open")
    page.wait_for_selector(f"[data-sample='{first}']")
    for judged in (second, third):
        assert page.locator(f"[data-sample='{judged}']").count() == 0
    assert page.errors == []
    page.context.close()


def test_a_sheet_is_filled_in_whole_and_scored(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk, "评分")
    rows = page.locator(".item")
    for row in rows.all()[:-1]:
        row.locator("label").first.click()
    page.locator(".dismiss").click()
    page.wait_for_selector("text=评分表还有 1 项未填")
    rows.last.locator("label").first.click()
    rows.first.locator("label").nth(1).click()
    assert page.locator(".sheet output b").inner_text() == "95.0"
    with page.expect_request("**/verdict") as asked:
        page.locator(".dismiss").click()
    assert asked.value.post_data_json["marks"]["greeting"] == 0.5
    page.wait_for_selector("text=已提交：无问题")
    page.context.close()


def test_two_who_want_the_same_one(browser: Any, desk: Wall) -> None:
    one, two = sample(browser, desk, "甲"), sample(browser, desk, "乙")
    assert selected(one) == selected(two)
    one.keyboard.press("c")
    one.wait_for_selector("text=甲 已领取")
    two.keyboard.press("c")
    two.wait_for_selector("text=甲 已领取")
    two.wait_for_selector(".uphold:disabled")
    one.keyboard.press("d")
    one.wait_for_selector("text=已提交：无问题")
    assert two.errors == []
    for page in (one, two):
        page.context.close()


def test_a_flag_that_came_meanwhile_is_told(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk)
    detail = json.dumps({"detail": "it is flagged; qc.verdict_given needs open or claimed"})
    page.route("**/verdict", lambda route: route.fulfill(status=409, body=detail))
    page.locator(".verdict textarea").last.fill("写到一半")
    page.locator(".dismiss").click()
    page.wait_for_selector("text=已经有了结果，不再待处理")
    assert page.locator(".dismiss").is_disabled()
    page.locator(".list").press("j")
    page.locator(".list").press("k")
    page.wait_for_selector("text=这段会话已有预警")
    assert page.locator(".verdict textarea").last.input_value() == "写到一半"
    page.context.close()


def test_a_held_key_judges_one_conversation(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk)
    given: list[str] = []
    page.route("**/verdict", lambda route: (given.append(route.request.url), route.fulfill(status=202, body=ACCEPTED)))
    for _ in range(6):
        page.keyboard.down("d")  # from the second on it repeats
        page.wait_for_timeout(100)
    page.keyboard.up("d")
    comes_to(page, given, 1)
    assert len(given) == 1
    page.context.close()


def test_the_view_and_what_was_typed_outlive_a_reload(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk)
    page.keyboard.press("j")
    page.wait_for_selector(".line .cited")
    at = selected(page)
    page.locator(".verdict textarea").first.fill("写到一半")
    page.reload()
    page.wait_for_selector(".samples[data-state=busy] .sheet", timeout=30_000)
    assert selected(page) == at
    assert page.locator(".verdict textarea").first.input_value() == "写到一半"
    page.locator("[data-view=flags]").click()
    page.wait_for_selector(".desk[data-state=busy] [data-flag][aria-selected=true]")
    assert page.locator(".verdict textarea").first.input_value() == ""
    page.context.close()


def test_the_database_goes_and_comes_back(browser: Any, desk: Wall) -> None:
    page = sample(browser, desk)
    desk.tell("down")
    page.wait_for_selector(".banner.bad", timeout=20_000)
    assert page.locator(".list li").count() > 0  # what was there stays
    desk.tell("up")
    page.wait_for_selector(".banner.bad", state="detached", timeout=20_000)
    page.context.close()


def test_nothing_to_read(browser: Any, start: Any) -> None:
    empty = start("empty")
    page = browser.new_page(viewport=LAPTOP)
    page.goto(f"{empty.address}/qc?lang=en")
    page.locator("[data-view=samples]").click()
    page.wait_for_selector(".samples[data-state=empty]", timeout=30_000)
    assert "No conversation to read" in page.locator(".queue").inner_text()
    page.close()
