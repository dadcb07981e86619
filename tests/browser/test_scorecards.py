"""The scorecards in Chromium, on a generated sale that went through worker and sink."""

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from desk_page import LAPTOP, PHONE, WIDE
from desk_page import look as open_desk
from wall_process import Wall

from web.texts import texts

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

WEEK = "&period=week&on=2025-11-11"
TABLE = ".sheetbox tbody tr"


@pytest.fixture(scope="module")
def sale(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Wall]:
    running = Wall(tmp_path_factory.mktemp("scorecards") / "data", "sale")
    yield running
    running.stop()


def look(browser: Any, sale: Wall, lang: str = "zh", size: dict[str, int] = LAPTOP, query: str = WEEK) -> Any:
    return open_desk(browser, sale, lang=f"{lang}{query}", size=size, path="/scorecards", ready=TABLE)


def api(page: Any, **params: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"period": "week", "on": "2025-11-11", **params}.items())
    return page.evaluate(f"fetch('/api/v1/scorecards?{query}').then(a => a.json())")


def shown(page: Any) -> list[list[str]]:
    """The table's texts, row by row: id, score, figures."""
    rows = []
    for row in page.locator(TABLE).all():
        cells = [cell.inner_text() for cell in row.locator("td").all()]
        rows.append([row.get_attribute("data-card"), *(_bare(cell) for cell in cells)])
    return rows


def as_shown(found: Any, card: Any) -> list[str]:
    """A card's figures as the table has them: from a minute on times are minutes and seconds."""
    cells = []
    for kind in found["figures"]:
        value = card["figures"][kind["key"]]["value"] or ""
        if kind["unit"] == "seconds" and value and float(value) >= 60:
            value = "{}:{:02}".format(*divmod(int(float(value) + 0.5), 60))
        cells.append(value)
    return cells


def _bare(cell: str) -> str:
    """A cell without unit and mark; empty for none."""
    bare = cell.translate(str.maketrans("", "", "¥,%秒s✓✗\u00a0 \n"))
    return "" if bare == "–" else bare


