"""The quick way to read an event says what the plain one says, of whatever comes."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sale_strategies import events

from schemas.decode import decode_event
from schemas.events import Event, InvalidEventError, parse_event
from schemas.types import format_time, parse_event_time, parse_time

MESSAGE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "m",
    "source": "test",
    "type": "chat.message",
    "time": "2026-11-11T09:00:03.120+08:00",
    "data": {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": "buyer", "text": "在吗"},
}
ITEM = {"sku_id": "k", "title": "鞋", "quantity": 2, "unit_price": "300.00"}
DATA: dict[str, dict[str, Any]] = {
    "chat.message": {"agent_id": "a", "sender": "agent", "reply_mode": "auto", "text": "您好", "order_id": None},
    "order.placed": {"order_id": "o", "amount": "600.00", "items": [ITEM, ITEM]},
    "order.closed": {"order_id": "o", "reason": "timeout"},
    "payment.succeeded": {"payment_id": "p", "order_id": "o", "amount": "600.00"},
    "payment.refunded": {"refund_id": "r", "order_id": "o", "amount": "6.5"},
    "review.posted": {"review_id": "v", "order_id": "o", "rating": 5, "text": ""},
    "review.changed": {"review_id": "v", "order_id": "o", "rating": 1, "text": "差"},
}


REVIEW = orjson.dumps(
    {**MESSAGE, "type": "review.posted", "data": {"shop_id": "s", "buyer_id": "b", **DATA["review.posted"]}}
)


def plain(value: Any, like: Any) -> Any:
    """The attributes that a model has, as plain values."""
    if isinstance(like, BaseModel):
        names = type(like).model_fields
        return {name: plain(getattr(value, name), getattr(like, name)) for name in names}
    if isinstance(like, list):
        return [plain(one, other) for one, other in zip(value, like, strict=True)]
    return value


def same(raw: bytes) -> bool:
    """Both read the same event, or refuse it with the same words; whether it is one."""
    wanted, event = outcome(parse_event, raw), outcome(decode_event, raw)
    assert plain(event, wanted) == plain(wanted, wanted)
    return isinstance(wanted, BaseModel)


def outcome(read: Callable[[bytes], Event], raw: bytes) -> Any:
    try:
        return read(raw)
    except InvalidEventError as error:
        return error.reason, error.error


@pytest.mark.parametrize("kind", DATA)
def test_the_frequent_types_go_the_quick_way(kind: str) -> None:
    event = {**MESSAGE, "type": kind, "data": {"shop_id": "s", "buyer_id": "b", **DATA[kind]}}
    raw = orjson.dumps({**event, "datacontenttype": "application/json"})
    assert isinstance(decode_event(raw), msgspec.Struct)
    assert same(raw)


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 1_000_002),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(
        ["", "x" * 256, "x" * 257, "\U0001f600" * 256, "-1.00", "1.005", "1", "2026-11-11T09:00:00", "human"]
    ),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
)


@given(events(), st.data())
@settings(max_examples=600, deadline=None)
def test_a_field_with_any_value_absent_or_unknown_is_judged_alike(event: dict[str, Any], data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(0, 2))):
        within = data.draw(st.sampled_from([event, event["data"], *(event["data"].get("items") or [])]))
        if not isinstance(within, dict):
            continue
        name = data.draw(st.sampled_from([*within, "subject", "datacontenttype", "extra"]))
        if name in ("data", "items") and within.get(name):
            continue
        if data.draw(st.booleans()):
            within[name] = data.draw(_ODD)
        else:
            within.pop(name, None)
    same(orjson.dumps(event))


@given(events(), st.randoms(use_true_random=False))
@settings(max_examples=600, deadline=None)
def test_damaged_bytes_are_judged_alike(event: dict[str, Any], rnd: random.Random) -> None:
    raw = bytearray(orjson.dumps(event))
    for _ in range(rnd.randint(1, 3)):
        at = rnd.randrange(len(raw))
        match rnd.randrange(4):
            case 0:
                raw[at] = rnd.randrange(256)
            case 1:
                del raw[at : at + rnd.randint(1, 4)]
            case 2:
                raw[at:at] = bytes([rnd.choice(b'"\\{}[],:0eE-.NI\x00\xff\xed ')])
            case _:
                del raw[at:]
        if not raw:
            return
    same(bytes(raw))


def changed(old: str, new: str) -> bytes:
    raw = orjson.dumps(MESSAGE)
    assert old.encode() in raw
    return raw.replace(old.encode(), new.encode("latin-1"), 1)


@pytest.mark.parametrize(
    ("raw", "accepted"),
    [
        (changed('"id":"m"', '"id":"n","id":"m"'), True),
        (changed('"id":"m"', '"id":1,"id":"m"'), True),
        (changed('"type":"chat.message"', '"type":"order.placed","type":"chat.message"'), True),
        (changed('"type":"chat.message"', '"type":"chat.message","type":"order.placed"'), False),
        (changed('"id":"m"', '"\\u0069d":"\\u006d"'), True),
        (changed('"id":"m"', '"id":"\\ud800"'), False),
        (changed('"id":"m"', '"id":"\\ud83d\\ude00"'), True),
        (changed('"id":"m"', '"id":"\\u0000"'), True),
        (changed('"id":"m"', '"id":"m","extra":NaN'), False),
        (changed('"id":"m"', '"id":"m","extra":"NaN"'), True),
        (changed('"id":"m"', '"id":"m","extra":1e999'), True),
        (changed('"id":"m"', '"id":"m","extra":"\xff"'), False),
        (changed('"id":"m"', '"id":"m","extra":"\\ud800"'), False),
        (changed('"id":"m"', '"id":"m","extra":' + "[" * 300 + "]" * 300), False),
        (changed('"id":"m"', '"id":"m","subject":"\xff"'), False),
        (changed('"id":"m"', '"id":"m","subject":{"a":["b"]}'), True),
        (changed('"id":"m"', '"id":"m",'), False),
        (b"\xef\xbb\xbf" + orjson.dumps(MESSAGE), False),
        (orjson.dumps(MESSAGE) + b" \n", True),
        (orjson.dumps(MESSAGE) + b"{}", False),
        (changed('"sender":"buyer"', '"sender":"buyer","order_id":5.0'), False),
        (REVIEW.replace(b'"rating":5', b'"rating":5.0'), False),
        (REVIEW.replace(b'"rating":5', b'"rating":5e0'), False),
        (REVIEW, True),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, False),
        (b"[" * 100_000, False),
        (changed('"id":"m"', '"id":' + "[" * 100_000), False),
        (changed('"id":"m"', '"id":"m","extra":' + "[" * 100_000 + "]" * 100_000), False),
        (b'{"extra":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"," + orjson.dumps(MESSAGE)[1:], False),
        (b"", False),
        (b"[]", False),
        (b"null", False),
    ],
)
def test_what_json_leaves_open_is_read_alike(raw: bytes, accepted: bool) -> None:
    assert same(raw) == accepted


_times = st.one_of(
    st.builds(
        lambda ms, zone: format_time(ms, zone),
        st.integers(parse_time("2000-01-01T00:00:00Z"), parse_time("2199-12-31T23:59:59.999Z")),
        st.sampled_from(["UTC", "Asia/Shanghai", "America/St_Johns"]),
    ),
    st.from_regex(
        r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{2,6}(Z|[+-][0-2][0-9]:[0-5][0-9])",
        fullmatch=True,
    ),
    st.text(max_size=30),
)


@given(st.lists(_times, min_size=1, max_size=6))
@settings(deadline=None)
def test_a_time_is_read_alike_whatever_was_read_before(values: list[str]) -> None:
    for value in values:
        event = {**MESSAGE, "time": value}
        same(orjson.dumps(event))


def test_no_second_is_taken_over_into_a_minute_that_has_not_got_it() -> None:
    for value in ("2026-11-11T24:00:00.000+08:00", "2026-11-11T09:00:01.000+08:00", "2026-11-11T24:00:01.000+08:00"):
        same(orjson.dumps({**MESSAGE, "time": value}))


def test_the_minutes_that_are_kept_are_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.types._MOST_MINUTES", 10)
    first = parse_time("2026-11-11T00:00:00.000+08:00")
    for minute in range(100):
        moment = first + minute * 60_000
        text = format_time(moment + 1, "Asia/Shanghai")
        assert parse_event_time(text) == moment + 1
    from schemas import types

    assert len(types._minutes) <= 10
