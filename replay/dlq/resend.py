"""Rejected records sent again, with every attempt kept in the log of rejected records.

An attempt is announced before anything is sent, and the place where it went is added afterwards. So a command that dies
in between leaves an attempt that counts and whose fate is unsure, never one that nobody knows of; sending an event twice
changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final, Protocol

import orjson

from replay.dlq.cases import Case, Place
from replay.files import Line
from replay.ingest import live_event, rejected_line
from schemas.events import InvalidEventError
from schemas.outputs import Resend
from schemas.rejections import rejection
from schemas.topics import REJECTED, TOPIC_OF_TYPE
from schemas.types import format_time
from sinks.kafka import Record, event_key

RESEND_KEY: Final = b"resend"
_BATCH: Final = 32  # records of up to 900 kB are held at once
_PUBLISH_SECONDS: Final = 60.0
_SURE_TO_FAIL: Final = {
    "late": "a worker rejects it as late again; a replay settles it",
    "conflict": "another event has its source and id and counts; correct the id (--file)",
}


class Producer(Protocol):
    """What is needed of `sinks.kafka.EventProducer`."""

    def publish(self, records: Sequence[Record], timeout_seconds: float) -> list[Place]:
        """Send all; returns (partition, offset) of each once the broker has them."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The bytes to send instead of the rejected ones; `file` is what they were read from."""

    raw: bytes
    file: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case: `sent` to a place, or with `error` rejected again at once, as a worker would have done."""

    case: Case
    attempt: int
    topic: str
    place: Place | None
    error: InvalidEventError | None

    @property
    def sent(self) -> bool:
        return self.error is None


def refusal(case: Case, correction: Correction | None, max_attempts: int, *, force: bool) -> str | None:
    """Why that case is not sent again, or None. `force` overrides what is sure to fail, never the number of attempts."""
    found = case.current
    if case.attempts >= max_attempts:
        return f"given up after {case.attempts} attempts (--max-attempts {max_attempts})"
    if not force and case.state == "resent":
        return f"attempt {case.attempts} was sent and nothing has come back (--force sends it again)"
    if correction is not None and sha256(correction.raw).hexdigest() != found.sha256:
        return None
    if found.reason == "oversize":
        return "oversize: a result that Kafka would not take, no event that could be sent"
    if found.cut:
        return f"only the first {found.size} bytes were kept; give the whole record (--file)"
    if not force and found.reason in _SURE_TO_FAIL:
        return f"{found.reason}: {_SURE_TO_FAIL[found.reason]} (--force sends it all the same)"
    return None


def send_again(
    cases: Iterable[Case],
    producer: Producer,
    raw_of: Callable[[Place], bytes],
    *,
    latest_ms: Callable[[], int],
    correction: Correction | None = None,
) -> Iterator[Outcome]:
    """Send each case that `refusal` lets pass: its bytes as they were last tried, or the correction.

    `raw_of`: the bytes by place; `latest_ms`: events later than this are rejected as `future`. What is still no event is
    rejected again at once. Raises what `producer` and `raw_of` raise; outcomes given until then stand.
    """
    left = iter(cases)
    while batch := list(islice(left, _BATCH)):
        trials = [_trial(case, raw_of, correction, latest_ms()) for case in batch]
        announced = producer.publish([_entry(trial.resend) for trial in trials], _PUBLISH_SECONDS)
        places = producer.publish([trial.record for trial in trials], _PUBLISH_SECONDS)
        done = [
            trial.resend.model_copy(
                update={
                    "partition": partition,
                    "offset": offset,
                    "announced_partition": first_partition,
                    "announced_offset": first_offset,
                }
            )
            for trial, (first_partition, first_offset), (partition, offset) in zip(
                trials, announced, places, strict=True
            )
        ]
        producer.publish([_entry(resend) for resend in done], _PUBLISH_SECONDS)
        for trial, place in zip(trials, places, strict=True):
            yield Outcome(trial.case, trial.resend.attempt, trial.resend.topic, place, trial.error)


def rehearse(
    cases: Iterable[Case], raw_of: Callable[[Place], bytes], *, latest_ms: int, correction: Correction | None = None
) -> Iterator[Outcome]:
    """What `send_again` would do, without sending anything."""
    for case in cases:
        trial = _trial(case, raw_of, correction, latest_ms)
        yield Outcome(case, trial.resend.attempt, trial.resend.topic, None, trial.error)


@dataclass(frozen=True, slots=True)
class _Trial:
    case: Case
    resend: Resend
    record: Record
    error: InvalidEventError | None


def _trial(case: Case, raw_of: Callable[[Place], bytes], correction: Correction | None, latest_ms: int) -> _Trial:
    raw = raw_of(case.current.place) if correction is None else correction.raw
    error = None
    try:
        event = live_event(Line("", 0, raw))
        if event.time > latest_ms:
            raise InvalidEventError("future", f"time: is too far ahead of the clock, got {format_time(event.time)!r}")
        record: Record = (TOPIC_OF_TYPE[event.type], event_key(event), raw)
    except InvalidEventError as found:
        error = found
        record = (REJECTED, None, _rejected_again(case, raw, correction, error))
    digest = sha256(raw).hexdigest()
    resend = Resend(
        case_partition=case.place[0],
        case_offset=case.place[1],
        case_reason=case.current.reason,
        attempt=case.attempts + 1,
        corrected=digest != case.current.sha256,
        sha256=digest,
        topic=record[0],
    )
    return _Trial(case, resend, record, error)


def _rejected_again(case: Case, raw: bytes, correction: Correction | None, error: InvalidEventError) -> bytes:
    if correction is not None:
        return rejected_line(Line(correction.file, 1, raw), error)
    return orjson.dumps(rejection(error.reason, error.error, raw, **case.current.origin._asdict()))


def _entry(resend: Resend) -> Record:
    return REJECTED, RESEND_KEY, resend.model_dump_json().encode()
