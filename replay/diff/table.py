"""The comparison in a terminal."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.diff.model import LEADERBOARD, WINDOWS, Changed, Diff, Group, Row, Side, TableDiff
from replay.diff.model import Table as ResultTable
from replay.diff.texts import Texts
from replay.diff.words import (
    Listed,
    agent,
    changes,
    evidence,
    headline,
    largest_first,
    listed,
    masked,
    moment,
    moved_flags,
    printable,
    rank,
    share,
    warning,
)

T = TypeVar("T")
Cells = Sequence[str | Text]

_NUMBERS: Final = frozenset({"in A", "in B", "raised", "cleared", "by", "lines", "accepted", "duplicates", "rejected"})


class TerminalConsole(Console):
    """Leaves a closed pipe to the caller; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class TablePrinter:
    """Prints a comparison; at most `limit` rows of anything, and how many more there are."""

    def __init__(self, console: Console, limit: int, show_buyers: bool) -> None:
        self._console, self._limit, self._show_buyers = console, limit, show_buyers
        self._texts = Texts("en")
        self._moved: dict[tuple[str, str], str] = {}
        self._one_shop = False

    def print(self, diff: Diff) -> None:
        """Everything, the sentence that sums it up first."""
        texts = self._texts
        self._moved = moved_flags(diff, texts)
        shops = diff.a.shops | diff.b.shops
        self._one_shop = len(shops) == 1
        self._line(headline(diff, texts), "bold")
        for name in diff.warnings:
            self._line(f"warning: {warning(name, diff, texts)}", "yellow")
        self._table(
            "",
            ("", "lines", "accepted", "duplicates", "rejected", "ruleset", "path"),
            [("A", diff.a), ("B", diff.b)],
            _side,
            whole=True,
        )
        if self._one_shop:
            self._line(f"\nshop: {printable(*shops)}")
        columns = ("in A", "in B", "raised", "cleared", "changed")
        self._table("flags by rule", ("rule", *columns), diff.by_rule, _group, whole=True)
        by_agent = [group for group in diff.by_agent if group.new or group.gone or group.changed]
        by_agent.sort(key=lambda group: -(group.new + group.gone + group.changed))
        self._table("flags by agent, where they differ", ("shop", "agent", *columns), by_agent, self._agent_group)
        flag_columns = ("time", "rule", "severity", "shop", "agent", "buyer", "message", "evidence")
        self._table("flags raised: only in B", flag_columns, diff.flags.new, self._flag, "blue")
        self._table("flags cleared: only in A", flag_columns, diff.flags.gone, self._flag, "magenta")
        self._table(
            "flags changed: in both", (*flag_columns[:-1], "changed"), diff.flags.changed, self._changed_flag, "yellow"
        )
        self._tasks(diff.tasks)
        self._table(
            "ranks moved",
            ("shop", "hour", "agent", "rank", "by"),
            largest_first(diff.moved),
            lambda move: (
                *(move.shop_id, moment(move.hour_start)[:16], move.agent_id, rank(move, texts)),
                "" if move.by is None else f"{move.by:+d}",
            ),
        )
        self._rows(
            "leaderboard",
            ("shop", "hour", "agent"),
            LEADERBOARD,
            diff.leaderboard,
            lambda row: (row["shop_id"], moment(row["hour_start"])[:16], agent(row, texts)),
        )
        self._rows(
            f"response windows, tolerance {share(diff.tolerance)}",
            ("shop", "agent", "window", "size", "definition"),
            WINDOWS,
            diff.windows,
            lambda row: (
                *(row["shop_id"], agent(row, texts), moment(row["window_start"])[:16]),
                *(texts.name("size", str(row["window_seconds"])), row["definition"]),
            ),
        )
        if diff.differs and diff.windows.within:
            self._line(f"\nresponse windows that differ within the tolerance: {diff.windows.within}")
        if diff.rounds.differs:
            counts = texts("rounds_line", new=diff.rounds.new, gone=diff.rounds.gone, changed=diff.rounds.changed)
            self._line(f"\nresponse rounds: {counts}")
        reasons = sorted({*diff.a.rejected, *diff.b.rejected}) if diff.a.rejected != diff.b.rejected else []
        self._table(
            "rejected",
            ("reason", "in A", "in B"),
            reasons,
            lambda reason: (reason, str(diff.a.rejected[reason]), str(diff.b.rejected[reason])),
        )

    def _tasks(self, tasks: TableDiff) -> None:
        rows = [("opened", row, "") for row in tasks.new] + [("gone", row, "") for row in tasks.gone]
        rows += [("changed", changed.row, self._fields(changed)) for changed in tasks.changed]
        self._table(
            "call tasks",
            ("", "opened at", "shop", "order", "buyer", "status", "priority", "changed"),
            rows,
            lambda each: (
                *(each[0], moment(each[1]["raised_at"]), each[1]["shop_id"], each[1]["order_id"]),
                *(self._buyer(each[1]), each[1]["status"], each[1]["priority"], each[2]),
            ),
        )

    def _rows(
        self, title: str, columns: Sequence[str], table: ResultTable, diff: TableDiff, key: Callable[[Row], Cells]
    ) -> None:
        def cells(each: Listed) -> Cells:
            found = _arrows(each.changes) + _pairs(each.figures)
            return *key(each.row), f"{each.only}: {found}" if each.only and found else each.only + found

        self._table(title, (*columns, "changed"), listed(table, diff, self._texts), cells)

    def _flag(self, row: Row) -> Cells:
        found = [_pairs(evidence(row.get("evidence") or {}, self._texts))]
        if moved := self._moved.get((row["shop_id"], row["flag_id"])):
            found.insert(0, moved)
        return *self._flag_key(row), "; ".join(found)

    def _changed_flag(self, changed: Changed) -> Cells:
        return *self._flag_key(changed.row), self._fields(changed)

    def _flag_key(self, row: Row) -> Cells:
        cause = row.get("message_id") or row.get("review_id") or ""
        place = (moment(row["occurred_at"]), row["rule"], row["severity"], row["shop_id"], agent(row, self._texts))
        return *place, self._buyer(row), str(cause)

    def _fields(self, changed: Changed) -> str:
        return _arrows(changes(changed.fields, self._texts))

    def _agent_group(self, group: Group) -> Cells:
        shop, name = group.key
        return _group(group._replace(key=(shop, name or self._texts("silent"))))

    def _buyer(self, row: Row) -> str:
        buyer: str = row["buyer_id"]
        return buyer if self._show_buyers else masked(buyer)

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))

    def _table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[T],
        cells: Callable[[T], Cells],
        style: str = "",
        whole: bool = False,
    ) -> None:
        if not rows:
            return
        skipped = columns.index("shop") if self._one_shop and "shop" in columns else None
        if title:
            self._line(f"\n{title} ({len(rows)})", f"bold {style}")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in (name for place, name in enumerate(columns) if place != skipped):
            number = column in _NUMBERS
            table.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number)
        shown = rows if whole else rows[: self._limit]
        for row in shown:
            table.add_row(*_texts(cell for place, cell in enumerate(cells(row)) if place != skipped))
        if shown:
            self._console.print(table)
        if len(rows) > len(shown):
            self._line(f"… {len(rows) - len(shown)} more (--limit, or --format json for all)", "dim")


def _pairs(found: list[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {each}" for name, each in found)


def _arrows(found: list[tuple[str, str, str]]) -> str:
    return "; ".join(f"{name}: {before} → {after}" for name, before, after in found)


def _texts(cells: Iterable[str | Text]) -> list[Text]:
    # Text, not str: what looks like rich's markup in an id is none
    return [cell if isinstance(cell, Text) else Text(printable(cell)) for cell in cells]


def _group(group: Group) -> Cells:
    signs = zip((group.new, group.gone, group.changed), ("+", "−", "~"), ("blue", "magenta", "yellow"), strict=True)
    counts = [Text(f"{sign}{count}", style=style) if count else "" for count, sign, style in signs]
    return *group.key, str(group.in_a), str(group.in_b), *counts


def _side(given: tuple[str, Side]) -> Cells:
    name, side = given
    counts = map(_count, (side.events, side.accepted, side.duplicates, side.rejected.total()))
    return name, *counts, side.label, side.path


def _count(count: int | None) -> str:
    return "" if count is None else str(count)
