"""The one way to ClickHouse: a narrow interface with two backends, chDB in process and a server over its native protocol.

Placeholders are ClickHouse's own, `{name:Type}`, bound by the engine and never pasted into the text; they need ClickHouse
23.8 or newer. A parameter is a text, a number, a bool, a Decimal, an aware datetime (for DateTime64) or a list of texts or
numbers (for Array). An instant may as well be passed as Int64 ms and turned by fromUnixTimestamp64Milli().
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from schemas.settings import Settings

Parameters = Mapping[str, Any]
Columns = Mapping[str, Sequence[Any]]

MAX_ERROR_CHARS: Final = 600
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*")
_STACK_NOISE: Final = re.compile(r"\s*Stack trace:.*", re.S)

TIMEOUT_EXCEEDED: Final = 159
TRANSIENT_CODES: Final[frozenset[int]] = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
        TIMEOUT_EXCEEDED,
        173,  # CANNOT_ALLOCATE_MEMORY
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED, as in a server that shuts down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        499,  # S3_ERROR
        733,  # TABLE_IS_BEING_RESTARTED
        745,  # SERVER_OVERLOADED
        999,  # KEEPER_EXCEPTION
        1000,  # POCO_EXCEPTION
        1001,  # STD_EXCEPTION
    }
)
"""error codes of ClickHouse that pass: the same statement may succeed later"""

NO_SUCH_COLUMN: Final = 16
NO_SUCH_DATABASE: Final = 81
TYPE_MISMATCH: Final = 53
DATA_CODES: Final[frozenset[int]] = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        TYPE_MISMATCH,  # also a value that the driver cannot write as its column's type
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        130,  # CANNOT_READ_ARRAY_FROM_TEXT
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        407,  # DECIMAL_OVERFLOW
        467,  # CANNOT_PARSE_BOOL
        469,  # VIOLATED_CONSTRAINT
        632,  # UNEXPECTED_DATA_AFTER_PARSED_VALUE
    }
)
"""error codes that speak of a value: another row may go in"""


class DatabaseError(Exception):
    """ClickHouse's word that a statement or a row is wrong: not to be retried. One line; `code` is ClickHouse's error code."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(one_line(message))
        self.code = code


class DatabaseUnavailableError(Exception):
    """ClickHouse cannot be reached, or says that it is not able to just now: to be retried."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(one_line(message))
        self.code = code


class Formatted(NamedTuple):
    """A result as bytes, and the FORMAT that it is in."""

    data: bytes
    fmt: str


class TooSlowError(DatabaseError):
    """A limit of time that the caller set is over: the same again would take as long."""


class Queries(Protocol):
    """What answers SELECTs: a Database, or a part of what it can do."""

    def query(self, sql: str, params: Parameters | None = None) -> list[dict[str, Any]]:
        """As in Database."""


class Database(Protocol):
    """A ClickHouse database. Safe to share between threads.

    Every method raises DatabaseError (never retry) or DatabaseUnavailableError (retry), and nothing else.
    """

    name: str
    place: str
    """host:port of the server, or the directory of the embedded one"""

    def create(self) -> None:
        """Create the database itself when there is none."""

    def command(self, sql: str, params: Parameters | None = None) -> None:
        """Run one statement that answers nothing: DDL, ALTER, INSERT … SELECT."""

    def query(
        self, sql: str, params: Parameters | None = None, *, max_seconds: float | None = None, mark: str = ""
    ) -> list[dict[str, Any]]:
        """Run one SELECT; one dict a row. Types are clickhouse-driver's: DateTime64 with a zone is an aware datetime,
        Decimal a Decimal, Bool a bool, Array a list, Map a dict, NULL None.

        ClickHouse ends it after `max_seconds`, which raises TooSlowError, and by `stop` with that `mark`; such a SELECT has no
        SETTINGS of its own.
        """

    def insert(self, table: str, columns: Columns) -> int:
        """Insert columns of equal length; returns the rows inserted. Columns left out take their default.

        Times are ints in the column's unit (ms for DateTime64(3)) or aware datetimes, amounts decimal texts or Decimals.
        All or nothing for one table partition and up to about a million rows; over several partitions a crash can leave a
        part, so rows must be safe to insert again.
        """

    def query_format(
        self,
        sql: str,
        fmt: str,
        *,
        max_seconds: float,
        max_rows: int,
        max_memory_bytes: int,
        params: Parameters | None = None,
        mark: str = "",
        closed: frozenset[str] = frozenset(),
    ) -> Formatted:
        """Run one reading statement of a user and return its result in that ClickHouse FORMAT.

        ClickHouse itself enforces readonly=1 and the limits: seconds of run time, rows of result, bytes of memory, an
        eighth of which the result may take. A FORMAT clause in the statement wins over `fmt`. `mark`, letters and digits, is
        what `stop` knows it by. Raises DatabaseError when a limit is hit or it was stopped, and for a statement that names a
        table of `closed`.
        """

    def stop(self, mark: str) -> None:
        """Have ClickHouse end the statements that run with that mark; it does so within a block of rows."""

    def ping(self) -> None:
        """Return when ClickHouse answers."""

    def close(self) -> None:
        """Wait for running statements and let go of everything. Calling it twice is fine."""


def open_database(settings: Settings) -> Database:
    """The database that the settings name. Raises DatabaseError or DatabaseUnavailableError."""
    # imported here: a server deployment need not load the 550 MB engine, nor the embedded one the driver's sockets
    if settings.clickhouse == "embedded":
        from sinks.embedded import EmbeddedDatabase

        return EmbeddedDatabase(settings.data_dir, settings.database)
    from sinks.server import ServerDatabase

    return ServerDatabase(settings.clickhouse_url.get_secret_value(), settings.database)


def one_line(message: str) -> str:
    """A server's message without its stack trace, on one line, cut to a readable length."""
    return " ".join(_STACK_NOISE.sub("", message).split())[:MAX_ERROR_CHARS]


def server_error(message: str, code: int | None) -> DatabaseError | DatabaseUnavailableError:
    """The exception for an error code of ClickHouse. Without a code it says nothing about the statement, so: to be retried."""
    return (DatabaseUnavailableError if code is None or code in TRANSIENT_CODES else DatabaseError)(message, code)


def identifier(name: str) -> str:
    """A table's or column's name, quoted for SQL. Raises DatabaseError for anything but a plain name."""
    if not _IDENTIFIER.fullmatch(name):
        raise DatabaseError(f"not a table or column name: {name!r}")
    return f"`{name}`"


def row_count(columns: Columns) -> int:
    """Rows in a set of columns. Raises DatabaseError when there is no column or their lengths differ."""
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise DatabaseError(f"columns must be given and be of one length, got lengths {sorted(lengths)}")
    return lengths.pop()
