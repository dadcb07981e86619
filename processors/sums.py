"""The sums over a partition's buyers: response windows and leaderboard rows, and which of them have changed."""

from typing import NamedTuple

from processors.calendar import calendar
from processors.changes import Changes
from processors.leaderboard import BoardKey, BoardSums
from processors.ruleset import RulesetBook
from processors.windows import ShareKey, WindowKey, WindowSums, windows_of
from schemas.types import DAY_MS


class Changed(NamedTuple):
    """The sums that changed, or are to be sent again."""

    windows: dict[WindowKey, WindowSums]
    boards: dict[BoardKey, BoardSums]

    def add(self, later: "Changed") -> None:
        """Takes in what has changed since."""
        self.windows.update(later.windows)
        self.boards.update(later.boards)


class Sums:
    """Takes what buyers' changes exchange. Windows are brought up to date by `settle`, once for all buyers since the last."""

    def __init__(self, book: RulesetBook) -> None:
        self.windows: dict[WindowKey, WindowSums] = {}
        self.boards: dict[BoardKey, BoardSums] = {}
        self._book = book
        self._due: dict[tuple[str, ShareKey], WindowSums] = {}
        self._changed_boards: dict[BoardKey, BoardSums] = {}
        self._windows_of: dict[tuple[str, ShareKey], list[tuple[WindowKey, WindowSums]]] = {}
        self._windows_by_day: dict[int, list[WindowKey]] = {}
        self._boards_by_day: dict[int, list[BoardKey]] = {}
        """by the UTC day of the start: what is forgotten is found without a walk over what stays"""

    def take(self, shop_id: str, changes: Changes) -> None:
        """Takes what one buyer's changes exchange."""
        due = self._due
        for share, before, after in changes.windows:
            where = shop_id, share
            sums = due.get(where)
            if sums is None:
                sums = due[where] = WindowSums()
            if before is not None:
                sums.add(before, -1)
            if after is not None:
                sums.add(after)
        for row, earlier, later in changes.boards:
            board = self.boards.get(row)
            if board is None:
                board = self.boards[row] = BoardSums()
                self._boards_by_day.setdefault(row.hour_start // DAY_MS, []).append(row)
            if earlier is not None:
                board.add(earlier, -1)
            if later is not None:
                board.add(later)
            self._changed_boards[row] = board

    def settle(self) -> Changed:
        """Brings the windows up to date; what has changed since the last call."""
        windows: dict[WindowKey, WindowSums] = {}
        for (shop_id, share), due in self._due.items():
            for key, sums in self._windows(shop_id, share):
                sums.add(due)
                windows[key] = sums
        self._due = {}
        boards, self._changed_boards = self._changed_boards, {}
        return Changed(windows, boards)

    def forget(self, before: int) -> None:
        """Drops the sums of windows and hours of the UTC days that end before that moment, ms; call `settle` first."""
        for day in [day for day in self._windows_by_day if (day + 1) * DAY_MS <= before]:
            for window in self._windows_by_day.pop(day):
                del self.windows[window]
        for day in [day for day in self._boards_by_day if (day + 1) * DAY_MS <= before]:
            for row in self._boards_by_day.pop(day):
                del self.boards[row]
        self._windows_of.clear()

    def _windows(self, shop_id: str, share: ShareKey) -> list[tuple[WindowKey, WindowSums]]:
        """The windows that a buyer's share adds to."""
        found = self._windows_of.get((shop_id, share))
        if found is None:
            keys = windows_of(shop_id, share, calendar(self._book.timezone(shop_id)))
            found = [(key, self.windows.get(key) or self._new_window(key)) for key in keys]
            self._windows_of[shop_id, share] = found
        return found

    def _new_window(self, key: WindowKey) -> WindowSums:
        sums = self.windows[key] = WindowSums()
        self._windows_by_day.setdefault(key.start // DAY_MS, []).append(key)
        return sums
