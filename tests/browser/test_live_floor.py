"""The desks on the whole product, from sign-in to the last click: events come in live, Kafka, worker, sink and ClickHouse are
real, and what somebody does is only done when it has come back as a fact.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import by_hand
import pytest
from desk_page import LAPTOP, WIDE
from fixtures.demo_process import SHOP, Demo, gone, until

from deploy.demo_users import PASSWORD, PEOPLE
from processors.reviews import task_id_of
from schemas.types import format_time, parse_time
from web.parts import HOUR_MS

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]

COMES_BACK = 30.0
"""seconds for a command through Kafka, worker and sink; a second on a machine with nothing else to do"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("live"), "--buyers", "3000", "--seed", "3")
    until(lambda: queue(running, "qc/queue", "flags") and queue(running, "calls/queue", "call_tasks"), 90)
    yield running
    pids = list(running.parts().values())
    running.end()
    assert gone(pids)


def queue(demo: Demo, path: str, rows: str) -> list[dict[str, Any]]:
    answer = demo.web.get(f"/api/v1/{path}", params={"limit": 100})
    return list(answer.json()[rows]) if answer.status_code == 200 else []


def enter(browser: Any, demo: Demo, name: str, path: str, lang: str = "zh", size: dict[str, int] = LAPTOP) -> Any:
    """A page of a browser of one's own, signed in by the form, at that path. `page.errors`: what went wrong in it."""
    page = browser.new_context(viewport=size).new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{demo.address}/sign-in?lang={lang}&next={path}%3Flang%3D{lang}")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}?lang={lang}")
    return page


