"""How often a sink asks for records, and when it inserts them."""

from typing import Final

BUSY_SECONDS: Final = 0.5
"""from insert to insert at the most for their sake, where they take long: half of the time is left to others"""
REST_SECONDS: Final = 0.5
"""until the next insert nothing is asked for: each question costs client and broker some ms, however little there is to tell"""
FRESH_POLLS: Final = 2
"""kafka-python asks for more before it returns: after a rest or an insert, the first poll brings what was there before it"""
MANY_RECORDS: Final = 500
"""after as many from one poll there are more waiting"""


class Pace:
    """Told what has been done, it says what comes next. Moments are seconds of a clock that never goes back."""

    def __init__(self, batch_seconds: float, now: float) -> None:
        self._batch_seconds = batch_seconds
        self._due = now + batch_seconds
        self._polls = 0
        """since the last rest or insert"""
        self._found = 0

    def polled(self, found: int) -> None:
        """A poll has brought so many records."""
        self._polls += 1
        self._found = found

    def inserted(self, began: float, now: float) -> None:
        """From insert to insert: what came meanwhile has waited already."""
        self._due = began + max(self._batch_seconds, min(2 * (now - began), BUSY_SECONDS))
        self._polls = 0

    def inserts(self, now: float) -> bool:
        """Whether what has been read, if anything, is inserted now."""
        return now >= self._due and (self._polls >= FRESH_POLLS or not self._found)

    def rest(self, now: float) -> float:
        """Seconds until the next poll. 0 after one that brought nothing, as it may be joining the group, which polls alone get
        on with."""
        if now >= self._due or not 0 < self._found < MANY_RECORDS:
            return 0.0
        self._polls = 0
        return min(self._due - now, REST_SECONDS)
