"""Every query with a name answers what its title says: on a generated sale, against figures that the oracle makes of the events."""

import json
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from oracle.events import (
    DAY,
    HOUR,
    Facts,
    attributed_agent,
    fen,
    instant,
    is_effective,
    local,
    midnight_after,
    window_start,
)
from oracle.flags import targets, unpaid_orders
from oracle.leaderboard import leaderboard
from oracle.response import first_responses, rounds, windows
from pipeline import Pipeline, line_of
from web_rows import flag, insert, task

from processors.ruleset import default_book
from replay.generator import SaleConfig
from replay.generator.write import deliver
from schemas.events import InvalidEventError, parse_event
from schemas.settings import Settings
from schemas.topics import TOPIC_OF_TYPE
from schemas.types import format_time, parse_time
from sinks import migrate
from sinks.database import Database, DatabaseError, open_database
from sinks.floor_model import FloorModel
from sinks.named_queries import NamedQuery, named_queries

pytestmark = [pytest.mark.stack, pytest.mark.slow]

SALE: Final = SaleConfig(1, 5, 60, 3, 11, "2025-11-11T19:00:00+08:00", duplicates=0.1, disorder=0.2, faults=9)
DESK: Final = "desk-shop"
"""a shop whose flags and calls people have worked on"""
SINCE: Final = parse_time("2025-11-11T00:00:00+08:00")
EVENING: Final = parse_time("2025-11-11T20:00:00+08:00")
NOW = 0
"""when the sale was fed: what waits then waits for some minutes"""
WAITING: Final = "b-waiting"


class Sale:
    """A database with a sale in it, and what the oracle knows of its events."""

    def __init__(self, db: Database) -> None:
        self.db = db
        lines = [(topic, line) for topic, line, _ in deliver(SALE)]
        self.refused = Counter(reason for reason in map(_reason, lines) if reason)
        events = [json.loads(line) for topic, line in lines if not _reason((topic, line))]
        self.shop = next(event["data"]["shop_id"] for event in events)
        more = [*_edges(self.shop), *_now(self.shop)]
        lines += [(TOPIC_OF_TYPE[event["type"]], line_of(event)) for event in more]
        Pipeline(db, default_book(), horizon_ms=1000 * DAY).feed(lines)
        self.facts = Facts([*events, *more])
        self.board = [row for row in leaderboard(self.facts) if row["shop_id"] == self.shop]
        self.windows = [row for row in windows(self.facts) if row["shop_id"] == self.shop]
        self.buyer = Counter(event["buyer"] for event in self.facts.events if event["buyer"]).most_common(1)[0][0]
        self.event = self.facts.of_type("sale_event.scheduled")[-1]["data"]
        _work_at_the_desks(db)

    def ask(self, name: str, **given: Any) -> list[dict[str, Any]]:
        """The rows of a query; parameters that are not given are as the sale has them."""
        query = named_queries()[name]
        values = {
            "shop_id": self.shop,
            "day": _aware(SINCE),
            "since": _aware(SINCE),
            "hour_start": _aware(EVENING),
            "window_seconds": 3600,
            "definition": "platform",
            "minutes": 10,
            "sale_event_id": self.event["sale_event_id"],
            "buyer_id": self.buyer,
            "phrases": next((one.default.split(",") for one in query.parameters if one.name == "phrases"), []),
            **given,
        }
        return query.run(self.db, {one.name: values[one.name] for one in query.parameters})

    def day(self, row: dict[str, Any], key: str = "hour_start") -> bool:
        return SINCE <= int(row[key]) < SINCE + DAY


def _reason(topic_line: tuple[str, bytes]) -> tuple[str, str] | None:
    try:
        parse_event(topic_line[1])
    except InvalidEventError as error:
        return error.reason, topic_line[0]
    return None


