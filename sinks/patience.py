"""When a sink that its group gives nothing to should join anew."""

import time
from typing import Final

LEFT_OUT_SECONDS: Final = 30.0


class Patience:
    """Time without partitions.

    kafka-python drops a metadata update that is asked for while another is under way, and may then join with no topics in
    sight, for minutes. A sink that is one too many is disturbed for nothing.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()

    def is_over(self, has_partitions: bool) -> bool:
        """Whether it has had none for LEFT_OUT_SECONDS; the time starts anew then. Call it all the time."""
        now = time.monotonic()
        over = not has_partitions and now - self._since >= LEFT_OUT_SECONDS
        if has_partitions or over:
            self._since = now
        return over
