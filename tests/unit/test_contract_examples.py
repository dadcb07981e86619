"""Cases computed by hand, each named after the rule of the contract that it shows."""

import json
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle import product
from oracle.making import NEGATIVE, POSITIVE, Scene, clock, rfc3339

from replay.memory import replay


@pytest.fixture
def scene() -> Scene:
    return Scene()


REMINDER = "亲,您的订单还没有付款哦"


def rounds(scene):
    """(opened, status, response in s) of each round."""
    rows = product.run(scene.events)["response_rounds"]
    return [(r["opened_at"], r["status"], None if r["response_ms"] is None else r["response_ms"] / 1000) for r in rows]


def window(scene, start, seconds, definition="all", agent="a1", shop="s1"):
    key = (shop, agent, clock(start), seconds, definition)
    fields = ("shop_id", "agent_id", "window_start", "window_seconds", "definition")
    rows = product.run(scene.events)["response_windows"]
    found = [row for row in rows if tuple(row[field] for field in fields) == key]
    return found[0] if found else None


def day(scene, definition="all", date="11", agent="a1", shop="s1"):
    return window(scene, f"{date} 00:00", 86_400, definition, agent, shop)


def flags(scene, *rules):
    """(rule, message, severity) of each flag, in order of time."""
    rows = sorted(product.run(scene.events)["flags"], key=lambda f: (f["occurred_at"], f["rule"]))
    return [(f["rule"], f["message_id"], f["severity"]) for f in rows if not rules or f["rule"] in rules]


def board(scene, hour, shop="s1"):
    rows = product.run(scene.events)["leaderboard_hourly"]
    return {row["agent_id"]: row for row in rows if (row["shop_id"], row["hour_start"]) == (shop, clock(hour))}


def task(scene):
    (found,) = product.run(scene.events)["call_tasks"]
    return found


def rejected(*lines):
    written = product.replay_lines(lines)
    return [(row["line"], row["reason"], row["error"]) for row in product.rows_of(written, "rejected")]


# Rounds


def test_round_opens_at_the_first_buyer_message_and_closes_at_the_first_reply(scene: Scene) -> None:
    scene.asks("11 09:00:00")
    scene.asks("11 09:00:30")
    scene.says("11 09:01:00")
    scene.says("11 09:01:30")
    scene.asks("11 09:02:00")
    scene.says("11 09:02:07.250")
    assert rounds(scene) == [(clock("11 09:00"), "answered", 60), (clock("11 09:02"), "answered", 7.25)]


def test_round_across_midnight_ends_unanswered_and_the_late_reply_answers_nothing(scene: Scene) -> None:
    scene.asks("11 23:59:59.999")
    scene.says("12 00:00:00")
    scene.asks("12 00:00:01")
    scene.says("12 00:00:03")
    assert rounds(scene) == [
        (clock("11 23:59:59.999"), "unanswered", None),
        (clock("12 00:00:01"), "answered", 2),
    ]


def test_round_opened_at_midnight_belongs_to_the_new_day(scene: Scene) -> None:
    scene.asks("12 00:00:00")
    scene.says("12 00:00:05")
    assert day(scene, date="11") is None
    assert day(scene, date="12")["answered"] == 1


def test_reply_after_ten_minutes_is_an_answer_capped_in_the_figures(scene: Scene) -> None:
    scene.asks("11 09:00")
    scene.says("11 09:15")
    assert rounds(scene) == [(clock("11 09:00"), "answered", 900)]
    for definition in ("all", "platform"):
        figures = day(scene, definition)
        assert (figures["response_ms_sum"], figures["avg_response_ms"], figures["rate_3min"]) == (600_000, 600_000, 0)
        assert figures["p50_ms"] == figures["p99_ms"] == 600_000


def test_hand_over_without_a_reply_leaves_the_first_agent_an_unanswered_round(scene: Scene) -> None:
    scene.asks("11 09:00:00", agent="a1")
    scene.asks("11 09:00:30", agent="a2")
    scene.says("11 09:00:40", agent="a2")
    scene.says("12 09:00:00", agent="a2", buyer="b2")
    first, second = day(scene, "platform", agent="a1"), day(scene, "platform", agent="a2")
    assert (first["rounds"], first["answered"], first["avg_response_ms"], first["rate_3min"]) == (1, 0, 600_000, 0)
    assert (second["rounds"], second["answered"], second["avg_response_ms"], second["rate_3min"]) == (1, 1, 10_000, 1)


def test_assisted_reply_is_effective(scene: Scene) -> None:
    scene.asks("11 09:00:00")
    scene.says("11 09:00:04", reply_mode="assisted")
    assert rounds(scene) == [(clock("11 09:00"), "answered", 4)]


def test_automatic_reply_is_never_a_reply(scene: Scene) -> None:
    scene.asks("11 09:00:00")
    scene.says("11 09:00:01", reply_mode="auto")
    scene.says("11 09:00:09", reply_mode="human")
    assert rounds(scene) == [(clock("11 09:00"), "answered", 9)]
    assert day(scene)["first_response_ms_sum"] == 9000


def test_automatic_messages_serve_nobody_and_earn_no_order(scene: Scene) -> None:
    scene.asks("11 09:00")
    scene.says("11 09:01", reply_mode="auto")
    scene.places("11 09:02")
    assert (day(scene)["buyers_wrote"], day(scene)["buyers_replied"]) == (1, 0)
    assert {agent: row["orders_placed"] for agent, row in board(scene, "11 09:00").items()} == {"": 1}


