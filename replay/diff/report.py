"""The comparison as one HTML file that needs nothing else, for whoever runs the service floor."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from jinja2 import Environment, StrictUndefined

from replay.diff.model import Changed, Diff, Row, TableDiff
from replay.diff.texts import Texts
from replay.diff.words import changes, evidence, headline, masked, moment, printable, warning

T = TypeVar("T")

ROWS: Final = 1000
"""rows of one list; a browser should open the report at once"""
_TEMPLATE: Final = Path(__file__).with_name("report.html")


def as_html(diff: Diff, lang: str, *, show_buyers: bool = False) -> str:
    """The report in `zh` or `en`. Buyer ids are masked unless told otherwise."""
    texts = Texts(lang)
    view = _View(texts, show_buyers)
    # all that is put into the template is escaped, ids and texts of messages are anybody's
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.finalize = _printable
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    agents = [group for group in diff.by_agent if group.new or group.gone or group.changed]
    agents.sort(key=lambda group: -(group.new + group.gone + group.changed))
    by_size = sorted(diff.windows.changed, key=lambda changed: -changed.row["window_seconds"])
    return template.render(
        t=texts,
        lang={"zh": "zh-CN", "en": "en"}[lang],
        diff=diff,
        headline=headline(diff, texts),
        warnings=[warning(name, diff, texts) for name in diff.warnings],
        masked=not show_buyers,
        agents=view.rows(agents, lambda group: group),
        raised=view.rows(diff.flags.new, view.flag),
        cleared=view.rows(diff.flags.gone, view.flag),
        changed=view.rows(diff.flags.changed, view.changed_flag),
        tasks=view.tasks(diff.tasks),
        moved=view.rows(diff.moved, lambda move: (move, moment(move.hour_start)[:16])),
        board=view.table(diff.leaderboard, diff.leaderboard.changed, view.board_key),
        windows=view.table(diff.windows, by_size, view.window_key),
        reasons=sorted({*diff.a.rejected, *diff.b.rejected}) if diff.a.rejected != diff.b.rejected else [],
        tolerance=f"{diff.tolerance:.6g}" if diff.tolerance < 0.0001 else f"{diff.tolerance * 100:g} %",
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

    def __init__(self, texts: Texts, show_buyers: bool) -> None:
        self._texts, self._show_buyers = texts, show_buyers

    def rows(self, rows: Sequence[T], view: Callable[[T], Any]) -> _Rows:
        return _Rows([view(row) for row in rows[:ROWS]], max(0, len(rows) - ROWS))

    def flag(self, row: Row) -> Row:
        return {
            "row": row,
            "time": moment(row["occurred_at"]),
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
            "changes": changes(fields, self._texts),
        }

    def table(self, diff: TableDiff, changed: list[Changed], key: Callable[[Row], list[str]]) -> _Rows:
        rows: list[tuple[str, Row, Any]] = [("", row, changes(fields, self._texts)) for row, fields in changed]
        rows += [("row.new", row, []) for row in diff.new] + [("row.gone", row, []) for row in diff.gone]
        return self.rows(rows, lambda each: (key(each[1]), each[0] and self._texts(each[0]), each[2]))

    def board_key(self, row: Row) -> list[str]:
        return [row["shop_id"], moment(row["hour_start"])[:16], row["agent_id"] or self._texts("nobody")]

    def window_key(self, row: Row) -> list[str]:
        size = self._texts.name("size", str(row["window_seconds"]))
        definition = self._texts.name("definition", row["definition"])
        return [row["shop_id"], row["agent_id"], f"{moment(row['window_start'])[:16]} · {size}", definition]

    def _buyer(self, row: Row) -> str:
        buyer: str = row["buyer_id"]
        return buyer if self._show_buyers else masked(buyer)