@pytest.mark.parametrize("size", [LAPTOP, WIDE, PHONE], ids=["laptop", "wide", "phone"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_everything_is_on_the_screen(browser: Any, sale: Wall, lang: str, size: dict[str, int]) -> None:
    page = look(browser, sale, lang, size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.sheetbox'))")
    if size is not PHONE:
        assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert texts("zh" if lang == "zh" else "en")["scorecards"] in page.locator("h1").inner_text()
    assert "undefined" not in page.content()
    assert "双十一" in page.locator(".head").inner_text()  # the sale event that response times leave out
    assert (page.errors, page.foreign) == ([], [])
    page.context.close()


def test_the_page_shows_the_apis_figures_and_so_does_its_csv_file(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    found = api(page)
    keys = [figure["key"] for figure in found["figures"]]
    assert shown(page) == [
        [card["id"], card["score"]["value"] or "", *as_shown(found, card)] for card in found["cards"]
    ]
    wanted = [
        [card["id"], card["score"]["value"] or "", *(card["figures"][key]["value"] or "" for key in keys)]
        for card in found["cards"]
    ]
    with page.expect_download() as started:
        page.locator("[data-do=csv]").click()
    head, *lines = csv.reader(io.StringIO(started.value.path().read_text("utf-8-sig")))
    first = head.index("得分")
    assert {line[head.index("截至")] for line in lines} == {found["generated_at"]}
    assert [[line[4], *line[first : first + 1 + len(keys)]] for line in lines] == wanted
    page.context.close()


def test_a_target_is_marked_in_words_and_signs(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    figures = [card["figures"]["reply_rate"] for card in api(page)["cards"] if card["figures"]["reply_rate"]["value"]]
    assert {figure["met"] for figure in figures} == {True, False}
    assert page.locator("td.met [data-figure=reply_rate]").count() == sum(figure["met"] for figure in figures)
    missed = page.locator("td.missed [data-figure=reply_rate]").first
    assert "✗" in missed.inner_text()
    assert "未达标" in missed.get_attribute("aria-label")
    page.context.close()


def test_stars_are_the_apis(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    starred = [card["id"] for card in api(page)["cards"] if card["star"]]
    assert starred
    assert [row.get_attribute("data-card") for row in page.locator("tr.starred").all()] == starred
    assert page.locator(".star[aria-label^=明星客服]").count() == len(starred)
    page.context.close()


def test_each_figure_opens_its_rows_and_escape_goes_back_to_it(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    for key in (
        "order_to_paid",
        "paid_amount",
        "own_target",
        "reply_rate",
        "rating",
        "complaints",
        "sample_score",
        "qc_score",
    ):
        button = page.locator(f"[data-figure={key}]").first
        button.click()
        page.wait_for_selector(f"[data-panel={key}] .behind tbody tr")
        assert page.locator(".panel .state").count() == 0  # the rows add up
        page.keyboard.press("Escape")
        page.wait_for_selector(".panel", state="detached")
        assert page.evaluate("document.activeElement.dataset.figure") == key
    assert page.errors == []
    page.context.close()


def test_rows_lead_to_the_conversation(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    page.locator("[data-figure=order_to_paid]").first.click()
    page.locator(".behind .link").first.click()
    page.wait_for_selector(".panel .line .accused")
    page.keyboard.press("Escape")
    page.wait_for_selector(".behind tbody tr")
    page.context.close()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_coaching_words_are_on_the_card_and_lead_to_the_flag(browser: Any, sale: Wall, lang: str) -> None:
    page = look(browser, sale, lang)
    cards = api(page)["cards"]
    card = next(one for one in cards if int(one["figures"]["sample_score"]["denominator"]))
    page.locator(f"[data-card='{card['id']}'] [data-figure=qc_score]").click()
    page.locator("[data-do=coaching]").click()
    page.wait_for_selector("[data-panel=coaching] .words li")
    assert page.locator(".words li > p").all_inner_texts() == ["先听懂再答", "少说可能，给准话"]  # the newest first
    assert page.locator(".panel h2").inner_text().startswith("给客服的建议" if lang == "zh" else "Coaching words")
    assert ("成立 · 得分" if lang == "zh" else "Upheld · Score") in page.locator(".words li").last.inner_text()
    flag = page.locator(".words li").last.get_attribute("data-words")
    page.locator(".words a").last.click()
    page.wait_for_selector(".history [data-said=coaching] >> text=少说可能，给准话", timeout=20_000)
    assert page.url.startswith(f"{sale.address}/qc?lang={lang}&flag_id={flag}")
    assert page.locator(".verdict .claim").count() == 0  # it is the judged one, though the list is of those to judge
    assert page.errors == []
    page.context.close()


def test_more_rows_come_when_asked(browser: Any, sale: Wall) -> None:
    page = look(browser, sale, query=WEEK + "&by=team")
    card = max(api(page, by="team")["cards"], key=lambda one: one["figures"]["reply_rate"]["denominator"])
    page.locator(f"[data-card='{card['id']}'] [data-figure=reply_rate]").click()
    page.wait_for_selector(".behind tbody tr")
    total = card["figures"]["reply_rate"]["denominator"]
    assert total > 50
    while page.locator(".panel .more").count():
        before = page.locator(".behind tbody tr").count()
        page.locator(".panel .more").click()
        page.wait_for_function(f"document.querySelectorAll('.behind tbody tr').length > {before}")
    assert page.locator(".behind tbody tr").count() == total
    assert str(total) in page.locator(".sum").inner_text()
    page.context.close()


def test_the_score_says_which_weights_counted(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    page.locator("[data-figure=score]").first.click()
    card = api(page)["cards"][0]
    for part in card["score"]["parts"]:
        row = page.locator(f"[data-part={part['key']}]")
        if part["weight"]:
            assert (part["points"] or "无数据，不计") in row.inner_text()
        else:
            assert row.count() == 0
    assert card["score"]["value"] in page.locator(".parts tfoot").inner_text()
    page.context.close()


def test_a_click_on_a_head_sorts_best_first_then_worst_then_by_rank(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    ranked = [row[0] for row in shown(page)]
    head = page.locator("[data-sort=complaints]")
    head.click()
    best = [float(row[-1]) for row in shown(page) if row[-1]]
    assert best == sorted(best)
    assert page.locator("th[aria-sort=descending] [data-sort=complaints]").count() == 1
    head.click()
    worst = [float(row[-1]) for row in shown(page) if row[-1]]
    assert worst == best[::-1]
    head.click()
    assert [row[0] for row in shown(page)] == ranked
    page.context.close()


def test_periods_are_stepped_through_and_kept_in_the_address(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    page.locator("[data-step='-1']").click()
    page.wait_for_selector("text=2025-11-03 至 2025-11-09")
    page.locator("[data-step='1']").click()
    page.wait_for_selector("text=2025-11-10 至 2025-11-16")
    page.locator("[data-field=on]").fill("2020-01-15")
    page.wait_for_selector(".desk[data-state=empty] .empty")
    assert "2020-01-13 至 2020-01-19" in page.locator(".head h2").inner_text()
    page.locator("[data-field=on]").fill("2025-11-11")
    page.wait_for_selector(TABLE)
    page.locator("[data-period=month]").click()
    page.wait_for_selector("text=2025-11-01 至 2025-11-30")
    page.locator(".tools [data-by=team]").click()
    page.wait_for_selector(".desk[data-by=team] tbody .link")
    page.reload()
    page.wait_for_selector(".desk[data-by=team] tbody .link")
    assert "2025-11-01" in page.locator(".head h2").inner_text()
    page.locator("tbody .link").first.click()  # a team's agents
    page.wait_for_selector(".desk[data-by=agent] tbody tr")
    page.context.close()


def test_names_are_found(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    card = api(page)["cards"][1]
    page.locator("[type=search]").fill(card["name"])
    assert [row[0] for row in shown(page)] == [card["id"]]
    page.locator("[type=search]").fill("nobody at all")
    page.wait_for_selector("text=没有符合的客服或团队")
    page.context.close()


def test_the_date_is_that_of_the_period_shown(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    assert page.locator("[data-field=on]").input_value() == "2025-11-11"
    page.context.close()
    page = browser.new_context(viewport=LAPTOP).new_page()
    page.goto(f"{sale.address}/scorecards?lang=zh&period=day")  # today's
    page.wait_for_selector(".head h2")
    assert page.locator(".head h2").inner_text().startswith(page.locator("[data-field=on]").input_value() + " ")
    assert "on=2" not in page.url  # tomorrow it will be tomorrow's
    page.context.close()


def test_nothing_is_exported_or_printed_until_the_sheet_asked_for_is_there(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    csv_button, print_button = page.locator("[data-do=csv]"), page.locator("[data-do=print]")
    assert csv_button.is_enabled()
    assert print_button.is_enabled()
    held: list[Any] = []
    page.route("**/api/v1/scorecards?*by=team*", lambda route: held.append(route))
    names = [row[0] for row in shown(page)]
    page.locator(".tools [data-by=team]").click()
    page.wait_for_selector(".desk[data-stale=true] .reading")
    assert csv_button.is_disabled()
    assert print_button.is_disabled()
    assert [row[0] for row in shown(page)] == names  # and what is shown is still the agents' in every word
    assert page.locator("tbody .link").count() == 0
    page.emulate_media(media="print")
    assert not page.locator(".sheetbox").is_visible()
    page.emulate_media(media="screen")
    for route in held:
        route.continue_()
    page.wait_for_selector(".desk[data-stale=false][data-by=team] tbody .link")
    assert csv_button.is_enabled()
    assert print_button.is_enabled()
    page.context.close()


def test_what_was_asked_for_before_is_asked_for_no_longer(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    page.route("**/api/v1/scorecards?*on=2020-01-15*", lambda route: None)
    with page.expect_event("requestfailed", lambda request: "2020-01-15" in request.url):
        page.locator("[data-field=on]").fill("2020-01-15")
        page.wait_for_selector(".desk[data-stale=true]")
        page.locator("[data-field=on]").fill("2025-11-11")
    page.wait_for_selector(".desk[data-stale=false] tbody tr")
    assert page.locator("[role=alert]").count() == 0
    page.context.close()


def test_a_sheet_that_once_took_too_long_stays_and_is_asked_for_again_after_ever_longer_pauses(
    browser: Any, sale: Wall
) -> None:
    page = look(browser, sale, "en")
    asked: list[str] = []

    def late(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=504, json={"detail": "it took longer than 30 s; ask for a shorter period, or later"})

    page.route("**/api/v1/scorecards?*", late)
    page.clock.install()
    for tries, (pass_seconds, said) in enumerate([(31, "1 minute."), (61, "2 minutes."), (121, "4 minutes.")], 1):
        page.clock.fast_forward(1000 * pass_seconds)
        page.locator("[data-late]").filter(has_text=f"after {said}").wait_for()
        assert len(asked) == tries
        assert page.locator(".desk[data-state=busy] tbody tr").count() > 1  # what is known stays on show
        assert page.locator("[data-do=print]").is_enabled()
    page.clock.fast_forward(180_000)
    page.wait_for_timeout(6000)  # polls go on
    assert len(asked) == 3
    page.unroute("**/api/v1/scorecards?*")
    page.clock.fast_forward(120_000)
    page.locator("[data-late]").wait_for(state="detached")
    assert page.errors == []
    page.context.close()


def test_a_sheet_that_takes_too_long_is_explained_and_may_be_asked_for_again_by_hand(browser: Any, sale: Wall) -> None:
    page = look(browser, sale, "en")
    asked: list[str] = []

    def late(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=504, json={"detail": "it took longer than 30 s; ask for a shorter period, or later"})

    page.route("**/api/v1/scorecards?*period=month*", late)
    page.locator("[data-period=month]").click()
    page.wait_for_selector(".desk[data-state=slow] [role=alert]")
    assert "Choose a shorter period" in page.locator(".empty[role=alert]").inner_text()
    assert page.locator("[data-do=print]").is_disabled()
    page.wait_for_timeout(6000)  # polls go on
    assert len(asked) == 1
    page.unroute("**/api/v1/scorecards?*period=month*")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".desk[data-state=busy][data-stale=false] tbody tr")
    assert "2025-11-01" in page.locator(".head h2").inner_text()
    page.route("**/api/v1/scorecards/rows?*", late)
    page.locator("[data-figure=reply_rate]").first.click()
    page.wait_for_selector(".panel >> text=Choose a shorter period")
    assert page.errors == []
    page.context.close()


def test_a_card_without_a_score_says_why(browser: Any, sale: Wall) -> None:
    page = look(browser, sale, "en")
    card = next(card for card in api(page)["cards"] if card["score"]["value"] is None)
    button = page.locator(f"[data-card='{card['id']}'] [data-figure=score]")
    assert "so there is no score" in button.get_attribute("title")
    button.click()
    assert "so there is no score" in page.locator(".panel .state").inner_text()
    page.context.close()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("by", ["agent", "team"])
def test_long_names_are_cut_and_push_nothing_away(browser: Any, sale: Wall, size: dict[str, int], by: str) -> None:
    page = look(browser, sale, "en", size, f"{WEEK}&by={by}")
    found = api(page, by=by)
    for card in found["cards"]:
        card |= {"name": "Bartholomew " * 7 + "Albert", "team": "战无不胜" * 11 + "队"}
    page.route("**/api/v1/scorecards?*", lambda route: route.fulfill(json=found))
    page.reload()
    page.wait_for_selector(TABLE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.sheetbox'))")
    name = "[...document.querySelectorAll('.name')].every(e => e.getBoundingClientRect().right <= e.closest('th').getBoundingClientRect().right + 1)"
    assert page.evaluate(name)
    assert page.locator(".title > :first-child").first.get_attribute("title") == found["cards"][0]["name"]
    page.context.close()


def exported(page: Any) -> list[dict[str, str]]:
    with page.expect_download() as started:
        page.locator("[data-do=csv]").click()
    assert started.value.suggested_filename.endswith(".csv")
    return list(csv.DictReader(io.StringIO(started.value.path().read_text("utf-8-sig"))))


def test_a_file_has_what_is_shown_though_the_server_has_read_the_sheet_anew_and_follows_the_page(
    browser: Any, sale: Wall
) -> None:
    page = look(browser, sale, "en", query="&period=month&on=2025-11-11")
    card = api(page, period="month")["cards"][0]["id"]
    before = [row[0] for row in shown(page)], page.locator(f"[data-card='{card}'] [data-figure=score]").inner_text()
    (first,) = {line["As of"] for line in exported(page)}

    def as_before(route: Any) -> None:
        """The page reads the sheet again now and then; here it is to show the first one, however slow the machine."""
        url = route.request.url
        route.fulfill(response=page.request.get(url if "as_of=" in url else f"{url}&as_of={quote(first)}"))

    page.route("**/api/v1/scorecards?*", as_before)
    flag = page.evaluate("fetch('/api/v1/flags?limit=500').then(a => a.json())")["flags"]
    mine = next(one["flag_id"] for one in flag if one["agent_id"] == card and one["qc_score"] is not None)
    sale.tell(f'becomes flags_raw flag_id {mine} {{"qc_score":1.5}}')
    page.wait_for_timeout(21_000)  # longer than a sheet is new: whoever asks now is answered another one
    anew = page.request.get(f"{page.url.split('/scorecards')[0]}/api/v1/scorecards?period=month&on=2025-11-11").json()
    assert anew["generated_at"] != first
    lines = exported(page)
    assert {line["As of"] for line in lines} == {first}
    assert [line["Id"] for line in lines] == before[0]
    assert next(line["Score"] for line in lines if line["Id"] == card) == before[1]
    page.context.close()


def test_where_a_sheet_is_kept_no_more_the_page_shows_the_one_that_is_exported(browser: Any, sale: Wall) -> None:
    page = look(browser, sale, "en")
    gone: list[str] = []

    def once(route: Any) -> None:
        gone.append(route.request.url)
        route.fulfill(status=410, json={"detail": "as_of: that sheet is kept no more"}) if len(
            gone
        ) == 1 else route.continue_()

    page.route("**/api/v1/scorecards?*as_of=*", once)
    lines = exported(page)
    page.wait_for_selector(".toast >> text=the latest one")
    assert len(gone) == 2
    assert [line["Id"] for line in lines] == [row[0] for row in shown(page)]
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("{n} {n:order|orders}", {"n": 1}, "1 order"),
        ("{n} {n:order|orders}", {"n": "1"}, "1 order"),
        ("{n} {n:order|orders}", {"n": "1,001"}, "1,001 orders"),
        ("{n} {n:order|orders}", {"n": 0}, "0 orders"),
        ("{a}: {n:one is|some are} {b}", {"a": "x", "n": 1, "b": "y"}, "x: one is y"),
        ("{missing}.", {}, "."),
    ],
)
def test_texts_count_in_words(browser: Any, sale: Wall, text: str, values: Any, said: str) -> None:
    page = look(browser, sale)
    filled = "async ([text, values]) => (await import('/static/words.js')).filled(text, values)"
    assert page.evaluate(filled, [text, values]) == said
    page.context.close()


def test_figures_are_written_as_people_read_them(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    grouped = "async (all) => { const w = await import('/static/words.js'); return all.map(w.grouped); }"
    numbers = ["0", "999", "1000", "1234567.80", "-1234.5", "12345.6789"]
    assert page.evaluate(grouped, numbers) == ["0", "999", "1,000", "1,234,567.80", "-1,234.5", "12,345.6789"]
    found = api(page)
    page.route(
        "**/api/v1/scorecards?*",
        lambda route: route.fulfill(json={**found, "cards": [found["cards"][0] | {"figures": long_figures(found)}]}),
    )
    page.reload()
    page.wait_for_selector(TABLE)
    cell = page.locator("[data-figure=average_response]")
    assert "7:02" in cell.inner_text()
    assert "7 分 02 秒" in cell.get_attribute("aria-label")
    assert "59.9 秒" in page.locator("[data-figure=first_response]").inner_text()
    assert "¥1,234,567.80" in page.locator("[data-figure=paid_amount]").inner_text()
    assert "12,345" in page.locator("[data-figure=orders_paid]").inner_text()
    page.context.close()


def long_figures(found: Any) -> Any:
    values = {
        "average_response": "422.0",
        "first_response": "59.9",
        "paid_amount": "1234567.80",
        "orders_paid": "12345",
    }
    figures = found["cards"][0]["figures"]
    return figures | {key: figures[key] | {"value": value, "numerator": 1} for key, value in values.items()}


def test_it_recovers_from_a_database_that_was_away(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    sale.tell("down")
    page.wait_for_timeout(2_000)
    page.locator("[data-field=on]").fill("2020-01-15")  # a week that nobody has read yet
    page.wait_for_selector(".desk[data-state=trouble] [role=alert]")
    assert page.locator(TABLE).count() > 0  # what was there stays
    sale.tell("up")
    page.wait_for_selector(".desk[data-state=empty]", timeout=30_000)
    assert page.locator("[role=alert]").count() == 0
    assert page.errors == []
    page.context.close()


def test_it_prints_black_on_white_without_the_tools(browser: Any, sale: Wall) -> None:
    page = look(browser, sale)
    page.emulate_media(media="print")
    assert not page.locator(".tools").is_visible()
    assert page.locator(".sheetbox table").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.sheetbox td')).color") == "rgb(0, 0, 0)"
    page.context.close()
