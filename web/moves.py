"""How ranks move: the places of a minute ago, kept in this process, since the tables keep no past ranks."""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

from processors.ruleset_fields import MINUTE_MS

KEPT_HOURS: Final = 16


Places = Mapping[str, int]
"""agent id -> rank"""


class Moves:
    """For each hour of a shop the last minute of places. May be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, int], deque[tuple[int, Places]]] = {}

    def since(self, shop_id: str, hour_start: int, now_ms: int, places: Places) -> Places:
        """Takes the places as they are now, and gives those of a minute ago: the newest that are that old, or the oldest
        known while there are none. Empty at first.
        """
        with self._lock:
            key = (shop_id, hour_start)
            seen = self._seen.pop(key, None) or deque()
            self._seen[key] = seen
            while len(self._seen) > KEPT_HOURS:
                del self._seen[next(iter(self._seen))]
            while len(seen) > 1 and seen[1][0] <= now_ms - MINUTE_MS:
                seen.popleft()
            before = seen[0][1] if seen else {}
            if not seen or (places != seen[-1][1] and now_ms > seen[-1][0]):
                seen.append((now_ms, places))
            return before
