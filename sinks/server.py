"""A ClickHouse server (23.8 or newer) over its native protocol, by clickhouse-driver.

A client of the driver is one connection and mixes the answers of threads that share it, so each operation borrows one and
a client that saw any error is thrown away.
"""

import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from clickhouse_driver import Client, errors
from clickhouse_driver.defines import DEFAULT_PORT, DEFAULT_SECURE_PORT
from clickhouse_driver.util.helpers import parse_url

from sinks.database import (
    TYPE_MISMATCH,
    Columns,
    DatabaseError,
    DatabaseUnavailableError,
    Parameters,
    identifier,
    row_count,
    server_error,
)
from sinks.formatting import Formatter
from sinks.guard import GuardedReads, ReadingStatement
from sinks.native import as_rows
from sinks.parameters import for_driver
from sinks.zstd import teach_driver

teach_driver()

CONNECT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 120
MAX_IDLE: Final = 16
_FILE_OPTIONS: Final = ("ca_certs", "certfile", "keyfile")
_MISFITS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
"""what the driver raises for a value that does not fit its column; anything else is a fault of ours, not of a row"""
_UNAVAILABLE: Final = (
    errors.NetworkError,
    errors.SocketTimeoutError,
    errors.PartiallyConsumedQueryError,
    errors.UnexpectedPacketFromServerError,
    errors.UnknownPacketFromServerError,
    errors.ChecksumDoesntMatchError,
    EOFError,
    OSError,
)
# async_insert without waiting, as a profile may have it, would acknowledge rows that are not written; a replay of years
# lands in one insert, and the limit on partitions is meant for mistakes in the partition key
INSERT_SETTINGS: Final[Mapping[str, int]] = {"async_insert": 0, "max_partitions_per_insert_block": 0}


