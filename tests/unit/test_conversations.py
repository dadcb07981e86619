"""Shares of windows kept up to date message by message are those computed from all messages at once."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.shares import windows

from processors.calendar import calendar
from processors.changes import Changes
from processors.conversations import Conversations
from processors.facts import Message
from processors.ruleset import default_book
from processors.sums import Sums
from processors.windows import WindowKey, WindowSums
from schemas.types import parse_time

BOOK = default_book()
DAYS = calendar(BOOK.timezone("s"))
EVENING = parse_time("2026-11-11T22:50:00+08:00")
_steps = st.sampled_from([0, 1, 1000, 9_999, 10_000, 10_001, 179_999, 180_001, 299_000, 599_999, 600_000, 3_600_000])


@st.composite
def chats(draw: st.DrawFn) -> list[Message]:
    """A buyer's messages over the end of the platform's hours and of the day, in order."""
    time, messages = EVENING, []
    for number in range(draw(st.integers(1, 30))):
        time += draw(_steps)
        mode = draw(st.sampled_from(["buyer", "buyer", "human", "assisted", "auto"]))
        messages.append(Message(time, f"m{number:02d}", "t", draw(st.sampled_from("abc")), mode, None, None, 0, ()))
    return messages


@given(chats(), st.lists(st.integers(1, 6)))
@settings(max_examples=500, deadline=None)
def test_in_any_batches_they_are_the_shares_of_all_at_once(messages: list[Message], sizes: list[int]) -> None:
    conversations, sums, at = Conversations("s", "b", BOOK, DAYS), Sums(BOOK), 0
    for size in [*sizes, len(messages)]:
        if batch := messages[at : at + size]:
            changes = Changes()
            conversations.extend(batch, changes)
            sums.take("s", changes)
            sums.settle()
            at += size
    assert sums.windows == plain(messages)


@given(chats(), st.data())
@settings(max_examples=300, deadline=None)
def test_messages_that_come_late_change_exactly_what_they_change(messages: list[Message], data: st.DataObject) -> None:
    known = [message for message in messages if data.draw(st.booleans())] or messages[:1]
    before, after, sums = (*(Conversations("s", "b", BOOK, DAYS) for _ in range(2)), Sums(BOOK))
    changes = Changes()
    before.extend(known, changes)
    sums.take("s", changes)
    after.extend(messages, Changes())
    changes = Changes()
    after.difference(before, changes)
    sums.take("s", changes)
    changed = sums.settle().windows
    expected = plain(messages)
    assert {key: one for key, one in sums.windows.items() if one != WindowSums()} == expected
    assert all(key in changed for key, one in expected.items() if plain(known).get(key) != one)


def plain(messages: list[Message]) -> dict[WindowKey, WindowSums]:
    found = windows("s", messages, BOOK.at("s", EVENING), DAYS)
    shown: dict[WindowKey, WindowSums] = defaultdict(WindowSums, found)
    return {key: share for key, share in shown.items() if share != WindowSums()}
