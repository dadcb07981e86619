"""Reading that takes many statements, as one: within one limit of time, and stopped as a whole."""

import secrets
import time
from typing import Any

from sinks.database import Database, DatabaseUnavailableError, Parameters, TooSlowError


class Bounded:
    """Queries of a database for one answer, which must be there `seconds` from now."""

    def __init__(self, db: Database, seconds: float) -> None:
        self._db = db
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._mark = secrets.token_hex(16)
        self._stopped = False

    def query(self, sql: str, params: Parameters | None = None) -> list[dict[str, Any]]:
        """As in Database. Raises TooSlowError when the time is over or it was stopped."""
        left = self._until - time.monotonic()
        if self._stopped or left <= 0:
            raise self._over()
        try:
            return self._db.query(sql, params, max_seconds=left, mark=self._mark)
        except TooSlowError as error:
            raise self._over() from error
        except DatabaseUnavailableError as error:
            if not self._stopped:
                raise
            raise self._over() from error

    def stop(self) -> None:
        """End the statement that runs and begin no more. Once more where one may have been about to begin."""
        self._stopped = True
        self._db.stop(self._mark)

    def _over(self) -> TooSlowError:
        return TooSlowError("it was stopped" if self._stopped else f"it took longer than {self._seconds:g} s")
