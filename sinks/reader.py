"""Reading rows for the web: plain dicts, with bound parameters. What reads for one page is a `Reader` of its own.

Only names fixed in the code are put into SQL texts; values are bound. Instants are ints of milliseconds since the epoch
and amounts ints of fen, as everywhere inside the program.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson

from sinks.database import Queries

Row = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_MAX_LIMIT: Final = 1000


class Reader:
    """Reads from one database. Every method may raise DatabaseError or DatabaseUnavailableError."""

    def __init__(self, db: Queries) -> None:
        self._db = db

    def rows(self, sql: str, params: Mapping[str, Any]) -> list[Row]:
        """The rows of a query, instants in ms and amounts in fen."""
        return [{key: _plain(value) for key, value in row.items()} for row in self._db.query(sql, params)]

    def limited(self, sql: str, params: Mapping[str, Any], limit: int) -> list[Row]:
        """The same, at most `limit` rows and never more than a thousand."""
        return self.rows(sql + " LIMIT {limit:UInt32}", {**params, "limit": min(limit, _MAX_LIMIT)})


def and_shop(shop_id: str | None, table: str = "") -> str:
    """The end of a WHERE text: of that shop alone, whose id is bound as `shop`; nothing for all shops."""
    return f" AND {table}shop_id = {{shop:String}}" if shop_id else ""


def equal_to(filters: Mapping[str, str], known: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """A WHERE text over known columns, and its parameters."""
    used = {column: filters[column] for column in known if filters.get(column)}
    return " AND ".join(["true", *(f"{column} = {{{column}:String}}" for column in used)]), dict(used)


def decoded(value: Any) -> Any:
    """What a JSON text says; anything else as it is."""
    return orjson.loads(value) if isinstance(value, str | bytes) and value else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MS
    if isinstance(value, Decimal):
        return int(value * 100)
    return value
