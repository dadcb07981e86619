"""The reports that the wallboard shows over everything else, for they have just been made."""

from typing import Any, Final

from sinks.report_reader import ReportReader
from web.parts import Parts
from web.reports.models import ReportOut

FRESH_MS: Final = 90_000
NEWS_MS: Final = 900_000
"""An hour that ended longer ago and is made up for now is no news for the floor."""
AT_ONCE: Final = 20


def fresh_reports(parts: Parts, now_ms: int, shop_id: str | None) -> list[dict[str, Any]]:
    """As the API answers them, in the order in which they were made. May raise DatabaseError or DatabaseUnavailableError."""
    found = ReportReader(parts.db).made_since(now_ms - FRESH_MS, shop_id, AT_ONCE)
    news = [report for report in found if report.made_by or now_ms - report.ends_at < NEWS_MS]
    return [ReportOut.of(report).model_dump(mode="json") for report in sorted(news, key=lambda report: report.made_at)]
