"""The web's own arithmetic and texts: hours and days of odd zones, sums, teams, the catalogue, cursors, instants."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException

from processors.calendar import calendar
from schemas.outputs import RULES
from schemas.types import parse_time
from web import desk
from web import texts as catalogue
from web.api import decode_cursor, encode_cursor
from web.board import add_up, derived, pk_teams
from web.language import in_language
from web.parts import read_instant
from web.wallboard import _flag_counts

STATIC = Path(desk.__file__).parent / "static"
JS = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js")))


@pytest.mark.parametrize(
    ("time", "zone", "start"),
    [
        ("2026-11-11T20:59:59.999+08:00", "Asia/Shanghai", "2026-11-11T20:00:00+08:00"),
        ("2026-11-11T20:00:00+08:00", "Asia/Shanghai", "2026-11-11T20:00:00+08:00"),
        ("2026-11-11T20:40:00+08:00", "Asia/Kolkata", "2026-11-11T20:30:00+08:00"),
        ("2026-11-11T20:40:00+08:00", "Asia/Kathmandu", "2026-11-11T20:15:00+08:00"),
    ],
)
def test_hour_start(time: str, zone: str, start: str) -> None:
    assert calendar(zone).hour_start(parse_time(time)) == parse_time(start)


@pytest.mark.parametrize(
    ("time", "zone", "start", "hours"),
    [
        ("2026-11-11T00:00:00+08:00", "Asia/Shanghai", "2026-11-11T00:00:00+08:00", 24),
        ("2026-11-11T23:59:59.999+08:00", "Asia/Shanghai", "2026-11-11T00:00:00+08:00", 24),
        ("2026-03-29T12:00:00+02:00", "Europe/Berlin", "2026-03-29T00:00:00+01:00", 23),
        ("2026-10-25T12:00:00+01:00", "Europe/Berlin", "2026-10-25T00:00:00+02:00", 25),
    ],
)
def test_local_days(time: str, zone: str, start: str, hours: int) -> None:
    days, at = calendar(zone), parse_time(time)
    assert days.day_start(at) == parse_time(start)
    assert days.day_end(at) - days.day_start(at) == hours * 3_600_000


def row(agent: str, team: str, orders: int, fen: int) -> dict[str, Any]:
    sums = dict.fromkeys(("orders_placed", "items_paid", "refunded_amount", "buyers_served", "buyers_paid"), 0)
    return {"agent_id": agent, "team": team, "orders_paid": orders, "paid_amount": fen, **sums}


def test_teams_are_ranked_by_what_the_sale_event_compares() -> None:
    rows = [
        row("a", "red", 3, 900),
        row("b", "blue", 5, 500),
        row("c", "blue", 1, 100),
        row("", "", 9, 9),
        row("d", "", 7, 7),
    ]
    assert [(team["team"], team["rank"], team["agents"]) for team in pk_teams(rows, None)] == [
        ("red", 1, 1),
        ("blue", 2, 2),
    ]
    by_orders = pk_teams(rows, {"teams": ["blue", "red", "green"], "pk_basis": "orders"})
    assert [(team["team"], team["orders_paid"]) for team in by_orders] == [("blue", 6), ("red", 3), ("green", 0)]
    tied = pk_teams([row("a", "x", 1, 5), row("b", "y", 2, 5)], None)
    assert [team["rank"] for team in tied] == [1, 1]


def test_derived_figures() -> None:
    sums = add_up([{**row("a", "", 4, 1001), "buyers_served": 8, "buyers_paid": 2, "items_paid": 5}])
    assert derived(sums) == {"conversion": 0.25, "average_order": 250, "items_per_order": 1.25}
    assert derived(add_up([])) == {"conversion": None, "average_order": None, "items_per_order": None}


def test_flags_are_counted_in_the_local_hour_and_day() -> None:
    def bucket(time: str, count: int, severity: str = "notice") -> dict[str, Any]:
        return {
            "shop_id": "s",
            "rule": "language.vague",
            "severity": severity,
            "bucket": parse_time(time),
            "count": count,
        }

    buckets = [
        bucket("2026-11-10T23:45:00+08:00", 100),
        bucket("2026-11-11T00:00:00+08:00", 1),
        bucket("2026-11-11T20:45:00+08:00", 2, "violation"),
        bucket("2026-11-11T21:00:00+08:00", 4),
        bucket("2026-11-12T00:00:00+08:00", 100),
    ]
    (counted,) = _flag_counts(buckets, parse_time("2026-11-11T20:10:00+08:00"), lambda _: "Asia/Shanghai")
    assert counted == {"rule": "language.vague", "severity": "notice", "hour": 2, "day": 7, "violations": 2}


@pytest.mark.parametrize(
    ("violations", "severity"), [(0, "notice"), (4, "notice"), (5, "violation"), (10, "violation")]
)
def test_a_rule_that_raises_both_has_the_colour_of_most_of_its_flags_of_the_day(violations: int, severity: str) -> None:
    at = parse_time("2026-11-11T20:00:00+08:00")
    buckets = [
        {"shop_id": "s", "rule": "reminder.same_day", "severity": kind, "bucket": at, "count": count}
        for kind, count in (("violation", violations), ("notice", 10 - violations))
        if count
    ]
    (counted,) = _flag_counts(buckets, at, lambda _: "Asia/Shanghai")
    assert (counted["severity"], counted["violations"], counted["day"]) == (severity, violations, 10)


def test_every_text_is_there_in_both_languages() -> None:
    zh, en = catalogue.texts("zh"), catalogue.texts("en")
    assert set(zh) == set(en)
    assert all(zh.values())
    assert all(en.values())
    for key in zh:
        assert sorted(re.findall(r"{\w+}", zh[key])) == sorted(re.findall(r"{\w+}", en[key])), key
        assert set(re.findall(r"{(\w+):[^{}|]+\|[^{}|]+}", en[key])) <= set(re.findall(r"{(\w+)}", en[key])), key
        assert not re.search(r":\w+\|", zh[key]), key  # Chinese has one form
    assert {f"rule.{rule}" for rule in RULES} <= set(zh)
    used = set(re.findall(r"\bt\.([a-z_]+)\b", JS)) | set(re.findall(r"say\([\"'](\w+)[\"']", JS))
    assert used <= set(zh)


def test_what_is_counted_in_english_has_a_word_for_one_and_one_for_several() -> None:
    several = re.compile(r"\{(n|rows)\} (more )?(\w{3,}s|are|share)\b")
    counted = {key for key, text in catalogue.texts("en").items() if several.search(text)}
    assert counted == {"sql_limits"}  # a hundred thousand rows


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    assert "http" not in JS
    for css in STATIC.glob("*.css"):
        assert "url(" not in css.read_text(encoding="utf-8")


def test_language() -> None:
    asked = [catalogue.pick_lang(value) for value in (None, "", "en", "EN-gb", "zh", "fr")]
    assert asked == ["zh", "zh", "en", "en", "zh", "zh"]
    wishes = [("zh", "en"), ("en", "zh"), (None, "en"), ("fr", "en")]
    assert [catalogue.pick_lang(*both) for both in wishes] == ["zh", "en", "en", "en"]


def test_an_address_that_asks_for_a_language_is_put_into_another() -> None:
    kept = [in_language(path, "en") for path in ("/qc", "/qc?lang=zh", "/?rotate=1&lang=zh&hour=", "/sql?query=a%26b")]
    assert kept == ["/qc", "/qc?lang=en", "/?rotate=1&lang=en&hour=", "/sql?query=a%26b"]


def test_cursor_there_and_back() -> None:
    assert decode_cursor(encode_cursor(1_800_000_000_123, "f-好"), int, str) == (1_800_000_000_123, "f-好")
    assert decode_cursor(None, int, str) is None
    for wrong in ("x", "bm8", "WzFd", "WyJhIiwxXQ", "é"):
        with pytest.raises(HTTPException):
            decode_cursor(wrong, int, str)


def test_instants_of_addresses() -> None:
    assert read_instant("2026-11-11T20:00:00 08:00") == read_instant("2026-11-11T20:00:00+08:00")
    assert read_instant("") is None
    with pytest.raises(ValueError, match="offset"):
        read_instant("2026-11-11T20:00:00")
