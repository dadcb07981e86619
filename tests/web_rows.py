"""Believable rows of a sale's hour, put straight into ClickHouse: what the web's tests read."""

import random
from decimal import Decimal
from typing import Any, Final

import orjson

from schemas.types import format_time
from sinks.database import Database

HOUR: Final = 3_600_000
SHOPS: Final = ("lining-hz", "anta-xm")
TEAMS: Final = ("追风队", "破浪队")
NAMES: Final = (
    *("小美", "小雪", "阿杰", "晓彤", "佳怡", "子涵", "思雨", "浩然", "梦琪", "欣怡"),
    *("雨欣", "俊杰", "若曦", "诗涵", "小薇", "阿强", "静静", "丽娜", "小敏", "大伟"),
)
FLAGS: Final = (
    ("reminder.repeated", "violation", 3),
    ("reminder.same_day", "violation", 5),
    ("reminder.after_payment", "violation", 2),
    ("reminder.direct", "notice", 4),
    ("response.slow", "notice", 11),
    ("language.forbidden", "notice", 4),
    ("language.vague", "notice", 17),
    ("review.solicited", "violation", 1),
    ("review.hidden_negative", "notice", 2),
)
RULESET: Final = "default@1"

Row = dict[str, Any]


def columns(rows: list[Row]) -> dict[str, list[Any]]:
    """Rows as the columns that `Database.insert` takes."""
    return {key: [row[key] for row in rows] for key in rows[0]}


def insert(db: Database, table: str, *rows: Row) -> None:
    """Insert rows that have the same keys."""
    db.insert(table, columns(list(rows)))


def agent(shop: str, number: int, name: str, now_ms: int, team: str = "") -> Row:
    """An agents_raw row."""
    agent_id = f"{shop}:{number:02d}"
    return {
        "shop_id": shop,
        "agent_id": agent_id,
        "time": now_ms - 24 * HOUR,
        "source": "test/hr",
        "id": f"up-{agent_id}",
        "name": name,
        "team": team or TEAMS[number % 2],
        "role": "presale",
    }


def partial(shop: str, agent_id: str, hour: int, orders: int, amount: str, revision: int = 9, **more: Any) -> Row:
    """A leaderboard_partials row; `amount` in CNY."""
    return {
        "shop_id": shop,
        "hour_start": hour,
        "agent_id": agent_id,
        "partition": 0,
        "orders_placed": orders + 5,
        "orders_paid": orders,
        "paid_amount": Decimal(amount),
        "items_paid": orders * 3 // 2,
        "refunded_amount": Decimal(0),
        "buyers_served": orders * 2 + 9 if agent_id else 0,
        "buyers_paid": orders,
        "revision": revision,
        "ruleset": RULESET,
        **more,
    }


def flag(flag_id: str, rule: str, severity: str, shop: str, at_ms: int, **more: Any) -> Row:
    """A flags_raw row."""
    return {
        "flag_id": flag_id,
        "rule": rule,
        "severity": severity,
        "status": "raised",
        "shop_id": shop,
        "buyer_id": "b-77",
        "agent_id": f"{shop}:00",
        "message_id": f"m-{flag_id}",
        "review_id": None,
        "order_ids": ["o-1"],
        "occurred_at": at_ms,
        "evidence": '{"phrases":[{"phrase":"马上付款","start":0,"end":4}]}',
        "qc_status": "open",
        "qc_actor": "",
        "qc_reason": "",
        "qc_score": None,
        "revision": 4,
        "ruleset": RULESET,
        **more,
    }


def sampled(sample_id: str, shop: str, day_start: int, verdict: str, score: float | None, **more: Any) -> Row:
    """A qc_samples_raw row: the verdict on a sampled conversation of that day; empty: it was claimed."""
    return {
        "shop_id": shop,
        "day_start": day_start,
        "sample_id": sample_id,
        "buyer_id": "b-77",
        "agent_id": f"{shop}:00",
        "time": day_start + 2 * 24 * HOUR,
        "source": "zhengdian/web",
        "id": f"v-{sample_id}-{verdict}",
        "type": "qc.verdict_given" if verdict else "qc.claimed",
        "actor": "mei",
        "verdict": verdict,
        "reason": "",
        "score": score,
        "coaching": "",
        "offset": 0,
        **more,
    }