def _edges(shop: str) -> list[dict[str, Any]]:
    """What a small sale does not have: an hour after midnight, two payments of one order, hours after a reminder, a review
    that changes.
    """
    who = {"shop_id": shop, "buyer_id": "b-edges"}
    item = {"sku_id": "k", "title": "鞋", "quantity": 1, "unit_price": "80.00"}
    says = {"agent_id": f"{shop}:night", "sender": "agent"}
    scene: list[tuple[str, float, dict[str, Any]]] = [
        ("chat.message", 0.5, {**says, "text": "在的，亲"}),
        ("order.placed", 5, {"order_id": "o-1", "amount": "80.00", "items": [item]}),
        ("order.placed", 6, {"order_id": "o-2", "amount": "80.00", "items": [item]}),
        ("payment.succeeded", 7, {"payment_id": "p-2", "order_id": "o-2", "amount": "80.00"}),
        ("chat.message", 10, {**says, "text": "记得付款哦", "order_id": "o-1"}),
        ("payment.refunded", 30, {"refund_id": "f-2", "order_id": "o-2", "amount": "33.00"}),
        ("payment.succeeded", 130, {"payment_id": "p-1", "order_id": "o-1", "amount": "40.00"}),
        ("payment.succeeded", 190, {"payment_id": "p-3", "order_id": "o-1", "amount": "40.00"}),
        ("review.posted", 200, {"review_id": "r-1", "order_id": "o-1", "rating": 2, "text": "慢"}),
        ("review.changed", 210, {"review_id": "r-1", "order_id": "o-1", "rating": 4, "text": "客服处理得很快"}),
    ]
    return [
        {
            "specversion": "1.0",
            "id": f"edge-{number}",
            "source": "t",
            "type": kind,
            "time": format_time(SINCE + int(minutes * 60_000), "Asia/Shanghai"),
            "data": {**who, **data},
        }
        for number, (kind, minutes, data) in enumerate(scene)
    ]


def _now(shop: str) -> list[dict[str, Any]]:
    """A minute ago one buyer has asked; another has asked twice and been answered by the second agent; both today."""
    asked = max(NOW - 60_000, midnight_after(NOW) - DAY)
    scene = [
        (WAITING, "x", "buyer"),
        ("b-handed-on", "x", "buyer"),
        ("b-handed-on", "y", "buyer"),
        ("b-handed-on", "y", "agent"),
    ]
    return [
        {
            "specversion": "1.0",
            "id": f"now-{number}",
            "source": "t",
            "type": "chat.message",
            "time": format_time(asked + number * 100, "Asia/Shanghai"),
            "data": {
                "shop_id": shop,
                "buyer_id": buyer,
                "agent_id": f"{shop}:{agent}",
                "sender": sender,
                "text": "在吗",
            },
        }
        for number, (buyer, agent, sender) in enumerate(scene)
    ]


def _aware(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _work_at_the_desks(db: Database) -> None:
    noon = SINCE + 12 * HOUR
    for number, (status, qc) in enumerate(
        [
            ("raised", "upheld"),
            ("raised", "upheld"),
            ("raised", "dismissed"),
            ("raised", "open"),
            ("cleared", "dismissed"),
        ]
    ):
        row = flag(f"d{number}", "language.vague", "notice", DESK, noon + number, status=status, qc_status=qc)
        insert(db, "flags_raw", row)
    insert(db, "flags_raw", flag("d-next", "language.vague", "notice", DESK, SINCE + DAY))
    tasks = [
        {"status": "open", "due_at": NOW + HOUR},
        {"status": "claimed", "due_at": NOW - 30 * 60_000, "claimed_by": "li", "priority": "normal"},
        {"status": "open", "due_at": NOW - HOUR},
        {"status": "resolved", "outcome": "refund", "revisit_due_at": NOW - HOUR, "calls": 2},
        {"status": "revisited", "outcome": "exchange", "revisit_due_at": NOW - HOUR, "calls": 1},
        {"status": "withdrawn"},
        {"status": "called", "calls": 1, "category": "price", "due_at": NOW - HOUR},
    ]
    for number, one in enumerate(tasks):
        row = task(f"t{number}", DESK, int(str(one.get("due_at", NOW))))
        insert(db, "call_tasks_raw", row | {"order_id": f"o{number}", "raised_at": noon} | one)


@pytest.fixture(scope="module")
def sale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sale]:
    global NOW
    NOW = int(time.time() * 1000)
    db = open_database(Settings(data_dir=tmp_path_factory.mktemp("named")))
    migrate.up(db)
    yield Sale(db)
    db.close()


# ---- the leaderboard ---------------------------------------------------------------------------------------------------


