"""Makes the reports: each hour and each day of each shop once, when it has settled, over restarts and in several processes.

A report's id follows from shop and span, and of several records with one id and revision the first in Kafka counts: so it
does no harm when two processes make the same one, or one makes it twice because the sink is slow.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import structlog

from processors.calendar import HOUR_MS
from processors.report import Report, Sight, Span, decide, span_at
from schemas.topics import REPORTS
from sinks.database import DatabaseError, DatabaseUnavailableError
from sinks.kafka import PublishError
from sinks.report_reader import ReportReader
from web import metrics
from web.parts import Parts
from web.reports.figures import make_report
from web.reports.robots import Robot, robots_for

log = structlog.get_logger(__name__)

LOOK_BACK_MS: Final = 26 * HOUR_MS
"""Spans that ended longer ago are left alone: a past sale that is being read in is no news."""
NEWS_MS: Final = 2 * HOUR_MS
"""What ended longer ago is kept and not posted."""
CHECK_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 3.0
AGAIN_MS: Final = 60_000
"""A record that does not show in ClickHouse by then is sent once more."""
PUBLISH_TIMEOUT_SECONDS: Final = 10.0


async def publish(parts: Parts, report: Report) -> None:
    """Write a revision. Raises PublishError."""
    await parts.publish([(REPORTS, report.report_id.encode(), report.value())], PUBLISH_TIMEOUT_SECONDS)


class Maker:
    """Looks for spans that have ended and have no report."""

    def __init__(self, parts: Parts, reader: ReportReader, robots: Iterable[Robot]) -> None:
        self._parts = parts
        self._reader = reader
        self._robots = list(robots)
        self._seen: dict[Span, tuple[Sight, object]] = {}
        """span -> what was seen of it, and the figures then"""
        self._sent: dict[str, int] = {}
        """report_id -> when it was written to Kafka"""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                open_ = await self.step()
            except (DatabaseError, DatabaseUnavailableError, PublishError) as error:
                log.warning("report_not_made", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception:
                log.exception("reports_failed")  # nobody else would tell, and the next hour may do
                await asyncio.sleep(RETRY_SECONDS)
                continue
            to_next = HOUR_MS - self._parts.now_ms() % HOUR_MS  # some zones' hours begin at half: they wait a little
            await asyncio.sleep(CHECK_SECONDS if open_ else min(IDLE_SECONDS, to_next / 1000 + 0.1))

    async def step(self) -> bool:
        """Make what may be made now; whether something that has ended is still open."""
        parts, now = self._parts, self._parts.now_ms()
        spans = await parts.call(self._open, now)
        self._seen = {span: seen for span, seen in self._seen.items() if span in spans}
        for span in spans:
            try:
                await self._look(span, now)
            except (DatabaseUnavailableError, PublishError):
                raise
            except Exception:
                # one report that can't be made must not keep the floor from hearing the others
                log.exception("report_failed", shop=span.shop_id, kind=span.kind, starts_at=span.starts_at)
        return bool(spans)

    def _open(self, now: int) -> list[Span]:
        """Hours and days in which something was paid or somebody served, that have ended and have no report, the oldest first."""
        zone_of = self._parts.book.timezone
        spans: set[Span] = set()
        # the whole of the days that may end within the time looked at
        for row in self._reader.busy_hours(now - LOOK_BACK_MS - 26 * HOUR_MS, now):
            shop = row["shop_id"]
            spans |= {span_at(kind, shop, zone_of(shop), row["hour_start"]) for kind in ("hour", "day")}
        ended = [span for span in spans if now - LOOK_BACK_MS <= span.ends_at <= now]
        made = self._reader.made(now - LOOK_BACK_MS) if ended else set()
        self._sent = {key: at for key, at in self._sent.items() if key not in made and now - at < AGAIN_MS}
        missing = (span for span in ended if span.report_id not in made and span.report_id not in self._sent)
        return sorted(missing, key=lambda span: (span.ends_at, span.kind == "day", span.shop_id))

    async def _look(self, span: Span, now: int) -> None:
        sight, figures = await self._parts.call(self._sight, span, now)
        self._seen[span] = sight, figures
        verdict = decide(span.ends_at, now, sight)
        if verdict == "wait":
            return
        report = await self._parts.call(
            make_report, self._parts, self._reader, span, report_id=span.report_id, complete=verdict == "complete"
        )
        if robots_for(self._robots, span.shop_id) and now - span.ends_at < NEWS_MS:
            report = replace(report, post_status="waiting", post_after=now)
        await publish(self._parts, report)
        self._sent[span.report_id] = now
        metrics.REPORTS.labels(span.kind).inc()
        log.info("report_made", report_id=report.report_id, shop=span.shop_id, kind=span.kind, complete=report.complete)

    def _sight(self, span: Span, now: int) -> tuple[Sight, object]:
        reader = self._reader
        rows = reader.figures(span.shop_id, span.starts_at, span.ends_at)
        figures = [(row["agent_id"], row["paid_amount"], row["orders_paid"], row["buyers_served"]) for row in rows]
        last, known = self._seen.get(span, (Sight(now, now, False, 0), figures))
        # a day's last hour is what may still be moving
        owed = reader.owed(span.shop_id, max(span.starts_at, span.ends_at - HOUR_MS), span.ends_at)
        passed = last.passed or reader.passed(span.shop_id, span.ends_at)
        steady_since = last.steady_since if known == figures and owed == last.owed else now
        return Sight(last.first_seen, steady_since, passed, owed), figures