def test_messages_of_one_moment_are_ordered_by_id(scene: Scene) -> None:
    scene.says("11 09:00", event_id="1", buyer="b1")
    scene.asks("11 09:00", event_id="2", buyer="b1")
    scene.asks("11 09:00", event_id="3", buyer="b2")
    scene.says("11 09:00", event_id="4", buyer="b2")
    rows = {row["buyer_id"]: row for row in product.run(scene.events)["response_rounds"]}
    assert (rows["b1"]["status"], rows["b2"]["status"], rows["b2"]["response_ms"]) == ("pending", "answered", 0)


# Windows


@pytest.mark.parametrize(
    ("opened", "five_minutes", "hour"),
    [
        ("11 08:59:59.999", "11 08:55", "11 08:00"),
        ("11 09:00:00.000", "11 09:00", "11 09:00"),
        ("11 09:04:59.999", "11 09:00", "11 09:00"),
        ("11 09:05:00.000", "11 09:05", "11 09:00"),
    ],
)
def test_window_border_belongs_to_the_later_window(scene: Scene, opened: str, five_minutes: str, hour: str) -> None:
    scene.asks(opened)
    scene.says(clock(opened) + 301_000)
    starts = {(row["window_seconds"], row["window_start"]) for row in product.run(scene.events)["response_windows"]}
    assert starts == {(300, clock(five_minutes)), (3600, clock(hour)), (86_400, clock("11 00:00"))}


@pytest.mark.parametrize(
    ("opened", "counts"),
    [("11 07:59:59.999", False), ("11 08:00", True), ("11 22:59:59.999", True), ("11 23:00", False)],
)
def test_platform_counts_rounds_opened_from_eight_to_twenty_three(scene: Scene, opened: str, counts: bool) -> None:
    scene.asks(opened)
    scene.says(clock(opened) + 5000)
    assert day(scene)["rounds"] == 1
    assert (day(scene, "platform") is not None) == counts
    assert product.run(scene.events)["response_rounds"][0]["in_platform_hours"] == counts


def test_answered_within_three_minutes_includes_the_180th_second(scene: Scene) -> None:
    for buyer, ms in (("b1", 180_000), ("b2", 180_001)):
        scene.asks("11 09:00", buyer=buyer)
        scene.says(clock("11 09:00") + ms, buyer=buyer)
    figures = day(scene, "platform")
    assert (figures["answered_within_3min"], figures["rate_3min"], figures["response_ms_sum"]) == (1, 0.5, 360_001)


def three_of_four_answered(scene):
    """Responses of 10 s, 20 s and 200 s, and one round without a reply."""
    for buyer, seconds in (("b1", 10), ("b2", 20), ("b3", 200)):
        scene.asks("11 09:00", buyer=buyer)
        scene.says(clock("11 09:00") + seconds * 1000, buyer=buyer)
    scene.asks("11 09:00", buyer="b4")


def test_pending_round_counts_in_neither_while_its_day_lasts(scene: Scene) -> None:
    three_of_four_answered(scene)
    scene.says("11 23:59:59.999", buyer="b9")
    figures = day(scene, "platform")
    assert (figures["rounds"], figures["answered"], figures["pending"]) == (4, 3, 1)
    assert figures["avg_response_ms"] == pytest.approx(230_000 / 3, abs=0.001)
    assert figures["rate_3min"] == pytest.approx(2 / 3, abs=1e-6)
    assert (figures["p50_ms"], figures["p90_ms"]) == (20_000, 200_000)


def test_round_is_unanswered_once_its_day_has_ended(scene: Scene) -> None:
    three_of_four_answered(scene)
    scene.says("12 00:00:00", buyer="b9")
    figures = day(scene, "platform")
    assert (figures["rounds"], figures["answered"], figures["pending"]) == (4, 3, 0)
    assert figures["avg_response_ms"] == (230_000 + 600_000) / 4
    assert figures["rate_3min"] == 0.5
    assert (figures["p50_ms"], figures["p90_ms"]) == (20_000, 600_000)
    figures = day(scene, "all")
    assert figures["avg_response_ms"] == pytest.approx(230_000 / 3, abs=0.001)
    assert (figures["p50_ms"], figures["p90_ms"]) == (20_000, 200_000)


def test_now_of_a_replay_is_the_latest_event_of_any_kind_and_shop(scene: Scene) -> None:
    scene.asks("11 09:00")
    assert rounds(scene)[0][1] == "pending"
    scene.joins("12 00:00", "a9", "team", shop="elsewhere")
    assert rounds(scene)[0][1] == "unanswered"


def test_reply_rate_counts_a_buyer_once_a_day_and_agent(scene: Scene) -> None:
    for minute in range(3):
        scene.asks(f"11 09:0{minute}", buyer="b1")
    scene.says("11 09:05", buyer="b1")
    scene.asks("11 10:00", buyer="b2")
    scene.says("11 10:05", buyer="b3")  # never wrote
    scene.asks("12 10:00", buyer="b1")
    assert (day(scene)["buyers_wrote"], day(scene)["buyers_replied"]) == (2, 1)
    assert (day(scene, date="12")["buyers_wrote"], day(scene, date="12")["buyers_replied"]) == (1, 0)
    assert window(scene, "11 09:00", 3600)["buyers_wrote"] is None


# Sessions and first responses


def test_session_is_kept_by_gaps_below_ten_minutes(scene: Scene) -> None:
    scene.asks("11 09:00:00")
    scene.says("11 09:09:59.999")
    assert (day(scene)["first_responses"], day(scene)["first_response_ms_sum"]) == (1, 599_999)


