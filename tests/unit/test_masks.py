"""What is hidden of buyers: ids for who need not know them, phone numbers for who calls nobody."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.access.masks import mask, mask_phones, masked
from web.access.roles import Person, Role

OPS, QC, CALLER = (Person(role, frozenset({Role(role)})) for role in ("ops", "qc", "caller"))
phones = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
around = st.text(alphabet=st.characters(exclude_categories=["Nd"]), max_size=20)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("打我电话13812345678谢谢", "打我电话138****5678谢谢"),
        ("138 1234 5678", "138 **** 5678"),
        ("138-1234-5678", "138-****-5678"),
        ("+8613812345678", "+86138****5678"),
        ("+86 138 1234 5678", "+86 138 **** 5678"),
        ("１３８１２３４５６７８", "１３８****５６７８"),
        ("13812345678,15900001111", "138****5678,159****1111"),
        ("订单 123456789012345", "订单 123456789012345"),
        ("12812345678", "12812345678"),
        ("1381234567", "1381234567"),
        ("2026-11-11 13:45 第138号 1234 5678", "2026-11-11 13:45 第138号 1234 5678"),
        ("", ""),
    ],
)
def test_mobile_numbers_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert mask_phones(text) == shown


@given(around, phones, around)
def test_no_number_stays_and_every_place_in_the_text_does(before: str, phone: str, after: str) -> None:
    shown = mask_phones(before + phone + after)
    assert phone not in shown
    assert len(shown) == len(before + phone + after)  # evidence points at places in the text
    assert (shown.startswith(before), shown.endswith(after)) == (True, True)
    assert mask_phones(shown) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["Nd"])))
def test_a_text_without_digits_is_left_alone(text: str) -> None:
    assert mask_phones(text) == text


ROW = {
    "buyer_id": "b-10077",
    "order_ids": ["o-20088"],
    "message_id": "m-13812345678",
    "id": "13812345678",
    "rating": 1,
    "qc_reason": "已致电13812345678",
    "review_id": None,
    "evidence": {
        "earlier_message_id": "m-1",
        "order_id": "o-20088",
        "phrases": [{"phrase": "13812345678", "start": 3}],
    },
}


def test_each_role_sees_of_a_row_what_it_needs() -> None:
    assert masked(ROW, CALLER) == ROW
    for_qc = {"phrases": [{"phrase": "138****5678", "start": 3}]}
    assert masked(ROW, QC) == {
        **ROW,
        "qc_reason": "已致电138****5678",
        "evidence": {**ROW["evidence"], **for_qc},  # type: ignore[dict-item]
    }
    assert masked(ROW, OPS) == {
        **ROW,
        "buyer_id": "•••77",
        "order_ids": ["•••88"],
        "message_id": "•••78",
        "qc_reason": "已致电138****5678",
        "evidence": {**ROW["evidence"], **for_qc, "order_id": "•••88", "earlier_message_id": "•••"},  # type: ignore[dict-item]
    }


@given(st.text(max_size=40))
def test_a_masked_id_shows_two_characters_at_most(identity: str) -> None:
    assert mask(identity) == ("•••" + (identity[-2:] if len(identity) > 4 else "") if identity else "")
    assert not re.search(r"[^•]", mask(identity)[:-2])