def fact(demo: Demo, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the API says once the fact has come back."""

    def asked() -> dict[str, Any] | None:
        row = demo.web.get(f"/api/v1/{path}").json()
        return row if holds(row) else None

    found: dict[str, Any] = until(asked, COMES_BACK)
    return found


def fill_sheet(page: Any) -> None:
    for item in page.locator(".sheet .item").all():
        item.locator("label").first.click()


def open_flag(page: Any) -> str:
    page.wait_for_selector(".desk[data-state=busy] .verdict", timeout=30_000)
    page.wait_for_selector(".line li.accused, .line li.cited", timeout=30_000)
    return str(page.locator("[aria-selected=true][data-flag]").get_attribute("data-flag"))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_reviewer_from_sign_in_to_the_next_flag(browser: Any, demo: Demo, lang: str) -> None:
    page = enter(browser, demo, "qc", "/qc", lang)
    flag = open_flag(page)
    page.keyboard.press("c")
    page.wait_for_selector(".sheet")
    fill_sheet(page)
    page.locator(".verdict textarea").nth(0).fill("同一订单催了两次" if lang == "zh" else "reminded twice")
    page.locator(".verdict textarea").nth(1).fill("先看订单状态" if lang == "zh" else "look at the order first")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    page.wait_for_selector(f"[data-flag='{flag}']", state="detached", timeout=30_000)
    assert open_flag(page) != flag  # the next one has come by itself
    judged = fact(demo, f"flags/{flag}", lambda row: row["qc_status"] == "upheld")
    assert (judged["qc_actor"], judged["qc_score"]) == ("qc", 100)
    page.locator("[data-facet=qc_status]").select_option("upheld")
    page.wait_for_selector(f"[data-flag='{flag}'] small:has-text('{PEOPLE['qc']}')", timeout=30_000)
    page.locator("[data-facet=qc_status]").select_option("open")
    page.wait_for_timeout(6000)
    assert page.locator(f"[data-flag='{flag}']").count() == 0  # nor does it come back
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_of_two_who_take_one_flag_at_once_one_has_it(browser: Any, demo: Demo, lang: str) -> None:
    pages = [enter(browser, demo, name, "/qc", lang) for name in ("qc", "admin")]
    flag, _ = [open_flag(page) for page in pages]
    for page in pages:
        page.locator(f"[data-flag='{flag}']").click()
        page.wait_for_selector(f"[data-flag='{flag}'][aria-selected=true]")
    for page in pages:  # neither waits for the other's answer
        page.evaluate("setTimeout(() => document.querySelector('button.claim').click(), 300)")
    taken = fact(demo, f"flags/{flag}", lambda row: row["qc_status"] == "claimed")
    holder = taken["qc_actor"]
    assert holder in ("qc", "admin")
    winner, loser = pages if holder == "qc" else pages[::-1]
    said = f"{PEOPLE[holder]} 已领取" if lang == "zh" else f"{PEOPLE[holder]} has it"
    loser.wait_for_selector(f"text={said}", timeout=30_000)
    fill_sheet(winner)
    winner.locator(".verdict textarea").first.fill("没有问题")
    winner.keyboard.press("Escape")
    winner.keyboard.press("d")
    assert fact(demo, f"flags/{flag}", lambda row: row["qc_status"] == "dismissed")["qc_actor"] == holder
    for page in pages:
        assert page.errors == []
        page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_caller_from_sign_in_to_the_settled_complaint(browser: Any, demo: Demo, lang: str) -> None:
    page = enter(browser, demo, "caller", "/calls", lang)
    page.wait_for_selector(".desk[data-state=busy] .verdict", timeout=30_000)
    page.wait_for_selector(".line li", timeout=30_000)
    task = str(page.locator("[aria-selected=true][data-task]").get_attribute("data-task"))
    page.keyboard.press("c")
    page.wait_for_selector(".ways")
    page.locator(".verdict textarea").first.fill("买家同意换货")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    called = fact(demo, f"call-tasks/{task}", lambda row: row["status"] == "called")
    assert (called["claimed_by"], called["calls"]) == ("caller", 1)
    page.keyboard.press("1")
    page.wait_for_selector(f"[data-task='{task}']", state="detached", timeout=30_000)
    settled = fact(demo, f"call-tasks/{task}", lambda row: row["status"] == "resolved" and len(row["history"]) == 3)
    assert settled["outcome"] == "exchange"
    assert settled["revisit_due_at"] is not None
    assert [step["note"] for step in settled["history"]] == [None, "买家同意换货", None]
    assert page.errors == []
    page.context.close()


def settle_days_ago(demo: Demo, name: str) -> str:
    """A complaint that came in six days ago, and that somebody called about and settled four days ago: its task."""
    buyer, order = f"b-{name}", f"o-{name}"
    task = task_id_of(SHOP, buyer, order)
    did = {"task_id": task, "actor": "caller"}
    items = [{"sku_id": "k", "title": "跑鞋", "quantity": 1, "unit_price": "99.00"}]
    now = time.time_ns() // 1_000_000
    facts: list[tuple[int, str, dict[str, Any]]] = [
        (150, "order.placed", {"order_id": order, "amount": "99.00", "items": items}),
        (144, "review.posted", {"order_id": order, "review_id": f"r-{name}", "rating": 1, "text": "开胶了"}),
        (100, "call_task.claimed", did),
        (99, "call_task.call_logged", {**did, "reached": True, "note": "买家很生气，先道歉"}),
        (98, "call_task.resolved", {**did, "outcome": "exchange", "note": "答应换货"}),
    ]
    events = [
        {
            "specversion": "1.0", "id": f"{name}-{n}", "source": "test/past", "type": kind,
            "time": format_time(now - ago * HOUR_MS), "data": {"shop_id": SHOP, "buyer_id": buyer, **data},
        }
        for n, (ago, kind, data) in enumerate(facts)
    ]  # fmt: skip
    answer = demo.web.post("/v1/events", json=events, headers={"content-type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202, answer.text
    fact(demo, f"call-tasks/{task}", lambda row: row.get("status") == "resolved" and len(row["history"]) == 3)
    return task


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_caller_revisits_knowing_what_was_said_before(browser: Any, demo: Demo, lang: str) -> None:
    task = settle_days_ago(demo, f"revisit-{lang}")
    page = enter(browser, demo, "caller", "/calls", lang)
    page.wait_for_selector(".desk[data-state=busy] .verdict", timeout=30_000)
    page.locator("[data-view=revisit]").click()
    page.locator(f"[data-task='{task}']").click()
    page.wait_for_selector(".history [data-step='call_task.resolved']", timeout=30_000)
    assert page.locator(".history [data-said=note]").all_inner_texts() == ["买家很生气，先道歉", "答应换货"]
    assert PEOPLE["caller"] in page.locator(".history small").first.inner_text()
    page.locator(".verdict textarea").fill("新鞋很满意")
    page.locator(".verdict .dismiss").click()
    page.wait_for_selector(f"[data-task='{task}']", state="detached", timeout=30_000)
    done = fact(demo, f"call-tasks/{task}", lambda row: row["status"] == "revisited" and len(row["history"]) == 4)
    assert [step["note"] for step in done["history"]] == [None, "买家很生气，先道歉", "答应换货", "新鞋很满意"]
    page.locator("[data-view=done]").click()
    page.locator(f"[data-task='{task}']").click()
    page.wait_for_selector(".history [data-step='call_task.revisited'] >> text=新鞋很满意", timeout=30_000)
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_web_dies_while_somebody_types_and_nothing_typed_is_lost(browser: Any, demo: Demo, lang: str) -> None:
    page = enter(browser, demo, "qc", "/qc", lang)
    wall = browser.new_page(viewport=WIDE)
    wall.goto(f"{demo.address}/?lang={lang}")
    wall.wait_for_selector(".wall[data-status=ok]", timeout=20_000)
    flag = open_flag(page)
    page.keyboard.press("c")
    page.wait_for_selector(".sheet")
    page.locator(".verdict textarea").first.fill("写到一半")
    page.evaluate("window.isOld = true")
    pid = demo.parts()["web"]
    os.kill(demo.process.pid, signal.SIGSTOP)  # or it would have a new one within seconds
    try:
        os.kill(pid, signal.SIGKILL)
        page.wait_for_selector(".banner.bad", timeout=20_000)
        wall.wait_for_selector(".banner.bad", timeout=20_000)
        assert wall.locator("section.shop").count() == 2  # the wall keeps what it shows
    finally:
        os.kill(demo.process.pid, signal.SIGCONT)
    until(lambda: demo.parts().get("web", pid) != pid, 30)
    page.wait_for_function("!window.isOld", timeout=60_000)  # NiceGUI loads the page anew, and nobody types before that
    page.wait_for_selector(".banner.bad", state="detached", timeout=60_000)
    wall.wait_for_selector(".banner.bad", state="detached", timeout=60_000)
    # on the sheet; whether it is in the list, too, depends on how soon the claim comes back, as the list is of open flags
    page.wait_for_function("document.querySelector('.verdict textarea')?.value === '写到一半'", timeout=30_000)
    page.wait_for_selector(".sheet", timeout=30_000)
    fill_sheet(page)
    page.keyboard.press("u")
    assert fact(demo, f"flags/{flag}", lambda row: row["qc_status"] == "upheld")["qc_reason"] == "写到一半"
    newest = wall.locator(".total b").first.inner_text()
    until(lambda: wall.locator(".total b").first.inner_text() != newest, 120)  # and goes on
    page.context.close()
    wall.close()


# ---- what is on show is what the API and the tables say -----------------------------------------------------------------

_HOUR = "toStartOfHour(%s, 'Asia/Shanghai') = toDateTime64('%s', 3, 'Asia/Shanghai')"


def sql(demo: Demo, text: str) -> list[dict[str, Any]]:
    answer = demo.web.post("/api/v1/sql", json={"sql": text, "format": "JSON"})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


@pytest.fixture
def still(demo: Demo) -> Iterator[None]:
    """Nothing comes in any more, and what has come is done with."""
    feed = demo.parts()["ingest"]
    os.kill(feed, signal.SIGSTOP)
    try:
        seen: list[Any] = []

        def settled() -> bool:
            seen.append([sql(demo, f"SELECT count(), max({at}) FROM {table}") for table, at in TABLES.items()])
            time.sleep(1.5)
            return len(seen) > 4 and all(one == seen[-1] for one in seen[-5:])

        until(settled, 120)
        yield
    finally:
        os.kill(feed, signal.SIGCONT)


TABLES = {"raw_events": "ingested_at"} | dict.fromkeys(
    ("rounds_raw", "window_partials", "leaderboard_partials", "flags_raw", "call_tasks_raw"), "written_at"
)


def test_the_wall_the_api_and_a_hand_written_query_say_the_same(browser: Any, demo: Demo, still: None) -> None:
    _compare(browser, demo)


def test_every_live_figure_of_the_wall_is_what_a_hand_written_query_says(browser: Any, demo: Demo, still: None) -> None:
    page = browser.new_page(viewport=WIDE)
    page.add_init_script(by_hand.WATCHED)
    page.goto(f"{demo.address}/?lang=zh")
    page.wait_for_selector(".wall[data-status=ok]", timeout=20_000)
    board = page.evaluate(by_hand.READ)  # says itself which moment it shows
    page.close()
    ask = partial(sql, demo)
    now, hour = board["now"], board["hour"]
    start, end = by_hand.day_of(hour)
    assert board["mode"] in ("live", "fallback")  # the latter when the hour has turned since the feed stands
    assert board["shops"]
    assert sum(len(shop["agents"]) for shop in board["shops"].values()) > 1
    for name, shown in board["shops"].items():
        rows = by_hand.sold(ask, name, hour, hour + by_hand.HOUR)
        day = by_hand.sold(ask, name, start, end)
        fen, orders, buyers, served = (
            sum(row[key] for row in rows.values()) for key in ("fen", "orders", "buyers", "served")
        )
        assert shown["hour"] == by_hand.money(fen)
        assert shown["day"] == by_hand.money(sum(row["fen"] for row in day.values()))
        assert shown["day_orders"] == f"{sum(row['orders'] for row in day.values()):,} 单"
        kpis = shown["kpis"]
        assert (kpis["付款单"], kpis["接待"]) == (f"{orders:,}", f"{served:,}")
        assert kpis["转化率"] in by_hand.percents(buyers / served if served else None)
        assert kpis["客单价"] in by_hand.monies(round(fen / orders) if orders else None)
        assert kpis["静默成交"] == by_hand.money(rows[""]["fen"] if "" in rows else 0)

        waiting = by_hand.waits(ask, name, now)
        longest = [] if waiting["longest_ms"] is None else [f"最长 {by_hand.duration(waiting['longest_ms'])}"]
        assert shown["service"]["waiting"] == [f"{waiting['buyers']:,}", *longest]
        assert shown["service"]["gave_up"] == [f"{waiting['gave_up']:,}"]
        replies = by_hand.replies(ask, name, hour, hour + by_hand.HOUR, now)
        assert shown["service"]["all"][0] in by_hand.seconds(replies["all"]["avg_response_ms"])
        assert shown["service"]["platform"][0] in by_hand.seconds(replies["platform"]["avg_response_ms"])
        assert shown["service"]["rate"][0] in by_hand.percents(replies["platform"]["rate_3min"])

        people = by_hand.agents(ask, name)
        told = {
            (people[agent][0], f"{row['orders']:,} 单", by_hand.money(row["fen"]))
            for agent, row in rows.items()
            if agent
        }
        assert {tuple(one) for one in shown["agents"]} <= told
        sale = by_hand.sale(ask, name, hour)
        assert sale, "the demo has a sale on"
        teams = dict.fromkeys(sale["teams"], 0)
        for agent, row in rows.items():
            if agent and people[agent][1] in teams:
                teams[people[agent][1]] += row["orders" if sale["basis"] == "orders" else "fen"]
        write = (lambda n: f"{n:,} 单") if sale["basis"] == "orders" else by_hand.money
        assert dict(shown["teams"]) == {team: write(score) for team, score in teams.items()}
        if sale["fen"]:
            assert shown["target"].startswith(f"目标 {by_hand.money(sale['fen'])} · {fen * 100 // sale['fen']}%")
    told_flags = {rule: [str(hours), f"/{days:,}"] for rule, (hours, days) in by_hand.flags(ask, hour).items()}
    assert board["flags"] == told_flags


def test_every_live_figure_of_the_api_is_what_a_hand_written_query_says(demo: Demo, still: None) -> None:
    ask = partial(sql, demo)
    board = demo.web.get("/api/v1/leaderboard").json()
    hour = parse_time(board["hour_start"])
    for shop in board["shops"]:
        rows = by_hand.sold(ask, shop["shop_id"], hour, hour + by_hand.HOUR)
        told = {row["agent_id"]: _figures(row) for row in shop["rows"]}
        assert told == {
            agent: (row["fen"], row["orders"], row["buyers"], row["served"]) for agent, row in rows.items()
        } | {agent: found for agent, found in told.items() if not any(found)}  # of an order or a refund alone
        assert _figures(shop["totals"]) == tuple(
            sum(row[key] for row in rows.values()) for key in ("fen", "orders", "buyers", "served")
        )
    floor = demo.web.get("/api/v1/service").json()
    now = parse_time(floor["now"])
    assert floor["shops"]
    for shop in floor["shops"]:
        waiting = by_hand.waits(ask, shop["shop_id"], now)
        assert {key: shop["waiting"][key] for key in waiting} == waiting
        hours = by_hand.hour_of(now), by_hand.hour_of(now) + by_hand.HOUR
        for size, (start, end) in {"hour": hours, "day": by_hand.day_of(now)}.items():
            for definition, wanted in by_hand.replies(ask, shop["shop_id"], start, end, now).items():
                assert {key: shop[size][definition][key] for key in wanted} == pytest.approx(wanted)


def _figures(row: dict[str, Any]) -> tuple[int, int, int, int]:
    return round(float(row["paid_amount"]) * 100), row["orders_paid"], row["buyers_paid"], row["buyers_served"]


def _compare(browser: Any, demo: Demo) -> None:
    this = demo.web.get("/api/v1/leaderboard").json()["hour_start"]
    api = demo.web.get("/api/v1/leaderboard", params={"hour": format_time(parse_time(this) - by_hand.HOUR)}).json()
    hour = api["hour_start"]
    page = browser.new_page(viewport=WIDE)
    page.goto(f"{demo.address}/?hour={hour.replace('+', '%2B')}")
    page.wait_for_selector(".wall[data-status=ok]", timeout=20_000)
    local = hour[:19].replace("T", " ")
    assert api["shops"]
    for shop in api["shops"]:
        name = shop["shop_id"]
        panel = page.locator(f"[data-shop='{name}']")
        shown = dict(
            zip(panel.locator(".kpis dt").all_inner_texts(), panel.locator(".kpis dd").all_inner_texts(), strict=True)
        )
        # by hand, out of the payments and messages themselves
        (paid,) = sql(
            demo,
            f"SELECT sum(amount) AS amount, uniqExact(order_id) AS orders FROM payments WHERE shop_id = '{name}' AND"
            f" {_HOUR % ('time', local)}",
        )
        (served,) = sql(
            demo,
            "SELECT uniqExact(agent_id, buyer_id) AS buyers FROM messages WHERE sender = 'agent' AND reply_mode != 'auto'"
            f" AND shop_id = '{name}' AND {_HOUR % ('time', local)}",
        )
        (response,) = sql(
            demo,
            "SELECT avgIf(least(response_ms, 600000), status = 'answered') AS every, countIf(status = 'answered') AS answered"
            f" FROM response_rounds WHERE shop_id = '{name}' AND {_HOUR % ('opened_at', local)}",
        )
        (platform,) = sql(
            demo,
            "SELECT avg(if(status = 'answered', least(response_ms, 600000), 600000)) AS average,"
            " countIf(response_ms <= 180000) / count() AS rate FROM response_rounds WHERE status != 'pending'"
            f" AND in_platform_hours AND shop_id = '{name}' AND {_HOUR % ('opened_at', local)}",
        )
        totals = shop["totals"]
        assert float(totals["paid_amount"]) == pytest.approx(float(paid["amount"]))
        assert panel.locator(".total .big b").inner_text() == f"¥{int(float(paid['amount']) + 1e-6):,}"
        assert totals["buyers_served"] == int(served["buyers"])
        assert shown["接待"] == f"{int(served['buyers']):,}"
        assert totals["orders_paid"] == int(paid["orders"])
        assert shown["付款单"] == f"{int(paid['orders']):,}"
        (floor,) = demo.web.get("/api/v1/service", params={"hour": hour, "shop_id": name}).json()["shops"]
        assert floor["hour"]["all"]["answered"] == int(response["answered"]) > 0
        assert floor["hour"]["all"]["avg_response_ms"] == pytest.approx(response["every"])
        assert shown["平均响应"] == f"{response['every'] / 1000:.1f} 秒"
        if floor["hour"]["platform"]["avg_response_ms"] is not None:
            assert floor["hour"]["platform"]["avg_response_ms"] == pytest.approx(platform["average"])
            assert floor["hour"]["platform"]["rate_3min"] == pytest.approx(platform["rate"])
            assert shown["旺旺平响"] == f"{platform['average'] / 1000:.1f} 秒"
        else:
            assert shown["旺旺平响"].startswith("–")
        rows = sql(
            demo,
            "SELECT agent_id, sum(amount) AS amount FROM (SELECT p.amount AS amount, m.agent_id AS agent_id,"
            " m.time >= p.time - INTERVAL 24 HOUR AS near FROM payments AS p ASOF LEFT JOIN (SELECT shop_id, buyer_id,"
            " agent_id, time FROM messages WHERE sender = 'agent' AND reply_mode != 'auto') AS m"
            f" ON m.shop_id = p.shop_id AND m.buyer_id = p.buyer_id AND m.time <= p.time WHERE p.shop_id = '{name}'"
            f" AND {_HOUR % ('p.time', local)}) WHERE agent_id != '' AND near GROUP BY agent_id",
        )
        credited = {row["agent_id"]: float(row["amount"]) for row in rows}
        assert {
            row["agent_id"]: float(row["paid_amount"]) for row in shop["rows"] if row["agent_id"] and row["orders_paid"]
        } == pytest.approx(credited)
        best = max(credited.values())
        assert panel.locator("li.m1 .amount").first.inner_text() == f"¥{int(best + 1e-6):,}"
    page.close()


@pytest.mark.parametrize(
    ("name", "path", "ready"),
    [
        ("engineer", "/sql", ".sql[data-state=ready] .cm-content"),
        ("ops", "/scorecards", ".desk[data-state=busy] .sheetbox"),
        ("ops", "/reports", ".desk[data-state=busy] .sheet"),
        ("admin", "/audit", ".desk[data-state=busy]"),
    ],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_other_pages_have_live_data(browser: Any, demo: Demo, name: str, path: str, ready: str, lang: str) -> None:
    page = enter(browser, demo, name, path, lang)
    page.wait_for_selector(ready, timeout=40_000)
    assert page.errors == []
    page.context.close()