def task(task_id: str, shop: str, due_at: int, **more: Any) -> Row:
    """A call_tasks_raw row."""
    return {
        "task_id": task_id,
        "shop_id": shop,
        "buyer_id": "b-77",
        "order_id": "o-1",
        "review_ids": ["r-1"],
        "rating": 1,
        "category": "quality",
        "priority": "high",
        "raised_at": due_at - 24 * HOUR,
        "not_before": due_at - 2 * HOUR,
        "due_at": due_at,
        "assigned_role": "review_specialist",
        "excluded_agent_id": f"{shop}:00",
        "status": "open",
        "claimed_by": "",
        "calls": 0,
        "call_again_at": None,
        "outcome": "",
        "revisit_due_at": None,
        "revision": 3,
        "ruleset": RULESET,
        **more,
    }


def raw_event(kind: str, topic: str, event_id: str, shop: str, at_ms: int, **data: Any) -> Row:
    """A raw_events row."""
    data = {"shop_id": shop, "buyer_id": "b-77", **data}
    event: Row = {"specversion": "1.0", "id": event_id, "source": "test/qn", "type": kind}
    event |= {"time": format_time(at_ms, "Asia/Shanghai"), "data": data}
    return {
        "shop_id": shop,
        "buyer_id": "b-77",
        "time": at_ms,
        "source": "test/qn",
        "id": event_id,
        "type": kind,
        "topic": topic,
        "partition": 0,
        "offset": at_ms % 1_000_000,
        "raw": orjson.dumps(event).decode(),
    }


def round_row(
    shop: str, buyer: str, agent_id: str, opened: int, replied: int | None, day_ends_at: int, number: int
) -> Row:
    """A rounds_raw row."""
    return {
        "round_id": f"{shop}-{buyer}-{number}",
        "shop_id": shop,
        "buyer_id": buyer,
        "agent_id": agent_id,
        "opened_at": opened,
        "message_id": f"m-{number}",
        "replied_at": replied,
        "reply_message_id": None if replied is None else f"r-{number}",
        "response_ms": None if replied is None else replied - opened,
        "in_platform_hours": True,
        "day_ends_at": day_ends_at,
        "status": "open" if replied is None else "answered",
        "revision": 1,
        "ruleset": RULESET,
    }


def window_row(
    shop: str, agent_id: str, start: int, size: int, definition: str, rounds: int, answered: int, ms: int, **more: Any
) -> Row:
    """A window_partials row; `ms` is the responses' sum."""
    first = answered // 3 if definition == "all" else 0
    return {
        "shop_id": shop,
        "agent_id": agent_id,
        "window_start": start,
        "window_seconds": size,
        "definition": definition,
        "partition": 0,
        "day_ends_at": start + 24 * HOUR,
        "response_cap_ms": 600_000,
        "rounds": rounds,
        "answered": answered,
        "answered_within_3min": answered * 9 // 10,
        "response_ms_sum": ms,
        "first_responses": first,
        "first_response_ms_sum": first * 8500,
        "first_within_10s": first * 3 // 4,
        "buyers_wrote": rounds // 2,
        "buyers_replied": answered // 2,
        "histogram": {},
        "revision": 1,
        "ruleset": RULESET,
        **more,
    }


