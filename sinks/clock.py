"""The wall clock as worker and sink use it to tell an event of the future."""

import time
from collections.abc import Callable


class SteadyClock:
    """The wall clock, but one that never goes back: set back by hours, it would make every event one of the future.

    It follows the wall clock forward, and runs on by the monotonic one when the wall clock falls behind. That it may then
    be ahead does no harm, since a record's own timestamp counts as well (processors.admission.written_at).
    """

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._ahead_ns = wall_ns() - monotonic_ns()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        monotonic = self._monotonic_ns()
        self._ahead_ns = max(self._ahead_ns, self._wall_ns() - monotonic)
        return (monotonic + self._ahead_ns) // 1_000_000
