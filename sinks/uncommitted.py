"""What the sink has inserted and its group does not know yet, as far as the sink can tell."""

import time
from collections.abc import Callable, Container, Mapping
from typing import Final

from sinks.batch import Position

FIRST_WAIT_SECONDS: Final = 0.5
MAX_WAIT_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 60.0


class Uncommitted:
    """Offsets to commit, when to try, and whether to say how it went. Not safe to share between threads.

    An offset is kept as long as Kafka's client keeps its place in the partition, which is then not before that offset: if
    another sink had the partition meanwhile and is ahead, its records are read again. A place that the client has given
    up must be forgotten, since nothing would bring the group forward again.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._offsets: dict[Position, int] = {}
        self._not_before = now()
        self._wait = FIRST_WAIT_SECONDS
        self._said: float | None = None

    def add(self, offsets: Mapping[Position, int]) -> None:
        """Take in what was inserted last. An offset that goes back counts: the log was made anew."""
        self._offsets.update(offsets)

    def keep(self, positions: Container[Position]) -> None:
        """Forget the partitions that are not among these. The group has been formed, so it is worth trying soon."""
        self._offsets = {position: offset for position, offset in self._offsets.items() if position in positions}
        self._not_before = min(self._not_before, self._now() + FIRST_WAIT_SECONDS)

    def due(self) -> dict[Position, int]:
        """What to commit now: everything, or nothing while it is too early."""
        return self.attempt() if self._now() >= self._not_before else {}

    def attempt(self) -> dict[Position, int]:
        """Everything, whatever the time. Tell `succeeded` or `failed`; until then nothing is due for a moment."""
        if self._offsets:
            self._not_before = max(self._not_before, self._now() + FIRST_WAIT_SECONDS)
        return dict(self._offsets)

    def succeeded(self, offsets: Mapping[Position, int]) -> bool:
        """Those are committed. True when that ends a time of failures that was spoken of."""
        for position, _ in offsets.items() & self._offsets.items():  # what was inserted since then stays
            del self._offsets[position]
        spoken_of, self._said = self._said is not None, None
        self._not_before, self._wait = self._now(), FIRST_WAIT_SECONDS
        return spoken_of

    def failed(self, offsets: Mapping[Position, int]) -> bool:
        """Those are not known to be committed; wait longer each time. True when it is to be said, which is now and then."""
        if not offsets.items() & self._offsets.items():
            return False  # made good by another attempt, or the partitions have gone
        now = self._now()
        self._not_before, self._wait = now + self._wait, min(self._wait * 2, MAX_WAIT_SECONDS)
        if self._said is not None and now - self._said < QUIET_SECONDS:
            return False
        self._said = now
        return True
