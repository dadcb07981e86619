import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.phrases import EXCEPTIONS, Hit, PhraseMatcher, fold
from processors.ruleset import default_book

MATCHER = PhraseMatcher(
    {"forbidden": ["不行", "不可能"], "vague": ["可能", "也许"], EXCEPTIONS: ["行不行", "可能性"], "both": ["也许"]}
)


def naive(phrases: dict[str, list[str]], text: str) -> set[Hit]:
    """Every phrase at every place, then the longest (leftmost) of all that overlap, one by one."""
    spans = sorted(
        {(start, start + len(phrase))
         for members in phrases.values()
         for phrase in members
         for start in range(len(text))
         if fold(text[start : start + len(phrase)]) == fold(phrase)},
        key=lambda span: (span[0] - span[1], span[0]),
    )  # fmt: skip
    taken: list[tuple[int, int]] = []
    for start, end in spans:
        if not any(position in range(s, e) for s, e in taken for position in range(start, end)):
            taken.append((start, end))
    hits = set()
    for start, end in taken:
        for category, members in phrases.items():
            spelt = [phrase for phrase in members if fold(phrase) == fold(text[start:end])]
            if category != EXCEPTIONS and spelt:
                hits.add(Hit(category, spelt[0], start, end))
    return hits


words = st.text(alphabet="不行可能aAＡb，,😀", min_size=1, max_size=5)


@given(
    phrases=st.dictionaries(st.sampled_from(["one", "two", EXCEPTIONS]), st.lists(words, max_size=5)),
    text=st.text(alphabet="不行可能aAＡb，,😀", max_size=40),
)
def test_hits_are_those_of_a_brute_force_search_longest_first(phrases: dict[str, list[str]], text: str) -> None:
    hits = PhraseMatcher(phrases).find(text)
    assert set(hits) == naive(phrases, text)
    assert len(set(hits)) == len(hits)
    assert [hit.start for hit in hits] == sorted(hit.start for hit in hits)
    assert all(fold(text[hit.start : hit.end]) == fold(hit.phrase) for hit in hits)


