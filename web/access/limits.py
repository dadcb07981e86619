"""How often something may be tried: sign-ins by address and name, everything else by person."""

from collections.abc import Hashable
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

SIGN_IN_BY_ADDRESS: Final = parse("30/minute")
SIGN_IN_BY_NAME: Final = parse("8/minute")
REQUESTS: Final = parse("1200/minute")
QUERIES: Final = parse("120/minute")


class Limits:
    """Counts in this process's memory, over a window that slides."""

    def __init__(self) -> None:
        # which, unlike a moving window, forgets whom it has not seen for long: strangers choose the names
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, limit: RateLimitItem, *who: Hashable) -> bool:
        """Count one more; False when that is too many."""
        return bool(self._limiter.hit(limit, *(str(part) for part in who)))
