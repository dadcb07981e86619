"""A refund's row is emptied by a record that wins, also when the payment behind it turns out not to count."""

from typing import Any

import orjson
from sale_strategies import record

from processors.partition import Partition
from processors.ruleset import default_book
from schemas.topics import LEADERBOARD


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
