"""QC's sample: its days in every zone, its ids, and what a ruleset may say of its rates."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.ruleset import RulesetError, default_book, load_book
from processors.sampling import day_of_id, known_salts, last_days, on_day
from schemas.types import parse_time, zone

BOOK = load_book(
    """
name: own
version: "1"
qc: {sample: {rate: 0.5, salt: geheim}}
shops:
  azores: {timezone: Atlantic/Azores}
  havana: {timezone: America/Havana, qc: {sample: {rate: 0.1, roles: {presale: 0.2}, agents: {"havana:a": 1}}}}
---
version: "2"
effective_from: 2026-11-12T00:00:00+08:00
qc: {sample: {rate: 0}}
""",
    "own.yaml",
)
SHOPS = ("azores", "havana", "elsewhere")
INSTANTS = st.integers(parse_time("2024-01-01T00:00:00Z"), parse_time("2027-12-31T00:00:00Z"))


@given(INSTANTS, st.integers(1, 9))
def test_the_days_follow_each_other_without_a_gap_and_the_newest_holds_now(now: int, count: int) -> None:
    for shop in SHOPS:
        days = last_days(BOOK, [shop], now, count)
        assert len(days) == count
        assert days[0].starts <= now < days[0].ends
        assert [day.starts for day in days[:-1]] == [day.ends for day in days[1:]]
        # a day's name is that of the shop's calendar, and leads back to the same day
        local = datetime.fromtimestamp(now / 1000, zone(BOOK.timezone(shop)))
        assert days[0].day == local.strftime("%Y%m%d")
        for day in days:
            assert on_day(BOOK, [shop], datetime.strptime(day.day, "%Y%m%d").date()) == [day]


def test_a_day_has_the_rates_in_force_when_it_began() -> None:
    days = last_days(BOOK, ["elsewhere"], parse_time("2026-11-12T09:00:00+08:00"), 2)
    assert [(day.day, day.rate, day.salt) for day in days] == [("20261112", 0, "geheim"), ("20261111", 0.5, "geheim")]
    (havana,) = on_day(BOOK, ["havana"], date(2026, 11, 10))
    assert (havana.rate, havana.roles, havana.agents) == (0.1, {"presale": 0.2}, {"havana:a": 1.0})


def test_packaged_two_of_a_hundred_are_read() -> None:
    sample = default_book().at("any", 0).sample
    assert (sample.rate, sample.roles, sample.agents) == (0.02, {}, {})


def test_a_salt_that_everybody_can_read_is_told() -> None:
    now = parse_time("2026-11-11T12:00:00+08:00")
    assert known_salts(default_book(), now) == [""]
    assert known_salts(BOOK, now) == []
    own = "name: own\nversion: '1'\nshops: {one: {qc: {sample: {salt: geheim}}}, two: {timezone: Asia/Tokyo}}"
    assert known_salts(load_book(own, "own"), now) == ["", "two"]


@pytest.mark.parametrize("year", [1, 1999, 2200, 9999])
def test_years_without_events_have_no_days(year: int) -> None:
    assert on_day(BOOK, SHOPS, date(year, 12, 31)) == []


@pytest.mark.parametrize(
    ("sample_id", "day"),
    [
        ("s-20261111-0123456789abcdef", date(2026, 11, 11)),
        ("s-20260231-0123456789abcdef", None),
        ("s-00000101-0123456789abcdef", None),
        ("s-20261111-0123456789ABCDEF", None),
        ("s-20261111-0123456789abcdef\n", None),
        ("f-20261111-0123456789abcdef", None),
        ("", None),
    ],
)
def test_an_id_names_its_day(sample_id: str, day: date | None) -> None:
    assert day_of_id(sample_id) == day


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("{rate: 1.5}", "qc.sample.rate"),
        ("{rate: -0.1}", "qc.sample.rate"),
        ("{rate: '0.1'}", "qc.sample.rate"),
        ("{rate: 0.1, each: 3}", "qc.sample.each: is not a setting"),
        ("{roles: {boss: 0.1}}", "qc.sample.roles.boss"),
        ("{agents: {a: 2}}", "qc.sample.agents.a"),
    ],
)
def test_a_rate_that_can_not_be_is_told(sample: str, said: str) -> None:
    with pytest.raises(RulesetError, match=said):
        load_book(f"name: own\nversion: '1'\nqc: {{sample: {sample}}}", "own.yaml")
