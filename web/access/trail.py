"""The trail: who saw and did what, as events on `audit.access`, written before the answer goes out.

A web that nobody has signed in to has nobody to name, so it keeps none.
"""

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import orjson
import structlog
from fastapi import HTTPException

from schemas.access import Access, AccessEvent, AccessType
from schemas.topics import ACCESS
from schemas.types import format_time
from sinks.kafka import PublishError
from web.access.roles import May, Person

log = structlog.get_logger(__name__)

SOURCE: Final = "zhengdian/web"
PUBLISH_SECONDS: Final = 5.0
SUMMED_MS: Final = 60_000
"""The same thing seen again by the same person within this time is one event."""
AWAY_MS: Final = 2_000
"""After a failure nobody waits for the broker again for so long."""
KEPT: Final = 200_000
DETAIL_BYTES: Final = 50_000

Publish = Callable[[list[tuple[str, bytes, bytes]], float], Awaitable[None]]
Seen = tuple[str, str, str, str, str]
"""(actor, what, target, shop, buyer)"""


class Trail:
    """Writes the trail. Only in the event loop's thread."""

    def __init__(self, publish: Publish, now_ms: Callable[[], int], timezone: Callable[[str], str]) -> None:
        """`timezone`: of a shop, or the usual one for ""."""
        self._publish = publish
        self._now_ms = now_ms
        self._timezone = timezone
        self._seen: dict[Seen, int] = {}
        self._away_until = 0

    async def saw(self, person: Person, what: str, rows: Iterable[Mapping[str, Any]], target_id: str = "") -> None:
        """The person is about to be shown rows with `shop_id` and `buyer_id`: one event a shop, and none of buyers whom
        they have been shown as the same thing within a minute. Nothing is kept of somebody to whom buyers are masked.

        Raises HTTPException 503: what can't be recorded must not be shown.
        """
        if person.local or not person.may(May.SEE_BUYERS):
            return
        now = self._now_ms()
        fresh: defaultdict[str, set[str]] = defaultdict(set)
        keys: list[Seen] = []
        for row in rows:
            key = (person.name, what, target_id, row["shop_id"], row["buyer_id"])
            if now - self._seen.get(key, -SUMMED_MS) >= SUMMED_MS:
                keys.append(key)
                fresh[row["shop_id"]].add(row["buyer_id"])
        if not keys:
            return
        await self._write(
            [
                _event(
                    "access.seen", person, what, {"shop_id": shop, "buyer_ids": sorted(buyers), "target_id": target_id}
                )
                for shop, buyers in sorted(fresh.items())
            ],
            now,
        )
        for key in keys:
            self._seen.pop(key, None)
            self._seen[key] = now
        self._forget(now)

    async def did(self, person: Person, kind: AccessType, what: str, **more: Any) -> None:
        """The person has done that; `more`: fields of `Access`. Raises HTTPException 503, so that it does not count."""
        if not person.local:
            await self._write([_event(kind, person, what, more)], self._now_ms())

    async def tried(self, person: Person, kind: AccessType, what: str, **more: Any) -> None:
        """The same for what shows nobody anything, so that it need not wait for the broker to come back."""
        try:
            await self.did(person, kind, what, **more)
        except HTTPException:
            log.warning("access_not_recorded", type=kind, actor=person.name, what=what)

    async def _write(self, found: list[tuple[AccessType, Access]], now: int) -> None:
        if now < self._away_until:
            raise _unrecorded()
        records = []
        for kind, access in found:
            time = format_time(now, self._timezone(access.shop_id))
            data = access.model_dump(mode="json")
            cause = orjson.dumps([kind, time, data], option=orjson.OPT_SORT_KEYS)
            name = f"{kind}-{hashlib.sha256(cause).hexdigest()[:24]}"
            # the model's own text of the time would be in UTC
            event = {"specversion": "1.0", "id": name, "source": SOURCE, "type": kind, "time": time, "data": data}
            AccessEvent.model_validate(event)
            records.append((ACCESS, access.actor.encode(), orjson.dumps(event)))
        try:
            await self._publish(records, PUBLISH_SECONDS)
        except PublishError as error:
            self._away_until = self._now_ms() + AWAY_MS
            log.warning("access_not_published", events=len(records), error=str(error))
            raise _unrecorded() from None

    def _forget(self, now: int) -> None:
        """The oldest first: they are in the order in which they were put."""
        while self._seen:
            oldest = next(iter(self._seen))
            if len(self._seen) <= KEPT and now - self._seen[oldest] < SUMMED_MS:
                return
            del self._seen[oldest]


def _event(kind: AccessType, person: Person, what: str, more: Mapping[str, Any]) -> tuple[AccessType, Access]:
    more = {**more, "detail": shortened(more.get("detail", ""))}
    return kind, Access(
        actor=person.name,
        roles=sorted(person.roles),
        recognised_by=person.by,
        address=person.address,
        what=what,
        **more,
    )


def shortened(detail: str) -> str:
    """A text that fits into a record: of a longer one its beginning, its size, and its hash to know it again by."""
    whole = detail.encode()
    if len(whole) <= DETAIL_BYTES:
        return detail
    start = whole[:DETAIL_BYTES].decode(errors="ignore")
    return f"{start}… ({len(whole)} bytes, sha256 {hashlib.sha256(whole).hexdigest()})"


def _unrecorded() -> HTTPException:
    return HTTPException(
        503, "this goes on record first, and the broker cannot be reached; try again", {"Retry-After": "2"}
    )