def best_agents(sale: Sale) -> None:
    hour = [row for row in sale.board if row["hour_start"] == EVENING and row["agent_id"]]
    found = sale.ask("best_agents")
    assert [(r["rank"], r["agent_id"], int(r["paid_amount"] * 100), r["orders_paid"], r["team"]) for r in found] == [
        (r["rank"], r["agent_id"], r["paid_amount"], r["orders_paid"], r["team"])
        for r in sorted(hour, key=lambda r: (r["rank"], r["agent_id"]))
    ]
    assert len(found) > 2
    assert all(row["name"] for row in found)


def conversion_by_agent(sale: Sale) -> None:
    served, paid = Counter[str](), Counter[str]()
    for row in sale.board:
        if row["hour_start"] >= SINCE and row["agent_id"]:
            served[row["agent_id"]] += row["buyers_served"]
            paid[row["agent_id"]] += row["buyers_paid"]
    found = sale.ask("conversion_by_agent")
    assert {r["agent_id"]: (r["served"], r["paid"]) for r in found} == {a: (served[a], paid[a]) for a in served | paid}
    shares = [row["conversion"] for row in found if row["conversion"] is not None]
    assert shares == sorted(shares, reverse=True)
    assert all(row["conversion"] == row["paid"] / row["served"] for row in found if row["served"])


def silent_by_hour(sale: Sale) -> None:
    amounts, silent = Counter[int](), Counter[int]()
    for row in filter(sale.day, sale.board):
        amounts[row["hour_start"]] += row["paid_amount"]
        silent[row["hour_start"]] += 0 if row["agent_id"] else row["paid_amount"]
    found = sale.ask("silent_by_hour")
    assert {_ms(r["hour"]): (int(r["amount"] * 100), int(r["silent_amount"] * 100)) for r in found} == {
        hour: (amounts[hour], silent[hour]) for hour in amounts
    }
    shares = {_ms(row["hour"]): row["silent_share"] for row in found}
    assert any(shares.values())
    assert shares == {h: pytest.approx(silent[h] / amounts[h]) if amounts[h] else None for h in amounts}


def refunds_by_agent(sale: Sale) -> None:
    refunded = Counter[str]()
    for row in sale.board:
        if row["hour_start"] >= SINCE:
            refunded[row["agent_id"]] += row["refunded_amount"]
    found = sale.ask("refunds_by_agent")
    assert {row["agent_id"]: int(row["refunded"] * 100) for row in found} == {a: n for a, n in refunded.items() if n}
    assert found


def team_pk(sale: Sale) -> None:
    starts, ends = instant(sale.event["starts_at"]), instant(sale.event["ends_at"])
    orders, amounts = Counter[str](), Counter[str]()
    for row in sale.board:
        if starts <= row["hour_start"] < ends and row["team"] in sale.event["teams"]:
            orders[row["team"]] += row["orders_paid"]
            amounts[row["team"]] += row["paid_amount"]
    found = sale.ask("team_pk")
    assert {r["team"]: (r["orders_paid"], int(r["paid_amount"] * 100)) for r in found} == {
        team: (orders[team], amounts[team]) for team in orders
    }
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
    assert len(found) > 1