def test_session_ends_at_a_gap_of_ten_minutes(scene: Scene) -> None:
    scene.asks("11 09:00:00")
    scene.says("11 09:10:00")
    assert (day(scene)["answered"], day(scene)["first_responses"]) == (1, 0)


def test_first_response_is_timed_from_the_sessions_first_buyer_message_for_the_agent_who_replies(scene: Scene) -> None:
    scene.says("11 08:59:50", agent="a3")  # before the buyer wrote: no response
    scene.asks("11 09:00:00", agent="a1")
    scene.asks("11 09:04:00", agent="a2")
    scene.says("11 09:05:00", agent="a2")
    scene.says("11 09:05:10", agent="a1")
    assert day(scene, agent="a1")["first_responses"] == 0
    first = window(scene, "11 09:00", 300, agent="a2")
    assert (first["first_responses"], first["first_response_ms_sum"], first["first_within_10s"]) == (1, 300_000, 0)
    assert first["rounds"] == 1


def test_first_response_alone_makes_a_row_of_the_all_windows_only(scene: Scene) -> None:
    scene.asks("11 09:00:00", agent="a1")
    scene.says("11 09:00:10", agent="a2")
    figures = day(scene, agent="a2")
    assert (figures["rounds"], figures["first_responses"], figures["first_within_10s"]) == (0, 1, 1)
    assert (figures["avg_response_ms"], figures["rate_3min"], figures["p50_ms"]) == (None, None, None)
    assert day(scene, "platform", agent="a2") is None


def test_first_responses_are_zero_in_platform_rows(scene: Scene) -> None:
    scene.asks("11 09:00:00")
    scene.says("11 09:00:10")
    figures = day(scene, "platform")
    assert (figures["first_responses"], figures["first_response_ms_sum"], figures["first_within_10s"]) == (0, 0, 0)


def test_session_goes_on_across_midnight_and_its_first_response_counts_on_the_first_day(scene: Scene) -> None:
    scene.asks("11 23:59:58")
    scene.says("12 00:00:02")
    assert (day(scene)["rounds"], day(scene)["answered"], day(scene)["first_response_ms_sum"]) == (1, 0, 4000)
    assert day(scene, date="12") is None


# Attribution and the leaderboard


def test_attribution_is_the_last_effective_message_of_the_24_hours_up_to_the_order(scene: Scene) -> None:
    scene.says("10 09:00:00.000", agent="a1", buyer="exactly-24-h")
    scene.places("11 09:00:00.000", "o1", buyer="exactly-24-h")
    scene.says("10 09:00:00.001", agent="a1", buyer="just-inside")
    scene.places("11 09:00:00.000", "o2", buyer="just-inside")
    scene.says("11 09:00:00.000", agent="a2", buyer="same-moment")
    scene.places("11 09:00:00.000", "o3", buyer="same-moment")
    scene.says("11 09:00:00.001", agent="a3", buyer="too-late")
    scene.places("11 09:00:00.000", "o4", buyer="too-late")
    placed = {agent: row["orders_placed"] for agent, row in board(scene, "11 09:00").items()}
    assert placed == {"": 2, "a1": 1, "a2": 1, "a3": 0}


def test_placed_and_paid_may_belong_to_different_agents_and_hours(scene: Scene) -> None:
    scene.says("11 09:00", agent="a1")
    scene.places("11 09:10", quantity=3)
    scene.says("11 10:00", agent="a2")
    scene.pays("11 10:10")
    nine, ten = board(scene, "11 09:00"), board(scene, "11 10:00")
    assert (nine["a1"]["orders_placed"], nine["a1"]["orders_paid"], nine["a1"]["buyers_served"]) == (1, 0, 1)
    assert (ten["a2"]["orders_paid"], ten["a2"]["items_paid"], ten["a2"]["paid_amount"]) == (1, 3, 100_00)
    assert set(ten) == {"a2"}


def test_rank_is_shared_by_equal_amount_and_orders(scene: Scene) -> None:
    paid = {"a1": ["300.00"], "a2": ["100.00", "100.00"], "a3": ["200"], "a4": ["200.0"], "a5": ["0.01"]}
    for agent, amounts in paid.items():
        for number, amount in enumerate(amounts):
            scene.says("11 09:00", agent=agent, buyer=f"{agent}-{number}")
            scene.pays("11 09:30", f"o-{agent}-{number}", amount, buyer=f"{agent}-{number}")
    scene.says("11 09:00", agent="a6", buyer="nobody-paid")
    scene.pays("11 09:30", "o-silent", "999.00", buyer="silent")
    ranks = {agent: row["rank"] for agent, row in board(scene, "11 09:00").items()}
    assert ranks == {"a1": 1, "a2": 2, "a3": 3, "a4": 3, "a5": 5, "a6": 6, "": None}


def test_paid_amount_sums_payments_while_an_order_counts_once(scene: Scene) -> None:
    scene.says("11 09:00")
    scene.places("11 09:01", quantity=2)
    scene.pays("11 09:10", amount="60.00", payment="p1")
    scene.pays("11 09:20", amount="40.00", payment="p2")
    scene.pays("11 09:30", amount="999.00", payment="p2")  # the same payment again
    row = board(scene, "11 09:00")["a1"]
    assert (row["orders_paid"], row["items_paid"], row["paid_amount"], row["buyers_paid"]) == (1, 2, 100_00, 1)


