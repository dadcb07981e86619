"""What takes a result back has a revision that wins: a refund whose payment turns out not to count, a review that moves to another
order."""

from typing import Any

import orjson
from sale_strategies import record

from processors.partition import Partition
from processors.ruleset import default_book
from schemas.topics import FLAGS, LEADERBOARD


def event(kind: str, number: int, clock: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "test",
        "type": kind,
        "time": f"2026-11-12T{clock}+08:00",
        "data": {"shop_id": "s", "buyer_id": "b", **data},
    }


def test_an_earlier_payment_of_the_same_id_takes_a_refund_from_its_agent() -> None:
    partition = Partition(0, default_book(), writer=b"w", horizon_ms=2**60)
    first = [
        event("chat.message", 1, "10:00:00", agent_id="a", sender="agent", text="您好"),
        event("payment.succeeded", 2, "10:20:00", payment_id="p", order_id="o1", amount="100.00"),
        event("payment.refunded", 3, "12:30:00", refund_id="r", order_id="o1", amount="100.00"),
    ]
    late = [event("payment.succeeded", 4, "09:00:00", payment_id="p", order_id="o2", amount="100.00")]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for batch in (first, late):
        partition.apply([record(one) for one in batch])
        for topic, _, value in partition.flush().outputs:
            row = orjson.loads(value)
            if topic == LEADERBOARD:
                key = row["hour_start"], row["agent_id"]
                assert key not in rows or row["revision"] >= rows[key]["revision"]
                rows[key] = row
    hour = "2026-11-12T12:00:00+08:00"
    assert (rows[hour, "a"]["refunded_amount"], rows[hour, ""]["refunded_amount"]) == ("0.00", "100.00")


def test_a_review_that_moves_to_another_order_takes_its_flag_back() -> None:
    partition = Partition(0, default_book(), writer=b"w", horizon_ms=2**60)
    review: dict[str, Any] = {"review_id": "v", "rating": 5, "text": "质量太差了,很失望,再也不买了"}
    raised = [
        event("chat.message", 1, "10:00:00", agent_id="a", sender="agent", text="您好"),
        event("chat.message", 2, "10:01:00", agent_id="a", sender="agent", text="在的"),
        event("order.placed", 3, "10:02:00", order_id="o1", amount="100.00", items=[]),
        event("review.posted", 4, "12:00:00", order_id="o1", **review),
    ]
    moved = [event("review.changed", 5, "12:30:00", order_id="o2", **review | {"text": "很好,很喜欢"})]
    rows: list[dict[str, Any]] = []
    for batch in (raised, moved):
        partition.apply([record(one) for one in batch])
        rows += [orjson.loads(value) for topic, _, value in partition.flush().outputs if topic == FLAGS]
    assert [(row["rule"], row["status"]) for row in rows] == [
        ("review.hidden_negative", "raised"),
        ("review.hidden_negative", "cleared"),
    ]
    assert rows[1]["revision"] > rows[0]["revision"]
