"""What a generated sale event is made of: the options of `zhengdian generate` (contract §5)."""

from dataclasses import dataclass
from datetime import datetime

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class SaleConfig:
    """Size, length and flaws of a generated sale event. Raises ValueError, one line naming the option, when impossible.

    `agents` and `buyers` are totals over all shops. `hours` is the length of the window in which buyers arrive; what
    they do may last an hour or two longer. `start` is RFC 3339 with an offset. `duplicates` and `disorder` are shares
    (0 to 1) of events that are delivered twice, or late; `faults` is the number of invalid lines mixed in.
    """

    shops: int = 2
    agents: int = 40
    buyers: int = 5000
    hours: float = 4
    seed: int = 7
    start: str = "2025-11-11T18:00:00+08:00"
    duplicates: float = 0.0
    disorder: float = 0.0
    faults: int = 0

    def __post_init__(self) -> None:
        if self.shops < 1:
            raise ValueError(f"shops must be at least 1, not {self.shops}")
        if self.agents < self.shops:
            raise ValueError(f"agents must be at least one a shop ({self.shops}), not {self.agents}")
        if self.buyers < 0:
            raise ValueError(f"buyers must not be negative, not {self.buyers}")
        if not 0 < self.hours <= 24 * 31:
            raise ValueError(f"hours must be above 0 and at most 744 (31 days), not {self.hours}")
        for option in ("duplicates", "disorder"):
            share = getattr(self, option)
            if not 0 <= share <= 1:
                raise ValueError(f"{option} must be a share from 0 to 1, not {share}")
        if self.faults < 0:
            raise ValueError(f"faults must not be negative, not {self.faults}")
        try:
            start = datetime.fromisoformat(self.start)
        except ValueError:
            raise ValueError(f"start must be RFC 3339 such as 2025-11-11T18:00:00+08:00, not {self.start!r}") from None
        if start.tzinfo is None:
            raise ValueError(f"start must have an offset such as +08:00, not {self.start!r}")

    @property
    def start_ms(self) -> int:
        """First moment of the sale, milliseconds since the epoch."""
        return round(datetime.fromisoformat(self.start).timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """First moment after the sale, milliseconds since the epoch."""
        return self.start_ms + round(self.hours * HOUR_MS)
