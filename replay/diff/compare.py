"""The comparison. Rows are told apart by their ids, and what both have is dropped at once: memory goes with what differs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from replay.diff.model import (
    FLAGS,
    LEADERBOARD,
    ROUNDS,
    TASKS,
    WINDOWS,
    Changed,
    Counts,
    Diff,
    Fields,
    Group,
    Move,
    MovedFlag,
    Row,
    Side,
    Table,
    TableDiff,
)
from replay.diff.read import ResultError, check_count, instant, read_rejected, read_rows, read_side

ONE_A_DAY: Final = frozenset({"response.slow"})
"""rules that flag one message per agent, buyer and day: the one with which a count is reached"""

Pair = tuple[Row | None, Row | None]
"""a row as A and as B have it; None: it has not"""


def compare(path_a: Path, path_b: Path, tolerance: float = 0) -> Diff:
    """Compares two directories of results.

    `tolerance`: of window times and rates a difference up to this share of the larger value is none.
    Raises NoResultError for a path that is no directory, ResultError for a file that is missing or broken.
    """
    a, said_a = read_side(path_a)
    b, said_b = read_side(path_b)

    def pairs(table: Table) -> Iterator[Pair]:
        for row_a, row_b in match(table, read_rows(path_a, table), read_rows(path_b, table)):
            for side, row in ((a, row_a), (b, row_b)):
                if row is None:
                    continue
                side.shops.add(row["shop_id"])
                if isinstance(label := row.get("ruleset"), str):
                    side.rulesets.add(label)
            yield row_a, row_b

    rules, agents = _Groups(lambda row: (row["rule"],)), _Groups(lambda row: (row["shop_id"], row["agent_id"]))
    sale_event_only = 0

    def flag_pairs() -> Iterator[Pair]:
        nonlocal sale_event_only
        for row_a, row_b in pairs(FLAGS):
            fields = row_fields(FLAGS, row_a, row_b) if row_a is not None and row_b is not None else {}
            for groups in (rules, agents):
                groups.count(row_a, row_b, bool(fields))
            if row_a is not None and row_b is not None and not fields:
                sale_event_only += row_a.get("in_sale_event") != row_b.get("in_sale_event")
            yield row_a, row_b

    flags = _listed(FLAGS, flag_pairs())
    tasks = _listed(TASKS, pairs(TASKS))
    rounds = _counted(ROUNDS, pairs(ROUNDS))
    windows = _listed(WINDOWS, pairs(WINDOWS), tolerance)
    leaderboard = _listed(LEADERBOARD, pairs(LEADERBOARD))
    for path, side, said, flags_in, tasks_in in (
        (path_a, a, said_a, flags.in_a, tasks.in_a),
        (path_b, b, said_b, flags.in_b, tasks.in_b),
    ):
        side.rejected.update(read_rejected(path))
        _check(path, side, said, flags_in, tasks_in)
    return Diff(
        a=a,
        b=b,
        tolerance=tolerance,
        flags=flags,
        by_rule=rules.sorted(),
        by_agent=agents.sorted(),
        sale_event_only=sale_event_only,
        flags_moved=_moved_flags(flags),
        tasks=tasks,
        rounds=rounds,
        windows=windows,
        leaderboard=leaderboard,
        moved=_moves(leaderboard),
    )


def match(table: Table, rows_a: Iterable[Row], rows_b: Iterable[Row]) -> Iterator[Pair]:
    """Pairs rows by key, whatever their order. Only what has no partner yet is kept.

    Raises ResultError when one side has two rows of one key, as far as that meets the eye.
    """
    waiting_a: dict[Any, Row] = {}
    waiting_b: dict[Any, Row] = {}
    for row_a, row_b in zip_longest(rows_a, rows_b):
        if row_a is not None and row_b is not None and row_a == row_b:
            yield row_a, row_b
            continue
        if row_a is not None:
            key = _key(table, row_a)
            if (partner := waiting_b.pop(key, None)) is not None:
                yield row_a, partner
            elif waiting_a.setdefault(key, row_a) is not row_a:
                raise ResultError(f"{table.name}.jsonl: two rows of A with the same {', '.join(table.key)}: {key}")
        if row_b is not None:
            key = _key(table, row_b)
            if (partner := waiting_a.pop(key, None)) is not None:
                yield partner, row_b
            elif waiting_b.setdefault(key, row_b) is not row_b:
                raise ResultError(f"{table.name}.jsonl: two rows of B with the same {', '.join(table.key)}: {key}")
    for row in waiting_a.values():
        yield row, None
    for row in waiting_b.values():
        yield None, row


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(instant(row[name]) if name in table.times else row.get(name) for name in table.key)


def row_fields(table: Table, a: Row, b: Row, tolerance: float = 0) -> Fields:
    """The fields in which two rows of one key differ; a missing one is null. Those inside `evidence` one by one."""
    fields: Fields = {}
    for name in sorted({*a, *b} - table.ignored):
        before, after = a.get(name), b.get(name)
        if before == after:
            continue
        if name == "evidence":
            inside = sorted({*(before or {}), *(after or {})})
            values = {f"evidence.{each}": ((before or {}).get(each), (after or {}).get(each)) for each in inside}
            fields |= {each: pair for each, pair in values.items() if pair[0] != pair[1]}
        elif name in table.times and None not in (before, after) and instant(before) == instant(after):
            continue
        elif name not in table.tolerant or not _near(before, after, tolerance):
            fields[name] = before, after
    return fields


def _near(before: Any, after: Any, tolerance: float) -> bool:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return False
    return abs(before - after) <= tolerance * max(abs(before), abs(after))


def _listed(table: Table, pairs: Iterable[Pair], tolerance: float = 0) -> TableDiff:
    diff = TableDiff()
    for a, b in pairs:
        diff.in_a += a is not None
        diff.in_b += b is not None
        if a is not None and b is not None:
            if fields := row_fields(table, a, b, tolerance):
                diff.changed.append(Changed(b, fields))
            elif tolerance and row_fields(table, a, b):
                diff.within += 1
        elif a is not None:
            diff.gone.append(a)
        elif b is not None:
            diff.new.append(b)
    diff.new.sort(key=lambda row: _place(table, row))
    diff.gone.sort(key=lambda row: _place(table, row))
    diff.changed.sort(key=lambda changed: _place(table, changed.row))
    return diff


def _place(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(instant(row[name]) if name in table.times else row[name] for name in table.order)


def _counted(table: Table, pairs: Iterable[Pair]) -> Counts:
    counts = Counts()
    for a, b in pairs:
        counts.in_a += a is not None
        counts.in_b += b is not None
        if a is None or b is None:
            counts.new += a is None
            counts.gone += b is None
        elif fields := row_fields(table, a, b):
            counts.changed += 1
            counts.fields.update(fields.keys())
    return counts


class _Groups:
    """Counts rows of both sides by a key. A changed row counts for the key that B gives it."""

    def __init__(self, key: Callable[[Row], tuple[str, ...]]) -> None:
        self._key = key
        self._counts: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * 5)

    def count(self, a: Row | None, b: Row | None, changed: bool) -> None:
        if a is not None:
            self._counts[self._key(a)][0] += 1
        if b is not None:
            self._counts[self._key(b)][1] += 1
        row = b if b is not None else a
        if row is not None and (a is None or b is None or changed):
            self._counts[self._key(row)][2 if a is None else 3 if b is None else 4] += 1

    def sorted(self) -> list[Group]:
        return [Group(key, *counts) for key, counts in sorted(self._counts.items())]


def _moves(leaderboard: TableDiff) -> list[Move]:
    ranks = [(row, None, row.get("rank")) for row in leaderboard.new]
    ranks += [(row, row.get("rank"), None) for row in leaderboard.gone]
    ranks += [(row, *fields["rank"]) for row, fields in leaderboard.changed if "rank" in fields]
    ranks.sort(key=lambda each: _place(LEADERBOARD, each[0]))
    # the silent row has no rank in either
    return [Move(row["shop_id"], row["hour_start"], row["agent_id"], a, b) for row, a, b in ranks if a != b]


def _moved_flags(flags: TableDiff) -> list[MovedFlag]:
    raised = {_day(row): row for row in flags.new if row["rule"] in ONE_A_DAY}
    return [MovedFlag(row, raised.pop(_day(row))) for row in flags.gone if _day(row) in raised]


def _day(flag: Row) -> tuple[str, ...]:
    # occurred_at is written with the shop's offset
    return flag["rule"], flag["shop_id"], flag["agent_id"], flag["buyer_id"], flag["occurred_at"][:10]


def _check(path: Path, side: Side, said: Row, flags: int, tasks: int) -> None:
    by_rule = said.get("flags")
    if isinstance(by_rule, dict) and all(isinstance(count, int) for count in by_rule.values()):
        check_count(path, "flags", flags, sum(by_rule.values()))
    check_count(path, "call_tasks", tasks, said.get("call_tasks"))
    check_count(path, "rejected", side.rejected.total(), said.get("rejected"))
