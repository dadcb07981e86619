"""The QC desk as reviewers use it, in Chromium, on a real ClickHouse."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from desk_page import LAPTOP, PHONE, WIDE, at_its_top, comes_to, untouched
from desk_page import look as open_desk
from wall_process import Wall

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

ACCEPTED = json.dumps({"status": "upheld", "event_id": "e"})
look = partial(open_desk, path="/qc", ready=".sheet")


def selected(page: Any) -> str:
    return str(page.locator("[aria-selected=true]").get_attribute("data-flag"))


def judge(page: Any, verdict: str) -> None:
    page.locator(f".verdict .{verdict}").click()


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen(browser: Any, desk: Wall, lang: str, size: dict[str, int]) -> None:
    page = look(browser, desk, lang=lang, size=size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.wait_for_selector(".line .accused, .line .cited")
    assert at_its_top(page)
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
    row = page.locator("[aria-selected=true]")
    said_title = f"{row.locator('b').inner_text()} {row.locator('.agent').inner_text()}"
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
    page.wait_for_selector(".toast >> text=已提交：不成立")
    assert page.locator(".toast").inner_text().startswith(said_title)
    assert page.locator(".verdict .state").inner_text() == ""  # what stands above the next one is about that one
    assert page.locator(f"[data-flag='{second}']").count() == 0
    assert selected(page) not in (first, second)  # the next one loads by itself
    page.wait_for_timeout(6_000)  # nor does it come back while no worker has read the verdict
    assert page.locator(f"[data-flag='{second}']").count() == 0
    page.wait_for_selector(".toast span", state="detached", timeout=30_000)  # it has gone by itself
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


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_judged_flag_shows_why_and_the_words_for_the_agent(browser: Any, desk: Wall, lang: str) -> None:
    page = look(browser, desk, f"词-{lang}", lang=lang)
    with page.expect_response("**/qc/queue?*rule=reminder.repeated*"):
        page.locator("[data-facet=rule]").select_option("reminder.repeated")
    page.wait_for_selector(".list li[aria-selected=true][data-flag*='reminder.repeated']")
    flag = untouched(page, "flag")
    page.locator(f"[data-flag='{flag}']").click()
    page.wait_for_selector(f"[data-flag='{flag}'][aria-selected=true]")
    page.wait_for_selector(".claim:enabled")
    page.keyboard.press("c")
    page.wait_for_selector(".history [data-step='qc.claimed']")
    page.wait_for_selector(".claim", state="detached")
    for box, words in zip(page.locator(".verdict textarea").all(), ("昨天已催过", "先问尺码再提付款"), strict=True):
        box.fill(words)
    judge(page, "uphold")
    page.wait_for_selector(f"[data-flag='{flag}']", state="detached")
    # no worker reads here: the list of judged flags is what the API would say then
    row = page.evaluate(f"fetch('/api/v1/flags/{flag}').then(a => a.json())")
    row |= {"qc_status": "upheld", "qc_actor": f"词-{lang}", "qc_reason": "昨天已催过"}
    page.route("**/qc/queue?*", lambda route: route.fulfill(json={"flags": [row], "next_cursor": None}))
    page.locator("[data-facet=qc_status]").select_option("upheld")
    page.wait_for_selector(f".list [data-flag='{flag}'][aria-selected=true]")
    page.wait_for_selector(".history [data-said=coaching]")
    told = page.locator("[data-step='qc.verdict_given']")
    assert told.locator("b").inner_text() == ("成立" if lang == "zh" else "Upheld")
    assert told.locator("p").all_inner_texts() == (
        ["理由：昨天已催过", "建议：先问尺码再提付款"]
        if lang == "zh"
        else ["Reason: 昨天已催过", "Coaching: 先问尺码再提付款"]
    )
    page.wait_for_selector(".history [data-step='qc.claimed']")  # what the API says comes after what the page knows
    assert page.locator(".history li").count() == 2  # nothing is there twice
    assert page.errors == []
    page.context.close()


def test_after_a_reload_the_flag_one_was_at_is_open_though_others_have_pushed_it_off_the_page(
    browser: Any, desk: Wall
) -> None:
    page = look(browser, desk, "回来")
    flag = untouched(page, "flag")
    page.locator(f"[data-flag='{flag}']").click()
    page.wait_for_selector(f"[data-flag='{flag}'][aria-selected=true]")

    def without(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        route.fulfill(json={**found, "flags": [row for row in found["flags"] if row["flag_id"] != flag]})

    page.route("**/qc/queue?*", without)
    page.reload()
    page.wait_for_selector(".desk[data-state=busy] .verdict")
    page.wait_for_selector(".claim:enabled")
    assert page.locator(f"[data-flag='{flag}']").count() == 0
    with page.expect_response(f"**/api/v1/flags/{flag}/claim") as claimed:
        page.keyboard.press("c")
    assert claimed.value.status == 202
    page.context.close()


def changed(answer: Any, **change: Any) -> Callable[[Any], None]:
    """A route's handler that answers that flag, with something changed."""
    return lambda route: route.fulfill(json={**answer, **change})


