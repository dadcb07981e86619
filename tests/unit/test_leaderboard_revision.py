"""A leaderboard row that changes has a higher revision, whatever comes late, and the revision is that of the facts alone."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from processors.buyer import Buyer
from processors.facts import Fact, Message, Order, Payment, Refund
from processors.leaderboard import BoardKey, BoardSums
from processors.ruleset import default_book

HOUR = 3_600_000
TEN = 1_794_448_800_000  # 2026-11-12T10:00:00+08:00
BOOK = default_book()
# few ids and few moments, so that facts compete for both; some lie a day apart, the horizon of attribution
MOMENTS = st.sampled_from([TEN + part * HOUR // 2 for part in range(6)] + [TEN - 24 * HOUR, TEN - 24 * HOUR + 1])
IDS = st.sampled_from(["x", "y"])


def message(time: int, number: int, agent_id: str) -> Message:
    return Message(time, f"{number}", "t", agent_id, "human", None, None, 0, ())


def order(time: int, number: int, order_id: str, items: int) -> Order:
    return Order(time, f"{number}", "t", order_id, 100, items, 0)


def payment(time: int, number: int, payment_id: str, order_id: str, amount: int = 100) -> Payment:
    return Payment(time, f"{number}", "t", payment_id, order_id, amount)


def refund(time: int, number: int, refund_id: str, order_id: str) -> Refund:
    return Refund(time, f"{number}", "t", refund_id, order_id, 50)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Fact], list[int]]:
    """Facts in the order in which they come, and the sizes of the batches that they come in."""
    makers: list[Any] = [
        lambda n: message(draw(MOMENTS), n, draw(IDS)),
        lambda n: order(draw(MOMENTS), n, draw(IDS), draw(st.integers(1, 3))),
        lambda n: payment(draw(MOMENTS), n, draw(IDS), draw(IDS), draw(st.sampled_from([100, 200]))),
        lambda n: refund(draw(MOMENTS), n, draw(IDS), draw(IDS)),
    ]
    facts = [draw(st.sampled_from(makers))(number) for number in range(draw(st.integers(1, 9)))]
    return facts, draw(st.lists(st.integers(1, 3), min_size=9, max_size=9))


def rows_of(buyer: Buyer) -> dict[BoardKey, BoardSums]:
    return {key: sums for shares in buyer.derived.boards.values() for key, sums in shares.items()}


def figures(sums: BoardSums | None) -> tuple[int, ...]:
    return tuple(getattr(sums, name) if sums else 0 for name in BoardSums.ROW)


BOUGHT_EARLIER = [payment(TEN, 1, "x", "x"), order(TEN + 2 * HOUR, 2, "x", 2), order(TEN + HOUR, 3, "x", 1)]
PAID_EARLIER = [
    payment(TEN + HOUR, 1, "x", "x"),
    order(TEN + 3 * HOUR, 2, "x", 2),
    payment(TEN + HOUR // 2, 3, "x", "y"),
]


@given(histories())
@example((BOUGHT_EARLIER, [1] * 9))
@example((PAID_EARLIER, [1] * 9))
@settings(max_examples=400, deadline=None)
def test_a_row_that_changes_has_a_higher_revision_and_the_end_is_that_of_the_facts_alone(
    history: tuple[list[Fact], list[int]],
) -> None:
    facts, batches = history
    buyer, seen = Buyer("s", "b", BOOK), 0
    sent: dict[BoardKey, BoardSums] = {}
    for size in batches:
        before = rows_of(buyer)
        for fact in facts[seen : seen + size]:
            buyer.add(fact)
        seen += size
        for key, _, share in buyer.settle().boards:
            sent[key] = share or BoardSums()
        after = rows_of(buyer)
        for key in {**before, **after}:
            old, new = before.get(key), after.get(key)
            if figures(old) != figures(new):
                assert new is not None, "a row is taken back, not forgotten"
                assert new.revision > (old.revision if old else 0)
    at_once = Buyer("s", "b", BOOK)
    for fact in sorted(facts, key=lambda one: one.time):
        at_once.add(fact)
    at_once.settle()
    assert rows_of(at_once) == rows_of(buyer) == sent  # whatever came when, and nothing changed unsent