def test_refund_counts_in_its_own_hour_for_the_agent_of_the_payment(scene: Scene) -> None:
    scene.says("11 09:00", agent="a1")
    scene.pays("11 09:30", amount="100.00")
    scene.says("11 15:00", agent="a2")
    scene.refunds("11 15:10", amount="30.00", refund="r1")
    scene.refunds("11 15:20", "never-paid", amount="5.00", refund="r2")
    row = board(scene, "11 15:00")
    assert {agent: figures["refunded_amount"] for agent, figures in row.items()} == {"": 5_00, "a1": 30_00, "a2": 0}
    assert board(scene, "11 09:00")["a1"]["paid_amount"] == 100_00


def test_two_shops_share_nothing(scene: Scene) -> None:
    for shop, amount in (("s1", "10.00"), ("s2", "20.00")):
        scene.asks("11 09:00:00", shop=shop)
        scene.says("11 09:00:05" if shop == "s1" else "11 09:00:50", REMINDER, shop=shop)
        scene.places("11 09:00", shop=shop)
        scene.pays("11 09:30", amount=amount, shop=shop)
    assert board(scene, "11 09:00", "s1")["a1"]["paid_amount"] == 10_00
    assert board(scene, "11 09:00", "s2")["a1"]["paid_amount"] == 20_00
    assert [board(scene, "11 09:00", shop)["a1"]["rank"] for shop in ("s1", "s2")] == [1, 1]
    assert [day(scene, shop=shop)["response_ms_sum"] for shop in ("s1", "s2")] == [5000, 50_000]
    assert flags(scene, "reminder.repeated") == []


def test_order_of_another_shop_is_not_what_a_reminder_is_about(scene: Scene) -> None:
    scene.places("11 08:00", shop="s2")
    scene.says("11 09:00", REMINDER, shop="s1")
    assert flags(scene) == []


def test_team_changed_afterwards_is_the_team_of_every_row(scene: Scene) -> None:
    scene.joins("10 18:00", "a1", "red")
    scene.says("11 09:00")
    scene.pays("11 09:30")
    assert board(scene, "11 09:00")["a1"]["team"] == "red"
    scene.joins("12 18:00", "a1", "blue")
    assert board(scene, "11 09:00")["a1"]["team"] == "blue"


# Reminders


def test_reminder_with_an_order_id_targets_that_order_alone(scene: Scene) -> None:
    scene.places("10 09:00", "o1")
    scene.places("10 09:00", "o2")
    scene.says("11 09:00", REMINDER, order_id="o1")
    scene.says("11 10:00", REMINDER, order_id="o2", agent="a2")
    assert flags(scene) == []
    again = scene.says("11 11:00", REMINDER, order_id="o1", agent="a3")
    assert flags(scene) == [("reminder.repeated", again, "violation")]


def test_reminder_without_an_order_id_targets_all_that_is_unpaid(scene: Scene) -> None:
    scene.places("10 09:00", "o1")
    scene.places("10 09:00", "o2")
    scene.says("11 09:00", REMINDER)
    again = scene.says("11 10:00", REMINDER, order_id="o2")
    assert flags(scene) == [("reminder.repeated", again, "violation")]


def test_reminder_phrase_to_a_buyer_without_an_unpaid_order_is_none(scene: Scene) -> None:
    scene.says("11 08:00", REMINDER)  # nothing placed yet
    scene.places("11 09:00", "o1")
    scene.pays("11 09:05", "o1")
    scene.places("11 09:00", "o2")
    scene.closes("11 09:05", "o2")
    scene.says("11 09:05", "马上付款,还没有付款")  # one paid, one closed, at that very moment
    assert flags(scene) == []


def test_reminder_by_intent_needs_neither_words_nor_an_unpaid_order(scene: Scene) -> None:
    scene.places("10 09:00")
    scene.pays("10 10:00")
    late = scene.says("11 09:00", "您好", intent="payment_reminder", order_id="o1", reply_mode="auto")
    assert flags(scene) == [("reminder.after_payment", late, "violation")]


def test_reminder_words_under_another_intent_are_no_reminder(scene: Scene) -> None:
    scene.places("11 08:00")
    scene.says("11 09:00", "赶紧付款", intent="greeting")
    assert flags(scene) == []


def test_reminder_by_words_may_be_automatic_or_by_any_agent(scene: Scene) -> None:
    scene.places("10 08:00")
    scene.says("11 09:00", REMINDER, reply_mode="auto", agent="a1")
    again = scene.says("11 09:30", REMINDER, reply_mode="assisted", agent="a2")
    assert flags(scene) == [("reminder.repeated", again, "violation")]


def test_reminder_before_the_payment_of_that_day_is_fine(scene: Scene) -> None:
    scene.places("10 08:00", "o1")
    scene.places("10 08:00", "o2")
    scene.says("11 09:00:00.000", REMINDER, order_id="o1")
    scene.pays("11 09:00:00.001", "o1")
    assert flags(scene) == []


def test_reminder_at_or_after_a_payment_of_that_day_is_a_violation(scene: Scene) -> None:
    scene.places("10 08:00", "o1")
    scene.places("10 08:00", "o2")
    scene.pays("11 09:00", "o1")
    message = scene.says("11 09:00", REMINDER)
    assert flags(scene) == [("reminder.same_day", message, "violation")]


def test_reminder_the_day_after_a_payment_is_fine(scene: Scene) -> None:
    scene.places("10 08:00", "o1")
    scene.places("10 08:00", "o2")
    scene.pays("10 23:59:59.999", "o1")
    scene.says("11 00:00", REMINDER)
    assert flags(scene) == []


