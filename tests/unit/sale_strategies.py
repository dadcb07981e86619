"""Small, nasty sales for property tests: few buyers and agents, crowded times, late and equal ones, repeated ids."""

from typing import Any

import orjson
from hypothesis import strategies as st

from processors.ids import derive
from processors.partition import Incoming
from processors.reviews import task_id_of
from schemas.topics import TOPIC_OF_TYPE
from schemas.types import format_time, parse_time

SHOP = "s"
NOON = parse_time("2026-11-11T12:00:00+08:00")
MIDNIGHT = parse_time("2026-11-12T00:00:00+08:00")
_MOMENTS = [
    *(NOON + step * 1000 for step in (0, 1, 60, 119, 120, 121, 299, 300, 599, 600, 601, 3600, 7200)),
    *(MIDNIGHT + step * 1000 for step in (-601, -600, -1, 0, 1, 60, 600, 8 * 3600, 23 * 3600)),
]
_TEXTS = ["在吗", "您好", "还没有付款哦", "马上付款", "这个不行", "可能明天到", "给个好评"]
_REVIEWS = ["质量太差了,很失望,再也不买了", "很好,很喜欢"]

times = st.sampled_from(_MOMENTS)
buyers = st.sampled_from(["b1", "b2"])
agents = st.sampled_from(["a1", "a2"])
orders = st.sampled_from(["o1", "o2"])


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """One event; its id is drawn from a small set, so that ids repeat with the same or other content."""
    kind = draw(
        st.sampled_from(
            ["chat.message"] * 6
            + ["order.placed", "order.closed", "payment.succeeded", "payment.refunded"]
            + [
                "review.posted",
                "review.changed",
                "qc.claimed",
                "qc.verdict_given",
                "call_task.claimed",
                "call_task.call_logged",
            ]
        )
    )
    buyer = draw(buyers)
    data: dict[str, Any] = {"shop_id": SHOP, "buyer_id": buyer}
    order = draw(orders)
    number = draw(st.integers(0, 40))
    match kind:
        case "chat.message":
            data |= {"agent_id": draw(agents), "sender": draw(st.sampled_from(["buyer", "agent"]))}
            data |= {
                "text": draw(st.sampled_from(_TEXTS)),
                "reply_mode": draw(st.sampled_from(["human", "assisted", "auto"])),
            }
            data |= draw(st.sampled_from([{}, {}, {"order_id": order}, {"intent": "payment_reminder"}]))
        case "order.placed":
            item = {"sku_id": "k", "title": "鞋", "quantity": 2, "unit_price": "300.00"}
            data |= {"order_id": order, "amount": draw(st.sampled_from(["99.00", "600.00"])), "items": [item]}
        case "order.closed":
            data |= {"order_id": order, "reason": "timeout"}
        case "payment.succeeded":
            data |= {"payment_id": f"p{number % 3}", "order_id": order, "amount": "50.00"}
        case "payment.refunded":
            data |= {"refund_id": f"r{number % 3}", "order_id": order, "amount": "10.00"}
        case "review.posted" | "review.changed":
            data |= {"review_id": f"v{number % 2}", "order_id": order, "rating": draw(st.integers(1, 5))}
            data |= {"text": draw(st.sampled_from(_REVIEWS))}
        case "qc.claimed" | "qc.verdict_given":
            rule = draw(st.sampled_from(["reminder.repeated", "language.forbidden", "review.solicited"]))
            cause = derive("f", rule, SHOP, buyer, "test", f"chat.message-{draw(st.integers(0, 40))}")
            data |= {"flag_id": cause, "actor": draw(st.sampled_from(["q1", "q2"]))}
            data |= {"verdict": "upheld"} if kind == "qc.verdict_given" else {}
        case _:
            data |= {"task_id": task_id_of(SHOP, buyer, order), "actor": draw(st.sampled_from(["c1", "a1"]))}
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number}",
        "source": "test",
        "type": kind,
        "time": format_time(draw(times), "Asia/Shanghai"),
        "data": data,
    }


def sample_command(sample_id: str, time: int, **more: Any) -> dict[str, Any]:
    """What a reviewer does about a conversation of QC's sample, of which no worker knows: a claim, unless `more` says more."""
    data = {"shop_id": SHOP, "buyer_id": "b1", "flag_id": sample_id, "actor": "q1"}
    data |= {"sample": {"agent_id": "a1", "day_start": "2026-11-11T00:00:00+08:00"}, **more}
    kind = "qc.verdict_given" if "verdict" in data else "qc.claimed"
    event = {"specversion": "1.0", "id": f"{kind}-{sample_id}-{time}", "source": "web", "type": kind}
    return {**event, "time": format_time(time, "Asia/Shanghai"), "data": data}


sample_commands = st.builds(
    lambda number, time, more: sample_command(f"s-20261111-{number:016x}", time, **more),
    st.integers(0, 3),
    times,
    st.fixed_dictionaries(
        {"buyer_id": buyers, "actor": st.sampled_from(["q1", "q2"])},
        optional={"verdict": st.sampled_from(["upheld", "dismissed"])},
    ),
)


def distinct(sale: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without conflicts: the first content of each (buyer, source, id)."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for event in sale:
        seen.setdefault((event["data"]["buyer_id"], event["id"]), event)
    return list(seen.values())


sales = st.lists(events(), min_size=1, max_size=40).map(distinct)


def record(event: dict[str, Any], offset: int = 0) -> Incoming:
    """The event as a Kafka record of partition 0."""
    data = event["data"]
    key = f"{data['shop_id']}|{data['buyer_id']}".encode()
    return Incoming(TOPIC_OF_TYPE[event["type"]], 0, offset, key, orjson.dumps(event))
