"""Any ClickHouse FORMAT for results of a server: its native protocol answers in blocks only, so the chDB in this process,
over no data at all, renders them."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sinks.database import DatabaseError, one_line
from sinks.native import Types, file_context, scratch_file, write_block
from sinks.parameters import for_engine

_SQL: Final = "SELECT * FROM file({path:String}, 'Native', {structure:String})"


class Formatter:
    """Turns columns into bytes of a FORMAT, on a thread of its own. Needs a process that has no other chDB open."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="chdb-format")
        self._session: Any = None
        self._guard = threading.Lock()

    def format(self, types: Types, columns: Sequence[Sequence[Any]], fmt: str, zone: str) -> bytes:
        """`zone` is the server's, in which types without one are written. Raises DatabaseError."""
        return self._pool.submit(self._format, types, columns, fmt, zone).result()

    def _format(self, types: Types, columns: Sequence[Sequence[Any]], fmt: str, zone: str) -> bytes:
        from chdb.session import Session

        structure = ", ".join(f"`{_quoted(name)}` {kind}" for name, kind in types)
        try:
            if self._session is None:
                self._session = Session(":memory:")  # type: ignore[no-untyped-call]
            with scratch_file() as (fd, path):
                if columns and len(columns[0]):
                    write_block(fd, types, columns, file_context(zone))
                bound = for_engine({"path": path, "structure": structure})
                self._session.query(f"SET session_timezone = '{_quoted(zone)}'")
                return bytes(self._session.query(_SQL, fmt, params=bound).bytes())
        except RuntimeError as error:
            raise DatabaseError(f"cannot write the result as {fmt}: {one_line(str(error))}") from error

    def close(self) -> None:
        """Wait for the thread and let go of the engine."""
        with self._guard:
            self._pool.shutdown(wait=True)
            if self._session is not None:
                self._session.close()
                self._session = None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("`", "\\`").replace("'", "\\'")
