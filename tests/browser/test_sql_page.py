"""The SQL page as data engineers use it, in Chromium, on a real ClickHouse."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from desk_page import LAPTOP, PHONE, WIDE
from wall_process import Wall

from web.access.roles import Role
from web.access.users import User, UsersFile, hash_password, write_users

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

FOREVER = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def look(browser: Any, desk: Wall, lang: str = "zh", size: dict[str, int] = LAPTOP, query: str = "") -> Any:
    """The page once its editor is there. `page.errors` is what went wrong in it, `page.foreign` what it asked of others."""
    page = browser.new_context(viewport=size, accept_downloads=True, timezone_id="America/New_York").new_page()
    page.errors, page.foreign = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on(
        "request",
        lambda one: (
            None if one.url.startswith((desk.address, "ws:", "data:", "blob:")) else page.foreign.append(one.url)
        ),
    )
    page.goto(f"{desk.address}/sql?lang={lang}{query}")
    page.wait_for_selector(".sql[data-state=ready] .cm-content", timeout=30_000)
    return page


def write(page: Any, sql: str) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(sql)


def run(page: Any, sql: str | None = None, until: str = "done") -> None:
    if sql is not None:
        write(page, sql)
    page.locator(".go").click()
    page.wait_for_selector(f".sql[data-run={until}]", timeout=60_000)


def cells(page: Any, column: str) -> list[str]:
    """What the grid shows in the column of that name."""
    page.wait_for_selector(".ag-header-cell, .ag-overlay-no-rows-center")
    at = page.locator(".ag-header-cell", has_text=column).first.get_attribute("col-id")
    return [str(text) for text in page.locator(f".ag-center-cols-container [col-id='{at}']").all_inner_texts()]


def statement(page: Any) -> str:
    return "\n".join(page.locator(".cm-line").all_inner_texts())


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_query_with_a_name_runs_and_fits_on_the_screen(
    browser: Any, desk: Wall, lang: str, size: dict[str, int]
) -> None:
    page = look(browser, desk, lang, size)
    run(page)  # the first query is there, filled in
    page.wait_for_selector(".ag-row")
    ranks = cells(page, "rank")
    assert ranks[:1] == ["1"]
    assert all(text for text in cells(page, "name"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if size is not PHONE:
        assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert ("整点客服榜" if lang == "zh" else "Leaderboard of an hour") in page.locator(".ask h2").inner_text()
    assert ("最多 10 秒" if lang == "zh" else "at most 10 s, 100,000 rows") in page.locator(".limits").inner_text()
    assert page.locator("html").get_attribute("lang") == ("zh-CN" if lang == "zh" else "en")
    assert "undefined" not in page.locator(".sql").inner_text()
    assert (page.errors, page.foreign) == ([], [])
    page.context.close()


def test_it_is_worked_by_keyboard(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    write(page, "SELECT 42 AS answer")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".sql[data-run=done] .ag-row")
    assert cells(page, "answer") == ["42"]
    page.keyboard.press("Tab")  # the editor holds nobody fast
    assert page.evaluate("document.activeElement.closest('.cm-editor') === null")
    page.context.close()


def test_values_are_exact_and_times_are_the_shops(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    run(
        page,
        "SELECT toUInt64(18446744073709551615) AS big, toDecimal64('1433.1', 2) AS amount, NULL AS gone, '<b>鞋</b>' AS text,"
        " toDateTime64('2026-11-11 12:00:00.000', 3, 'UTC') AS at, toDateTime64('2026-11-11 20:00:00.250', 3, 'Asia/Shanghai') AS local",
    )
    page.wait_for_selector(".ag-row")
    shown = {name: cells(page, name) for name in ("big", "amount", "gone", "text", "at", "local")}
    assert shown == {
        "big": ["18446744073709551615"],
        "amount": ["1433.10"],
        "gone": ["NULL"],
        "text": ["<b>鞋</b>"],
        "at": ["2026-11-11 20:00:00"],
        "local": ["2026-11-11 20:00:00.250"],
    }
    right = page.locator(".ag-center-cols-container .number").first
    assert right.evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    assert "Asia/Shanghai" in page.locator(".tools").inner_text()
    page.context.close()


def test_thousands_of_rows_scroll(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "en")
    run(page, "SELECT number AS n, toString(number) AS text FROM numbers(50000) ORDER BY n DESC")
    page.wait_for_selector(".ag-row")
    assert "50,000 rows" in page.locator(".told").inner_text()
    assert page.locator(".ag-center-cols-container .ag-row").count() < 200
    page.locator(".ag-header-cell[col-id='0']").click()  # sorts as figures, not as texts
    page.wait_for_function(
        "[...document.querySelectorAll('.ag-center-cols-container .ag-row')].some(row => row.getAttribute('row-index') === '10' && row.innerText.startsWith('10'))"
    )
    page.locator(".ag-body-viewport").evaluate("view => view.scrollTop = view.scrollHeight")
    page.wait_for_function("document.querySelector('.ag-center-cols-container').innerText.includes('49999')")
    page.context.close()


@pytest.mark.parametrize(
    ("lang", "title", "hint", "place"),
    [
        ("zh", "查询没有成功", "没有这个列或别名", "第 2 行第 8 个字符"),
        ("en", "The query did not succeed", "There is no such column or alias", "Line 2, character 8"),
    ],
)
def test_an_error_is_told_with_its_place_in_the_text(
    browser: Any, desk: Wall, lang: str, title: str, hint: str, place: str
) -> None:
    page = look(browser, desk, lang)
    run(page, "SELECT '😀鞋' AS a,\n  '鞋', nothing\nFROM flags", until="failed")
    told = page.locator(".problem").inner_text()
    for text in (title, hint, place, "UNKNOWN_IDENTIFIER"):
        assert text in told
    assert page.locator(".wrong").inner_text() == "nothing"
    write(page, "SELECT 1 AS one")
    assert page.locator(".wrong").count() == 0
    run(page)
    assert page.locator(".problem").count() == 0
    page.context.close()


def test_stop_ends_the_query_on_the_server_too(browser: Any, desk: Wall) -> None:
    page, other = look(browser, desk), look(browser, desk)
    write(page, FOREVER)
    page.locator(".go").click()
    page.wait_for_selector(".sql[data-run=running]")
    asking = (
        "SELECT count() AS running FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%LIKE%'"
    )
    run(other, asking)
    other.wait_for_selector(".ag-row")
    begun = time.monotonic()
    page.locator(".halt").click()
    page.wait_for_selector("text=已停止")
    assert page.locator(".sql").get_attribute("data-run") == "idle"
    while cells(other, "running") != ["0"]:
        run(other)
        other.wait_for_selector(".ag-row")
    taken = time.monotonic() - begun
    assert taken < 9  # ClickHouse itself ends it after ten
    for one in (page, other):
        one.context.close()


def test_a_query_that_takes_too_long_says_so(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "en")
    write(page, FOREVER)
    page.locator(".go").click()
    page.wait_for_selector(".sql[data-run=failed]", timeout=60_000)
    told = page.locator(".problem").inner_text()
    assert "It took too long" in told
    assert "TIMEOUT_EXCEEDED" in told
    page.context.close()


def test_a_chart_is_drawn_from_the_result(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    run(
        page,
        "SELECT toDateTime64('2026-11-11 00:00:00', 3, 'Asia/Shanghai') + toIntervalHour(number % 6) AS hour, number % 2 ? '闪电队' : '雷霆队' AS team,"
        " number AS orders, number * 10 AS amount FROM numbers(12)",
    )
    page.locator("[data-view=chart]").click()
    page.wait_for_selector(".drawing[data-series='2'] canvas")  # a line a team over the hours
    assert page.locator("[data-choose=x]").input_value() == "0"
    assert page.locator("[data-choose=group]").input_value() == "1"
    assert page.locator("[data-choose=kind]").input_value() == "line"
    before = page.locator(".drawing canvas").screenshot()
    page.locator("[data-choose=y]").nth(1).check()
    page.wait_for_selector(".drawing[data-series='4']")
    page.locator("[data-choose=group]").select_option("-1")
    page.wait_for_selector(".drawing[data-series='2']")
    page.locator("[data-choose=kind]").select_option("bar")
    assert page.locator(".drawing canvas").screenshot() != before
    run(page, "SELECT 'no figures' AS text")
    assert page.locator("[data-view=chart]").is_disabled()
    page.wait_for_selector(".ag-row")
    assert page.errors == []
    page.context.close()


def test_what_a_chart_draws(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)

    def drawn(columns: list[tuple[str, str]], rows: list[list[str | None]]) -> Any:
        answer = {"meta": [{"name": name, "type": kind} for name, kind in columns], "data": rows}
        return page.evaluate(
            """async (answer) => { const m = await import('/static/sql_result.js');
            const result = m.resultOf(answer, { shop: 'Asia/Shanghai', server: 'UTC' }); const chosen = m.guess(result);
            return chosen && [chosen, m.optionOf(result, chosen).xAxis.data, m.optionOf(result, chosen).series.map((s) => [s.name, s.data])]; }""",
            answer,
        )

    day = [("day", "Date"), ("rule", "LowCardinality(String)"), ("raised", "UInt64")]
    chosen, places, series = drawn(
        day, [["2026-11-12", "b", "3"], ["2026-11-11", "a", "1"], ["2026-11-11", "b", "2"], ["2026-11-11", "b", "5"]]
    )
    assert chosen == {"x": 0, "y": [2], "group": 1, "kind": "line"}
    assert places == ["2026-11-11", "2026-11-12"]
    assert dict(series) == {"a": [1, None], "b": [7, 3]}
    agents = [("rank", "UInt32"), ("agent_id", "String"), ("name", "String"), ("amount", "Nullable(Float64)")]
    chosen, places, series = drawn(agents, [["1", "s:x", "小美", "9.5"], ["2", "s:y", "小雪", "ᴺᵁᴸᴸ"]])
    assert chosen == {"x": 2, "y": [3], "group": -1, "kind": "bar"}
    assert series == [["amount", [9.5, None]]]
    assert drawn([("a", "String")], [["x"]]) is None
    assert drawn(agents, []) is None
    page.context.close()


def names_drawn(page: Any) -> list[str]:
    """The texts that stand in the drawing below its bars."""
    return list(
        page.evaluate(
            """async () => { const { echarts } = await import('nicegui-echart');
            const chart = echarts.getInstanceByDom(document.querySelector('.drawing'));
            return chart.getZr().storage.getDisplayList(true).filter((one) => one.type === 'tspan' && !one.ignore && one.style.text.startsWith('款'))
              .map((one) => one.style.text); }"""
        )
    )


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_every_bar_has_its_name(browser: Any, desk: Wall, size: dict[str, int]) -> None:
    page = look(browser, desk, size=size)
    for count in (3, 10, 300):
        run(
            page,
            f"SELECT concat('款式名称非常非常长的运动鞋 ', toString(number)) AS a, number + 1 AS n FROM numbers({count})",
        )
        page.locator("[data-view=chart]").click()
        page.wait_for_selector(".drawing[data-series='1'] canvas")
        page.wait_for_timeout(300)
        names = names_drawn(page)
        ends = [int(name.split(" ")[-1].split("…")[-1].lstrip("鞋 ")) for name in names]
        assert ends == list(range(len(names))), names  # none is left out, and each is told from the others
        assert len(names) == count if count <= 10 else 10 <= len(names) < count
    page.context.close()


def test_a_long_name_is_cut_in_the_middle(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    found = page.evaluate(
        """async (names) => { const m = await import('/static/sql_result.js'); return names.map((name) => m.cut(name, 60)); }""",
        ["short", "鞋鞋鞋鞋", "款式名称非常长的鞋 12", "abcdefghijklmnop"],
    )
    assert found == ["short", "鞋鞋鞋鞋", "款式…12", "abcd…nop"], found
    page.context.close()


def test_times_there_and_back(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    found = page.evaluate(
        """async () => { const m = await import('/static/sql_result.js');
        const zones = ['Asia/Shanghai', 'America/New_York', 'Asia/Kathmandu', 'UTC'];
        const walls = ['2026-11-01 00:30:00', '2026-11-01 03:30:00', '2026-03-08 03:00:00', '2026-11-11 23:59:59'];
        return zones.flatMap((zone) => walls.map((wall) => [wall, m.wallAt(m.instantOf(wall, zone), zone)])); }"""
    )
    assert found
    assert all(wall == back for wall, back in found)
    page.context.close()


def test_placeholders_have_fields_and_their_values_are_bound(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    write(
        page,
        "SELECT {text:String} AS text, {at:DateTime64(3, 'Asia/Shanghai')} AS at, arraySum({some:Array(UInt32)}) AS sum,"
        " '{no:String}' AS quoted -- {nor:String}",
    )
    page.wait_for_selector("[data-param=some]")
    assert page.locator("[data-param]").count() == 3
    page.locator("[data-param=text]").fill("x'; DROP TABLE flags --")
    page.locator("[data-param=at]").fill("2026-11-11T20:00:01")
    page.locator("[data-param=some]").fill("1, 2，39")
    with page.expect_request("**/api/v1/sql") as asked:
        run(page)
    page.wait_for_selector(".ag-row")
    assert "{text:String}" in asked.value.post_data_json["sql"]
    assert asked.value.post_data_json["parameters"]["some"] == [1, 2, 39]
    assert cells(page, "text") == ["x'; DROP TABLE flags --"]
    assert cells(page, "at") == ["2026-11-11 20:00:01"]
    assert cells(page, "sum") == ["42"]
    page.context.close()


def test_every_query_in_the_list_runs(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    names = [one.get_attribute("data-query") for one in page.locator("[data-query]").all()]
    assert len(names) >= 16
    for name in names:
        page.locator(f"[data-query={name}]").click()
        page.wait_for_selector(f"[data-query={name}][aria-current=true]")
        run(page)
        assert page.locator(".problem").count() == 0, name
    assert page.errors == []
    page.context.close()


def test_tables_are_searched_and_their_names_inserted(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, "en")
    page.locator("[data-pane=tables]").click()
    assert page.locator("[data-table]").first.get_attribute("data-table") == "flags"
    page.locator(".side input[type=search]").fill("buyers_paid / buyers_served")
    assert {one.get_attribute("data-table") for one in page.locator("[data-table]").all()} == {
        "leaderboard_hourly",
        "leaderboard_teams",
    }
    write(page, "SELECT ")
    page.locator("[data-table=leaderboard_hourly] [data-column=conversion]").click()
    assert statement(page) == "SELECT conversion"
    page.keyboard.insert_text(" FROM ")  # the editor has the focus
    page.locator("[data-table=leaderboard_hourly] .hand button").first.click()
    assert statement(page) == "SELECT conversion FROM leaderboard_hourly"
    page.locator("[data-table=leaderboard_hourly] .hand button").nth(1).click()
    assert statement(page) == "SELECT *\nFROM leaderboard_hourly\nLIMIT 100"
    run(page)
    page.locator(".side input[type=search]").fill("no such thing")
    page.wait_for_selector("text=Nothing found")
    page.context.close()


def test_a_link_fills_the_page_in_and_runs_nothing(browser: Any, desk: Wall) -> None:
    page = look(browser, desk, query="&query=flags_by_day&param_shop_id=anta-xm&param_since=2026-11-01T00:00:00")
    assert page.locator("[data-param=shop_id]").input_value() == "anta-xm"
    assert page.locator("[data-param=since]").input_value() == "2026-11-01T00:00"
    assert page.locator(".sql").get_attribute("data-run") == "idle"
    page.context.close()
    page = look(browser, desk, query="#" + "sql=" + quote("SELECT {a:String} AS a"))
    page.wait_for_selector("text=这条语句来自链接")
    page.wait_for_timeout(500)
    assert statement(page) == "SELECT {a:String} AS a"
    assert page.locator(".sql").get_attribute("data-run") == "idle"
    page.locator("[data-param=a]").fill("1")
    run(page)
    assert page.locator(".from-link").count() == 0
    page.context.close()


def test_a_shared_link_opens_the_same(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    write(page, "SELECT {a:String} AS a, '&#%' AS b")
    page.locator("[data-param=a]").fill("鞋 & 袜")
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="复制链接").click()
    page.wait_for_selector("text=链接已复制")
    link = page.evaluate("window.copied")
    other = browser.new_context().new_page()
    other.goto(link)
    other.wait_for_selector(".cm-content")
    assert statement(other) == "SELECT {a:String} AS a, '&#%' AS b"
    assert other.locator("[data-param=a]").input_value() == "鞋 & 袜"
    other.context.close()
    page.context.close()


def test_what_one_person_has_run_is_not_there_for_the_next(
    browser: Any, start: Callable[..., Wall], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [User(name=n, roles=[Role.ENGINEER], password=hash_password("correct horse")) for n in ("mei", "jie")]
    write_users(tmp_path / "users.yaml", UsersFile(users=people))
    monkeypatch.setenv("ZHENGDIAN_WEB_USERS", str(tmp_path / "users.yaml"))
    monkeypatch.setenv("ZHENGDIAN_WEB_ACCESS", "sign-in")
    wall = start("empty")
    page = browser.new_context(viewport=LAPTOP).new_page()

    def enter(name: str) -> None:
        page.goto(f"{wall.address}/sign-in?lang=zh&next=/sql")
        page.locator("input[name=name]").fill(name)
        page.locator("input[name=password]").fill("correct horse")
        page.locator("button[type=submit], form button").first.click()
        page.wait_for_selector(".sql[data-state=ready] .cm-content", timeout=30_000)
        page.locator("[data-pane=history]").click()

    def leave() -> None:
        page.locator("form.who button").click()
        page.wait_for_selector("input[name=password]")

    enter("mei")
    run(page, "SELECT 'the secret of mei'")
    write(page, "SELECT 'a thought of mei'")
    page.wait_for_selector("[data-past]")
    leave()
    enter("jie")
    assert page.locator("[data-past]").count() == 0
    assert "mei" not in statement(page)
    leave()
    enter("mei")
    assert "the secret of mei" in page.locator("[data-past]").first.inner_text()
    assert statement(page) == "SELECT 'a thought of mei'"
    page.context.close()


def test_a_phone_is_told_of_no_keys(browser: Any, desk: Wall) -> None:
    for lang, above in (("zh", "点上面"), ("en", "Choose a query above")):
        page = look(browser, desk, lang, PHONE)
        shown = page.locator(".sql").inner_text()
        assert above in shown
        assert "Ctrl" not in shown
        page.context.close()
        page = look(browser, desk, lang)
        assert "Ctrl+Enter" in page.locator(".answer").inner_text()
        page.context.close()


def test_what_was_run_is_kept_in_this_browser(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    run(page, "SELECT 'first' AS a")
    run(page, "SELECT 'second' AS a")
    write(page, "SELECT 'never run'")
    page.reload()
    page.wait_for_selector(".cm-content")
    assert statement(page) == "SELECT 'never run'"  # a reload loses nothing
    page.locator("[data-pane=history]").click()
    assert [text.split("\n")[0] for text in page.locator("[data-past]").all_inner_texts()] == [
        "SELECT 'second' AS a",
        "SELECT 'first' AS a",
    ]
    page.locator("[data-past]").nth(1).click()
    assert statement(page) == "SELECT 'first' AS a"
    assert "SELECT 'never run'" in page.locator("[data-past]").first.inner_text()
    page.get_by_role("button", name="清空历史").click()
    assert page.locator("[data-past]").count() == 0
    page.context.close()


@pytest.mark.parametrize(
    ("kind", "begins"), [("CSV", b'"a","b"\n1,"x"\n'), ("JSON", b'{"a":1,"b":"x"}\n'), ("Parquet", b"PAR1")]
)
def test_results_are_downloaded_in_other_formats(browser: Any, desk: Wall, kind: str, begins: bytes) -> None:
    page = look(browser, desk)
    run(page, "SELECT 1 AS a, 'x' AS b")
    with page.expect_download() as saved:
        page.locator(f"[data-download={kind}]").click()
    assert Path(saved.value.path()).read_bytes().startswith(begins)
    page.context.close()


def test_a_format_clause_shows_the_text_as_it_is(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    run(page, "SELECT 1 AS a, 'x' AS b FORMAT Vertical")
    assert "Row 1:" in page.locator(".plain-text").inner_text()
    run(page, "SELECT 1 AS a FORMAT Parquet")
    assert "二进制" in page.locator(".plain-text").inner_text()
    page.context.close()


def test_what_is_copied_pastes_into_a_spreadsheet(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    run(page, "SELECT number + 1 AS a, number = 1 ? 'z' : 'x\ty' AS b FROM numbers(2)")
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="复制", exact=True).click()
    page.wait_for_selector("text=已复制")
    assert page.evaluate("window.copied") == "a\tb\n1\tx y\n2\tz"
    page.context.close()


def test_nothing_to_show_and_nothing_to_reach(browser: Any, desk: Wall) -> None:
    page = look(browser, desk)
    run(page, "SELECT * FROM flags WHERE 0")
    page.wait_for_selector("text=没有数据")
    page.route("**/api/v1/sql", lambda route: route.abort())
    run(page, "SELECT 1", until="failed")
    assert "连接不上服务器" in page.locator(".problem").inner_text()
    page.unroute("**/api/v1/sql")
    run(page)
    page.route(
        "**/api/v1/sql", lambda route: route.fulfill(status=503, json={"detail": "the database cannot be reached"})
    )
    run(page, until="failed")
    assert "数据库连接不上" in page.locator(".problem").inner_text()
    assert page.errors == []
    page.context.close()


def test_the_page_comes_back_by_itself(browser: Any, desk: Wall) -> None:
    page = browser.new_context(viewport=LAPTOP).new_page()
    page.route("**/api/v1/sql/tables", lambda route: route.fulfill(status=503, json={"detail": "down"}))
    page.goto(f"{desk.address}/sql?lang=zh")
    page.wait_for_selector(".sql[data-state=trouble] .banner", timeout=30_000)
    page.unroute("**/api/v1/sql/tables")
    page.wait_for_selector(".sql[data-state=ready] .cm-content", timeout=30_000)
    assert page.locator(".banner").count() == 0
    page.context.close()


@pytest.mark.parametrize(("lang", "text"), [("zh", "您的角色不能打开“SQL”"), ("en", "Your role may not open “SQL”")])
def test_who_may_not_query_is_told_so(
    browser: Any, start: Callable[..., Wall], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str, text: str
) -> None:
    people = [
        User(name=name, roles=[role], password=hash_password("correct horse"))
        for name, role in (("mei", Role.QC), ("engineer", Role.ENGINEER))
    ]
    write_users(tmp_path / "users.yaml", UsersFile(users=people))
    monkeypatch.setenv("ZHENGDIAN_WEB_USERS", str(tmp_path / "users.yaml"))
    monkeypatch.setenv("ZHENGDIAN_WEB_ACCESS", "sign-in")
    wall = start("empty")

    def enter(name: str) -> Any:
        page = browser.new_context(viewport=PHONE).new_page()
        page.goto(f"{wall.address}/sql?lang={lang}")
        page.locator("input[name=name]").fill(name)
        page.locator("input[name=password]").fill("correct horse")
        page.locator("button[type=submit], form button").first.click()
        return page

    page = enter("mei")
    page.wait_for_selector(".desk[data-state=forbidden]", timeout=30_000)
    assert text in page.locator(".refusal").inner_text()
    assert page.locator(".editor").count() == 0
    refused = page.evaluate(
        "Promise.all([fetch('/api/v1/sql', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ sql: 'SELECT 1' }) }),"
        " fetch('/api/v1/sql/tables'), fetch('/api/v1/sql/queries')]).then((all) => all.map((one) => one.status))"
    )
    assert refused == [403, 403, 403]
    page.context.close()
    page = enter("engineer")
    page.wait_for_selector(".sql[data-state=ready] .cm-content", timeout=30_000)
    run(page, "SELECT 1 AS one")
    page.context.close()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_axe_finds_nothing_serious_in_results_charts_and_errors(browser: Any, desk: Wall, size: dict[str, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = look(browser, desk, size=size)

    def serious() -> list[Any]:
        page.wait_for_timeout(400)
        found = [one for one in axe.run(page).response["violations"] if one["impact"] in ("serious", "critical")]
        return [
            (one["id"], [(node["target"], node["failureSummary"][:200]) for node in one["nodes"][:3]]) for one in found
        ]

    run(page)
    page.wait_for_selector(".ag-row")
    assert serious() == []
    page.locator("[data-view=chart]").click()
    page.wait_for_selector(".drawing[data-series='1']")
    assert serious() == []
    if size is PHONE:
        page.locator(".fold").click()
    page.locator("[data-pane=tables]").click()
    page.locator("[data-table=flags] summary").click()
    run(page, "SELECT nothing FROM flags", until="failed")
    assert serious() == []
    page.context.close()
