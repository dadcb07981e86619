"""Figures and scores: rounding, targets, sums of teams, weights, ranks."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.ruleset import RulesetError, default_book, parse_rulesets
from processors.scorecard import (
    BY_KEY,
    COMPONENTS,
    FIGURES,
    Pair,
    Score,
    add_up,
    component_points,
    group_of,
    meets,
    numerator_unit,
    part,
    ranks,
    rounded,
    score,
    stars,
    targets,
    value,
)

RULES = default_book().at("s", 0)
TENTH = Fraction(1, 10)
COUNTS = st.integers(0, 10**9)
PAIRS = st.tuples(COUNTS, COUNTS)
SUMS = st.fixed_dictionaries({figure.key: PAIRS for figure in FIGURES})


def sums(**pairs: Pair) -> dict[str, Pair]:
    return {figure.key: (0, 0) for figure in FIGURES} | pairs


# ---- figures -----------------------------------------------------------------------------------------------------------


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_rounding_is_half_up_and_keeps_its_decimals(thousandths: int, decimals: int) -> None:
    exact = Decimal(thousandths) / 1000
    expected = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    assert rounded(Fraction(thousandths, 1000), decimals) == str(abs(expected) if expected == 0 else expected)


@pytest.mark.parametrize(
    ("figure", "pair", "shown"),
    [
        ("reply_rate", (19, 20), "95.0"),
        ("reply_rate", (1, 3), "33.3"),
        ("inquiry_to_order", (1, 2000), "0.1"),  # 0.05 %, half up
        ("first_response", (20_150, 2), "10.1"),  # 10.075 s
        ("amount_per_order", (20_001, 2), "100.01"),  # 100.005
        ("items_per_order", (5, 4), "1.25"),
        ("paid_amount", (1_234_567, 0), "12345.67"),
        ("orders_paid", (7, 0), "7"),
        ("qc_score", (1_805_000, 2), "90.3"),  # 90.25
        ("rating", (9, 2), "4.50"),
        ("complaints", (1, 800), "0.13"),  # 0.125 %
        ("reply_rate", (0, 0), None),
        ("complaints", (2, 0), None),
        ("violations", (0, 0), "0"),
    ],
)
def test_a_figure_is_shown_in_its_unit(figure: str, pair: Pair, shown: str | None) -> None:
    found = value(BY_KEY[figure], pair)
    assert (None if found is None else rounded(found, BY_KEY[figure].decimals)) == shown


@pytest.mark.parametrize(
    ("figure", "number", "shown"),
    [("paid_amount", 15_005, "150.05"), ("first_response", 10_050, "10.1"), ("qc_score", 905_000, "90.5"), ("rating", 5, "5"), ("reply_rate", 1, "1")],
)  # fmt: skip
def test_a_numerator_is_shown_in_its_own_unit(figure: str, number: int, shown: str) -> None:
    assert part(number, numerator_unit(BY_KEY[figure])) == shown


def test_targets_are_the_kpi_table() -> None:
    assert {key: rounded(target, 2) for key, target in targets(RULES).items()} == {
        "own_target": "80.00",
        "inquiry_to_order": "50.00",
        "order_to_paid": "70.00",
        "items_per_order": "1.20",
        "amount_per_order": "200.00",
        "reply_rate": "95.00",
        "first_response": "10.00",
    }


@pytest.mark.parametrize(
    ("figure", "pair", "met"),
    [
        ("reply_rate", (95, 100), True),
        ("reply_rate", (9_499, 10_000), False),
        ("reply_rate", (94_999, 100_000), False),  # shown as 95.0
        ("first_response", (10_000, 1), True),
        ("first_response", (10_001, 1), False),
        ("items_per_order", (6, 5), True),  # 1.2 as a float would be less than 6 / 5
    ],
)
def test_a_target_is_met_by_the_exact_value(figure: str, pair: Pair, met: bool) -> None:
    reached = value(BY_KEY[figure], pair)
    assert reached is not None
    assert meets(BY_KEY[figure], reached, targets(RULES)[figure]) is met


@given(st.lists(SUMS, max_size=5))
def test_a_team_is_the_sum_of_its_agents(cards: list[dict[str, Pair]]) -> None:
    total = add_up(cards)
    for figure in FIGURES:
        assert total[figure.key] == (
            sum(card[figure.key][0] for card in cards),
            sum(card[figure.key][1] for card in cards),
        )


# ---- the score -----------------------------------------------------------------------------------------------------------


@given(st.sampled_from(COMPONENTS), SUMS.map(lambda one: one | {"rating": _stars(one["rating"]), **_points(one)}))
def test_points_lie_between_0_and_100(key: str, one: dict[str, Pair]) -> None:
    points = component_points(key, one, TENTH)
    assert points is None or 0 <= points <= 100


def _stars(pair: Pair) -> Pair:
    """A possible sum of stars: one to five each."""
    return (pair[1] + pair[0] % (4 * pair[1] + 1), pair[1])


def _points(one: dict[str, Pair]) -> dict[str, Pair]:
    """Possible sums of rubric scores."""
    pairs = {key: one[key] for key in ("sample_score", "qc_score")}
    return {key: (up % (1_000_000 * down + 1), down) for key, (up, down) in pairs.items()}


@given(
    st.sampled_from([("own_target", "own_target", 1), ("qc", "qc_score", 1), ("qc", "sample_score", 1), ("rating", "rating", 1), ("complaints", "complaints", -1)]),
    COUNTS, COUNTS, st.integers(1, 10**6),
)  # fmt: skip
def test_the_better_the_figure_the_more_points(part: tuple[str, str, int], a: int, b: int, denominator: int) -> None:
    key, figure, sign = part
    low, high = sorted((a, b))
    less = component_points(key, sums(**{figure: (low, denominator)}), TENTH)
    more = component_points(key, sums(**{figure: (high, denominator)}), TENTH)
    assert less is not None
    assert more is not None
    assert sign * less <= sign * more


@pytest.mark.parametrize(
    ("key", "figure", "pair", "points"),
    [
        ("own_target", "own_target", (40, 50), 80),
        ("own_target", "own_target", (99, 50), 100),
        ("qc", "qc_score", (1_700_000, 2), 85),
        ("qc", "sample_score", (1_700_000, 2), 85),
        ("rating", "rating", (5, 1), 100),
        ("rating", "rating", (1, 1), 0),
        ("rating", "rating", (8, 2), 75),
        ("complaints", "complaints", (0, 40), 100),
        ("complaints", "complaints", (1, 40), 75),
        ("complaints", "complaints", (4, 40), 0),
        ("complaints", "complaints", (9, 40), 0),
        ("complaints", "complaints", (1, 0), 0),
        ("complaints", "complaints", (0, 0), None),
        ("rating", "rating", (0, 0), None),
        ("superior", "rating", (5, 1), None),
        ("conduct", "rating", (5, 1), None),
    ],
)
def test_points_of_a_component(key: str, figure: str, pair: Pair, points: int | None) -> None:
    assert component_points(key, sums(**{figure: pair}), TENTH) == points


@given(SUMS)
def test_flags_have_no_say_where_conversations_were_sampled(one: dict[str, Pair]) -> None:
    of_sample = component_points("qc", sums(sample_score=one["sample_score"]), TENTH)
    of_flags = component_points("qc", sums(qc_score=one["qc_score"]), TENTH)
    assert component_points("qc", one, TENTH) == (of_sample if one["sample_score"][1] else of_flags)


def test_the_weights_are_those_of_the_handbook() -> None:
    every = sums(own_target=(80, 100), qc_score=(900_000, 1), rating=(4, 1), complaints=(1, 100))
    presale, aftersale = score(every, "presale", RULES), score(every, "aftersale", RULES)
    assert [part.weight for part in presale.components] == [50, 20, 20, 0, 5, 5]
    assert [part.weight for part in aftersale.components] == [40, 20, 20, 10, 5, 5]
    assert presale.points == Fraction(50 * 80 + 20 * 90 + 20 * 75, 90)
    assert aftersale.points == Fraction(40 * 80 + 20 * 90 + 20 * 75 + 10 * 90, 90)


def test_a_component_without_data_leaves_and_the_others_share_its_weight() -> None:
    found = score(sums(qc_score=(900_000, 1), rating=(3, 1)), "presale", RULES)
    assert found.points == 70
    assert [part.key for part in found.counted] == ["qc", "rating"]
    assert score(sums(), "presale", RULES).points is None
    assert score(sums(complaints=(0, 9)), "presale", RULES).points is None  # weighs nothing before sales
    assert score(sums(rating=(5, 1)), None, RULES).points is None


@given(
    SUMS.map(lambda one: one | {"rating": _stars(one["rating"]), **_points(one)}),
    st.sampled_from(["presale", "aftersale"]),
)
def test_a_score_lies_among_its_components(one: dict[str, Pair], group: str) -> None:
    found = score(one, group, RULES)  # type: ignore[arg-type]
    counted = [part.points for part in found.counted if part.points is not None]
    assert (found.points is None) == (not counted)
    if found.points is not None:
        assert min(counted) <= found.points <= max(counted)


@pytest.mark.parametrize(
    ("roles", "group"),
    [
        (["presale"], "presale"), (["reminder"], "presale"), (["order_change"], "presale"), (["aftersale"], "aftersale"),
        (["escalation"], "aftersale"), (["review_specialist"], "aftersale"), (["presale", "aftersale"], "presale"),
        (["presale", "aftersale", "escalation"], "aftersale"), (["", "aftersale"], "aftersale"), ([""], None), ([], None),
    ],
)  # fmt: skip
def test_whose_weights_hold(roles: list[str], group: str | None) -> None:
    assert group_of(roles) == group


def of(points: float | None, amount: int = 0, parts: int = 2) -> tuple[Score, dict[str, Pair]]:
    counted = score(sums(qc_score=(1, 1), rating=(1, 1)), "presale", RULES).components
    known = [part for part in counted if part.points is not None][:parts]
    exact = None if points is None else Fraction(str(points))
    return Score(exact, tuple(known)), sums(paid_amount=(amount, 0))


def test_ranks_go_by_the_score_as_shown_then_by_amount_and_ties_share_one() -> None:
    entries = [of(90.04, 5), of(90.01, 9), of(95), of(None, 99), of(90.0, 5), of(10)]
    assert ranks(entries) == [3, 2, 1, None, 3, 5]


def test_a_star_is_among_the_first_three_whose_score_rests_on_enough() -> None:
    entries = [of(100, parts=1), of(90), of(80), of(70), of(70), of(60), of(None)]
    assert stars(entries) == [False, True, True, True, True, False, False]


# ---- the ruleset ---------------------------------------------------------------------------------------------------------


def test_a_shop_has_weights_of_its_own() -> None:
    book = parse_rulesets(
        'name: mine\nversion: "1"\nshops: {s: {scorecard: {presale: {qc: 80}, complaint_rate_zero: 0.02}}}\n'
    )
    assert book.at("s", 0).scorecard.presale.qc == 80
    assert book.at("s", 0).scorecard.presale.rating == 20
    assert book.at("other", 0).scorecard.presale.qc == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("presale: {own_target: 0, qc: 0, rating: 0}", "some component that there is data for must weigh something"),
        ("presale: {qc: -1}", "scorecard.presale.qc"),
        ("presale: {qc: 1.5}", "scorecard.presale.qc"),
        ("complaint_rate_zero: 0.0", "scorecard.complaint_rate_zero"),
        ("presale: {luck: 3}", "scorecard.presale.luck: is not a setting"),
    ],
)
def test_weights_that_make_no_score_are_refused(text: str, said: str) -> None:
    with pytest.raises(RulesetError, match=said):
        parse_rulesets(f'name: mine\nversion: "1"\nscorecard: {{{text}}}\n')
