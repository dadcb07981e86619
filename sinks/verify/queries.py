# ruff: noqa: S608 - what is put into the texts is fixed in this program
"""The SQL files of this folder put together: a file names those it builds on in a line `-- uses: a, b`."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_USES: Final = re.compile(r"^-- uses: (.+)$", re.M)
_COMMENT: Final = re.compile(r"^\s*--.*$\n?", re.M)


class Comparison(NamedTuple):
    """Two SELECTs of one shape, `{sql}_recomputed` and `{sql}_stored`, both also with the column `ruleset`.

    `table`: what the stored one reads. `keys` tell units apart; `figures` are compared.
    """

    table: str
    sql: str
    keys: tuple[str, ...]
    figures: tuple[str, ...]


_WINDOW_SUMS: Final = (
    "rounds", "answered", "answered_within_3min", "response_ms_sum", "first_responses", "first_response_ms_sum",
    "first_within_10s", "buyers_wrote", "buyers_replied",
)  # fmt: skip
_BOARD_SUMS: Final = (
    "orders_placed", "orders_paid", "paid_amount", "items_paid", "refunded_amount", "buyers_served", "buyers_paid",
)  # fmt: skip
HIDDEN: Final = Comparison(
    "flags", "hidden", ("buyer", "review"), ("agent", "severity", "order_ids", "occurred_at", "ruleset")
)
"""hidden negatives: the recomputed side has candidates, with their text as `hint`"""
COMPARISONS: Final = (
    Comparison(
        "response_rounds",
        "rounds",
        ("buyer", "agent", "opened_at", "message"),
        ("replied_at", "reply_message_id", "response_ms", "in_platform_hours", "day_ends_at", "status", "ruleset"),
    ),
    Comparison(
        "window_partials",
        "windows",
        ("agent", "window_start", "seconds", "definition", "partition"),
        (*_WINDOW_SUMS, "day_ends_at", "response_cap_ms", "histogram", "ruleset"),
    ),
    Comparison(
        "response_windows",
        "window_rows",
        ("agent", "window_start", "seconds", "definition"),
        (*_WINDOW_SUMS, "pending", "unanswered", "avg_response_ms", "rate_3min", "p50_ms", "p90_ms", "p99_ms"),
    ),
    Comparison(
        "leaderboard_partials", "boards", ("hour_start", "agent", "partition"), (*_BOARD_SUMS, "ruleset")
    ),
    Comparison("leaderboard_hourly", "board_rows", ("hour_start", "agent"), (*_BOARD_SUMS, "rank", "team")),
    Comparison(
        "flags",
        "flags",
        ("buyer", "rule", "message"),
        ("agent", "severity", "order_ids", "occurred_at", "in_sale_event", "ruleset"),
    ),
    HIDDEN,
    Comparison(
        "call_tasks",
        "tasks",
        ("buyer", "order_id"),
        (
            "review_ids", "rating", "priority", "raised_at", "not_before", "due_at", "assigned_role", "excluded_agent_id",
            "status", "ruleset",
        ),
    ),
)  # fmt: skip


@cache
def _file(name: str, package: str = "sinks.verify") -> tuple[tuple[str, ...], str]:
    """What a file builds on, and its SELECT."""
    text = (files(package) / f"{name}.sql").read_text("utf-8")
    uses = _USES.search(text)
    return tuple(uses[1].split(", ")) if uses else (), _COMMENT.sub("", text).strip()


def _needed(names: Iterable[str], order: dict[str, None]) -> None:
    """Puts the files of those names into the order, each behind what it builds on."""
    for name in names:
        if name not in order:
            _needed(_file(name)[0], order)
            order[name] = None


def _tables(order: Iterable[str]) -> str:
    """A WITH clause of those files, or nothing."""
    names = [f"{name} AS (\n{_file(name)[1]}\n)" for name in order]
    return f"WITH {', '.join(names)}\n" if names else ""


@cache
def recomputed_sql(package: str, *names: str) -> tuple[str, tuple[str, ...]]:
    """SELECTs of another package that build on the files of this one: the WITH clause that they need, and themselves."""
    order: dict[str, None] = {}
    for name in names:
        _needed(_file(name, package)[0], order)
    return _tables(order), tuple(_file(name, package)[1] for name in names)


@cache
def comparison_sql(comparison: Comparison) -> str:
    """A SELECT of one row a unit: its keys, `pipeline` and `recomputed` (each a list of the rows' figures as texts),
    `hint`, `others`: labels of rulesets that are not loaded and that one of its rows carries, and `lost`: whether it may
    rest on an event that raw_events does not keep."""
    sides = f"{comparison.sql}_stored", f"{comparison.sql}_recomputed"
    order: dict[str, None] = {}
    for side in sides:
        _needed(_file(side)[0], order)
    keys = ", ".join(comparison.keys)
    figures = ", ".join(f"ifNull(toString({figure}), 'null')" for figure in comparison.figures)
    if "buyer" in comparison.keys:
        lost = "has({lost_buyers:Array(String)}, buyer)"
    elif "partition" in comparison.keys:
        lost = "has({lost_partitions:Array(Int64)}, toInt64(partition))"
    else:
        lost = "notEmpty({lost_partitions:Array(Int64)})"
    hint = "hint" if comparison is HIDDEN else "''"
    selects = [
        f"SELECT {keys}, [{figures}] AS figures, toString(ruleset) AS label, toString({hint}) AS hint, {number} AS side FROM (\n{_file(side)[1]}\n)"
        for number, side in enumerate(sides)
    ]
    return (
        _tables(order) + f"SELECT {keys}, arraySort(groupArrayIf(figures, side = 0)) AS pipeline,"
        " arraySort(groupArrayIf(figures, side = 1)) AS recomputed, max(hint) AS hint,"
        " arraySort(arrayFilter(l -> NOT has({labels:Array(String)}, l), groupUniqArray(label))) AS others,"
        f" {lost} AS lost\n"
        f"FROM (\n{selects[0]}\nUNION ALL\n{selects[1]}\n)\nGROUP BY {keys}"
    )