@given(st.text())
def test_folding_keeps_the_length_so_that_offsets_stay_true(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_the_longest_of_overlapping_phrases_counts_alone_across_categories() -> None:
    assert MATCHER.find("这不可能的") == (Hit("forbidden", "不可能", 1, 4),)


def test_among_equally_long_overlapping_phrases_the_leftmost_counts() -> None:
    assert PhraseMatcher({"a": ["乙丙"], "b": ["甲乙"]}).find("甲乙丙") == (Hit("b", "甲乙", 0, 2),)


def test_a_phrase_hidden_by_a_hidden_phrase_still_counts() -> None:
    found = PhraseMatcher({"x": ["一二三四", "四五六", "六七"]}).find("一二三四五六七")
    assert [hit.phrase for hit in found] == ["一二三四", "六七"]


def test_an_exception_hides_what_it_overlaps_and_is_no_hit_itself() -> None:
    assert MATCHER.find("行不行") == ()
    assert MATCHER.find("行不行?不行") == (Hit("forbidden", "不行", 4, 6),)


def test_a_phrase_in_two_categories_gives_two_hits() -> None:
    assert MATCHER.find("也许") == (Hit("vague", "也许", 0, 2), Hit("both", "也许", 0, 2))


def test_offsets_are_characters_of_the_text_as_it_was_written() -> None:
    text = "😀İ，ＯＫ可能"
    (hit,) = MATCHER.find(text)
    assert (hit.start, hit.end, text[hit.start : hit.end]) == (5, 7, "可能")


def test_case_and_full_width_forms_do_not_matter() -> None:
    matcher = PhraseMatcher({"x": ["Ok,亲"]})
    assert matcher.find("ＯＫ，亲") == matcher.find("ok,亲") == (Hit("x", "Ok,亲", 0, 4),)


def test_half_an_emoji_does_not_stop_the_search() -> None:
    assert MATCHER.find("\ud83d可能") == (Hit("vague", "可能", 1, 3),)


@pytest.mark.parametrize("text", ["", "亲,在的"])
def test_a_text_without_phrases_has_no_hits(text: str) -> None:
    assert MATCHER.find(text) == ()


def test_no_phrases_at_all_find_nothing() -> None:
    assert PhraseMatcher({}).find("不行") == ()


def test_an_empty_phrase_is_an_error() -> None:
    with pytest.raises(ValueError, match="category vague"):
        PhraseMatcher({"vague": ["可能", ""]})


def test_a_long_text_full_of_matches_takes_time_in_proportion() -> None:
    assert len(MATCHER.find("可能" * 20_000)) == 20_000  # comparing pairs would take minutes


# ---- the packaged phrases: (text, the categories flagged in it) ----

FLAGGED = [
    ("亲,您有一笔订单还没有付款哦", {"reminder"}),
    ("记得付款哦,今天就能发货", {"reminder"}),
    ("喜欢的话尽快付款呢", {"reminder"}),
    ("看到您拍下还没付,是遇到什么问题了吗", {"reminder"}),
    ("麻烦尽快支付一下", {"reminder"}),
    ("您还没付钱呢", {"reminder"}),
    ("马上付款!", {"reminder", "blunt"}),
    ("赶紧付款吧", {"reminder", "blunt"}),
    ("再不付款就没货了", {"reminder", "blunt"}),
    ("怎么还不付款", {"reminder", "blunt"}),
    ("这个不行", {"forbidden"}),
    ("改价不行的哦", {"forbidden"}),
    ("不可能的", {"forbidden"}),
    ("从来没听说过这种事", {"forbidden"}),
    ("不可能,也许吧", {"forbidden", "vague"}),
    ("可能明天到", {"vague"}),
    ("有可能后天发货", {"vague"}),
    ("也许有货", {"vague"}),
    ("应该是吧", {"vague"}),
    ("我们需要好评", {"solicitation"}),
    ("满意的话给个好评哦", {"solicitation"}),
    ("五星好评返现5元", {"solicitation"}),
]
HARMLESS = [
    "您看这样行不行",
    "不行的话我给您换一个",
    "如果还不行您再联系我",
    "我们会尽可能早发货",
    "有没有可能是尺码选小了",
    "因为灯光,实物可能会有轻微色差",
    "感谢您的五星好评",
    "我们不要好评的,您如实评价就好",
    "这款卖得很好,都是好评哦",
    "请给5分钟,我查一下物流",
    "不用着急付款,先看看",
    "感谢您及时付款",
    "付款后48小时内发货",
    "亲,在的,有什么可以帮您",
    "我们还没准备好现货",
]


@pytest.mark.parametrize(("text", "categories"), FLAGGED)
def test_packaged_phrases_flag(text: str, categories: set[str]) -> None:
    assert {hit.category for hit in default_book().at("any", 0).phrases.find(text)} == categories


@pytest.mark.parametrize("text", HARMLESS)
def test_packaged_phrases_let_pass(text: str) -> None:
    assert default_book().at("any", 0).phrases.find(text) == ()


@pytest.mark.parametrize(
    ("category", "phrase"),
    [
        *(
            ("reminder", phrase)
            for phrase in ("还没有付款", "记得付款", "尽快付款", "马上付款", "赶紧付款", "再不付款")
        ),
        *(("blunt", phrase) for phrase in ("马上付款", "赶紧付款", "再不付款")),
        *(("forbidden", phrase) for phrase in ("不行", "不可能", "从来没听说过")),
        *(("vague", phrase) for phrase in ("可能", "也许", "应该是吧")),
        *(("solicitation", phrase) for phrase in ("要好评", "给个好评")),
    ],
)
def test_the_phrases_named_in_the_contract_are_hits_of_their_own(category: str, phrase: str) -> None:
    text = f"亲,{phrase}哦"
    assert Hit(category, phrase, 2, 2 + len(phrase)) in default_book().at("any", 0).phrases.find(text)
