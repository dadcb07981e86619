"""What a report says: its best agents, PK, targets, words; and when a finished hour may be reported."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processors.calendar import HOUR_MS
from processors.report import (
    LIMIT_MS,
    QUIET_MS,
    STAR_RANKS,
    STARS,
    STEADY_MS,
    Figures,
    Report,
    Sight,
    Span,
    best_agents,
    decide,
    from_row,
    make,
    reached,
    span_at,
)
from processors.report_text import Lang, apart, markdown, money, speech, title, whole
from processors.targets import Goal
from schemas import outputs
from schemas.types import parse_time

AT = parse_time("2026-11-11T20:00:00+08:00")
SPAN = span_at("hour", "s", "Asia/Shanghai", AT)
LOOSE = settings(deadline=None)
LANGS: tuple[Lang, ...] = ("zh", "en")


def row(agent_id: str, paid: int, orders: int = 1, **more: Any) -> dict[str, Any]:
    figures = {"paid_amount": paid, "orders_paid": orders, "buyers_served": 3, "buyers_paid": 1}
    return {"agent_id": agent_id, "name": agent_id.upper(), "team": "", **figures, **more}


def team(name: str, rank: int, paid: int, orders: int) -> dict[str, Any]:
    return {"team": name, "rank": rank, "paid_amount": paid, "orders_paid": orders}


def report(
    *rows: dict[str, Any],
    teams: tuple[dict[str, Any], ...] = (),
    sale: dict[str, str] | None = None,
    goal: Goal = Goal(None, None),
    day_goal: Goal = Goal(None, None),
    before: int | None = None,
    span: Span = SPAN,
    complete: bool = True,
    made_at: int = AT + 2 * HOUR_MS,
) -> Report:
    figures = Figures(rows, teams, sale, goal, (12_860_000_00, 3810), day_goal, before)
    return make(span, figures, report_id="r", made_at=made_at, made_by="", complete=complete, ruleset="d@1")


ROWS = st.lists(
    st.builds(row, st.sampled_from("abcdefghijkl"), st.integers(0, 3), st.integers(0, 3)),
    unique_by=lambda one: str(one["agent_id"]),
)


# ---- the best agents -------------------------------------------------------------------------------------------------


@LOOSE
@given(ROWS)
def test_the_best_are_the_first_three_ranks_and_have_a_payment(rows: list[dict[str, Any]]) -> None:
    stars = best_agents([*rows, row("", 9_999)])
    key = {one["agent_id"]: (one["paid_amount"], one["orders_paid"]) for one in rows}
    for star in stars:
        assert star.agent_id in key  # the silent row is nobody
        assert key[star.agent_id][0] > 0
        assert star.rank == 1 + sum(other > key[star.agent_id] for other in key.values() if other[0] > 0)
    named = {star.agent_id for star in stars}
    for agent_id, mine in key.items():
        better = sum(other > mine for other in key.values())
        assert (agent_id in named) == (mine[0] > 0 and better < STAR_RANKS)
    assert [star.rank for star in stars] == sorted(star.rank for star in stars)


@LOOSE
@given(ROWS)
def test_no_more_are_named_than_can_be_read_and_the_rest_is_counted(rows: list[dict[str, Any]]) -> None:
    made = report(*rows)
    assert len(made.stars) <= STARS
    assert len(made.stars) + made.stars_left == len(best_agents(rows))


# ---- figures and words -----------------------------------------------------------------------------------------------


@LOOSE
@given(
    ROWS,
    st.lists(st.builds(team, st.sampled_from("红蓝黄绿"), st.integers(1, 4), st.integers(0, 10**9), st.integers(0, 999)), max_size=4),
    st.none() | st.fixed_dictionaries({"name": st.just("双11"), "pk_basis": st.sampled_from(["orders", "amount"])}),
    st.builds(Goal, st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 999)),
    st.none() | st.integers(0, 10**9),
    st.sampled_from(["hour", "day"]),
    st.booleans(),
)  # fmt: skip
@example([], [], None, Goal(None, None), None, "hour", True)
def test_whatever_the_figures_it_can_be_said_written_and_read_again(
    rows: list[dict[str, Any]],
    teams: list[dict[str, Any]],
    sale: Any,
    goal: Goal,
    before: Any,
    kind: Any,
    complete: bool,
) -> None:
    span = span_at(kind, "s", "Asia/Shanghai", AT)
    made = report(
        *rows, teams=tuple(teams), sale=sale, goal=goal, day_goal=goal, before=before, span=span, complete=complete
    )
    for lang in LANGS:
        for text in (title(made, lang), speech(made, lang), markdown(made, lang)):
            assert text
            assert "None" not in text
            assert "  " not in text
    record = outputs.Report.model_validate_json(made.value())
    columns = record.model_dump()
    for key in ("teams", "stars"):
        columns[key] = str(
            (getattr(record, key) and "[" + ",".join(x.model_dump_json() for x in getattr(record, key)) + "]") or "[]"
        )
    assert from_row(columns) == made


def test_an_hour_is_told_with_all_that_is_asked_of_it() -> None:
    made = report(
        row("a", 12_600_00, 31, name="小美"), row("b", 9_800_00, 27, name="阿杰"), row("c", 9_800_00, 27, name="小雪"), row("", 5_000_00, 9),
        teams=(team("追风队", 1, 61_500_00, 170), team("破浪队", 2, 49_600_00, 150)),
        sale={"name": "双十一", "pk_basis": "amount"}, goal=Goal(140_000_00, None), day_goal=Goal(20_000_000_00, None), before=30_000_00,
    )  # fmt: skip
    assert title(made, "zh") == "整点报数 s 11月11日 20:00–21:00"
    assert speech(made, "zh") == (
        "整点报数。s，20点到21点，成交3.7万元，付款94单。完成目标14万元的26%。今日累计1286万元，完成全天目标2000万元的64%。"
        "比上一小时多7200元。团队PK：追风队6.1万元，破浪队4.9万元。追风队领先1.1万元。"
        "第一名小美，1.2万元；第二名阿杰、小雪并列，9800元。"
    )
    assert speech(made, "en") == (
        "Report on the hour. s, 20:00 to 21:00: 37.2 thousand yuan paid, 94 orders. 26 percent of the target of 140 thousand yuan."
        " The day so far: 12.86 million yuan, 64 percent of the day target of 20 million yuan. 7,200 yuan more than the hour before."
        " Team PK: 追风队 61.5 thousand yuan, 破浪队 49.6 thousand yuan. 追风队 leads by 11.9 thousand yuan."
        " On top: first 小美, 12.6 thousand yuan; second 阿杰 and 小雪, 9,800 yuan each."
    )
    assert made.silent_share == pytest.approx(5_000 / 37_200)
    assert "- 第2名 小雪 ¥9,800，27单" in markdown(made, "zh")


def test_a_pk_by_orders_is_told_in_orders() -> None:
    teams = (team("红队", 1, 100, 12), team("蓝队", 2, 900_000_00, 9))
    made = report(row("a", 1), teams=teams, sale={"name": "", "pk_basis": "orders"})
    assert made.lead == 3
    assert "红队12单，蓝队9单。红队领先3单" in speech(made, "zh")
    assert "红队 leads by 3 orders" in speech(made, "en")


def test_level_teams_are_told_as_level() -> None:
    made = report(row("a", 1), teams=(team("红队", 1, 500, 1), team("蓝队", 1, 500, 9), team("黄队", 3, 1, 1)))
    assert made.lead == 0
    assert "红队、蓝队打平" in speech(made, "zh")
    assert "红队 and 蓝队 are level" in speech(made, "en")
    assert "领先" not in speech(made, "zh")


def test_one_team_is_no_pk() -> None:
    made = report(row("a", 1), teams=(team("红队", 1, 500, 1),))
    assert made.lead is None
    assert "PK" not in speech(made, "zh") + markdown(made, "en")


def test_without_a_payment_there_is_no_star() -> None:
    made = report(row("a", 0, 0), row("", 500))
    assert made.stars == ()
    assert "还没有客服开单" in speech(made, "zh")


def test_many_who_share_a_rank_are_counted() -> None:
    made = report(*(row(name, 500, 1) for name in "abcdefghi"))
    assert made.stars_left == 3
    assert "第一名A、B、C、D、E、F等9人并列" in speech(made, "zh")
    assert "first A, B, C, D, E, F and 3 more, 5 yuan each" in speech(made, "en")


def test_part_of_an_hour_is_not_compared_with_a_whole_one_and_says_how_far_it_goes() -> None:
    made = report(row("a", 500), before=900, made_at=AT + 35 * 60_000)
    assert made.as_of == AT + 35 * 60_000
    assert title(made, "zh") == "即时报数 s 11月11日 20:00–20:35"
    assert title(made, "en") == "The hour so far s 11 Nov 20:00–20:35"
    assert speech(made, "zh").startswith("即时报数。s，20点到20点35分，")
    assert speech(made, "en").startswith("The hour so far. s, 20:00 to 20:35: ")
    assert "上一小时" not in speech(made, "zh")


def test_the_last_hour_of_a_day_ends_at_twenty_four() -> None:
    span = span_at("hour", "s", "Asia/Shanghai", parse_time("2026-11-11T23:30:00+08:00"))
    assert "23点到24点" in speech(report(row("a", 1), span=span, made_at=AT + 5 * HOUR_MS), "zh")


def test_a_day_has_no_conversion_and_is_told_as_a_day() -> None:
    span = span_at("day", "s", "Asia/Shanghai", AT)
    made = report(row("a", 500), span=span, made_at=AT + 24 * HOUR_MS, before=900)
    assert made.conversion is None
    assert speech(made, "zh").startswith("全天报数。s，11月11日，成交5元，付款1单。比前一天少4元。")
    assert title(made, "en") == "Day's report s 11 Nov"
    early = report(row("a", 500), span=span, made_at=AT)
    assert title(early, "zh") == "当日即时报数 s 11月11日 00:00–20:00"
    assert speech(early, "en").startswith("The day so far. s, 11 November: ")


def test_what_may_be_incomplete_says_so() -> None:
    assert "仍在计算" in speech(report(row("a", 1), complete=False), "zh")
    assert "仍在计算" not in speech(report(row("a", 1)), "zh")


def test_names_are_no_markup_in_a_chat() -> None:
    made = report(row("a", 1, name="<at id=all></at>**x**\n# [y](http://z)"))
    text = markdown(made, "zh")
    assert not re.search(r"<at|\*\*x|\[y\]|\n# ", text)


@LOOSE
@given(st.integers(0, 10**12))
def test_money_is_never_said_to_be_more_than_it_is(fen: int) -> None:
    said = money(fen, "zh")
    number, unit = re.fullmatch(r"([\d.]+)(万|亿)?元", said).groups()  # type: ignore[union-attr]
    value = float(number) * {None: 1, "万": 1e4, "亿": 1e8}[unit]
    assert 0 <= fen / 100 - value + 1e-6 < max(1, value * 0.1 + 1e-3)
    assert not said.startswith("0.")


@LOOSE
@given(st.integers(-(10**12), 10**12), st.integers(0, 10**12))
def test_two_amounts_are_as_far_apart_as_they_are_shown(less: int, more: int) -> None:
    more += less
    shown = whole(more) - whole(less)
    assert abs(whole(less)) == abs(less) // 100
    assert apart(more, less) == (shown * 100 if shown else more - less)


def test_a_lead_agrees_with_the_sides() -> None:
    for first, second, sides, zh, en in (
        (8085_01, 8083_99, ("¥8,085", "¥8,083"), "领先2元", "leads by 2 yuan"),
        (8084_90, 8084_10, ("¥8,084", "¥8,084"), "领先0.80元", "leads by 0.80 yuan"),
    ):
        made = report(row("a", 1), teams=(team("红队", 1, first, 1), team("蓝队", 2, second, 1)), before=first + 7_00)
        assert f"- 红队 {sides[0]}\n- 蓝队 {sides[1]}" in markdown(made, "zh")
        assert zh in speech(made, "zh")
        assert zh in markdown(made, "zh")
        assert en in speech(made, "en")
    assert "比上一小时少1元" in speech(report(row("a", 8084_90), before=8085_10), "zh")


@LOOSE
@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_target_is_reached_at_a_hundred_percent_and_not_before(value: int, target: int) -> None:
    share = reached(value, target)
    assert share is not None
    assert (share >= 100) == (value >= target)
    assert reached(value, None) is reached(value, 0) is None


# ---- ids and spans ---------------------------------------------------------------------------------------------------


def test_ids_tell_shops_kinds_hours_and_askers_apart() -> None:
    spans = [
        span_at(k, s, "Asia/Shanghai", at)
        for k in ("hour", "day")
        for s in ("a", "b")
        for at in (AT, AT + 25 * HOUR_MS)
    ]  # type: ignore[arg-type]
    ids = [span.report_id for span in spans] + [SPAN.asked_id(who, at) for who in ("x", "y") for at in (1, 2)]
    assert len(set(ids)) == len(ids) == 12
    assert span_at("hour", "s", "Asia/Shanghai", AT + HOUR_MS - 1).report_id == SPAN.report_id


def test_a_day_of_summer_time_has_its_hours() -> None:
    at = parse_time("2026-10-25T12:00:00+01:00")
    span = span_at("day", "s", "Europe/Berlin", at)
    assert span.ends_at - span.starts_at == 25 * HOUR_MS
    assert span.before == (span.starts_at - 24 * HOUR_MS, span.starts_at)


# ---- when ------------------------------------------------------------------------------------------------------------

SIGHTS = st.builds(
    Sight, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.booleans(), st.sampled_from([0, 0, 1, 500])
)


@LOOSE
@given(SIGHTS, st.integers(0, 10**6))
def test_it_waits_for_what_is_owed_and_moving_and_never_for_ever(sight: Sight, now: int) -> None:
    verdict = decide(0, now, sight)
    waited = now - max(0, sight.first_seen)
    if verdict == "complete":
        assert sight.owed == 0
        assert now - sight.steady_since >= STEADY_MS
        assert sight.passed or waited >= QUIET_MS
    if verdict == "incomplete":
        assert waited >= LIMIT_MS
    if waited >= LIMIT_MS:
        assert verdict != "wait"


def test_a_settled_hour_is_reported_at_once() -> None:
    assert decide(0, STEADY_MS, Sight(0, 0, passed=True, owed=0)) == "complete"
    assert decide(0, STEADY_MS, Sight(0, 1, passed=True, owed=0)) == "wait"
    assert decide(0, STEADY_MS, Sight(0, 0, passed=False, owed=0)) == "wait"
    assert decide(0, STEADY_MS, Sight(0, 0, passed=True, owed=1)) == "wait"