def fill(db: Database, now_ms: int, seed: int = 5, ahead: int = 0) -> None:
    """Two shops, forty agents, six hours up to now, flags, calls, one buyer's time line, a sale event in the first shop.

    `ahead`: of so many hours to come there are figures and flags already, for tests under which the clock goes on.
    """
    rng = random.Random(seed)
    hour = now_ms // HOUR * HOUR
    agents: list[Row] = []
    board: list[Row] = []
    flags: list[Row] = []
    tasks: list[Row] = []
    for shop, names in zip(SHOPS, (NAMES, NAMES[::-1]), strict=True):
        agents += [agent(shop, number, name, now_ms) for number, name in enumerate(names)]
        for back in range(-ahead, 6):
            for number in range(len(names)):
                orders = max(1, int(rng.gauss(24 - number * 0.8, 6)))
                amount = Decimal(orders * rng.randint(15_000, 32_000)) / 100
                board.append(partial(shop, f"{shop}:{number:02d}", hour - back * HOUR, orders, str(amount)))
            board.append(partial(shop, "", hour - back * HOUR, 21, "4588.00"))
        for rule, severity, count in FLAGS:
            for number in range(count * 3):
                at = now_ms - rng.randint(0, 3 * HOUR)
                flags.append(
                    flag(f"{shop}-{rule}-{number:03d}", rule, severity, shop, at, agent_id=f"{shop}:{number % 20:02d}")
                )
            for later in range(ahead + 1 if ahead else 0):
                at = max(now_ms, hour + later * HOUR)
                flags.append(flag(f"{shop}-{rule}-later-{later}", rule, severity, shop, at, agent_id=f"{shop}:00"))
        tasks += [
            task(
                f"{shop}-t{number}",
                shop,
                now_ms + (number - 1) * HOUR - 60_000,
                priority=("high", "normal", "low")[number % 3],
                status="open" if number < 6 else "claimed",
                claimed_by="" if number < 6 else "王姐",
            )
            for number in range(9)
        ]
    windows, rounds = _service([hour + later * HOUR for later in range(ahead + 1)], now_ms, rng)
    shop = SHOPS[0]
    line = [
        raw_event(
            "chat.message",
            "chat.messages",
            "m1",
            shop,
            now_ms - 60_000,
            agent_id=f"{shop}:00",
            sender="buyer",
            text="在吗?",
        ),
        raw_event(
            "chat.message",
            "chat.messages",
            "m2",
            shop,
            now_ms - 55_000,
            agent_id=f"{shop}:00",
            sender="agent",
            text="亲，在的",
        ),
        raw_event(
            "order.placed",
            "commerce.orders",
            "e-o1",
            shop,
            now_ms - 40_000,
            order_id="o-1",
            amount="199.00",
            items=[{"sku_id": "k1", "title": "跑鞋", "quantity": 1, "unit_price": "199.00"}],
        ),
        raw_event(
            "payment.succeeded",
            "commerce.payments",
            "e-p1",
            shop,
            now_ms - 30_000,
            order_id="o-1",
            payment_id="p-1",
            amount="199.00",
        ),
        raw_event(
            "review.posted",
            "commerce.reviews",
            "e-r1",
            shop,
            now_ms - 2_000,
            order_id="o-1",
            review_id="r-1",
            rating=1,
            text="开胶了",
        ),
    ]
    targets = [{"hour_start": format_time(hour, "Asia/Shanghai"), "amount": "90000.00"}]
    sale = {
        "shop_id": shop,
        "sale_event_id": "d11",
        "time": now_ms - 24 * HOUR,
        "source": "test/hr",
        "id": "sale-1",
        "name": "双十一",
        "starts_at": hour - 8 * HOUR,
        "ends_at": hour + 8 * HOUR,
        "teams": list(TEAMS),
        "targets": orjson.dumps(targets).decode(),
        "pk_basis": "amount",
    }
    insert(db, "agents_raw", *agents)
    insert(db, "leaderboard_partials", *board)
    insert(db, "window_partials", *windows)
    insert(db, "rounds_raw", *rounds)
    insert(db, "flags_raw", *flags)
    insert(db, "call_tasks_raw", *tasks)
    insert(db, "raw_events", *line)
    insert(db, "sale_events_raw", sale)


def _service(hours: list[int], now_ms: int, rng: random.Random) -> tuple[list[Row], list[Row]]:
    """Response windows of the hours and of their days in Shanghai, and buyers who wait."""
    days = sorted({_day_of(hour) for hour in hours})
    spans = [*((hour, 3600, 1) for hour in hours), *((day, 86_400, 9) for day in days)]
    windows, rounds = [], []
    for shop in SHOPS:
        for number in range(20):
            agent_id = f"{shop}:{number:02d}"
            answered = rng.randint(40, 90)
            for start, size, times in spans:
                for definition in ("all", "platform"):
                    ms = answered * times * rng.randint(15_000, 40_000)
                    windows.append(
                        window_row(
                            shop,
                            agent_id,
                            start,
                            size,
                            definition,
                            answered * times + 4,
                            answered * times,
                            ms,
                            day_ends_at=_day_of(start) + 24 * HOUR,
                        )
                    )
            for waits in range(rng.randint(0, 4)):
                opened = now_ms - rng.randint(1000, 400_000)
                ends_at = _day_of(opened) + 24 * HOUR
                rounds.append(round_row(shop, f"w-{number}-{waits}", agent_id, opened, None, ends_at, number))
    return windows, rounds


def _day_of(ms: int) -> int:
    return (ms + 8 * HOUR) // (24 * HOUR) * 24 * HOUR - 8 * HOUR
