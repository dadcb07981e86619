# ruff: noqa: S608 - what is put into the texts is fixed in this program
"""Running the comparisons, span by span: what differs, and what could not be compared."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from processors.ruleset import RulesetBook
from processors.sentiment import is_negative
from schemas.types import format_time
from sinks.database import Database
from sinks.verify.queries import COMPARISONS, HIDDEN, Comparison, comparison_sql
from sinks.verify.refused import PLACE, REFUSED, Lost, lost
from sinks.verify.rules import SETTLED, parameters
from sinks.verify.scope import Span

NOT_RECOMPUTED: Final = (
    "whether a review's words are negative (the model's own answer is taken)",
    "evidence, QC states, ids and revisions",
    "a call task's category, and its status once people took steps",
)
"""what no query here says anything about"""

_TIMES: Final = frozenset({"opened_at", "replied_at", "window_start", "hour_start", "day_ends_at", "occurred_at"}) | {
    "raised_at", "not_before", "due_at",
}  # fmt: skip
_AMOUNTS: Final = frozenset({"paid_amount", "refunded_amount"})
_DIFFERS: Final = "pipeline != recomputed AND empty(others)"
_LATE: Final = (
    "SELECT count() AS n FROM raw_events FINAL WHERE shop_id = {shop:String}"
    " AND time >= fromUnixTimestamp64Milli({from:Int64}) AND time < fromUnixTimestamp64Milli({to:Int64})"
    f" AND {PLACE} IN ({REFUSED} = 'late' AND error != {{settled:String}})"
)


class Difference(NamedTuple):
    """A unit that is not as recomputed. `pipeline`, `recomputed`: figure -> text, or None where there is no row."""

    table: str
    unit: dict[str, str]
    pipeline: dict[str, str] | None
    recomputed: dict[str, str] | None
    rows: int
    """how many rows of the pipeline stand for it; more than one: doubled"""

    def line(self) -> str:
        """`leaderboard_hourly shop=s hour_start=… agent=a paid_amount: pipeline 10.00, recomputed 12.00`"""
        unit = f"{self.table} " + " ".join(f"{name}={value}" for name, value in self.unit.items())
        if self.pipeline is None:
            return f"{unit}: missing, recomputed {_shown(self.recomputed or {})}"
        if self.recomputed is None:
            return f"{unit}: surplus, pipeline {_shown(self.pipeline)}"
        changed = ", ".join(
            f"{name}: pipeline {value}, recomputed {self.recomputed[name]}"
            for name, value in self.pipeline.items()
            if value != self.recomputed[name]
        )
        doubled = f"stands {self.rows} times" if self.rows > 1 else ""
        return f"{unit} {'; '.join(filter(None, (doubled, changed)))}"


@dataclass
class Report:
    """What was looked at, and what was found."""

    days: int = 0
    units: Counter[str] = field(default_factory=Counter)
    """compared units by table: those that are in the pipeline's rows or in the recomputed ones"""
    drift: Counter[str] = field(default_factory=Counter)
    """units that differ, by table"""
    other_rules: Counter[str] = field(default_factory=Counter)
    """units not compared, by the ruleset they were written under"""
    lost: Counter[str] = field(default_factory=Counter)
    """units by table that differ where the event that counted is not in raw_events: nobody can say which side is right"""
    late: int = 0
    """events too late for the worker, which neither side counts"""

    @property
    def clean(self) -> bool:
        return not self.drift


