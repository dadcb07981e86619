"""A reviewer's sheet: weights count in proportion, a critical item that was missed zeroes the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.rubric import RubricError, score
from processors.ruleset import RulesetError, default_book, load_book
from processors.ruleset_model import RubricItem

WEIGHTS = st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any)
MARK = st.floats(0, 1)


def rubric(*weights: int, critical: frozenset[int] = frozenset()) -> tuple[RubricItem, ...]:
    return tuple(
        RubricItem(key=f"k{n}", zh="甲", en="a", weight=weight, critical=n in critical)
        for n, weight in enumerate(weights)
    )


@given(WEIGHTS, st.data())
def test_a_score_is_the_weighted_mean_of_the_marks(weights: list[int], data: st.DataObject) -> None:
    items = rubric(*weights)
    marks = {item.key: data.draw(MARK) for item in items}
    got = score(items, marks)
    assert 0 <= got <= 100
    assert got == pytest.approx(
        100 * sum(w * m for w, m in zip(weights, marks.values(), strict=True)) / sum(weights), abs=0.051
    )
    assert score(items, dict.fromkeys(marks, 1.0)) == 100
    assert score(items, dict.fromkeys(marks, 0.0)) == 0
    # ten times the weights are the same rubric
    assert score(rubric(*(10 * weight for weight in weights)), marks) == got


@given(WEIGHTS, st.data())
def test_a_critical_item_that_was_missed_zeroes_the_score(weights: list[int], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(weights) - 1))
    items = rubric(*weights, critical=frozenset({number}))
    done = {item.key: 1.0 for item in items}
    assert score(items, done) == 100
    assert score(items, done | {f"k{number}": data.draw(st.floats(0, 1, exclude_max=True))}) == 0


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"k0": 1}, "k1: has no mark"),
        ({"k0": 1, "k1": 1, "k2": 1}, "k2: is not in the rubric"),
        ({"k0": 1, "k1": 1.5}, "k1: a mark lies between 0 and 1"),
        ({"k0": -1, "k1": 1}, "k0: a mark lies between 0 and 1"),
        ({"k0": float("nan"), "k1": 1}, "k0: a mark lies between 0 and 1"),
    ],
)
def test_a_sheet_that_does_not_fit_names_the_item(marks: dict[str, float], said: str) -> None:
    with pytest.raises(RubricError, match=said):
        score(rubric(1, 2), marks)


def test_the_packaged_rubric_adds_up_to_a_hundred() -> None:
    items = default_book().at("any", 0).rubric
    assert sum(item.weight for item in items) == 100
    assert {item.key for item in items if item.critical} == {"respect", "honesty", "privacy"}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("[]", "qc.rubric"),
        ("[{key: a, zh: 甲, en: a, weight: 0}]", "some item must weigh something"),
        ("[{key: a, zh: 甲, en: a, weight: 1}, {key: a, zh: 乙, en: b, weight: 1}]", "a is there twice"),
        ("[{key: A b, zh: 甲, en: a, weight: 1}]", "key"),
        ("[{key: a, zh: 甲, en: a, weight: -1}]", "weight"),
    ],
)
def test_a_rubric_that_can_not_be_is_told(items: str, said: str) -> None:
    with pytest.raises(RulesetError, match=said):
        load_book(f"name: own\nversion: '1'\nqc: {{rubric: {items}}}", "own.yaml")
