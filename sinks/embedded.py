"""ClickHouse inside this process: chDB over one directory, which belongs to one process at a time.

Statements run on threads of our own, each with its own session: chDB serialises a shared session, keeps signals waiting
while it runs, and must not be entered by threads that may vanish. Do not fork after opening it.
"""

import fcntl
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sinks.database import (
    NO_SUCH_COLUMN,
    Columns,
    DatabaseError,
    DatabaseUnavailableError,
    Parameters,
    identifier,
    row_count,
    server_error,
)
from sinks.guard import GuardedReads, ReadingStatement
from sinks.native import as_rows, read_blocks, scratch_file, write_block
from sinks.parameters import for_engine

T = TypeVar("T")
THREADS: Final = 8
_CODE: Final = re.compile(r"Code:\s*(\d+)\.\s*(?:DB::Exception:\s*)?")


class DatabaseLockedError(DatabaseError):
    """Another process owns the directory."""


class EmbeddedDatabase(GuardedReads):
    """chDB in `data_dir`/chdb. Raises DatabaseLockedError when another process (or this one, twice) has it open."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self.name = name
        self.place = str(data_dir.resolve())
        data_dir.mkdir(parents=True, exist_ok=True)
        self._path = data_dir / "chdb"
        self._lock_file = _lock(data_dir / "chdb.lock")
        self._local = threading.local()
        self._sessions: list[Any] = []
        self._closed = False
        self._types: dict[str, dict[str, str]] = {}
        """table -> column -> type, of tables inserted into since the last command, which may have changed them"""
        self._guard = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="chdb")
        try:
            # held open until close(): the engine shuts down with its last session
            self._anchor = self._run(self._open_session)
            self.create()
        except BaseException:
            self.close()
            raise

    def create(self) -> None:
        self.command(f"CREATE DATABASE IF NOT EXISTS {identifier(self.name)}")

    def command(self, sql: str, params: Parameters | None = None) -> None:
        bound = for_engine(params)
        try:
            self._run(lambda: _query(self._session(), sql, "Null", bound))
        finally:
            self._types.clear()

    def _select(self, sql: str, params: Parameters | None, settings: Mapping[str, str]) -> list[dict[str, Any]]:
        bound = for_engine(params)
        if settings:
            sql += " SETTINGS " + ", ".join(f"{key} = '{value}'" for key, value in settings.items())
        return as_rows(*read_blocks(self._run(lambda: _query(self._session(), sql, "Native", bound))))

    def insert(self, table: str, columns: Columns) -> int:
        rows = row_count(columns)
        if rows:
            self._run(lambda: self._insert(table, columns))
        return rows

    def _read(self, statement: ReadingStatement, params: Parameters | None) -> bytes:
        bound = for_engine(params)

        def work() -> bytes:
            # readonly cannot be taken back, so the session is thrown away
            session = self._open_session()
            limits = ", ".join(f"{key} = '{value}'" for key, value in statement.limits.items())
            try:
                _query(session, f"USE {identifier(self.name)}", "Null", {})
                _query(session, f"SET {limits}", "Null", {})
                return _query(session, statement.sql, statement.fmt, bound)
            finally:
                session.close()

        return self._run(work)

    def ping(self) -> None:
        self._run(lambda: _query(self._session(), "SELECT 1", "Null", {}))

    def close(self) -> None:
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._pool.shutdown(wait=True)
        for session in self._sessions:
            session.close()
        if anchor := getattr(self, "_anchor", None):
            anchor.close()
        self._lock_file.close()

    def _run(self, work: Callable[[], T]) -> T:
        """Run on a thread of the pool; the caller waits, and a signal can interrupt its waiting."""
        try:
            future = self._pool.submit(work)
        except RuntimeError as error:
            raise DatabaseUnavailableError("the embedded database is closed") from error
        return future.result()

    def _open_session(self) -> Any:
        from chdb.session import Session

        try:
            return Session(str(self._path))  # type: ignore[no-untyped-call]
        except Exception as error:
            raise DatabaseError(f"cannot open {self._path}: {error}") from error

    def _session(self) -> Any:
        """This thread's session, with the database selected once there is one."""
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._open_session()
            with self._guard:
                self._sessions.append(session)
        if not getattr(self._local, "selected", False):
            name = identifier(self.name)
            _query(session, f"CREATE DATABASE IF NOT EXISTS {name}", "Null", {})
            _query(session, f"USE {name}", "Null", {})
            # a replay of years lands in one insert; the limit is meant for mistakes in the partition key
            _query(session, "SET max_partitions_per_insert_block = 0", "Null", {})
            self._local.selected = True
        return session

    def _insert(self, table: str, columns: Columns) -> None:
        session, target = self._session(), identifier(table)
        known = self._types.get(table)
        if known is None:
            described = _query(session, f"DESCRIBE TABLE {target}", "JSONCompactEachRow", {}).splitlines()
            known = self._types[table] = {row[0]: row[1] for row in map(json.loads, described)}
        if missing := [name for name in columns if name not in known]:
            raise DatabaseError(f"table {table} has no column {', '.join(missing)}", NO_SUCH_COLUMN)
        with scratch_file() as (fd, path):
            # inline Native data ends at an empty line, and send_insert reports rows it did not write: a file does neither
            write_block(fd, [(name, known[name]) for name in columns], list(columns.values()))
            names = ", ".join(identifier(name) for name in columns)
            _query(session, f"INSERT INTO {target} ({names}) FROM INFILE '{path}' FORMAT Native", "Null", {})


def _query(session: Any, sql: str, fmt: str, params: dict[str, str]) -> bytes:
    try:
        return bytes(session.query(sql, fmt, params=params or None).bytes())
    except RuntimeError as error:
        match = _CODE.search(str(error))
        code = int(match[1]) if match else None
        raise server_error(str(error)[match.end() if match else 0 :], code) from error


def _lock(path: Path) -> Any:
    """Take the directory's lock file, which the kernel lets go of when the process ends, however it ends."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise DatabaseLockedError(
            f"{path.parent} is in use by process {owner}; stop it, or set ZHENGDIAN_DATA_DIR to another directory"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
