"""The comparison as one HTML file that needs nothing else, for whoever runs the service floor."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from jinja2 import Environment, StrictUndefined

from replay.diff.model import LEADERBOARD, WINDOWS, Changed, Diff, Move, Row, Table, TableDiff
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

ROWS: Final = 1000
"""rows of one list; a browser should open the report at once"""
FOLDED: Final = 50
"""a longer list is shown on a click"""
_TEMPLATE: Final = Path(__file__).with_name("report.html")


def as_html(diff: Diff, lang: str, *, show_buyers: bool = False) -> str:
    """The report in `zh` or `en`. Buyer ids are masked unless told otherwise."""
    texts = Texts(lang)
    view = _View(diff, texts, show_buyers)
    # all that is put into the template is escaped, ids and texts of messages are anybody's
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.finalize = _printable
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    agents = [group for group in diff.by_agent if group.new or group.gone or group.changed]
    agents.sort(key=lambda group: -(group.new + group.gone + group.changed))
    return template.render(
        t=texts,
        lang={"zh": "zh-CN", "en": "en"}[lang],
        diff=diff,
        headline=headline(diff, texts),
        warnings=[warning(name, diff, texts) for name in diff.warnings],
        masked=not show_buyers,
        folded=FOLDED,
        agents=view.rows(agents, lambda group: group),
        raised=view.rows(diff.flags.new, view.flag),
        cleared=view.rows(diff.flags.gone, view.flag),
        changed=view.rows(diff.flags.changed, view.changed_flag),
        tasks=view.tasks(diff.tasks),
        moved=view.rows(largest_first(diff.moved), view.move),
        board=view.table(LEADERBOARD, diff.leaderboard, view.board_key),
        windows=view.table(WINDOWS, diff.windows, view.window_key),
        reasons=sorted({*diff.a.rejected, *diff.b.rejected}) if diff.a.rejected != diff.b.rejected else [],
        tolerance=share(diff.tolerance),
    )


def _printable(given: Any) -> Any:
    # type, not isinstance: what is escaped already stays so
    return printable(given) if type(given) is str else given


class _Rows(list[Any]):
    """Rows to show, and how many there are beyond them."""

    def __init__(self, rows: list[Any], more: int) -> None:
        super().__init__(rows)
        self.more = more
        self.total = len(rows) + more


class _View:
    """Rows as the template takes them."""

    def __init__(self, diff: Diff, texts: Texts, show_buyers: bool) -> None:
        self._texts, self._show_buyers = texts, show_buyers
        self._moved = moved_flags(diff, texts)

    def rows(self, rows: Sequence[T], view: Callable[[T], Any]) -> _Rows:
        return _Rows([view(row) for row in rows[:ROWS]], max(0, len(rows) - ROWS))

    def flag(self, row: Row) -> Row:
        return {
            "row": row,
            "time": moment(row["occurred_at"]),
            "agent": agent(row, self._texts),
            "moved": self._moved.get((row["shop_id"], row["flag_id"]), ""),
            "buyer": self._buyer(row),
            "rule": self._texts.name("rule", row["rule"]),
            "severity": self._texts.name("severity", row["severity"]),
            "cause": row.get("message_id") or row.get("review_id") or "–",
            "orders": ", ".join(map(str, row.get("order_ids") or ())),
            "evidence": evidence(row.get("evidence") or {}, self._texts),
        }

    def changed_flag(self, changed: Changed) -> Row:
        return self.flag(changed.row) | {"changes": changes(changed.fields, self._texts)}

    def tasks(self, tasks: TableDiff) -> _Rows:
        rows = [("task.new", Changed(row, {})) for row in tasks.new]
        rows += [("task.gone", Changed(row, {})) for row in tasks.gone]
        rows += [("task.changed", changed) for changed in tasks.changed]
        return self.rows(rows, self._task)

    def _task(self, given: tuple[str, Changed]) -> Row:
        what, (row, fields) = given
        return {
            "row": row,
            "what": self._texts(what),
            "time": moment(row["raised_at"]),
            "buyer": self._buyer(row),
            "status": self._texts.name("status", row["status"]),
            "priority": self._texts.name("priority", row["priority"]),
            "changes": changes(fields, self._texts),
        }

    def move(self, move: Move) -> Row:
        up = move.rank_a is None if move.by is None else move.by > 0
        return {"move": move, "hour": moment(move.hour_start)[:16], "rank": rank(move, self._texts), "up": up}

    def table(self, table: Table, diff: TableDiff, key: Callable[[Row], list[str]]) -> _Rows:
        def cells(each: Listed) -> tuple[list[str], Listed]:
            return key(each.row), each

        return self.rows(listed(table, diff, self._texts), cells)

    def board_key(self, row: Row) -> list[str]:
        return [row["shop_id"], moment(row["hour_start"])[:16], agent(row, self._texts)]

    def window_key(self, row: Row) -> list[str]:
        size = self._texts.name("size", str(row["window_seconds"]))
        definition = self._texts.name("definition", row["definition"])
        return [row["shop_id"], agent(row, self._texts), f"{moment(row['window_start'])[:16]} · {size}", definition]

    def _buyer(self, row: Row) -> str:
        buyer: str = row["buyer_id"]
        return buyer if self._show_buyers else masked(buyer)
