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

from replay.dlq.cases import Case, Place, time_or_error
from replay.files import Line
from replay.ingest import live_event
from schemas.outputs import Resend
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
class Outcome:
    """A case that was sent, and where it went; `place` is None when it was only rehearsed."""

    case: Case
    attempt: int
    topic: str
    place: Place | None


def refusal(case: Case, correction: bytes | None, max_attempts: int, latest_ms: int, *, force: bool) -> str | None:
    """Why that case is not sent again, or None.

    `correction`: the bytes to send instead of the rejected ones; `latest_ms`: a worker rejects later events as `future`.
    `force` overrides what the worker is sure to reject, never the number of attempts or what could not be sent right.
    """
    found = case.current
    if case.attempts >= max_attempts:
        return f"given up after {case.attempts} attempts (--max-attempts {max_attempts})"
    if not force and case.state == "resent":
        return f"attempt {case.attempts} was sent and nothing has come back (--force sends it again)"
    if correction is None and case.sent_other(found):
        return f"attempt {case.attempts} was corrected; give the correction again with --file"
    if correction is None or sha256(correction).hexdigest() == found.sha256:
        if found.reason == "oversize":
            return "oversize: a result that Kafka would not take, no event that could be sent"
        if found.cut:
            return f"only the first {found.size} bytes were kept; give the whole record with --file"
        if not force and found.reason in _SURE_TO_FAIL:
            return f"{found.reason}: {_SURE_TO_FAIL[found.reason]} (--force sends it all the same)"
    event = found.event if correction is None else time_or_error(correction)
    if isinstance(event, str):
        if correction is None:
            return f"still no event: {event}; correct it with --file"
        return f"the correction is no event: {event}"
    return f"its time has not come: {format_time(event)}" if event > latest_ms else None


def send_again(
    cases: Iterable[Case], producer: Producer, raw_of: Callable[[Place], bytes], correction: bytes | None = None
) -> Iterator[Outcome]:
    """Send each case, which `refusal` must have let pass: its bytes as they were last rejected, or the correction.

    `raw_of`: the bytes by place. Raises what `producer` and `raw_of` raise; outcomes given until then stand.
    """
    left = iter(cases)
    while batch := list(islice(left, _BATCH)):
        trials = [_trial(case, raw_of, correction) for case in batch]
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
            yield Outcome(trial.case, trial.resend.attempt, trial.resend.topic, place)


def rehearse(
    cases: Iterable[Case], raw_of: Callable[[Place], bytes], correction: bytes | None = None
) -> Iterator[Outcome]:
    """What `send_again` would do, without sending anything."""
    for case in cases:
        resend = _trial(case, raw_of, correction).resend
        yield Outcome(case, resend.attempt, resend.topic, None)


@dataclass(frozen=True, slots=True)
class _Trial:
    case: Case
    resend: Resend
    record: Record


def _trial(case: Case, raw_of: Callable[[Place], bytes], correction: bytes | None) -> _Trial:
    raw = raw_of(case.current.place) if correction is None else correction
    event = live_event(Line("", 0, raw))
    topic = TOPIC_OF_TYPE[event.type]
    digest = sha256(raw).hexdigest()
    resend = Resend(
        case_partition=case.place[0],
        case_offset=case.place[1],
        case_reason=case.current.reason,
        attempt=case.attempts + 1,
        corrected=digest != case.current.sha256,
        sha256=digest,
        topic=topic,
    )
    return _Trial(case, resend, (topic, event_key(event), raw))


def _entry(resend: Resend) -> Record:
    return REJECTED, RESEND_KEY, resend.model_dump_json().encode()