def funnel_by_hour(sale: Sale) -> None:
    placed, paid, closed, seconds = Counter[int](), Counter[int](), Counter[int](), defaultdict[int, list[int]](list)
    for shop, buyer in sale.facts.buyers():
        payments = {p["data"]["order_id"]: p["t"] for p in reversed(sale.facts.payments(shop, buyer))}
        closings = {c["data"]["order_id"] for c in sale.facts.closings(shop, buyer)}
        for order in sale.facts.orders(shop, buyer):
            hour, order_id = window_start(order["t"], 3600), order["data"]["order_id"]
            if SINCE <= hour < SINCE + DAY:
                placed[hour] += 1
                paid[hour] += order_id in payments
                closed[hour] += order_id in closings and order_id not in payments
                if order_id in payments:
                    seconds[hour].append(payments[order_id] // 1000 - order["t"] // 1000)
    found = sale.ask("funnel_by_hour")
    assert {_ms(r["hour"]): (r["placed"], r["paid"], r["closed"], r["open"]) for r in found} == {
        hour: (n, paid[hour], closed[hour], n - paid[hour] - closed[hour]) for hour, n in placed.items()
    }
    assert sum(paid.values()) > 10
    assert sum(closed.values()) > 1
    for row in found:
        if taken := seconds[_ms(row["hour"])]:
            assert row["median_seconds_to_pay"] == pytest.approx(statistics.median(taken), abs=1)


# ---- responses ---------------------------------------------------------------------------------------------------------


def windows_of_a_day(sale: Sale) -> None:
    day = [row for row in sale.windows if row["window_seconds"] == 86_400 and row["window_start"] == SINCE]
    of = {(row["agent_id"], row["definition"]): row for row in day}
    found = sale.ask("windows_of_a_day")
    assert {row["agent_id"] for row in found} == {agent for agent, _ in of}
    for row in found:
        everything, platform = of[row["agent_id"], "all"], of.get((row["agent_id"], "platform"), {})
        assert (row["rounds"], row["unanswered"]) == (
            everything["rounds"],
            everything["rounds"] - everything["answered"] - everything["pending"],
        )
        for column, wanted in (
            ("all_seconds", everything["avg_response_ms"]),
            ("platform_seconds", platform.get("avg_response_ms")),
        ):
            assert row[column] == (None if wanted is None else pytest.approx(wanted / 1000))
        assert row["platform_rate_3min"] == pytest.approx(platform["rate_3min"])
        assert row["reply_rate"] == pytest.approx(everything["buyers_replied"] / everything["buyers_wrote"])
    assert any(row["all_seconds"] != row["platform_seconds"] for row in found)


def first_response_by_hour(sale: Sale) -> None:
    waited = defaultdict[int, list[int]](list)
    for _, _, t, ms in first_responses(sale.facts):
        if SINCE <= t < SINCE + DAY:
            waited[window_start(t, 3600)].append(ms)
    found = sale.ask("first_response_by_hour")
    assert {_ms(row["hour"]): row["first_responses"] for row in found} == {h: len(ms) for h, ms in waited.items()}
    for row in found:
        ms = waited[_ms(row["hour"])]
        assert row["seconds"] == pytest.approx(sum(ms) / len(ms) / 1000)
        assert row["within_10s"] == pytest.approx(sum(one <= 10_000 for one in ms) / len(ms))


def slowest_windows(sale: Sale) -> None:
    wanted = [
        (row["window_start"], row["agent_id"], row["avg_response_ms"])
        for row in sale.windows
        if (row["window_seconds"], row["definition"]) == (3600, "platform")
        and row["window_start"] >= SINCE
        and row["avg_response_ms"] is not None
    ]
    wanted.sort(key=lambda row: (-row[2], row[0], row[1]))
    found = sale.ask("slowest_windows")
    assert [(_ms(row["window_start"]), row["agent_id"]) for row in found] == [row[:2] for row in wanted[:50]]


def unanswered_rounds(sale: Sale) -> None:
    wanted = [r for r in rounds(sale.facts) if r["opened_at"] >= SINCE and r["status"] in ("pending", "unanswered")]
    found = sale.ask("unanswered_rounds")
    assert sorted(row["message_id"] for row in found) == sorted(row["message_id"] for row in wanted)
    assert [row["opened_at"] for row in found] == sorted(row["opened_at"] for row in found)


def buyers_waiting(sale: Sale) -> None:
    (row,) = sale.ask("buyers_waiting")
    assert (row["buyer_id"], row["waits_for"]) == (WAITING, f"{sale.shop}:x")
    assert row["waiting_seconds"] == pytest.approx((time.time() * 1000 - _ms(row["since"])) / 1000, abs=5)
    now = int(time.time() * 1000)
    (shown,) = FloorModel(sale.db).unanswered(now - 600_000, now, sale.shop)  # the wallboard's
    assert (shown["agent_id"], shown["since"]) == (row["waits_for"], _ms(row["since"]))
    assert sale.ask("buyers_waiting", minutes=0) == []


def reminders_by_agent(sale: Sale) -> None:
    phrases = next(one.default for one in named_queries()["reminders_by_agent"].parameters if one.name == "phrases")
    outcomes = defaultdict[str, Counter[str]](Counter)
    for shop, buyer in sale.facts.buyers():
        paid = {p["data"]["order_id"]: p["t"] for p in reversed(sale.facts.payments(shop, buyer))}
        closed = {c["data"]["order_id"]: c["t"] for c in sale.facts.closings(shop, buyer)}
        for message in sale.facts.messages(shop, buyer):
            data, t = message["data"], message["t"]
            intent = data.get("intent")
            asks = any(phrase in data["text"] for phrase in phrases.split(","))
            reminds = data["sender"] == "agent" and (intent == "payment_reminder" or (not intent and asks))
            due = targets(sale.facts, message) & unpaid_orders(sale.facts, shop, buyer, t)
            if t < SINCE or not reminds or not due:
                continue
            in_time = any(order in paid and paid[order] <= t + DAY for order in due)
            outcome = "paid_within_24h" if in_time else "closed" if due & set(closed) else "open"
            outcomes[data["agent_id"]][outcome] += 1
    found = sale.ask("reminders_by_agent")
    kinds = ("paid_within_24h", "closed", "open")
    assert {row["agent_id"]: tuple(row[kind] for kind in kinds) for row in found} == {
        agent: tuple(counted[kind] for kind in kinds) for agent, counted in outcomes.items()
    }
    assert sum(row["paid_within_24h"] for row in found)


# ---- flags, calls, reviews ---------------------------------------------------------------------------------------------


def flags_by_rule(sale: Sale) -> None:
    (row,) = sale.ask("flags_by_rule", shop_id=DESK)
    assert row == {
        "rule": "language.vague",
        "severity": "notice",
        "flags": 5,
        "in_sale_events": 0,
        "agents": 1,
        "upheld": 2,
        "dismissed": 1,
    }
    found = sale.ask("flags_by_rule")
    stored = sale.db.query("SELECT rule, severity, occurred_at FROM flags WHERE shop_id = {s:String}", {"s": sale.shop})
    wanted = Counter((row["rule"], row["severity"]) for row in stored if _ms(row["occurred_at"]) >= SINCE)
    assert {(row["rule"], row["severity"]): row["flags"] for row in found} == wanted
    assert len(found) > 2


def flags_by_day(sale: Sale) -> None:
    first, second = sale.ask("flags_by_day", shop_id=DESK)
    assert [str(row.pop("day")) for row in (first, second)] == ["2025-11-11", "2025-11-12"]
    assert first == {"rule": "language.vague", "raised": 4, "cleared": 1, "judged": 4, "upheld": 2, "precision": 0.5}
    assert second["precision"] is None
    stored = sale.db.query("SELECT rule, occurred_at FROM flags WHERE shop_id = {s:String}", {"s": sale.shop})
    wanted = Counter((local(_ms(r["occurred_at"])).date(), r["rule"]) for r in stored if _ms(r["occurred_at"]) >= SINCE)
    assert {(row["day"], row["rule"]): row["raised"] for row in sale.ask("flags_by_day")} == wanted


def overdue_tasks(sale: Sale) -> None:
    found = sale.ask("overdue_tasks", shop_id=DESK)
    assert [(row["task_id"], row["minutes_late"] // 10) for row in found] == [("t2", 6), ("t1", 3)]


def call_outcomes(sale: Sale) -> None:
    quality, price = sale.ask("call_outcomes", shop_id=DESK)
    assert quality == {
        "category": "quality",
        "tasks": 6,
        "withdrawn": 1,
        "unsettled": 3,
        "overdue": 2,
        "settled": 2,
        "exchange": 1,
        "refund": 1,
        "wait": 0,
        "revisit_due": 1,
        "revisited": 1,
        "calls_made": 3,
    }
    assert (price["category"], price["tasks"], price["overdue"]) == ("price", 1, 1)


def reviews_by_rating(sale: Sale) -> None:
    stars, asked = Counter[int](), Counter[int]()
    tasks = {row["order_id"] for row in sale.db.query("SELECT order_id FROM call_tasks")}
    for shop, buyer in sale.facts.buyers():
        standing: dict[str, Any] = {}
        first: dict[str, int] = {}
        for version in sale.facts.review_versions(shop, buyer):
            standing[version["data"]["review_id"]] = version["data"]
            first.setdefault(version["data"]["review_id"], version["t"])
        for review, data in standing.items():
            if first[review] >= SINCE:
                stars[data["rating"]] += 1
                asked[data["rating"]] += data["order_id"] in tasks
    found = sale.ask("reviews_by_rating")
    shown, called = Counter[int](), Counter[int]()
    for row in found:
        shown[row["rating"]] += row["reviews"]
        called[row["rating"]] += row["with_call_task"]
        assert bool(row["category"]) == bool(row["with_call_task"])
    assert (shown, called) == (stars, asked)
    assert stars


# ---- the pipeline itself, one buyer --------------------------------------------------------------------------------------


def rejected_by_reason(sale: Sale) -> None:
    found = sale.ask("rejected_by_reason", since=_aware(0))
    assert {(row["reason"], row["place"]): row["records"] for row in found} == sale.refused
    assert sale.refused
    assert all(row["latest_error"] for row in found)


def data_lag(sale: Sale) -> None:
    found = {row["kind"]: row for row in sale.ask("data_lag")}
    assert {"chat.messages", "commerce.orders", "flags", "response_rounds", "leaderboard_hourly"} <= set(found)
    newest = max(event["t"] for event in sale.facts.of_type("chat.message"))
    assert _ms(found["chat.messages"]["newest"]) == newest
    assert _ms(found["response_rounds"]["newest"]) == max(row["opened_at"] for row in rounds(sale.facts))
    assert found["chat.messages"]["seconds_behind"] == pytest.approx((time.time() * 1000 - newest) / 1000, abs=5)


def buyer_time_line(sale: Sale) -> None:
    found = sale.ask("buyer_time_line")
    assert [row["time"] for row in found] == sorted(row["time"] for row in found)
    facts, who = sale.facts, (sale.shop, sale.buyer)
    kinds = Counter(row["kind"].split(".")[0] for row in found)
    assert kinds["message"] == len(facts.messages(*who))
    assert kinds["order"] == len(facts.orders(*who)) + len(facts.closings(*who))
    assert kinds["payment"] == len(facts.payments(*who)) + len(facts.refunds(*who))
    assert kinds["review"] == len(facts.review_versions(*who))
    flags = sale.db.query(
        "SELECT count() AS n FROM flags WHERE shop_id = {s:String} AND buyer_id = {b:String}",
        dict(zip("sb", who, strict=True)),
    )
    assert kinds["flag"] == flags[0]["n"]
    assert any(is_effective(message) for message in facts.messages(*who))
    assert attributed_agent(facts, *who, facts.now) in {row["agent_id"] for row in found} | {""}
    assert sum(int(row["amount"] * 100) for row in found if row["kind"] == "payment.succeeded") == sum(
        fen(payment["data"]["amount"]) for payment in facts.payments(*who)
    )


CHECKS: Final[dict[str, Callable[[Sale], None]]] = {
    check.__name__: check
    for check in (
        best_agents, conversion_by_agent, silent_by_hour, refunds_by_agent, team_pk, funnel_by_hour, windows_of_a_day, first_response_by_hour,
        slowest_windows, unanswered_rounds, buyers_waiting, reminders_by_agent, flags_by_rule, flags_by_day, overdue_tasks, call_outcomes,
        reviews_by_rating, rejected_by_reason, data_lag, buyer_time_line,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", list(named_queries()))
def test_a_query_answers_what_its_title_says(sale: Sale, name: str) -> None:
    CHECKS[name](sale)


@pytest.mark.parametrize("query", named_queries().values(), ids=lambda query: query.name)
def test_a_query_tells_in_both_languages_what_it_takes(query: NamedQuery) -> None:
    assert query.title_en
    assert query.title_zh
    assert bool(query.about_en) == bool(query.about_zh)
    placed = set(re.findall(r"\{(\w+):((?:[^{}'\n]|'[^']*')+)\}", query.sql))
    assert placed == {(one.name, one.kind) for one in query.parameters}
    for one in query.parameters:
        assert one.text_en
        assert re.search(r"[\u4e00-\u9fff]", one.text_zh)
        assert not one.kind.startswith("DateTime") or one.default in ("day", "hour")


def test_a_parameter_that_is_missing_or_unknown_is_named(sale: Sale) -> None:
    query = named_queries()["overdue_tasks"]
    with pytest.raises(DatabaseError, match="takes shop_id, got none"):
        query.run(sale.db)
    with pytest.raises(DatabaseError, match="got more, shop_id"):
        query.run(sale.db, {"shop_id": "s", "more": 1})
