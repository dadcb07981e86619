"""Python's garbage collector, for processes that hold many objects which are in no cycle: records, rows, facts."""

import gc
from typing import Final

YOUNG: Final = 50_000
"""objects: a few thousand records and their rows, and little enough for pages served by the same process"""


def tame_collector(young: int, full: int = 20) -> None:
    """For a process when it starts: collects only after `young` new objects, all objects at most once in 20 * `full` times,
    and never looks at what has been imported."""
    gc.set_threshold(young, 20, full)
    gc.freeze()