def test_reminder_on_the_day_of_the_order_is_a_notice(scene: Scene) -> None:
    scene.places("11 08:00")
    message = scene.says("11 23:59:59.999", REMINDER)
    assert flags(scene) == [("reminder.same_day", message, "notice")]


def test_reminder_on_the_day_of_order_and_payment_is_one_violation(scene: Scene) -> None:
    scene.places("11 08:00", "o1")
    scene.pays("11 08:10", "other")
    message = scene.says("11 09:00", REMINDER)
    assert flags(scene) == [("reminder.same_day", message, "violation")]


def test_reminder_of_a_paid_order_while_another_is_unpaid(scene: Scene) -> None:
    scene.places("09 08:00", "o1")
    scene.places("09 08:00", "o2")
    scene.pays("10 08:00", "o1")
    message = scene.says("11 09:00", REMINDER, order_id="o1")
    assert flags(scene) == [("reminder.after_payment", message, "violation")]


def test_reminder_that_presses(scene: Scene) -> None:
    scene.places("10 08:00")
    message = scene.says("11 09:00", "再不付款就没货了")
    assert flags(scene) == [("reminder.direct", message, "notice")]


# Slow responses


def slow_rounds(scene, *seconds, start="11 09:00"):
    t = clock(start)
    for one in seconds:
        scene.asks(t)
        last = scene.says(t + int(one * 1000))
        t += 3_600_000
    return last


def test_slow_is_raised_once_on_the_third_reply_over_120_seconds(scene: Scene) -> None:
    slow_rounds(scene, 120.001, 120, 121)
    assert flags(scene) == []
    third = scene.asks("11 13:00") and scene.says("11 13:02:00.001")
    slow_rounds(scene, 500, 500, start="11 14:00")
    assert flags(scene) == [("response.slow", third, "notice")]


def test_slow_counts_by_buyer_agent_and_day(scene: Scene) -> None:
    slow_rounds(scene, 200, 200, start="11 22:00")
    slow_rounds(scene, 200, start="12 00:00")
    scene.asks("11 20:00", agent="a2")
    scene.says("11 20:10", agent="a2")
    scene.asks("11 20:00", buyer="b2")
    scene.says("11 20:10", buyer="b2")
    assert flags(scene) == []


# Language


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("不可能", ["language.forbidden"]),
        ("可能", ["language.vague"]),
        ("不可能,也许", ["language.forbidden", "language.vague"]),
        ("您看行不行", []),
        ("不可能不发货", []),
        ("尽可能今天发", []),
        ("可能性不大,可能吧", ["language.vague"]),
        ("要好评", ["review.solicited"]),
        ("不要好评", []),
        ("给5星", ["review.solicited"]),
        ("给5分", ["review.solicited"]),
        ("给5分钟时间", []),
    ],
)
def test_phrase_of_overlapping_matches_the_longest_counts_alone(scene: Scene, text: str, rules: list[str]) -> None:
    scene.says("11 09:00", text)
    assert [rule for rule, _, _ in flags(scene)] == rules


def test_phrases_said_twice_are_one_flag_and_a_buyer_may_say_them(scene: Scene) -> None:
    scene.asks("11 08:59", "不行不行,要好评吗")
    message = scene.says("11 09:00", "不行。说了不行")
    assert flags(scene) == [("language.forbidden", message, "notice")]


def test_language_is_judged_in_effective_replies_only_but_solicitation_in_automatic_ones_too(scene: Scene) -> None:
    message = scene.says("11 09:00", "不行,也许吧,给个好评", reply_mode="auto")
    assert flags(scene) == [("review.solicited", message, "violation")]


# Sale events


def test_sale_event_scheduled_afterwards_marks_the_flags_inside_it(scene: Scene) -> None:
    for time in ("11 08:59:59.999", "11 09:00", "11 09:59:59.999", "11 10:00"):
        scene.says(time, "不行")
    scene.sale("20 09:00", "11 09:00", "11 10:00")
    scene.sale("20 09:00", "11 00:00", "12 00:00", shop="s2")
    found = sorted((f["occurred_at"], f["in_sale_event"]) for f in product.run(scene.events)["flags"])
    assert [inside for _, inside in found] == [False, True, True, False]


def test_sale_event_that_is_moved_replaces_the_earlier_plan(scene: Scene) -> None:
    scene.says("11 09:00", "不行")
    scene.sale("10 09:00", "11 09:00", "11 10:00")
    scene.sale("10 10:00", "11 20:00", "11 21:00")
    assert [f["in_sale_event"] for f in product.run(scene.events)["flags"]] == [False]


# Reviews and calls


def test_hidden_negative_is_a_good_rating_over_a_negative_text(scene: Scene) -> None:
    scene.says("11 09:00", agent="a1")
    scene.places("11 09:10")
    scene.says("11 09:20", agent="a2")
    scene.reviews("12 09:00", 4, review="v1", text=NEGATIVE)
    scene.reviews("12 09:00", 5, review="v2", text=POSITIVE)
    scene.reviews("12 09:00", 3, review="v3", text=NEGATIVE)
    (flag,) = product.run(scene.events)["flags"]
    assert (flag["rule"], flag["review_id"], flag["message_id"]) == ("review.hidden_negative", "v1", None)
    assert (flag["agent_id"], flag["order_ids"], flag["severity"]) == ("a1", ["o1"], "notice")


