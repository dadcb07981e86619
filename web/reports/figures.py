"""What a report is made of, read from ClickHouse."""

from typing import Any

from processors.calendar import HOUR_MS
from processors.report import Figures, Report, Span, make
from processors.targets import Goal, goal
from sinks.report_reader import ReportReader
from web.board import pk_teams, sale_of
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
    day_goal = _day_goal(sales, span, [hour["hour_start"] for hour in hours])
    figures = Figures(
        rows=rows,
        teams=pk_teams(rows, sale),
        sale=sale,
        goal=day_goal if span.kind == "day" else _goal(sales, span.shop_id, span.starts_at, span.ends_at),
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


def _goal(sales: Rows, shop_id: str, from_ms: int, to_ms: int) -> Goal:
    """The shop's targets of those hours, each by the sale event that holds for that hour."""
    goals = []
    for hour in range(from_ms, to_ms, HOUR_MS):
        sale = sale_of(sales, shop_id, hour, hour + HOUR_MS)
        if sale is not None:
            goals.append(goal(sale["targets"], hour, hour + HOUR_MS))
    amounts = [one.amount for one in goals if one.amount is not None]
    orders = [one.orders for one in goals if one.orders is not None]
    return Goal(sum(amounts) if amounts else None, sum(orders) if orders else None)


def _day_goal(sales: Rows, span: Span, hours: list[int]) -> Goal:
    """The targets of the whole day, where every hour with figures has one: else what was paid without a target would count."""
    each = [_goal(sales, span.shop_id, hour, hour + HOUR_MS) for hour in hours]
    whole = _goal(sales, span.shop_id, *span.day)
    return Goal(
        whole.amount if all(one.amount is not None for one in each) else None,
        whole.orders if all(one.orders is not None for one in each) else None,
    )
