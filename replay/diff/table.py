"""The comparison in a terminal."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from replay.diff.model import Changed, Diff, Group, Row, Side, TableDiff
from replay.diff.texts import Texts
from replay.diff.words import changes, evidence, headline, masked, moment, printable, warning

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

    def print(self, diff: Diff) -> None:
        """Everything, the sentence that sums it up first."""
        texts = self._texts
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
        columns = ("in A", "in B", "raised", "cleared", "changed")
        self._table("flags by rule", ("rule", *columns), diff.by_rule, _group, whole=True)
        by_agent = [group for group in diff.by_agent if group.new or group.gone or group.changed]
        by_agent.sort(key=lambda group: -(group.new + group.gone + group.changed))
        self._table("flags by agent, where they differ", ("shop", "agent", *columns), by_agent, _group)
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
            diff.moved,
            lambda m: (m.shop_id, moment(m.hour_start), m.agent_id, f"{m.rank_a} → {m.rank_b}", f"{m.by:+d}"),
        )
        self._rows(
            "leaderboard",
            ("shop", "hour", "agent"),
            diff.leaderboard,
            lambda row: (row["shop_id"], moment(row["hour_start"]), row["agent_id"]),
        )
        self._rows(
            f"response windows, tolerance {diff.tolerance:g}",
            ("shop", "agent", "window", "size", "definition"),
            diff.windows,
            lambda row: (
                *(row["shop_id"], row["agent_id"], moment(row["window_start"])),
                *(texts.name("size", str(row["window_seconds"])), row["definition"]),
            ),
        )
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

    def _rows(self, title: str, columns: Sequence[str], diff: TableDiff, key: Callable[[Row], Cells]) -> None:
        rows = [(row, "only in B") for row in diff.new] + [(row, "only in A") for row in diff.gone]
        rows += [(changed.row, self._fields(changed)) for changed in diff.changed]
        self._table(title, (*columns, "changed"), rows, lambda each: (*key(each[0]), each[1]))

    def _flag(self, row: Row) -> Cells:
        found = "; ".join(f"{name}: {each}" for name, each in evidence(row.get("evidence") or {}, self._texts))
        return *self._flag_key(row), found

    def _changed_flag(self, changed: Changed) -> Cells:
        return *self._flag_key(changed.row), self._fields(changed)

    def _flag_key(self, row: Row) -> Cells:
        cause = row.get("message_id") or row.get("review_id") or ""
        place = (moment(row["occurred_at"]), row["rule"], row["severity"], row["shop_id"], row["agent_id"])
        return *place, self._buyer(row), str(cause)

    def _fields(self, changed: Changed) -> str:
        return "; ".join(f"{name}: {before} → {after}" for name, before, after in changes(changed.fields, self._texts))

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
        if title:
            self._line(f"\n{title} ({len(rows)})", f"bold {style}")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            number = column in _NUMBERS
            table.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number)
        shown = rows if whole else rows[: self._limit]
        for row in shown:
            table.add_row(*_texts(cells(row)))
        if shown:
            self._console.print(table)
        if len(rows) > len(shown):
            self._line(f"… {len(rows) - len(shown)} more (--limit, or --format json for all)", "dim")


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
