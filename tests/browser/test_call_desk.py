"""The call desk as callers use it, in Chromium, on a real ClickHouse."""

import json
from functools import partial
from typing import Any

import pytest
from desk_page import LAPTOP, PHONE, WIDE, at_its_top, comes_to, untouched
from desk_page import look as open_desk
from wall_process import Wall

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

look = partial(open_desk, path="/calls", ready=".verdict")


def selected(page: Any) -> str:
    return str(page.locator("[aria-selected=true][data-task]").get_attribute("data-task"))


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen(browser: Any, desk: Wall, lang: str, size: dict[str, int]) -> None:
    page = look(browser, desk, lang=lang, size=size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.wait_for_selector(".talk .line, .talk .empty")
    assert at_its_top(page)
    assert ("回访台" if lang == "zh" else "Call desk") in page.locator("h1").inner_text()
    assert "undefined" not in page.content()
    queue = page.evaluate("fetch('/api/v1/calls/queue?limit=200').then(a => a.json())")
    assert [row.get_attribute("data-task") for row in page.locator("[data-task]").all()] == [
        one["task_id"] for one in queue["call_tasks"]
    ]
    assert page.locator(".list li.overdue").count() == queue["counts"]["overdue"] > 0
    assert (page.errors, page.foreign) == ([], [])
    page.context.close()


def test_a_call_from_claim_to_refund(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    first = selected(page)
    page.keyboard.press("c")
    page.wait_for_selector("text=已领取 · 王姐")
    page.keyboard.press("n")
    page.wait_for_selector("text=未接通时请填写约定再打的时间")
    page.locator(".verdict input[type=datetime-local]").fill("2026-12-01T15:30")
    page.locator(".verdict h2").click()  # out of the field
    page.keyboard.press("n")
    page.wait_for_selector("text=通话已记录")
    assert page.locator(".facts dd").nth(3).inner_text() == "12-01 15:30:00"
    assert page.locator(".facts dd").nth(4).inner_text() == "1"
    page.keyboard.press("2")
    page.wait_for_selector("text=已提交：已解决")
    assert page.locator(f"[data-task='{first}']").count() == 0
    assert selected(page) != first  # the next one is there
    page.wait_for_timeout(6_000)  # nor does it come back while no worker has read it
    assert page.locator(f"[data-task='{first}']").count() == 0
    assert page.errors == []
    page.context.close()


def history(page: Any) -> list[str]:
    return [step.inner_text() for step in page.locator(".history li").all()]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_was_said_on_a_call_is_there_at_once_and_stays(browser: Any, desk: Wall, lang: str) -> None:
    page = look(browser, desk, f"兰-{lang}", lang=lang)
    page.locator("[data-facet=priority]").select_option("low")
    page.wait_for_selector(".list li.low[aria-selected=true]")
    page.keyboard.press("j" if lang == "en" else "k")
    page.wait_for_selector(".claim:enabled")
    task = selected(page)
    read = partial(page.evaluate, f"fetch('/api/v1/call-tasks/{task}').then(a => a.json()).then(a => a.history)")
    page.keyboard.press("c")
    page.wait_for_selector(".history [data-step='call_task.claimed']")
    held: list[Any] = []
    page.route(f"**/api/v1/call-tasks/{task}", lambda route: held.append(route))  # the API's own word comes later
    page.locator(".verdict textarea").fill("同意换货")
    page.locator(".verdict h2").click()
    page.keyboard.press("r")
    page.wait_for_selector(".history [data-said=note] >> text=同意换货")
    called = page.locator("[data-step='call_task.call_logged']")
    assert called.locator("b").inner_text() == ("已接通" if lang == "zh" else "Reached")
    assert f"兰-{lang} · " in called.locator("small").inner_text()
    shown = history(page)
    page.unroute(f"**/api/v1/call-tasks/{task}")
    with page.expect_response(f"**/api/v1/call-tasks/{task}", timeout=20_000):
        for route in held:
            route.continue_()
    assert [step["note"] for step in read()] == [None, "同意换货"]
    # the truth says the same, but for the clock
    assert [step.split(" · ")[0] for step in history(page)] == [step.split(" · ")[0] for step in shown]
    assert called.count() == 1
    page.reload()
    page.wait_for_selector(".history [data-said=note] >> text=同意换货", timeout=30_000)
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_who_revisits_reads_the_first_calls(browser: Any, desk: Wall, lang: str) -> None:
    page = look(browser, desk, "周姐", lang=lang)
    page.locator("[data-view=revisit]").click()
    page.locator(f"[data-task='settled-{lang}']").click()
    page.wait_for_selector(".history [data-step='call_task.resolved']")
    words = page.locator(".history [data-said=note]").all_inner_texts()
    assert words == ["无人接听", "买家很生气，先道歉", "答应换货，顺丰寄出"]
    first, _, last = page.locator(".history li b").all_inner_texts()
    assert (first, last) == (
        ("未接通 · 约定再打 11-12 15:00:00", "已解决 · 换货")
        if lang == "zh"
        else ("Not reached · Call again at 11-12 15:00:00", "Settled · Exchange")
    )
    page.locator(".verdict textarea").fill("很满意")
    page.locator(".verdict .dismiss").click()
    page.wait_for_selector(f"[data-task='settled-{lang}']", state="detached")
    page.wait_for_selector(".toast >> text=" + ("已提交：已回访" if lang == "zh" else "Saved: Revisited"))
    path = f"/api/v1/call-tasks/settled-{lang}"
    *_, step = page.evaluate(f"fetch('{path}').then(a => a.json()).then(a => a.history)")
    assert (step["type"], step["actor"], step["note"]) == ("call_task.revisited", "周姐", "很满意")
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_revisit_that_is_not_due_is_not_offered(browser: Any, desk: Wall, lang: str) -> None:
    page = look(browser, desk, lang=lang)
    page.locator("[data-view=done]").click()
    page.locator("[data-task='settled-early']").click()
    page.wait_for_selector(".history [data-said=note]")
    assert page.locator(".verdict .dismiss").is_disabled()
    assert ("还没到可打电话的时间" if lang == "zh" else "It is too early to call") in page.locator(
        ".verdict"
    ).inner_text()
    page.context.close()


def test_a_held_key_settles_nothing_more(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "按住")
    page.locator("[data-facet=priority]").select_option("normal")
    page.wait_for_selector(".list li.normal[aria-selected=true]")
    page.keyboard.press("c")
    page.wait_for_selector("text=已领取 · 按住")
    page.keyboard.press("1")
    page.wait_for_selector("text=请先致电并记录通话")  # nothing is settled that nobody has called about
    page.keyboard.press("r")
    page.wait_for_selector("text=通话已记录")
    given: list[str] = []
    accepted = json.dumps({"status": "resolved", "event_id": "e"})
    page.route("**/resolve", lambda route: (given.append(route.request.url), route.fulfill(status=202, body=accepted)))
    for _ in range(6):
        page.keyboard.down("1")
        page.wait_for_timeout(100)
    page.keyboard.up("1")
    comes_to(page, given, 1)
    assert len(given) == 1
    page.context.close()


def test_an_answer_that_comes_late_leaves_the_next_call_alone(browser: Any, desk: Wall) -> None:
    page, held = look(browser, desk, timezone_id="America/New_York"), []
    first = untouched(page, "task")
    page.locator(f"[data-task='{first}']").click()
    page.wait_for_selector(f"[data-task='{first}'][aria-selected=true]")
    page.wait_for_selector(".claim:enabled")
    page.route("**/call", lambda route: held.append(route))
    page.route("**/claim", lambda route: route.fulfill(status=202, json={"status": "claimed", "event_id": "e"}))
    page.keyboard.press("c")
    page.wait_for_selector("text=已领取 · ")
    page.locator(".verdict input[type=datetime-local]").fill("2026-12-01T15:30")
    page.locator(".verdict h2").click()
    page.keyboard.press("n")
    page.keyboard.press("j")
    page.wait_for_selector(f"[data-task='{first}'][aria-selected=false]")
    second = selected(page)
    comes_to(page, held, 1)
    assert held[0].request.post_data_json["call_again_at"] == "2026-12-01T15:30:00+08:00"  # the shop's
    held[0].fulfill(status=202, json={"status": "called", "event_id": "e"})
    page.wait_for_selector("text=：通话已记录")
    assert selected(page) == second
    assert page.locator(".facts dd").nth(3).inner_text() == "0"
    assert "已致电 王姐" in page.locator(f"[data-task='{first}']").inner_text()
    page.context.close()


def test_what_got_no_answer_but_arrives_goes_on_as_after_a_success(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "迟到")
    page.locator("[data-facet=priority]").select_option("low")
    page.wait_for_selector(".list li.low[aria-selected=true]")
    task = untouched(page, "task")
    page.locator(f"[data-task='{task}']").click()
    page.wait_for_selector(f"[data-task='{task}'][aria-selected=true]")
    page.wait_for_selector(".claim:enabled")
    page.route(f"**/{task}/*", lambda route: route.fulfill(status=503, json={"detail": "the broker cannot be reached"}))

    def arrives(**change: Any) -> None:
        desk.tell(f"becomes call_tasks_raw task_id {task} {json.dumps(change, separators=(',', ':'))}")

    page.keyboard.press("c")
    page.wait_for_selector(".verdict .state >> text=提交失败，请重试")
    arrives(status="claimed", claimed_by="迟到")
    page.wait_for_selector(".verdict .state >> text=已领取 · 迟到", timeout=20_000)
    page.locator(".verdict textarea").fill("答应等")
    page.locator(".verdict h2").click()
    page.keyboard.press("r")
    page.wait_for_selector(".verdict .state >> text=提交失败，请重试")
    page.wait_for_timeout(6_000)
    assert page.locator(".verdict .state").inner_text() == "提交失败，请重试"  # that it is claimed is not that call
    assert page.locator(".verdict textarea").input_value() == "答应等"
    arrives(status="called", claimed_by="迟到", calls=1)
    page.wait_for_selector(".verdict .state >> text=通话已记录", timeout=20_000)
    assert page.locator(".verdict textarea").input_value() == ""
    page.keyboard.press("3")
    page.wait_for_selector(".verdict .state >> text=提交失败，请重试")
    arrives(status="resolved", claimed_by="迟到", outcome="wait")
    page.wait_for_selector(".toast >> text=已提交：已解决", timeout=20_000)
    assert page.locator(f"[data-task='{task}']").count() == 0
    assert selected(page) != task
    assert page.locator(".verdict .state").inner_text() == ""
    assert page.errors == []
    page.context.close()


def test_a_note_outlives_a_reload(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "备注")
    page.locator("[data-facet=priority]").select_option("normal")
    page.wait_for_selector(".list li.normal[aria-selected=true]")
    page.keyboard.press("j")
    page.route("**/claim", lambda route: route.fulfill(status=202, json={"status": "claimed", "event_id": "e"}))
    page.keyboard.press("c")
    page.locator(".verdict textarea").fill("写到一半")
    task = selected(page)
    page.reload()
    page.wait_for_selector(f"[data-task='{task}'][aria-selected=true]", timeout=30_000)
    assert page.locator(".verdict textarea").input_value() == "写到一半"
    page.context.close()


def test_what_is_not_shown_is_counted(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    queue = page.evaluate("fetch('/api/v1/calls/queue?limit=200').then(a => a.json())")
    total = queue["counts"]["call"]
    cut = {**queue, "call_tasks": queue["call_tasks"][:3], "next_cursor": "x"}
    page.route("**/calls/queue?*", lambda route: route.fulfill(json=cut))
    page.wait_for_selector(f".more >> text=还有 {total - 3} 条", timeout=15_000)
    page.context.close()


def test_what_is_more_than_a_page_is_said_and_loaded_when_asked(browser: Any, start: Any) -> None:
    desk = start()
    for n in range(60):
        for view, change in (("high", {"status": "claimed", "claimed_by": "王姐"}), ("done", {"status": "withdrawn"})):
            change |= {"task_id": f"{view}-{n:02d}", "priority": "high"}
            desk.tell(f"becomes call_tasks_raw task_id anta-xm-t3 {json.dumps(change, separators=(',', ':'))}")
    page = look(browser, desk)
    count = "path => fetch(path).then(a => a.json()).then(a => a.call_tasks.length)"
    views = {
        "priority=high": lambda: page.locator("[data-facet=priority]").select_option("high"),
        "claimed_by=王姐": lambda: (
            page.locator("[data-facet=priority]").select_option(""),
            page.locator(".check input").check(),
        ),
        "view=done": lambda: (page.locator(".check input").uncheck(), page.locator("[data-view=done]").click()),
    }
    for query, choose in views.items():
        choose()
        page.wait_for_function("document.querySelectorAll('.list li').length === 50", timeout=20_000)
        total = page.evaluate(count, f"/api/v1/calls/queue?limit=500&{query}")
        if query == "view=done":
            page.wait_for_selector(f".more >> text=还有 {total - 50} 条")
            assert page.locator("[data-view=done]").inner_text().endswith(str(total))
        page.locator(".more").click()
        page.wait_for_function(f"document.querySelectorAll('.list li').length === {total}")
        assert page.locator(".more").count() == 0
        page.wait_for_timeout(6_000)
        assert page.locator(".list li").count() == total  # the next poll leaves them there
    assert page.errors == []
    page.context.close()


def test_two_who_want_the_same_call(browser: Any, desk: Wall) -> None:
    one, two = look(browser, desk, "甲"), look(browser, desk, "乙")
    task = untouched(one, "task")
    for page in (one, two):
        page.locator(f"[data-task='{task}']").click()
        page.wait_for_selector(f"[data-task='{task}'][aria-selected=true]")
    assert selected(one) == selected(two)
    one.keyboard.press("c")
    one.wait_for_selector("text=已领取 · 甲")
    two.keyboard.press("c")
    two.wait_for_selector("text=甲 已领取")
    for page in (one, two):
        page.context.close()


def test_the_agent_who_served_the_buyer_is_refused(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "anta-xm:00")
    page.locator("[data-task='anta-xm-t3']").click()
    page.wait_for_selector("[data-task='anta-xm-t3'][aria-selected=true]")
    page.keyboard.press("c")
    page.wait_for_selector("text=接待过这位买家的客服不能处理此差评")
    page.context.close()


def test_views_and_an_empty_one(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.locator("[data-view=revisit]").click()
    page.wait_for_selector("[data-task='settled-zh'], [data-task='settled-en'], .queue .empty")
    page.locator("[data-facet=priority]").select_option("low")
    page.wait_for_selector("text=没有要打的电话")
    page.locator("[data-facet=priority]").select_option("")
    page.locator("[data-view=call]").click()
    page.wait_for_selector("[data-task]")
    page.context.close()


def test_the_review_and_the_order_are_pointed_at(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    page.locator("[data-task^='lining-hz-t']").first.click()
    page.wait_for_selector(".accused")
    assert "开胶了" in page.locator(".accused").inner_text()
    assert "跑鞋" in page.locator(".cited").inner_text()
    page.context.close()


def test_the_database_goes_and_comes_back(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    desk.tell("down")
    page.wait_for_selector(".banner.bad", timeout=20_000)
    desk.tell("up")
    page.wait_for_selector(".banner.bad", state="detached", timeout=20_000)
    page.context.close()