class ServerDatabase(GuardedReads):
    """A database of a ClickHouse server; `url` as in Settings.clickhouse_url, its path wins over `name`.

    `insert_settings` go with every insert, for a server that has others or wants more, such as a quorum.
    """

    def __init__(self, url: str, name: str, insert_settings: Mapping[str, int] = INSERT_SETTINGS) -> None:
        try:
            self._host, self._options = parse_url(url)
        except ValueError:
            raise DatabaseError(
                "ZHENGDIAN_CLICKHOUSE_URL is not a URL such as clickhouse://user@host:9000/database"
            ) from None
        if not url.startswith(("clickhouse://", "clickhouses://")) or not self._host:
            raise DatabaseError(
                "ZHENGDIAN_CLICKHOUSE_URL must start with clickhouse:// or clickhouses:// and name a host"
            )
        try:
            self._host.encode("idna")  # as a lookup does
        except UnicodeError:
            raise DatabaseError("ZHENGDIAN_CLICKHOUSE_URL: the host is no host name") from None
        for option in _FILE_OPTIONS:
            # the driver would say that some file is not there, at each attempt to connect
            if not os.access(self._options.get(option, os.curdir), os.R_OK):
                raise DatabaseError(f"ZHENGDIAN_CLICKHOUSE_URL: {option} {self._options[option]} can't be read")
        self.name = self._options.pop("database", None) or name
        port = DEFAULT_SECURE_PORT if self._options.get("secure") else DEFAULT_PORT
        self.place = f"{self._host}:{self._options.get('port', port)}"
        self._insert_settings = dict(insert_settings)
        # the client's and ClickHouse's settings share one dictionary in the driver
        self._options["settings"] = {"server_side_params": True, **self._options.get("settings", {})}
        for option, value in (
            ("compression", "lz4"),
            ("connect_timeout", CONNECT_SECONDS),
            ("send_receive_timeout", ANSWER_SECONDS),
            ("tcp_keepalive", True),
            ("settings_is_important", True),
            ("client_name", "zhengdian"),
        ):
            self._options.setdefault(option, value)
        self._idle: list[Any] = []
        self._guard = threading.Lock()
        self._closed = False
        self._formatter: Formatter | None = None

    def create(self) -> None:
        # a connection that names a database which is not there yet is refused
        with self._translated(), self._new_client("") as client:
            client.execute(f"CREATE DATABASE IF NOT EXISTS {identifier(self.name)}")

    def command(self, sql: str, params: Parameters | None = None) -> None:
        bound = for_driver(params)
        self._with_client(lambda client: client.execute(sql, bound))

    def _select(self, sql: str, params: Parameters | None, settings: Mapping[str, str]) -> list[dict[str, Any]]:
        bound = for_driver(params)
        columns, types = self._with_client(
            lambda c: c.execute(sql, bound, with_column_types=True, columnar=True, settings=dict(settings))
        )
        return as_rows(types, columns)

    def insert(self, table: str, columns: Columns) -> int:
        rows = row_count(columns)
        if not rows:
            return 0
        names = ", ".join(identifier(name) for name in columns)
        sql = f"INSERT INTO {identifier(table)} ({names}) VALUES"
        # the driver turns values in place: a retry must see the caller's values
        data = [list(values) for values in columns.values()]
        sent = self._with_client(
            lambda c: c.execute(sql, data, columnar=True, types_check=False, settings=self._insert_settings)
        )
        if sent != rows:
            raise DatabaseUnavailableError(f"the server took {sent} of {rows} rows for {table}")
        return rows

    def _read(self, statement: ReadingStatement, params: Parameters | None) -> bytes:
        bound = for_driver(params)

        def work(client: Any) -> tuple[Any, Any, str]:
            columns, types = client.execute(
                statement.sql, bound, with_column_types=True, columnar=True, settings=statement.limits
            )
            return columns, types, client.connection.server_info.get_timezone()

        columns, types, zone = self._with_client(work)
        with self._guard:
            if self._formatter is None:
                self._formatter = Formatter()
        return self._formatter.format(types, columns, statement.fmt, zone)

    def ping(self) -> None:
        self._with_client(lambda client: client.execute("SELECT 1"))

    def close(self) -> None:
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
            formatter, self._formatter = self._formatter, None
        for client in idle:
            client.disconnect()
        if formatter is not None:
            formatter.close()

    def _new_client(self, database: str) -> Any:
        options = dict(self._options, settings=dict(self._options["settings"]))
        return Client(self._host, database=database, **options)

    def _with_client(self, work: Callable[[Any], Any]) -> Any:
        with self._guard:
            if self._closed:
                raise DatabaseUnavailableError("the connection to ClickHouse is closed")
            client = self._idle.pop() if self._idle else None
        fresh = client is None
        with self._translated():
            client = client or self._new_client(self.name)
            try:
                result = work(client)
            except BaseException as error:
                client.disconnect()
                if not fresh and isinstance(error, _UNAVAILABLE):
                    # one that idled may be dead for long; the others are as old, so the next caller starts anew
                    self._drop_idle()
                raise
        with self._guard:
            if not self._closed and len(self._idle) < MAX_IDLE:
                self._idle.append(client)
                return result
        client.disconnect()
        return result

    def _drop_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for client in idle:
            client.disconnect()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Driver errors -> the two of the interface."""
        try:
            yield
        except (DatabaseError, DatabaseUnavailableError):
            raise
        except errors.ServerException as error:
            raise server_error(error.message.removeprefix("DB::Exception: "), error.code) from error
        except _UNAVAILABLE as error:
            # the driver puts a code of its own before its message
            reason = (error.message if isinstance(error, errors.Error) else str(error)) or type(error).__name__
            if isinstance(error, errors.SocketTimeoutError):
                reason = f"no connection in time {reason}"  # the driver says where only
            raise DatabaseUnavailableError(f"ClickHouse at {self._host}: {reason}") from error
        except errors.Error as error:
            raise server_error(str(error), error.code) from error
        except _MISFITS as error:
            raise DatabaseError(f"a value does not fit its column: {error}", TYPE_MISMATCH) from error
