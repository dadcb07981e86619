"""The log of rejected records folded into cases: one record, why it was rejected, every attempt to send it again.

Pure. A case is a function of the set of entries, so the partitions of the log may be read in any order.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, NamedTuple

import orjson

from replay.files import Line
from replay.ingest import live_event
from schemas.events import InvalidEventError
from schemas.outputs import Rejected, Resend
from schemas.rejections import rejected_bytes

Place = tuple[int, int]
"""(partition, offset) on audit.rejected"""
State = Literal["open", "resent", "failed_again", "unsure"]
HEAD_BYTES: Final = 240
_CUT: Final = re.compile(
    r"(?:\(raw is cut: \d+ of (\d+) bytes\)|: the record .* of (\d+) bytes is more than Kafka takes)$"
)


class Origin(NamedTuple):
    """Where a rejected record came from: a place on Kafka, or a line of a file."""

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.topic is not None:
            return f"{self.topic} {self.partition}:{'?' if self.offset is None else self.offset}"
        return "?" if self.file is None else f"{self.file}:{self.line}"


Identity = tuple[Origin, str]
"""where a record came from, and the hash of its bytes"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One rejected record of the log, without its bytes: of those kept the first HEAD_BYTES, the size and the hash.

    `event`: what `time_or_error` says of the bytes.
    """

    place: Place
    at_ms: int
    reason: str
    error: str
    origin: Origin
    sha256: str
    size: int
    head: bytes
    event: int | str

    @property
    def cut(self) -> bool:
        """Whether only a part of its bytes was kept."""
        return self.reason == "oversize" or _CUT.search(self.error) is not None

    @property
    def full_size(self) -> int:
        """Its size before it was cut, which its error tells."""
        found = _CUT.search(self.error)
        return self.size if found is None else int(found[1] or found[2])

    @property
    def order(self) -> tuple[int, Place]:
        """By time, and where that is the same by place."""
        return self.at_ms, self.place

    @property
    def identity(self) -> Identity:
        """The same for a record that is rejected again because it was read again."""
        return self.origin, self.sha256


@dataclass(frozen=True, slots=True)
class ResendEntry:
    """One entry of the log about an attempt: its announcement, or the place where it went."""

    place: Place
    at_ms: int
    resend: Resend

    @property
    def announced(self) -> Place:
        """Place of the announcement, which names the attempt."""
        partition, offset = self.resend.announced_partition, self.resend.announced_offset
        return self.place if partition is None or offset is None else (partition, offset)


Entry = Rejection | ResendEntry


def time_or_error(raw: bytes) -> int | str:
    """The time of the event in these bytes, or why they are none today: the program may have learned it since."""
    try:
        return live_event(Line("", 0, raw)).time
    except InvalidEventError as error:
        return f"{error.reason}: {error.error}"


def entry_of(place: Place, at_ms: int, value: bytes) -> Entry:
    """The entry in a record of audit.rejected. Raises ValueError for a record that is none."""
    found = orjson.loads(value)
    if isinstance(found, dict) and found.get("kind") == "resend":
        return ResendEntry(place, at_ms, Resend.model_validate(found))
    record = Rejected.model_validate(found)
    raw = rejected_bytes(record)
    origin = Origin(record.topic, record.partition, record.offset, record.file, record.line)
    digest = sha256(raw).hexdigest()
    head, event = raw[:HEAD_BYTES], time_or_error(raw)
    return Rejection(place, at_ms, record.reason, record.error, origin, digest, len(raw), head, event)


@dataclass(slots=True)
class Attempt:
    """A record sent again. `number`: 2 for the first time; `sent`: whether it is known where it went."""

    announced: Place
    at_ms: int
    resend: Resend
    number: int = 0
    sent: bool = False
    rejections: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """A rejected record and all that became of it. `arrivals`: its rejections before it was ever sent again."""

    arrivals: tuple[Rejection, ...]
    resends: tuple[Attempt, ...]

    @property
    def id(self) -> str:
        """`partition:offset` on audit.rejected of its first rejection."""
        partition, offset = self.place
        return f"{partition}:{offset}"

    @property
    def place(self) -> Place:
        return self.arrivals[0].place

    @property
    def attempts(self) -> int:
        """Times that the record was tried, its first arrival included."""
        return 1 + len(self.resends)

    @property
    def current(self) -> Rejection:
        """The rejection of the latest attempt that was rejected."""
        return self.rejection_of(None)

    def rejection_of(self, attempt: int | None) -> Rejection:
        """The latest rejection of that attempt, of the latest one rejected for None. Raises KeyError."""
        found = {1: self.arrivals[-1]} | {a.number: a.rejections[-1] for a in self.resends if a.rejections}
        return found[max(found) if attempt is None else attempt]

    def sent_other(self, shown: Rejection) -> bool:
        """Whether the latest attempt sent other bytes than those, and no rejection has brought them back."""
        last = self.resends[-1] if self.resends else None
        return last is not None and not last.rejections and last.resend.sha256 != shown.sha256

    @property
    def state(self) -> State:
        """open: never sent again; resent: no rejection has come back; unsure: nobody knows whether it was sent."""
        if not self.resends:
            return "open"
        last = self.resends[-1]
        if last.rejections:
            return "failed_again"
        return "resent" if last.sent else "unsure"

    @property
    def changed_ms(self) -> int:
        """When it was last rejected or sent again."""
        return max([self.current.at_ms, *(a.at_ms for a in self.resends)])

    @property
    def places(self) -> list[Place]:
        """Every place on audit.rejected where this record was rejected."""
        return [r.place for r in self.arrivals] + [r.place for a in self.resends for r in a.rejections]


class _Groups:
    """Disjoint sets."""

    def __init__(self) -> None:
        self._above: dict[Hashable, Hashable] = {}

    def root(self, node: Hashable) -> Hashable:
        while (above := self._above.setdefault(node, node)) != node:
            self._above[node] = node = self._above[above]
        return node

    def join(self, one: Hashable, other: Hashable) -> None:
        self._above[self.root(one)] = self.root(other)


def fold(entries: Iterable[Entry]) -> list[Case]:
    """The cases, the one that was rejected first at the beginning.

    A record that is rejected again because a worker read it again stays one case. So does one that was sent again: the
    attempt names the place, and whatever is rejected from there is the attempt's.
    """
    ordered = sorted(entries, key=lambda entry: (entry.at_ms, entry.place))
    rejections = [entry for entry in ordered if isinstance(entry, Rejection)]
    attempts: dict[Place, Attempt] = {}
    for entry in ordered:
        if isinstance(entry, ResendEntry):
            _take(attempts, entry)
    tries = sorted(attempts.values(), key=lambda a: (a.at_ms, a.announced))

    went = _destinations(rejections, tries)
    groups = _Groups()
    attempt_at: dict[Identity, Attempt] = {}
    for attempt in tries:
        groups.join(("attempt", attempt.announced), (attempt.resend.case_partition, attempt.resend.case_offset))
        if attempt.announced in went:
            groups.join(("attempt", attempt.announced), went[attempt.announced])
            attempt_at[went[attempt.announced]] = attempt

    arrivals: dict[Hashable, list[Rejection]] = defaultdict(list)
    resends: dict[Hashable, list[Attempt]] = defaultdict(list)
    for rejection in rejections:
        groups.join(rejection.place, rejection.identity)
        if (made_by := attempt_at.get(rejection.identity)) is not None:
            made_by.rejections.append(rejection)
    for attempt in tries:
        resends[groups.root(("attempt", attempt.announced))].append(attempt)
    for rejection in rejections:
        if rejection.identity not in attempt_at:
            arrivals[groups.root(rejection.place)].append(rejection)
    for root, mine in resends.items():
        if root not in arrivals and (heir := next((a for a in mine if a.rejections), None)):
            mine.remove(heir)  # the first rejection is no longer in the log: the earliest one left stands in for it
            arrivals[root] = heir.rejections
    return sorted(
        (_case(first, resends[root]) for root, first in arrivals.items()), key=lambda case: case.arrivals[0].order
    )


def _case(arrivals: list[Rejection], resends: list[Attempt]) -> Case:
    for number, attempt in enumerate(resends, start=2):
        attempt.number = number
    return Case(tuple(arrivals), tuple(resends))


def _take(attempts: dict[Place, Attempt], entry: ResendEntry) -> None:
    """An attempt is known by either of its entries; the one that says where it went replaces the other."""
    found = attempts.setdefault(entry.announced, Attempt(entry.announced, entry.at_ms, entry.resend))
    found.at_ms = min(found.at_ms, entry.at_ms)
    if entry.resend.offset is not None:
        found.resend, found.sent = entry.resend, True


def _destinations(rejections: list[Rejection], tries: list[Attempt]) -> dict[Place, Identity]:
    """Announcement -> the identity that a rejection of that attempt has.

    An attempt that was cut off before it could say where it went is known by its bytes: a rejection of them on that topic
    that nothing else explains belongs to the latest such attempt before it.
    """
    went: dict[Place, Identity] = {}
    for attempt in tries:
        resend = attempt.resend
        if attempt.sent:
            went[attempt.announced] = (Origin(resend.topic, resend.partition, resend.offset), resend.sha256)
    unsure: dict[tuple[str | None, str], list[Attempt]] = defaultdict(list)
    for attempt in tries:
        if not attempt.sent:
            unsure[attempt.resend.topic, attempt.resend.sha256].append(attempt)
    explained: set[Identity | Place] = set(went.values()) | {
        (a.resend.case_partition, a.resend.case_offset) for a in tries
    }
    seen = set()
    for rejection in rejections if unsure else ():
        if rejection.identity not in seen and explained.isdisjoint((rejection.identity, rejection.place)):
            mine = unsure.get((rejection.origin.topic, rejection.sha256), [])
            if latest := next((a for a in reversed(mine) if a.at_ms <= rejection.at_ms), None):
                mine.remove(latest)
                went[latest.announced] = rejection.identity
                latest.sent = True
        seen.add(rejection.identity)
    return went
