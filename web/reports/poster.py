"""Posts reports to group chats: each once, by one of the web processes, with retries that outlive a restart.

A state machine over the read model. Whoever wants to post a report that is waiting writes the next revision with its own
name; who then reads its own name there has it, because of equal revisions the first in Kafka counts. What a process that
died was sending may have arrived: it is not sent again, and says so.
"""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Final

import structlog

from processors.report import Report
from processors.report_text import Lang, markdown, title
from sinks.database import DatabaseError, DatabaseUnavailableError
from sinks.kafka import PublishError
from sinks.report_reader import ReportReader
from web import metrics
from web.parts import Parts
from web.reports.maker import AGAIN_MS, NEWS_MS, publish
from web.reports.robots import Outcome, Robot, robots_for

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 1.0
LEASE_MS: Final = 300_000
"""Far more than sending takes: whoever has said nothing by then has died."""
ROUNDS: Final = 6
FIRST_WAIT_MS: Final = 30_000
ERROR_LENGTH: Final = 200
AT_ONCE: Final = 100


class Poster:
    """Posts what is waiting."""

    def __init__(
        self, parts: Parts, reader: ReportReader, robots: Iterable[Robot], language: Lang, *, patience: float = 1.0
    ) -> None:
        self._parts = parts
        self._reader = reader
        self._robots = list(robots)
        self._language = language
        self._patience = patience
        """seconds before a robot is asked a second time"""
        self.name = f"web-{secrets.token_hex(4)}"
        self._claims: dict[tuple[str, int], int] = {}
        """(report_id, revision) that this process has written, and has not seen yet -> when"""
        self._outcomes: dict[str, Report] = {}
        """report_id -> what has become of it, to be written"""
        self._first_seen: dict[tuple[str, int], int] = {}
        """(report_id, revision) that is said to be on its way -> since when, by this process's clock"""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except (DatabaseError, DatabaseUnavailableError, PublishError) as error:
                log.warning("report_not_posted", error=str(error))
            except Exception:
                log.exception("report_post_failed")
            await asyncio.sleep(CHECK_SECONDS)

    async def step(self) -> None:
        """Bring every report that is to be posted one step further."""
        now = self._parts.now_ms()
        for report_id, report in list(self._outcomes.items()):
            await publish(self._parts, report)
            del self._outcomes[report_id]
        found = await self._parts.call(self._reader.to_post, AT_ONCE)
        sending = {(report.report_id, report.revision) for report in found if report.post_status == "sending"}
        self._first_seen = {key: at for key, at in self._first_seen.items() if key in sending}
        self._claims = {key: at for key, at in self._claims.items() if key in sending or now - at < AGAIN_MS}
        for report in found:
            if report.post_status == "waiting":
                await self._claim(report, now)
            else:
                await self._go_on(report, now)

    async def _claim(self, report: Report, now: int) -> None:
        key = report.report_id, report.revision + 1
        if key in self._claims or (report.post_after or 0) > now:
            return
        self._claims[key] = now
        if now - report.made_at >= NEWS_MS:  # nobody was there to post it
            late = report.next(post_status="failed", post_after=None, post_error=report.post_error or "too late")
            await publish(self._parts, late)
            return
        await publish(self._parts, report.next(post_status="sending", post_by=self.name, post_after=None))

    async def _go_on(self, report: Report, now: int) -> None:
        key = report.report_id, report.revision
        if report.post_by == self.name and key in self._claims:
            del self._claims[key]
            # no claim any more: should anything fail in between, it is not sent again
            done = self._outcomes[report.report_id] = await self._post(report)
            await publish(self._parts, done)
            del self._outcomes[report.report_id]
        elif now - self._first_seen.setdefault(key, now) >= LEASE_MS:
            log.warning("report_post_unknown", report_id=report.report_id)
            del self._first_seen[key]
            await publish(self._parts, report.next(post_status="unknown"))

    async def _post(self, report: Report) -> Report:
        """Send it to the robots that have not got it; the next revision."""
        robots = [robot for robot in robots_for(self._robots, report.shop_id) if robot.name not in report.posted]
        words = title(report, self._language), markdown(report, self._language)
        outcomes: list[Outcome] = await asyncio.gather(
            *(asyncio.to_thread(robot.post, *words, self._patience) for robot in robots)
        )
        failed = [one for one in outcomes if one.error]
        for one in outcomes:
            metrics.REPORT_POSTS.labels("failed" if one.error else "ok").inc()
        posted = (*report.posted, *(one.robot for one in outcomes if not one.error))
        rounds, now = report.post_attempts + 1, self._parts.now_ms()
        error = "; ".join(f"{one.robot}: {one.error}" for one in failed)[:ERROR_LENGTH]
        log.info("report_posted", report_id=report.report_id, taken=len(posted), failed=len(failed), error=error)
        if not failed:
            status, after = "done", None
        elif rounds >= ROUNDS or now - report.made_at >= NEWS_MS:
            status, after = "failed", None
        else:
            status, after = "waiting", now + FIRST_WAIT_MS * 2 ** (rounds - 1)
        return report.next(post_status=status, post_after=after, post_attempts=rounds, posted=posted, post_error=error)
