"""Instants at the edges of what events may have, and numbers that JSON has not."""

import json

import pytest

from schemas.events import InvalidEventError, parse_event
from schemas.types import DAY_MS, format_time, parse_time

FIRST = "2000-01-01T00:00:00.000+00:00"
LAST = "2199-12-31T23:59:59.999+00:00"


def message(time: str) -> bytes:
    data = {"shop_id": "s", "buyer_id": "b", "agent_id": "a", "sender": "buyer", "text": ""}
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "chat.message", "time": time, "data": data}
    return json.dumps(event).encode()


@pytest.mark.parametrize("time", [FIRST, LAST, "2199-12-31T23:59:59.9999Z", "2000-01-01T14:00:00+14:00"])
def test_an_event_of_the_first_and_last_moment_is_one(time: str) -> None:
    assert parse_event(message(time)).time == parse_time(time)


@pytest.mark.parametrize(
    "time", ["1999-12-31T23:59:59.999Z", "2200-01-01T00:00:00Z", "2000-01-01T07:59:59+08:00", "0001-01-01T00:00:00Z"]
)
def test_an_event_before_or_after_is_none(time: str) -> None:
    with pytest.raises(InvalidEventError, match="time: must lie in the years 2000 to 2199, got"):
        parse_event(message(time))


@pytest.mark.parametrize("days", [-2, 40])
@pytest.mark.parametrize("time", [FIRST, LAST])
def test_what_follows_from_such_an_event_can_be_read(time: str, days: int) -> None:
    # the start of its day, the end of it, when a call is due, a second call
    ms = parse_time(time) + days * DAY_MS
    assert parse_time(format_time(ms, "Asia/Shanghai")) == ms


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_has_not_make_it_no_json(number: bytes) -> None:
    line = message(FIRST)
    with pytest.raises(InvalidEventError) as caught:
        parse_event(line.replace(b'"text": ""', b'"text": "", "more": [' + number + b"]"))
    assert caught.value.reason == "not_json"
    assert parse_event(line.replace(b'"text": ""', b'"text": "NaN Infinity ' + number + b'"')).id == "1"