@pytest.mark.parametrize(
    ("rating", "amount", "priority"),
    [(1, "10", "high"), (2, "499.99", "normal"), (3, "499.99", "low"), (3, "500.00", "high"), (2, "500", "high")],
)
def test_priority_follows_rating_and_amount(scene: Scene, rating: int, amount: str, priority: str) -> None:
    scene.places("11 09:00", amount=amount)
    scene.reviews("12 09:00", rating)
    assert (task(scene)["priority"], task(scene)["rating"]) == (priority, rating)


@pytest.mark.parametrize(
    ("days_before", "ms", "priority"), [(30, 1, "high"), (30, 0, "low"), (0, 0, "high"), (0, 1, "low")]
)
def test_priority_is_high_after_another_negative_review_in_30_days(
    scene: Scene, days_before: int, ms: int, priority: str
) -> None:
    t = clock("30 11:00")
    scene.reviews(t, 3, "o1", "v1")
    scene.reviews(t - days_before * 86_400_000 + ms, 3, "o2", "v2")
    found = {row["order_id"]: row["priority"] for row in product.run(scene.events)["call_tasks"]}
    assert found["o1"] == priority


def test_reviews_of_one_order_share_a_task_of_the_worst_standing_rating(scene: Scene) -> None:
    scene.reviews("12 10:00", 3, review="v1")
    scene.reviews("12 11:00", 1, review="v2")
    scene.reviews("12 11:30", 5, review="v3")
    assert (task(scene)["review_ids"], task(scene)["rating"], task(scene)["priority"]) == (
        ["v1", "v2", "v3"],
        1,
        "high",
    )
    scene.reviews("12 12:00", 2, review="v2", changed=True)
    assert (task(scene)["rating"], task(scene)["priority"], task(scene)["raised_at"]) == (
        2,
        "normal",
        clock("12 10:00"),
    )


def test_review_raised_later_withdraws_the_task_once_every_review_stands_at_four(scene: Scene) -> None:
    scene.reviews("12 10:00", 2, review="v1")
    scene.reviews("12 10:00", 3, review="v2")
    scene.reviews("13 10:00", 5, review="v1", changed=True)
    assert task(scene)["status"] == "open"
    scene.reviews("13 11:00", 4, review="v2", changed=True)
    assert task(scene)["status"] == "withdrawn"
    scene.reviews("13 12:00", 3, review="v2", changed=True)
    assert (task(scene)["status"], task(scene)["raised_at"]) == ("open", clock("12 10:00"))


def test_review_raised_after_the_call_leaves_the_task(scene: Scene) -> None:
    scene.reviews("12 10:00", 2)
    task_id = task(scene)["task_id"]
    scene.command("12 11:00", "claimed", task_id)
    assert task(scene)["status"] == "claimed"
    scene.command("12 11:30", "call_logged", task_id, reached=True)
    scene.reviews("12 12:00", 5, changed=True)
    assert (task(scene)["status"], task(scene)["calls"]) == ("called", 1)


def test_review_raised_before_the_call_withdraws_whatever_arrives_first(scene: Scene) -> None:
    scene.reviews("12 10:00", 2)
    task_id = task(scene)["task_id"]
    scene.command("12 12:00", "call_logged", task_id)
    scene.reviews("12 11:00", 5, changed=True)
    assert task(scene)["status"] == "withdrawn"


def test_task_goes_from_open_to_revisited(scene: Scene) -> None:
    scene.reviews("12 10:00", 2)
    task_id = task(scene)["task_id"]
    seen = [task(scene)["status"]]
    for time, step in (("11:00", "claimed"), ("11:30", "call_logged"), ("11:40", "resolved")):
        scene.command(f"12 {time}", step, task_id)
        seen.append(task(scene)["status"])
    assert task(scene)["revisit_due_at"] == clock("15 11:40")
    scene.command("15 14:00", "revisited", task_id)
    seen.append(task(scene)["status"])
    assert seen == ["open", "claimed", "called", "resolved", "revisited"]


def test_task_is_not_for_the_agent_who_served_the_order(scene: Scene) -> None:
    scene.says("11 09:00", agent="a1")
    scene.places("11 09:30")
    scene.says("11 09:40", agent="a2")
    scene.pays("11 09:50")
    scene.reviews("12 10:00", 2)
    assert (task(scene)["excluded_agent_id"], task(scene)["assigned_role"]) == ("a1", "review_specialist")
    scene.command("12 11:00", "claimed", task(scene)["task_id"], actor="a1")
    assert task(scene)["status"] == "open"


@pytest.mark.parametrize(
    ("posted", "not_before", "due_at"),
    [
        ("12 09:59:59.999", "12 10:00", "13 09:59:59.999"),
        ("12 10:00", "12 10:00", "13 10:00"),
        ("12 11:59:59.999", "12 11:59:59.999", "13 11:59:59.999"),
        ("12 12:00", "12 14:00", "13 12:00"),
        ("12 13:59:59.999", "12 14:00", "13 13:59:59.999"),
        ("12 19:59:59.999", "12 19:59:59.999", "13 19:59:59.999"),
        ("12 20:00", "13 10:00", "13 20:00"),
        ("12 00:00", "12 10:00", "13 00:00"),
    ],
)
def test_calling_hours_and_due_at(scene: Scene, posted: str, not_before: str, due_at: str) -> None:
    scene.places("11 21:59:59.999")
    scene.reviews(posted, 2)
    assert (task(scene)["not_before"], task(scene)["due_at"]) == (clock(not_before), clock(due_at))