class Verify:
    """Compares a database with its raw events."""

    def __init__(self, db: Database, book: RulesetBook) -> None:
        self._db, self._book = db, book
        self._lost: dict[str, Lost] = {}
        self.report = Report()

    def run(
        self, spans: Sequence[Span], limit: int, on_span: Callable[[Span], None] | None = None
    ) -> Iterator[Difference]:
        """Differences, at most `limit` of them; all are counted. The report is whole when the last one has been taken."""
        shown = 0
        for span in spans:
            if on_span is not None:
                on_span(span)
            if span.shop_id not in self._lost:
                self._lost[span.shop_id] = lost(self._db, span.shop_id)
            params = {
                **parameters(self._book, span.shop_id),
                "from": span.start,
                "to": span.end,
                "lost_buyers": sorted(self._lost[span.shop_id].buyers),
                "lost_partitions": sorted(self._lost[span.shop_id].partitions),
            }
            self.report.days += span.days
            late = {key: params[key] for key in ("shop", "from", "to")} | {"settled": SETTLED}
            self.report.late += self._db.query(_LATE, late)[0]["n"]
            for comparison in COMPARISONS:
                for difference in self._compare(comparison, span, params, limit - shown):
                    shown += 1
                    yield difference

    def _compare(
        self, comparison: Comparison, span: Span, params: Mapping[str, Any], limit: int
    ) -> Iterator[Difference]:
        sql = comparison_sql(comparison)
        params = {name: value for name, value in params.items() if f"{{{name}:" in sql}
        if comparison is HIDDEN:
            judged = [row for row in map(_judged, self._db.query(sql, params)) if row["pipeline"] or row["recomputed"]]
            known = [row for row in judged if not row["others"]]
            differing = [row for row in known if row["pipeline"] != row["recomputed"]]
            rows = [row for row in differing if not row["lost"]]
            labels = [label for row in judged for label in row["others"]]
            self._count(comparison, len(known), labels, len(differing) - len(rows))
            yield from self._differences(comparison, span, rows, len(rows), limit)
            return
        totals = self._db.query(
            f"SELECT countIf(empty(others)) AS known, countIf({_DIFFERS} AND NOT lost) AS drift,"
            f" countIf({_DIFFERS} AND lost) AS lost_units, groupArrayArrayIf(others, notEmpty(others)) AS labels FROM ({sql})",
            params,
        )[0]
        self._count(comparison, totals["known"], totals["labels"], totals["lost_units"])
        rows = []
        if totals["drift"] and limit > 0:
            rows = self._db.query(
                f"SELECT * FROM ({sql}) WHERE {_DIFFERS} AND NOT lost"
                f" ORDER BY {', '.join(comparison.keys)} LIMIT {int(limit)}",
                params,
            )
        yield from self._differences(comparison, span, rows, totals["drift"], limit)

    def _count(self, comparison: Comparison, known: int, labels: Sequence[str], lost_units: int) -> None:
        """`known`: units all of whose rows are under loaded rules."""
        self.report.units[comparison.table] += known - lost_units
        self.report.other_rules.update(labels)
        if lost_units:
            self.report.lost[comparison.table] += lost_units

    def _differences(
        self, comparison: Comparison, span: Span, rows: Iterable[Mapping[str, Any]], count: int, limit: int
    ) -> Iterator[Difference]:
        if count:
            self.report.drift[comparison.table] += count
        zone = self._book.timezone(span.shop_id)
        for row in list(rows)[: max(limit, 0)]:
            unit = {"shop": span.shop_id} | {key: _text(key, str(row[key]), zone) for key in comparison.keys}
            pipeline, recomputed = (
                [
                    {name: _text(name, value, zone) for name, value in zip(comparison.figures, figures, strict=True)}
                    for figures in row[side]
                ]
                for side in ("pipeline", "recomputed")
            )
            yield Difference(
                comparison.table,
                unit if comparison is not HIDDEN else {"shop": span.shop_id, "rule": "review.hidden_negative", **unit},
                next((one for one in pipeline if one not in recomputed), pipeline[0] if pipeline else None),
                next((one for one in recomputed if one not in pipeline), recomputed[0] if recomputed else None),
                len(pipeline) - max(len(recomputed) - 1, 0),
            )


def _judged(row: dict[str, Any]) -> dict[str, Any]:
    """The candidate for a hidden negative, as the model sees its text."""
    return row if is_negative(row["hint"]) else {**row, "recomputed": []}


def _text(name: str, value: str, zone: str) -> str:
    if value == "null":
        return value
    if name in _TIMES:
        return format_time(int(value), zone)
    if name in _AMOUNTS:
        yuan, _, cents = value.partition(".")
        return f"{yuan}.{cents:0<2}"
    return value or "''"


def _shown(figures: Mapping[str, str]) -> str:
    """Figures of a whole row; those that say nothing are left out."""
    return " ".join(
        f"{name}={value}" for name, value in figures.items() if value not in ("0", "0.00", "null", "''", "{}")
    )