def test_a_held_key_judges_one_flag(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    given: list[str] = []
    page.route("**/verdict", lambda route: (given.append(route.request.url), route.fulfill(status=202, body=ACCEPTED)))
    for asked, key in enumerate(("u", "Control+Enter"), 1):
        *_, last = key.split("+")
        if last != key:
            page.keyboard.down("Control")
        for _ in range(6):
            page.keyboard.down(last)  # from the second on it repeats
            page.wait_for_timeout(100)
        page.keyboard.up(last)
        comes_to(page, given, asked)
    page.keyboard.up("Control")
    assert len(given) == len(set(given)) == 2
    page.context.close()


def test_ctrl_enter_presses_the_button_that_says_so(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    assert page.locator(".uphold .submits").count() == 1
    page.keyboard.press("d")
    page.wait_for_selector(".dismiss .submits")
    assert page.locator(".dismiss").get_attribute("aria-keyshortcuts") == "D Control+Enter"
    assert page.locator(".uphold .submits").count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.wait_for_selector(".uphold .submits")
    page.route("**/verdict", lambda route: route.fulfill(status=202, body=ACCEPTED))
    with page.expect_request("**/verdict") as asked:
        page.keyboard.press("Control+Enter")
    assert asked.value.post_data_json["verdict"] == "upheld"
    page.context.close()


def test_an_answer_that_comes_late_leaves_the_next_flag_alone(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    first, held = selected(page), []
    page.route("**/verdict", lambda route: held.append(route))
    page.keyboard.press("u")
    page.keyboard.press("j")
    page.wait_for_function(f"document.querySelector('[aria-selected=true]').dataset.flag !== '{first}'")
    second = selected(page)
    page.locator(".verdict textarea").first.fill("写到一半")
    held[0].fulfill(status=202, body=ACCEPTED)
    page.wait_for_selector("text=：已提交：成立")  # it says which one
    assert selected(page) == second
    assert page.locator(".verdict textarea").first.input_value() == "写到一半"
    assert page.locator(f"[data-flag='{first}']").count() == 0
    page.context.close()


def test_what_somebody_else_takes_or_judges_is_told(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    queue = page.evaluate("fetch('/api/v1/qc/queue').then(a => a.json())")
    first, *rest = queue["flags"]
    assert first["flag_id"] == selected(page)
    page.locator(".verdict textarea").first.fill("写到一半")
    page.route(f"**/api/v1/flags/{first['flag_id']}", changed(first, qc_status="claimed", qc_actor="乙"))
    page.route("**/api/v1/qc/queue?*", lambda route: route.fulfill(json={"flags": rest, "next_cursor": None}))
    page.wait_for_selector("text=乙 已领取", timeout=30_000)
    assert page.locator(".uphold").is_disabled()
    page.route(f"**/api/v1/flags/{first['flag_id']}", changed(first, qc_status="upheld", qc_actor="乙"))
    page.wait_for_selector("text=乙 判定：成立", timeout=30_000)
    assert page.locator(".uphold").is_disabled()  # what was typed stays to be read
    page.locator(".verdict h2").click()
    page.keyboard.press("k")  # the list goes on where it was
    page.wait_for_selector(f"[data-flag='{rest[0]['flag_id']}'][aria-selected=true]")
    page.context.close()


def test_a_refusal_is_learnt_from(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    given: list[str] = []
    detail = json.dumps({"detail": "乙 has it (claimed)"})
    page.route("**/verdict", lambda route: (given.append(route.request.url), route.fulfill(status=409, body=detail)))
    page.keyboard.press("u")
    page.wait_for_selector("text=乙 已领取")
    page.wait_for_selector(".uphold:disabled")
    page.keyboard.press("u")
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(6_000)  # the read model, which says `open`, does not win
    assert len(given) == 1
    assert page.locator(".uphold").is_disabled()
    page.context.close()


def test_what_was_typed_outlives_a_restart_of_the_server(browser: Any, start: Any) -> None:
    first = start()
    page = look(browser, first)
    page.keyboard.press("j")
    page.wait_for_selector("[data-flag=accused][aria-selected=false]")
    flag = selected(page)
    page.locator(".item label").first.click()
    page.locator(".verdict textarea").first.fill("客人主动问付款")
    page.locator(".verdict textarea").last.fill("先关心再提醒")
    page.evaluate("window.before = true")
    first.stop()
    page.wait_for_timeout(1_500)
    start(port=first.port)
    page.wait_for_function("!window.before", timeout=40_000)  # NiceGUI has reloaded the page
    page.wait_for_selector(".desk[data-state=busy] .sheet", timeout=30_000)
    assert selected(page) == flag
    assert [one.input_value() for one in page.locator(".verdict textarea").all()] == ["客人主动问付款", "先关心再提醒"]
    assert page.locator(".item .on").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    page.wait_for_selector("[data-flag=accused][aria-selected=true]")
    assert page.locator(".verdict textarea").first.input_value() == ""
    page.context.close()


def test_signed_out_while_typing(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.locator(".verdict textarea").first.fill("写到一半")
    page.route("**/api/v1/**", lambda route: route.fulfill(status=401, json={"detail": "sign in first"}))
    page.wait_for_selector(".banner a", timeout=30_000)
    assert page.locator(".banner a").get_attribute("href") == "/sign-in?lang=zh&next=%2Fqc%3Flang%3Dzh"
    assert page.locator(".verdict textarea").first.input_value() == "写到一半"
    page.unroute("**/api/v1/**")
    page.wait_for_selector(".banner", state="detached", timeout=30_000)
    page.context.close()


def test_judged_flags_can_be_listed(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, lang="en")
    states = page.locator("[data-facet=qc_status] option")
    assert [one.get_attribute("value") for one in states.all()] == ["open", "claimed", "upheld", "dismissed"]
    assert "to review" in page.locator(".count").inner_text()
    page.locator("[data-facet=qc_status]").select_option("upheld")
    page.wait_for_selector(".count >> text=/^0 flags$/")
    assert page.locator(".list li").count() == 0
    page.context.close()


def test_a_slow_database_is_waited_for(browser: Any, desk: Wall) -> None:
    page, held = browser.new_context(viewport=LAPTOP).new_page(), []
    page.route("**/api/v1/qc/queue?*", lambda route: held.append(route))
    page.goto(f"{desk.address}/qc")
    page.wait_for_timeout(8_000)
    assert len(held) == 1
    held[0].continue_()
    page.wait_for_selector(".desk[data-state=busy]", timeout=30_000)
    page.context.close()


def test_who_may_not_see_buyers_is_told_so(browser: Any, desk: Wall) -> None:
    page, asked = browser.new_context(viewport=LAPTOP).new_page(), []
    me = {"name": "ops", "display_name": "", "roles": ["ops"], "may": ["review", "see_flags"]}
    page.route("**/api/v1/me", lambda route: route.fulfill(json=me))
    page.on("request", lambda one: asked.append(one.url) if "/conversations?" in one.url else None)
    page.goto(f"{desk.address}/qc")
    page.wait_for_selector("text=您的角色看不到会话")
    page.wait_for_selector(".sheet")
    assert asked == []
    page.context.close()


def test_a_click_or_a_key_wipes_no_sheet(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    first = selected(page)
    page.locator(".item label").first.click()
    page.locator(f"[data-flag='{first}']").click()
    assert page.locator(".item .on").count() == 1
    page.locator(".item label").first.click()  # its radio has the focus
    page.keyboard.press("ArrowRight")
    assert selected(page) == first
    page.locator(".line").focus()
    page.keyboard.press("ArrowDown")
    assert selected(page) == first
    page.locator(".item label").first.click()
    page.keyboard.press("j")
    page.wait_for_selector(f"[data-flag='{first}'][aria-selected=false]")
    assert page.locator(".item .on").count() == 0
    page.keyboard.press("k")
    page.wait_for_selector(f"[data-flag='{first}'][aria-selected=true]")
    page.wait_for_selector(".item .on")  # what was filled in is there again
    page.context.close()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (502, "<html>Bad Gateway</html>", "提交失败，请重试"),
        (422, '{"detail":[{"loc":["body","reason"],"msg":"too long"}]}', "reason: too long"),
        (403, '{"detail":"wang may not judge flags"}', "您的角色不能做这件事"),
        (403, '{"detail":"the request comes from another site"}', "the request comes from another site"),
    ],
)
def test_what_goes_wrong_is_told(browser: Any, desk: Wall, status: int, body: str, told: str) -> None:
    page = look(browser, desk)
    page.route("**/verdict", lambda route: route.fulfill(status=status, body=body))
    first = selected(page)
    page.keyboard.press("u")
    page.wait_for_selector(f".verdict >> text={told}")
    assert selected(page) == first
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("judged_by", ["迟到", "别人"])
def test_a_verdict_that_got_no_answer_but_arrives_goes_on_as_after_a_success(
    browser: Any, desk: Wall, judged_by: str
) -> None:
    page = look(browser, desk, "迟到")
    flag = untouched(page, "flag")
    page.locator(f"[data-flag='{flag}']").click()
    page.wait_for_selector(f"[data-flag='{flag}'][aria-selected=true]")
    page.wait_for_selector(".uphold:enabled")
    page.route("**/verdict", lambda route: route.fulfill(status=503, json={"detail": "the broker cannot be reached"}))
    page.keyboard.press("u")
    page.wait_for_selector(".verdict .state >> text=提交失败，请重试")
    page.wait_for_timeout(6_000)
    assert selected(page) == flag  # as long as nothing has come of it
    assert page.locator(".verdict .state").inner_text() == "提交失败，请重试"
    change = json.dumps({"qc_status": "upheld", "qc_actor": judged_by}, separators=(",", ":"))
    desk.tell(f"becomes flags_raw flag_id {flag} {change}")
    page.wait_for_selector(f"[data-flag='{flag}']", state="detached", timeout=20_000)
    if judged_by == "迟到":
        page.wait_for_selector(".toast >> text=已提交：成立")
        page.wait_for_selector(".list [data-flag][aria-selected=true]")
        assert page.locator(".verdict .state").inner_text() == ""
        page.wait_for_selector(".uphold:enabled")  # the next one can be judged
    else:
        page.wait_for_selector(".verdict .state >> text=别人 判定：成立")
        assert page.locator(".toast span").count() == 0  # what somebody else did is not said to be saved
    assert page.errors == []
    page.context.close()


def test_a_verdict_that_got_no_answer_and_is_given_again_is_no_refusal(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "再来")
    flag = untouched(page, "flag")
    page.locator(f"[data-flag='{flag}']").click()
    page.wait_for_selector(f"[data-flag='{flag}'][aria-selected=true]")
    page.wait_for_selector(".uphold:enabled")
    page.route("**/verdict", lambda route: (route.fetch(), route.abort()))  # it arrives, its answer does not
    page.keyboard.press("u")
    page.wait_for_selector(".verdict .state >> text=提交失败，请重试")
    page.unroute("**/verdict")
    page.keyboard.press("u")
    page.wait_for_selector(".toast >> text=已提交：成立", timeout=20_000)
    assert selected(page) != flag
    assert page.locator(".verdict .state").inner_text() == ""
    page.context.close()


def test_a_failed_refresh_is_told_until_the_next_good_one(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.route("**/api/v1/qc/counts?*", lambda route: route.fulfill(status=500, json={"detail": "see the log"}))
    page.wait_for_selector(".banner >> text=see the log", timeout=30_000)
    page.unroute("**/api/v1/qc/counts?*")
    page.wait_for_selector(".banner", state="detached", timeout=30_000)
    page.context.close()


def test_more_is_asked_for_once(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.locator(".more").dblclick()
    page.wait_for_function("document.querySelectorAll('.list li').length > 50")
    page.wait_for_timeout(6_000)
    flags = [row.get_attribute("data-flag") for row in page.locator(".list li").all()]
    assert len(flags) == len(set(flags)) == 100
    page.context.close()


def test_times_are_given_in_the_zone_they_are_shown_in(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, lang="en", timezone_id="America/New_York")
    assert "“赶紧付款”" in page.locator(".why").inner_text()
    with page.expect_request("**/qc/queue?*since=*") as asked:
        page.locator(".filters input").first.fill("2026-11-11T20:00")
        page.locator(".filters input").first.blur()
    assert "since=2026-11-11T20%3A00%3A00%2B08%3A00" in asked.value.url
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


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_how_often_each_rule_is_right_is_one_click_away(
    browser: Any, desk: Wall, lang: str, size: dict[str, int]
) -> None:
    page = look(browser, desk, lang=lang, size=size)
    page.locator("[data-view=precision]").click()
    page.wait_for_selector(".precision[data-state=busy] tbody tr")
    rules = page.evaluate("fetch('/api/v1/qc/precision').then(a => a.json())")["rules"]
    assert len(rules) == 9
    for rule in rules:
        cells = page.locator(f"[data-rule='{rule['rule']}'] td").all_inner_texts()
        assert cells[:3] == [f"{rule[key]:,}" for key in ("raised", "judged", "upheld")]
        none = "尚未判定" if lang == "zh" else "none judged"
        assert cells[3].strip() == (none if rule["precision"] is None else f"{int(rule['precision'] * 100 + 0.5)}%")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert "undefined" not in page.content()
    found = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    page.reload()
    page.wait_for_selector(".precision tbody tr", timeout=30_000)
    page.locator("[data-view=flags]").click()
    page.wait_for_selector(".desk[data-state=busy] .sheet")
    assert page.errors == []
    page.context.close()
