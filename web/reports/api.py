"""The reports' API, and the tasks behind it: past reports, one made by hand."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, HTTPException, Query

from processors.report import Report, span_at
from schemas.outputs import ReportKind
from sinks.kafka import PublishError
from sinks.report_reader import ReportReader
from web import metrics
from web.access.guard import needs
from web.access.roles import May, Person
from web.api import Limit, ShopId, decode_cursor, encode_cursor, given, instant_or_422
from web.bodies import CommandRoute
from web.commands import actor_of
from web.models import Problem
from web.parts import Parts
from web.reports.figures import make_report, paid
from web.reports.maker import Maker, publish
from web.reports.models import Announce, ReportOut, ReportPage
from web.reports.poster import Poster
from web.reports.robots import read_robots, robots_for

log = structlog.get_logger(__name__)

_ANNOUNCED_KEPT: Final = 100


class Reports:
    """The reports of one web process: its routes, and the tasks that make and post them. Raises RobotsError."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reader = ReportReader(parts.db)
        self._robots = read_robots(parts.settings.web_report_urls.get_secret_value())
        self._announced: OrderedDict[str, Report] = OrderedDict()
        """made by hand here a moment ago: readable before the sink has them"""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Makes and posts reports as the settings say."""
        tasks = []
        if self._parts.settings.web_reports:
            tasks.append(asyncio.create_task(Maker(self._parts, self._reader, self._robots).run(), name="reports"))
        if self._robots:
            poster = Poster(self._parts, self._reader, self._robots, self._parts.settings.web_report_language)
            tasks.append(asyncio.create_task(poster.run(), name="report-posts"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def router(self) -> APIRouter:
        """The routes under /api/v1/reports."""
        parts, reader = self._parts, self._reader
        routes = APIRouter(
            prefix="/api/v1", tags=["reports"], responses={503: {"model": Problem}}, route_class=CommandRoute
        )

        @routes.get("/reports", summary="Past reports, newest first", dependencies=[needs(May.WATCH)])
        async def get_reports(
            shop_id: ShopId = None,
            kind: ReportKind | None = None,
            until: Annotated[str | None, Query(description="reports of that moment and before, RFC 3339")] = None,
            limit: Limit = 50,
            cursor: str | None = None,
        ) -> ReportPage:
            filters = given(shop_id=shop_id, kind=kind)
            after, last = decode_cursor(cursor, int, str), instant_or_422("until", until)
            if after is None and last is not None:
                after = last + 1, ""
            found = await parts.call(reader.reports, filters, limit + 1, after)
            page = found[:limit]
            more = encode_cursor(page[-1].as_of, page[-1].report_id) if len(found) > limit else None
            robots = robots_for(self._robots, shop_id) if shop_id else self._robots
            return ReportPage(reports=[ReportOut.of(report) for report in page], next_cursor=more, robots=len(robots))

        @routes.get(
            "/reports/{report_id}",
            summary="One report, and how its hour or day stands now",
            responses={404: {"model": Problem}},
            dependencies=[needs(May.WATCH)],
        )
        async def get_report(report_id: str) -> ReportOut:
            report = await parts.call(reader.report, report_id) or self._announced.get(report_id)
            if report is None:
                raise HTTPException(404, "no such report")
            rows = await parts.call(reader.figures, report.shop_id, report.starts_at, report.ends_at)
            return ReportOut.of(report, paid(rows))

        @routes.post("/reports", status_code=202, summary="Make a report by hand")
        async def announce(body: Announce, person: Annotated[Person, needs(May.ANNOUNCE)]) -> ReportOut:
            who, now = actor_of(body, person), parts.now_ms()
            at = instant_or_422("hour", body.hour)
            span = span_at(body.kind, body.shop_id, parts.book.timezone(body.shop_id), now if at is None else at)
            if span.starts_at > now:
                raise HTTPException(422, "hour: has not begun")
            if body.post and not robots_for(self._robots, body.shop_id):
                raise HTTPException(422, "post: no robot is set up for this shop (ZHENGDIAN_WEB_REPORT_URLS)")
            report = await parts.call(make_report, parts, reader, span, report_id=span.asked_id(who, now), made_by=who)
            if not report.orders_paid and not report.buyers_served:
                raise HTTPException(404, "the shop has no figures in that hour or day")
            if body.post:
                report = replace(report, post_status="waiting", post_after=now)
            try:
                await publish(parts, report)
            except PublishError as error:
                log.warning("report_not_published", error=str(error))
                raise HTTPException(503, "the broker cannot be reached; try again") from None
            self._announced[report.report_id] = report
            if len(self._announced) > _ANNOUNCED_KEPT:
                self._announced.popitem(last=False)
            metrics.REPORTS.labels(span.kind).inc()
            log.info("report_announced", report_id=report.report_id, shop=span.shop_id, actor=who, post=body.post)
            return ReportOut.of(report)

        return routes