@pytest.mark.parametrize(
    ("placed", "not_before"),
    [
        ("11 21:59:59.999", "12 10:30"),
        ("11 22:00", "12 14:00"),
        ("12 00:00", "12 14:00"),
        ("12 05:59:59.999", "12 14:00"),
        ("12 06:00", "12 10:30"),
    ],
)
def test_late_night_buyer_is_called_in_the_afternoon(scene: Scene, placed: str, not_before: str) -> None:
    scene.places(placed)
    scene.reviews("12 10:30", 2)
    assert task(scene)["not_before"] == clock(not_before)


@pytest.mark.parametrize(
    ("posted", "not_before", "due_at"),
    [
        ("12 19:00", "12 19:00", "13 19:00"),
        ("12 20:00", "13 14:00", "13 20:00"),  # both are 20:00: posted + 24 h
        ("12 13:00", "12 14:00", "13 13:00"),
    ],
)
def test_due_at_of_a_late_night_buyer(scene: Scene, posted: str, not_before: str, due_at: str) -> None:
    scene.places("11 23:00")
    scene.reviews(posted, 2)
    assert (task(scene)["not_before"], task(scene)["due_at"]) == (clock(not_before), clock(due_at))


# Input: order, repetition, time zones, natural ids, rejected records


def busy_scene():
    scene = Scene()
    scene.joins("10 18:00", "a1", "red")
    scene.sale("10 18:00", "11 09:00", "11 10:00")
    scene.places("11 08:00")
    scene.places("11 08:00", "o2")
    slow_rounds(scene, 130, 140, 150, 4)
    scene.says("11 12:30", REMINDER)
    scene.pays("11 12:40")
    scene.says("11 12:50", "赶紧付款,不行", agent="a2")
    scene.reviews("11 13:00", 1)
    scene.reviews("11 14:00", 4, review="v2", text=NEGATIVE, order="o2")
    scene.refunds("12 09:00")
    scene.asks("12 00:00")
    return scene


@pytest.mark.parametrize("seed", range(5))
def test_events_in_any_order_and_repeated_give_the_same_bytes(seed: int) -> None:
    lines = product.lines_of(busy_scene().events)
    random = Random(seed)
    again = lines + random.choices(lines, k=10)
    random.shuffle(again)
    first, second = product.replay_lines(lines), product.replay_lines(again)
    for name in product.COMPARED:
        assert first[f"{name}.jsonl"] == second[f"{name}.jsonl"]
        assert first[f"{name}.jsonl"] or name == "rejected"
    summary = json.loads(second["summary.json"])
    assert (summary["events"], summary["duplicates"], summary["rejected"]) == (len(lines) + 10, 10, 0)


def test_natural_ids_count_once_at_their_earliest(scene: Scene) -> None:
    scene.says("11 09:00")
    scene.places("11 09:30", amount="600.00", quantity=5)
    scene.places("11 09:10", amount="10.00", quantity=2)
    scene.pays("11 09:40", amount="77.00", payment="p")
    scene.pays("11 09:20", amount="10.00", payment="p")
    scene.refunds("11 09:50", amount="3.00", refund="r")
    scene.refunds("11 09:45", amount="4.00", refund="r")
    scene.reviews("12 09:00", 3)
    row = board(scene, "11 09:00")["a1"]
    assert (row["orders_placed"], row["orders_paid"], row["items_paid"]) == (1, 1, 2)
    assert (row["paid_amount"], row["refunded_amount"]) == (10_00, 4_00)
    assert task(scene)["priority"] == "low"


def test_time_zone_offsets_in_the_input_name_the_same_moment(scene: Scene) -> None:
    for number, text in enumerate(
        [
            "2026-11-11T00:00:00+08:00",
            "2026-11-10T16:00:00Z",
            "2026-11-10T11:00:00.0009-05:00",
            "2026-11-10T21:30:00.000+05:30",
        ]
    ):
        scene.asks("11 00:00", buyer=f"b{number}")
        scene.events[-1]["time"] = text
    assert window(scene, "11 00:00", 300)["rounds"] == 4
    written = product.rows_of(product.replay_lines(product.lines_of(scene.events)), "response_rounds")
    assert {row["opened_at"] for row in written} == {"2026-11-11T00:00:00+08:00"}


def test_digits_finer_than_a_millisecond_are_cut(scene: Scene) -> None:
    scene.asks("11 09:00")
    scene.events[-1]["time"] = "2026-11-11T08:59:59.999999+08:00"
    assert rounds(scene)[0][0] == clock("11 08:59:59.999")


def payment(**changes):
    scene = Scene()
    scene.pays("11 09:00")
    event = scene.events[0]
    data = {key: value for key, value in (event["data"] | changes.pop("data", {})).items() if value is not None}
    return json.dumps(
        {key: value for key, value in (event | {"data": data} | changes).items() if value is not None}
    ).encode()


