"""What a report is made of, read from ClickHouse."""

from typing import Any

from processors.report import Figures, Report, Span, make
from sinks.report_reader import ReportReader
from web.board import goal_of_day, goal_of_hours, pk_teams, sale_of
from web.parts import Parts

Rows = list[dict[str, Any]]


def make_report(
    parts: Parts, reader: ReportReader, span: Span, *, report_id: str, made_by: str = "", complete: bool = True
) -> Report:
    """The report of that span as things stand. May raise DatabaseError or DatabaseUnavailableError."""
    rows = reader.figures(span.shop_id, span.starts_at, span.ends_at)
    day_start, day_end = span.day
    sales = parts.read.sale_events(day_start, day_end)
    sale = sale_of(sales, span.shop_id, span.starts_at, span.ends_at)
    before = reader.figures(span.shop_id, *span.before)
    hours = parts.read.hour_totals(day_start, span.ends_at, span.shop_id)
    day_goal = goal_of_day(sales, span.shop_id, *span.day, [hour["hour_start"] for hour in hours])
    figures = Figures(
        rows=rows,
        teams=pk_teams(rows, sale),
        sale=sale,
        goal=day_goal if span.kind == "day" else goal_of_hours(sales, span.shop_id, span.starts_at, span.ends_at),
        day=paid(hours),
        day_goal=day_goal,
        before=paid(before)[0] if before else None,
    )
    now = parts.now_ms()
    ruleset = parts.book.at(span.shop_id, span.starts_at).label
    return make(span, figures, report_id=report_id, made_at=now, made_by=made_by, complete=complete, ruleset=ruleset)


def paid(rows: Rows) -> tuple[int, int]:
    """(fen, orders) that were paid."""
    return sum(row["paid_amount"] for row in rows), sum(row["orders_paid"] for row in rows)
