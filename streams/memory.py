"""Python's garbage collector, kept from walking over the facts.

It looks through living objects for cycles that nothing else reaches. Facts and what is derived from them hold none, live
long and are many: looking through them took a tenth of a worker's CPU time, and a full collection stops the heartbeats.
So what has grown old is frozen (`gc.freeze`): never looked at again, freed as ever when the last reference goes.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 1_000_000
"""objects, after which a worker collects by itself: so many hold no more than a busy second's facts, and take some 0.1 s"""
FULL: Final = 1000
"""times 20 such collections before one of all objects, which stops the heartbeats"""
_MANY_FACTS: Final = 50_000
_SECONDS: Final = 60.0


class OldObjects:
    """Freezes objects as facts grow in number.

    Garbage in cycles that nobody has collected yet is frozen with them and stays: that of 50 000 facts, or of a minute
    where they come more slowly. Successful work hardly makes any.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._facts = 0
        self._frozen_at = clock()

    def grown(self, facts: int) -> None:
        """Tells how many facts there are now, from time to time."""
        if facts < self._facts:  # partitions were handed over
            self._facts = facts
        if facts - self._facts >= _MANY_FACTS:
            self._facts = facts
            self._freeze()

    @contextmanager
    def growing(self) -> Iterator[None]:
        """While many facts are made at once: nothing is collected, and all is frozen at the end."""
        self._collect()
        gc.disable()
        try:
            yield
            gc.freeze()
        finally:
            gc.enable()

    def _freeze(self) -> None:
        self._collect()
        gc.freeze()

    def _collect(self) -> None:
        now = self._clock()
        if now - self._frozen_at >= _SECONDS:  # there was time for garbage to gather, and there are few new facts
            gc.collect()
        self._frozen_at = now