@pytest.mark.parametrize(
    ("line", "reason", "named"),
    [
        (b"{not json", "not_json", ""),
        (b"\xff\xfe\x00", "not_json", ""),
        (b"[1, 2]", "invalid", "object"),
        (b"{}", "invalid", "type"),
        (payment(type="payment.failed"), "unknown_type", "payment.failed"),
        (payment(type=None), "invalid", "type"),
        (payment(id=None), "invalid", "id"),
        (payment(time=None), "invalid", "time"),
        (payment(time="2026-11-11T09:00:00"), "invalid", "offset"),
        (payment(time="2026-02-30T09:00:00Z"), "invalid", "time"),
        (payment(time=1_700_000_000), "invalid", "time"),
        (payment(specversion="0.3"), "invalid", "specversion"),
        (payment(data={"amount": "-5.00"}), "invalid", "negative"),
        (payment(data={"amount": 5.0}), "invalid", "amount"),
        (payment(data={"amount": None}), "invalid", "amount"),
        (payment(data={"buyer_id": None}), "invalid", "buyer_id"),
        (payment(data={"order_id": 7}), "invalid", "order_id"),
    ],
)
def test_rejected_with_the_reason(line: bytes, reason: str, named: str) -> None:
    ((number, why, error),) = rejected(payment(id="fine"), line)
    assert (number, why) == (2, reason)
    assert named in error
    assert "\n" not in error


def test_rejected_record_keeps_its_raw_text_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "in" / "deeper"
    source.mkdir(parents=True)
    (source / "x.jsonl").write_text("\n不是 JSON\n", "utf-8")
    summary = replay(tmp_path / "in", tmp_path / "out", product.BOOK)
    (row,) = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert (row["raw"], row["file"], row["line"], row["reason"]) == ("不是 JSON", "deeper/x.jsonl", 2, "not_json")
    assert (summary["events"], summary["accepted"], summary["rejected"]) == (1, 0, 1)


@pytest.mark.parametrize("turned", [False, True])
def test_conflict_of_one_id_with_two_contents_keeps_the_earlier(turned: bool) -> None:
    lines = [payment(data={"amount": "10.00"}), payment(data={"amount": "20.00"}, time="2026-11-11T08:59:59.999+08:00")]
    if turned:
        lines.reverse()
    written = product.replay_lines(lines)
    (row,) = product.rows_of(written, "leaderboard_hourly")
    assert (row["hour_start"], row["paid_amount"]) == ("2026-11-11T08:00:00+08:00", "20.00")
    (lost,) = product.rows_of(written, "rejected")
    assert (lost["reason"], json.loads(lost["raw"])["data"]["amount"]) == ("conflict", "10.00")
    summary = json.loads(written["summary.json"])
    assert (summary["accepted"], summary["duplicates"], summary["rejected"]) == (1, 0, 1)


def test_same_event_written_differently_is_a_duplicate_not_a_conflict() -> None:
    event = json.loads(payment())
    later = json.dumps(event | {"time": "2026-11-11T01:00:00Z", "extension": "x"}, sort_keys=True, indent=None).encode()
    written = product.replay_lines([payment(), later, payment()])
    summary = json.loads(written["summary.json"])
    assert (summary["accepted"], summary["duplicates"], summary["rejected"]) == (1, 2, 0)


def test_conflict_of_a_payment_and_a_refund_under_one_id() -> None:
    first, second = Scene(), Scene()
    first.pays("11 09:00", payment="x", amount="5.00", event_id="e")
    second.refunds("11 09:00", refund="x", amount="5.00", event_id="e")
    lines = product.lines_of([*first.events, *second.events])
    one, two = product.replay_lines(lines), product.replay_lines(lines[::-1])
    assert one["leaderboard_hourly.jsonl"] == two["leaderboard_hourly.jsonl"]
    for written in (one, two):
        assert [row["reason"] for row in product.rows_of(written, "rejected")] == ["conflict"]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_time_at_the_end_of_the_calendar_stops_no_replay(scene: Scene, time: str) -> None:
    scene.asks("11 09:00", buyer="b1")
    scene.asks("11 09:00", buyer="b2")
    scene.events[-1]["time"] = time
    assert clock("11 09:00") in [opened for opened, _, _ in rounds(scene)]


def test_quantity_beyond_64_bits_stops_no_replay(scene: Scene) -> None:
    scene.places("11 09:00", "o1", quantity=10**30)
    scene.pays("11 09:10", "o1")
    scene.pays("11 10:10", "o2")
    assert board(scene, "11 10:00")[""]["orders_paid"] == 1


def test_empty_file_and_directory_without_events_give_empty_results(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "empty.jsonl").touch()
    (tmp_path / "one" / "notes.txt").write_text("not an event")
    for name in ("none", "one"):
        out = tmp_path / f"out-{name}"
        summary = replay(tmp_path / name, out, product.BOOK)
        assert (summary["events"], summary["accepted"], summary["rejected"], summary["call_tasks"]) == (0, 0, 0, 0)
        assert sorted(path.name for path in out.iterdir()) == sorted(
            [*(f"{f}.jsonl" for f in product.FILES), "summary.json"]
        )
        assert all(not (out / f"{name}.jsonl").read_bytes() for name in product.FILES)


def test_times_come_out_in_the_shops_offset_and_amounts_as_decimals() -> None:
    written = product.replay_lines(product.lines_of(busy_scene().events))
    for row in product.rows_of(written, "response_rounds"):
        assert row["opened_at"].endswith("+08:00")
    (row,) = [r for r in product.rows_of(written, "leaderboard_hourly") if r["paid_amount"] != "0.00"]
    assert (row["paid_amount"], row["hour_start"]) == ("100.00", rfc3339(clock("11 12:00")).replace(".000", ""))


def test_ids_are_the_same_in_every_run_and_name_their_cause() -> None:
    scene = busy_scene()
    one = product.run(scene.events)
    scene.asks("13 09:00", buyer="someone-else")
    two = product.run(scene.events)
    for name, field in product.IDS.items():
        assert {row[field] for row in one[name]} <= {row[field] for row in two[name]}
        assert one[name]
