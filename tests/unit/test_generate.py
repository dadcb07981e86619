"""The generated sale is a valid, repeatable and believable input (contract §1, §5)."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from replay.generator import SaleConfig, generate, retime, write_sale
from replay.generator.texts import texts
from schemas.events import InvalidEventError, parse_event

Event = dict[str, Any]
SALE = SaleConfig(buyers=2000)
SMALL = SaleConfig(buyers=150, agents=12)

REQUIRED = {
    "chat.message": {"shop_id", "buyer_id", "agent_id", "sender", "text"},
    "order.placed": {"shop_id", "buyer_id", "order_id", "amount", "items"},
    "order.closed": {"shop_id", "buyer_id", "order_id", "reason"},
    "payment.succeeded": {"shop_id", "buyer_id", "payment_id", "order_id", "amount"},
    "payment.refunded": {"shop_id", "buyer_id", "refund_id", "order_id", "amount"},
    "review.posted": {"shop_id", "buyer_id", "review_id", "order_id", "rating", "text"},
    "review.changed": {"shop_id", "buyer_id", "review_id", "order_id", "rating", "text"},
    "agent.upserted": {"shop_id", "agent_id", "name", "team", "role"},
    "sale_event.scheduled": {"shop_id", "sale_event_id", "name", "starts_at", "ends_at", "teams", "targets"},
}
REMINDING = ("还没有付款", "记得付款", "尽快付款")
BLUNT = ("马上付款", "赶紧付款", "再不付款")
FORBIDDEN = ("不行", "不可能", "从来没听说过")
VAGUE = ("可能", "也许", "应该是吧")
SOLICITING = ("要好评", "给个好评")


@pytest.fixture(scope="module")
def sale() -> list[Event]:
    return list(generate(SALE))


def of(events: list[Event], *kinds: str) -> list[Event]:
    return [event for event in events if event["type"] in kinds]


def when(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])


def fen(event: Event) -> int:
    return round(float(event["data"]["amount"]) * 100)


def digest(config: SaleConfig) -> str:
    return hashlib.sha256("\n".join(json.dumps(e, ensure_ascii=False) for e in generate(config)).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert digest(SMALL) == digest(SaleConfig(buyers=150, agents=12))
    assert digest(SMALL) == digest(SaleConfig(buyers=150, agents=12, start="2025-11-11T10:00:00Z"))


def test_the_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "import hashlib, json; from replay.generator import SaleConfig, generate; print(hashlib.sha256('\\n'.join("
        "json.dumps(e, ensure_ascii=False) for e in generate(SaleConfig(buyers=150, agents=12))).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "America/New_York"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest(SMALL)


def test_another_seed_gives_another_sale() -> None:
    assert digest(SMALL) != digest(SaleConfig(buyers=150, agents=12, seed=8))


def test_a_buyers_journey_does_not_depend_on_how_many_others_there_are() -> None:
    def orders(buyers: int) -> list[Any]:
        # the load changes the delays of a chat, but a silent buyer meets no agent
        events = of(list(generate(SaleConfig(buyers=buyers))), "order.placed", "chat.message")
        chatting = {e["data"]["buyer_id"] for e in events if e["type"] == "chat.message"}
        return [e for e in events if e["data"]["buyer_id"] not in chatting and e["data"]["buyer_id"] < "b-000100"]

    assert orders(100) == orders(300) != []


def test_events_come_in_time_order_with_offset_and_milliseconds(sale: list[Event]) -> None:
    times = [event["time"] for event in sale]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00", time) for time in times)
    assert times == sorted(times)


def test_reference_events_come_first(sale: list[Event]) -> None:
    assert of(sale, "agent.upserted", "sale_event.scheduled") == sale[:42]


def test_every_event_has_the_fields_of_the_contract(sale: list[Event]) -> None:
    assert {event["type"] for event in sale} == set(REQUIRED)
    for event in sale:
        assert event["specversion"] == "1.0"
        assert REQUIRED[event["type"]] <= event["data"].keys()
        assert event["source"].split("/")[1] == event["data"]["shop_id"]
        if event["type"] == "chat.message":
            assert ("reply_mode" in event["data"]) == (event["data"]["sender"] == "agent")


def test_every_event_passes_the_schemas(sale: list[Event]) -> None:
    for event in sale:
        parse_event(json.dumps(event))


def test_source_and_id_identify_an_event(sale: list[Event]) -> None:
    assert len({(event["source"], event["id"]) for event in sale}) == len(sale)


def test_an_orders_amount_is_what_its_items_cost_less_a_discount(sale: list[Event]) -> None:
    for order in of(sale, "order.placed"):
        full = sum(round(float(i["unit_price"]) * 100) * i["quantity"] for i in order["data"]["items"])
        assert 0 < fen(order) <= full
        assert re.fullmatch(r"\d+\.\d\d", order["data"]["amount"])
        assert 1 <= len(order["data"]["items"]) <= 3


def test_payments_refunds_closings_and_reviews_belong_to_orders_placed_before(sale: list[Event]) -> None:
    placed: dict[str, Event] = {}
    for event in sale:
        order_id = event["data"].get("order_id")
        if event["type"] == "order.placed":
            placed[order_id] = event
        elif order_id is not None:
            assert placed[order_id]["data"]["buyer_id"] == event["data"]["buyer_id"]
            assert placed[order_id]["data"]["shop_id"] == event["data"]["shop_id"]


def test_an_order_is_paid_in_full_or_closed_and_never_both(sale: list[Event]) -> None:
    paid: Counter[str] = Counter()
    for event in of(sale, "payment.succeeded"):
        paid[event["data"]["order_id"]] += fen(event)
    amounts = {e["data"]["order_id"]: fen(e) for e in of(sale, "order.placed")}
    assert all(amounts[order_id] == total for order_id, total in paid.items())
    assert not paid.keys() & {e["data"]["order_id"] for e in of(sale, "order.closed")}


def test_refunds_do_not_exceed_what_was_paid(sale: list[Event]) -> None:
    balance: defaultdict[str, int] = defaultdict(int)
    for event in of(sale, "payment.succeeded", "payment.refunded"):
        sign = 1 if event["type"] == "payment.succeeded" else -1
        balance[event["data"]["order_id"]] += sign * fen(event)
        assert balance[event["data"]["order_id"]] >= 0


def test_the_sale_event_holds_teams_of_the_floor_and_a_target_for_each_hour(sale: list[Event]) -> None:
    teams: defaultdict[str, set[str]] = defaultdict(set)
    for agent in of(sale, "agent.upserted"):
        teams[agent["data"]["shop_id"]].add(agent["data"]["team"])
    for data in (event["data"] for event in of(sale, "sale_event.scheduled")):
        assert set(data["teams"]) <= teams[data["shop_id"]]
        assert len(data["teams"]) >= 2
        assert [t["hour_start"][11:13] for t in shop_targets(data)] == ["18", "19", "20", "21"]
        assert all(float(t["amount"]) > 0 and t["orders"] > 0 for t in data["targets"])


def test_teams_and_their_agents_have_targets_within_the_shops(sale: list[Event]) -> None:
    for data in (event["data"] for event in of(sale, "sale_event.scheduled")):
        assert {t["team"] for t in data["targets"] if "team" in t} == set(data["teams"])
        for whole in shop_targets(data):
            parts = [t for t in data["targets"] if t["hour_start"] == whole["hour_start"]]
            teams = sum(float(t["amount"]) for t in parts if "team" in t)
            agents = sum(float(t["amount"]) for t in parts if "agent_id" in t)
            assert 0.8 * float(whole["amount"]) < teams < float(whole["amount"])
            assert agents == pytest.approx(teams, rel=0.02)


def shop_targets(sale_event: dict[str, Any]) -> list[dict[str, Any]]:
    return [t for t in sale_event["targets"] if "team" not in t and "agent_id" not in t]


def test_targets_are_within_reach(sale: list[Event]) -> None:
    asked = sum(float(t["amount"]) for e in of(sale, "sale_event.scheduled") for t in shop_targets(e["data"]))
    got = sum(float(e["data"]["amount"]) for e in of(sale, "payment.succeeded") if e["time"] >= "2025-11-11T18")
    assert 0.75 < got / asked < 1.25


def test_an_evening_sale_peaks_in_the_hours_around_nine(sale: list[Event]) -> None:
    hours = Counter(e["time"][11:13] for e in of(sale, "chat.message") if e["time"] >= "2025-11-11T18")
    assert hours["20"] > 1.4 * hours["18"]
    assert max(hours, key=lambda hour: hours[hour]) in ("20", "21")


def test_a_long_sale_dips_after_lunch_and_has_buyers_at_night() -> None:
    day = list(generate(SaleConfig(buyers=1500, hours=24, start="2025-11-11T00:00:00+08:00")))
    first: dict[str, str] = {}
    for event in day:
        if event["type"] == "chat.message" and event["time"] >= "2025-11-11":
            first.setdefault(event["data"]["buyer_id"], event["time"][11:13])
    hours = Counter(first.values())
    assert hours["13"] < hours["11"] < hours["21"]
    assert hours["00"] > hours["04"]


def test_shares_are_believable(sale: list[Event]) -> None:
    now = [event for event in sale if event["time"] >= "2025-11-11T18"]
    orders = {e["data"]["order_id"] for e in of(now, "order.placed")}
    paid = {e["data"]["order_id"] for e in of(now, "payment.succeeded")} & orders
    assert 0.5 < len(paid) / len(orders) < 0.8
    said = [e["data"] for e in of(sale, "chat.message") if e["data"]["sender"] == "agent"]
    modes = Counter(data["reply_mode"] for data in said)
    assert 0.05 < modes["auto"] / len(said) < 0.25
    assert 0.1 < modes["assisted"] / len(said) < 0.35
    reminders = [d for d in said if "intent" in d or any(p in d["text"] for p in REMINDING + BLUNT)]
    assert 0.1 < len(reminders) / len(orders) < 0.6
    ratings = Counter(e["data"]["rating"] for e in of(sale, "review.posted"))
    bad = sum(ratings[rating] for rating in (1, 2, 3))
    assert 0.08 < bad / ratings.total() < 0.35
    assert len({e["data"]["buyer_id"] for e in sale if "buyer_id" in e["data"]}) == SALE.buyers
    assert 17 < len(sale) / SALE.buyers < 26


def test_every_audited_phrase_is_used_by_an_agent() -> None:
    said = json.dumps([texts()["reminders"], texts()["misconduct"]], ensure_ascii=False)
    assert [p for p in REMINDING + BLUNT + FORBIDDEN + VAGUE + SOLICITING if p not in said] == []


def test_audited_phrases_stand_in_the_lists_for_them_alone() -> None:
    words = {key: value for key, value in texts().items() if key not in ("reminders", "misconduct", "reviews")}
    spoken = json.dumps(words, ensure_ascii=False)
    assert [p for p in REMINDING + BLUNT + FORBIDDEN + VAGUE + SOLICITING if p in spoken] == []


def incidents(events: list[Event]) -> Iterator[str]:
    """The kinds of incident in a sale, found the simple way: one pass, one reminder target at most."""
    paid: set[str] = set()
    paid_days: set[tuple[str, str, str]] = set()
    unpaid: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    open_round: dict[tuple[str, str], datetime] = {}
    slow: Counter[tuple[str, str]] = Counter()
    wrote: set[tuple[str, str]] = set()
    shops: defaultdict[str, set[str]] = defaultdict(set)
    served: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    parts: Counter[str] = Counter()
    for event in events:
        data, kind = event["data"], event["type"]
        if "buyer_id" not in data:
            continue
        buyer = (data["shop_id"], data["buyer_id"])
        shops[data["buyer_id"]].add(data["shop_id"])
        if kind == "order.placed":
            unpaid[buyer][data["order_id"]] = 0
            if buyer not in wrote:
                yield "silent order"
            if event["time"][11:13] in ("22", "23", "00", "01", "02", "03", "04", "05"):
                yield "order at night"
        elif kind == "order.closed":
            unpaid[buyer].pop(data["order_id"])
            yield f"closed: {data['reason']}"
        elif kind == "payment.succeeded":
            parts[data["order_id"]] += 1
            if unpaid[buyer].pop(data["order_id"], 0):
                yield "paid after a reminder"
            paid.add(data["order_id"])
            paid_days.add((*buyer, event["time"][:10]))
        elif kind == "payment.refunded":
            yield "refund"
        elif kind == "review.posted" and data["rating"] >= 4 and data["text"] in texts()["reviews"]["hidden_negative"]:
            yield "hidden negative"
        elif kind == "review.posted" and data["rating"] <= 3:
            yield "bad review"
        elif kind == "review.changed":
            yield "review raised" if data["rating"] >= 4 else "review lowered"
        elif kind == "chat.message":
            thread = (data["buyer_id"], data["agent_id"])
            wrote.add(buyer)
            if data["sender"] == "buyer":
                open_round.setdefault(thread, when(event))
                if data.get("content_type") == "image" and data["text"] == "":
                    yield "image"
                continue
            if data["reply_mode"] != "auto":
                if thread in open_round:
                    slow[thread] += when(event) - open_round.pop(thread) > timedelta(seconds=120)
                served[buyer].add(data["agent_id"])
                yield from (
                    kind for kind, phrases in (("forbidden", FORBIDDEN), ("vague", VAGUE)) if has(data, phrases)
                )
            if has(data, SOLICITING):
                yield "review solicited"
            if "intent" in data or (has(data, REMINDING + BLUNT) and unpaid[buyer]):
                targets = [data["order_id"]] if "order_id" in data else list(unpaid[buyer])
                if has(data, BLUNT):
                    yield "blunt reminder"
                if any(unpaid[buyer].get(target) for target in targets):
                    yield "repeated reminder"
                if (*buyer, event["time"][:10]) in paid_days:
                    yield "reminder on a day of payment"
                if data.get("order_id") in paid:
                    yield "reminder after payment"
                for target in targets:
                    if target in unpaid[buyer]:
                        unpaid[buyer][target] += 1
    yield from ["slow three times"] * sum(count >= 3 for count in slow.values())
    yield from ["unanswered round"] * len(open_round)
    yield from ["two shops"] * sum(len(visited) > 1 for visited in shops.values())
    yield from ["two agents"] * sum(len(agents) > 1 for agents in served.values())
    yield from ["paid in parts"] * sum(count > 1 for count in parts.values())
    yield from ["open order"] * sum(map(len, unpaid.values()))


def has(data: Event, phrases: tuple[str, ...]) -> bool:
    return any(phrase in data["text"] for phrase in phrases)


def test_each_kind_of_incident_occurs_in_a_sale_of_2000_buyers(sale: list[Event]) -> None:
    found = Counter(incidents(sale))
    expected = {
        *("silent order", "order at night", "closed: buyer_cancelled", "closed: timeout", "closed: seller_closed"),
        *("paid after a reminder", "refund", "hidden negative", "bad review", "review raised", "review lowered"),
        *("image", "forbidden", "vague", "review solicited", "blunt reminder", "repeated reminder"),
        *("reminder on a day of payment", "reminder after payment", "slow three times", "unanswered round"),
        *("two shops", "two agents", "paid in parts", "open order"),
    }
    assert found.keys() == expected, sorted(found.items())
    # what an audit finds is the exception on the floor, not the rule
    assert found["forbidden"] + found["vague"] < 0.03 * len(of(sale, "chat.message"))


def test_files_hold_every_event_once_in_the_file_of_its_topic(tmp_path: Path) -> None:
    seen: list[int] = []
    counts = write_sale(SMALL, tmp_path / "out", seen.append)
    topics = ("reference", "chat.messages", "commerce.orders", "commerce.payments", "commerce.reviews")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{topic}.jsonl" for topic in topics}
    lines = [line for p in (tmp_path / "out").iterdir() for line in p.read_text(encoding="utf-8").splitlines()]
    expected = [json.dumps(e, ensure_ascii=False, separators=(",", ":")) for e in generate(SMALL)]
    assert sorted(lines) == sorted(expected)
    assert counts == Counter(e["type"] for e in generate(SMALL))
    assert seen[-1] == len(lines)


def test_duplicates_and_disorder_change_the_delivery_and_not_the_set(tmp_path: Path) -> None:
    config = SaleConfig(buyers=150, agents=12, duplicates=0.1, disorder=0.2)
    counts = write_sale(config, tmp_path)
    lines = [line for p in tmp_path.iterdir() for line in p.read_text(encoding="utf-8").splitlines()]
    assert {json.dumps(json.loads(line), sort_keys=True) for line in lines} == {
        json.dumps(e, sort_keys=True) for e in generate(SMALL)
    }
    assert 0.07 < counts["duplicates"] / len(lines) < 0.12
    times = [json.loads(line)["time"] for line in (tmp_path / "chat.messages.jsonl").read_text("utf-8").splitlines()]
    assert times != sorted(times)


def test_exactly_the_faults_are_rejected(tmp_path: Path) -> None:
    counts = write_sale(SaleConfig(buyers=150, agents=12, faults=25), tmp_path)
    rejected: Counter[str] = Counter()
    for path in tmp_path.iterdir():
        for line in path.read_bytes().splitlines():
            try:
                parse_event(line)
            except InvalidEventError as error:
                rejected[error.reason] += 1
    assert counts["faults"] == rejected.total() == 25
    assert {"not_json", "invalid", "unknown_type"} == rejected.keys()


def test_retiming_moves_every_time_and_leaves_the_given_events_alone() -> None:
    events = list(islice(generate(SMALL), 400))
    before = json.dumps(events)
    moved = list(retime(events, 90 * 60_000))
    assert json.dumps(events) == before
    assert all(when(b) - when(a) == timedelta(minutes=90) for a, b in zip(events, moved, strict=True))
    scheduled = of(moved, "sale_event.scheduled")[0]["data"]
    assert scheduled["starts_at"] == "2025-11-11T19:30:00.000+08:00"
    assert scheduled["ends_at"] == "2025-11-11T23:30:00.000+08:00"
    assert scheduled["targets"][0]["hour_start"] == "2025-11-11T19:30:00.000+08:00"
    assert list(retime(moved, -90 * 60_000)) == events


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("shops", 0),
        ("agents", 1),
        ("buyers", -1),
        ("hours", 0),
        ("hours", 10_000),
        ("duplicates", 1.5),
        ("disorder", -0.1),
        ("faults", -1),
        ("start", "2025-11-11T18:00:00"),
        ("start", "tomorrow"),
    ],
)
def test_an_impossible_option_is_refused_by_name_in_one_line(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=option) as refused:
        SaleConfig(**{option: value})  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_a_floor_of_one_agent_and_no_buyers_is_still_a_sale() -> None:
    empty = generate(SaleConfig(shops=1, agents=1, buyers=0))
    assert [event["type"] for event in empty] == ["agent.upserted", "sale_event.scheduled"]
    assert len(list(generate(SaleConfig(shops=1, agents=1, buyers=20, hours=0.5)))) > 100


def test_many_shops_and_agents_have_distinct_names() -> None:
    agents = of(list(generate(SaleConfig(shops=10, agents=600, buyers=0))), "agent.upserted")
    assert len({e["data"]["agent_id"] for e in agents}) == 600
    assert len({e["data"]["shop_id"] for e in agents}) == 10
