"""Records for the source topics, and a producer that does not give up: what is unconfirmed it sends again."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from replay.generator import SaleConfig
from replay.generator.write import deliver
from schemas.events import InvalidEventError, parse_event
from schemas.settings import Settings
from sinks.kafka import EventProducer, PublishError, event_key

NOBODY = b"lining-hz|b-nobody"
"""the key of what is no event"""
_CHUNKS_A_SECOND = 10


class Sent(NamedTuple):
    """A record: topic without prefix, key, value. A value of None is a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None


def sale(config: SaleConfig) -> list[Sent]:
    """A generated sale in the order of its delivery."""
    return [Sent(topic, key_of(line), line) for topic, line, _ in deliver(config)]


def key_of(value: bytes) -> bytes:
    """The key of the contract."""
    try:
        return event_key(parse_event(value))
    except InvalidEventError:
        return NOBODY


def write_lines(records: Iterable[Sent], path: Path) -> None:
    """The records as a file for a replay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in records:
            assert record.value is not None
            assert b"\n" not in record.value
            file.write(record.value + b"\n")


class Feed:
    """Sends records in a thread, evenly over `seconds`, each chunk until the broker has confirmed it."""

    def __init__(self, settings: Settings, records: Sequence[Sent], seconds: float) -> None:
        self._settings = settings
        self._records = records
        self._seconds = seconds
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._error: BaseException | None = None
        self.sent = 0
        """confirmed so far"""
        self.trouble = ""
        """why the last chunk that was sent again had to be"""
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether everything is confirmed. Raises what ended it."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def hurry(self) -> None:
        """Send the rest without waiting."""
        self._hurry.set()

    def stop(self) -> None:
        """Give up."""
        self._stop.set()
        self._hurry.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            self._send()
        except BaseException as error:
            self._error = error

    def _send(self) -> None:
        began = time.monotonic()
        chunks = max(1, round(self._seconds * _CHUNKS_A_SECOND))
        size = max(1, -(-len(self._records) // chunks))
        producer = EventProducer(self._settings)
        try:
            for number, first in enumerate(range(0, len(self._records), size)):
                self._hurry.wait(max(0.0, began + number / _CHUNKS_A_SECOND - time.monotonic()))
                if self._stop.is_set():
                    return
                chunk = self._records[first : first + size]
                while not self._confirmed(producer, chunk):
                    if self._stop.wait(0.5):
                        return
                self.sent += len(chunk)
        finally:
            producer.close(5)

    def _confirmed(self, producer: EventProducer, chunk: Sequence[Sent]) -> bool:
        submit: Callable[..., None] = producer.submit
        try:
            for record in chunk:
                submit(record.topic, record.key, record.value)
            producer.flush(20)
        except PublishError as error:
            self.trouble = str(error)
            return False
        return True
