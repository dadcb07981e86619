"""Targets of a sale event: shop, team and agent, by hour; what can't be read is passed over."""

from processors.calendar import calendar
from processors.targets import Goal, Planned, Target, goal, in_force, merged, read_targets
from schemas.types import parse_time

NINE, TEN = "2026-11-11T09:00:00+08:00", "2026-11-11T10:00:00+08:00"
HOUR = 3_600_000


def test_a_target_is_the_shops_a_teams_or_an_agents() -> None:
    targets = read_targets(
        [
            {"hour_start": NINE, "amount": "100.50", "orders": 7},
            {"hour_start": TEN, "amount": "200"},
            {"hour_start": NINE, "amount": "60", "team": "追风队"},
            {"hour_start": NINE, "orders": 3, "team": "追风队", "agent_id": "s:1"},
        ]
    )
    at = parse_time(NINE)
    assert goal(targets, at, at + HOUR) == Goal(10_050, 7)
    assert goal(targets, at, at + 2 * HOUR) == Goal(30_050, 7)
    assert goal(targets, at, at + 2 * HOUR, team="追风队") == Goal(6_000, None)
    assert goal(targets, at, at + 2 * HOUR, agent_id="s:1") == Goal(None, 3)
    assert goal(targets, at, at + 2 * HOUR, team="破浪队") == Goal(None, None)


def test_an_hour_belongs_to_the_span_that_its_start_lies_in() -> None:
    targets = read_targets([{"hour_start": TEN, "amount": "1"}])
    at = parse_time(TEN)
    assert goal(targets, at - HOUR, at).amount is None
    assert goal(targets, at, at + 1).amount == 100


def test_a_mapping_of_hours_is_the_shops() -> None:
    assert read_targets({NINE: "5.00"}) == [Target(parse_time(NINE), 500, None)]


def test_what_cannot_be_read_is_passed_over() -> None:
    wrong = [
        *({"hour_start": NINE}, {"amount": "5"}, {"hour_start": "nine", "amount": "5"}, "x", None, 7),
        *({"hour_start": NINE, "amount": "-5"}, {"hour_start": NINE, "orders": "many"}),
    ]
    assert read_targets([*wrong, {"hour_start": NINE, "amount": "5"}]) == [Target(parse_time(NINE), 500, None)]
    for nothing in (None, "x", 7, [], {}):
        assert read_targets(nothing) == []


def test_of_several_sale_events_the_one_that_began_last_holds_for_an_hour() -> None:
    hour_start = calendar("Asia/Shanghai").hour_start
    at = parse_time(NINE)
    later = Planned(
        at,
        at + HOUR,
        read_targets(
            [{"hour_start": NINE, "amount": "10", "agent_id": "a"}, {"hour_start": NINE, "orders": 2, "agent_id": "a"}]
        ),
    )
    earlier = Planned(
        at - HOUR,
        at + 3 * HOUR,
        read_targets(
            [
                {"hour_start": NINE, "amount": "99", "agent_id": "a"},
                {"hour_start": "2026-11-11T10:20:00+08:00", "amount": "5", "agent_id": "a"},
                {"hour_start": NINE, "amount": "7", "team": "t"},
            ]
        ),
    )
    events = [later, earlier]
    assert [in_force(events, at + n * HOUR, at + (n + 1) * HOUR) for n in (-2, -1, 0, 1, 3)] == [
        None,
        earlier,
        later,
        earlier,
        None,
    ]
    # nine o'clock is the later one's, and that has nothing for the team
    assert merged(events, at, at + 2 * HOUR, hour_start) == {
        ("", "a"): {at: Goal(1_000, 2), at + HOUR: Goal(500, None)}
    }
    assert merged(events, at + HOUR, at + 2 * HOUR, hour_start) == {("", "a"): {at + HOUR: Goal(500, None)}}
