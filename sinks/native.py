"""ClickHouse's Native format, written and read by clickhouse-driver's own column code.

chDB speaks it through files and results, a server through its socket; using one reader and writer for both makes the
Python types of the two backends equal by construction.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.bufferedreader import BufferedReader
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.columns.service import read_column
from clickhouse_driver.context import Context
from clickhouse_driver.reader import read_binary_str
from clickhouse_driver.streams.native import BlockOutputStream
from clickhouse_driver.varint import read_varint

from sinks.database import TYPE_MISMATCH, DatabaseError

Types = Sequence[tuple[str, str]]
"""(column name, ClickHouse type) of each column"""

_BUFFER_BYTES: Final = 1 << 20


class _BytesReader(BufferedReader):  # type: ignore[misc]
    """The driver's reader over bytes that are all there."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(0)
        self.buffer = bytearray(raw)
        self.current_buffer_size = len(raw)

    def read_into_buffer(self) -> None:
        raise EOFError("Native data ends in the middle of a block")


def file_context(zone: str = "UTC", *, strings_as_bytes: bool = False) -> Context:
    """A driver context for Native data outside a connection: revision 0, no block headers; `zone` is the server's."""
    context = Context()
    context.server_info = SimpleNamespace(used_revision=0, get_timezone=lambda: zone)
    context.settings = {}
    context.client_settings = {
        "use_numpy": False,
        "strings_as_bytes": strings_as_bytes,
        "strings_encoding": "utf-8",
        "namedtuple_as_json": True,
        "input_format_null_as_default": False,
        "server_side_params": True,
    }
    return context


def read_blocks(raw: bytes, context: Context | None = None) -> tuple[list[tuple[str, str]], list[list[Any]]]:
    """Native bytes of any number of blocks -> column names with types, and the columns' values put together."""
    context = context or file_context()
    reader = _BytesReader(raw)
    types: list[tuple[str, str]] = []
    columns: list[list[Any]] = []
    while reader.position < reader.current_buffer_size:
        width, rows = read_varint(reader), read_varint(reader)
        types = []
        for index in range(width):
            types.append((read_binary_str(reader), read_binary_str(reader)))
            if len(columns) <= index:
                columns.append([])
            if rows:
                columns[index].extend(read_column(context, types[index][1], rows, reader))
    return types, columns


def write_block(fd: int, types: Types, columns: Sequence[Sequence[Any]], context: Context | None = None) -> None:
    """Write one Native block to a file. Raises DatabaseError when a value does not fit its column."""
    with open(fd, "wb", 0, closefd=False) as file:
        # the driver's writer turns values in place, so it gets lists of its own: a retry must see the caller's values
        block = ColumnOrientedBlock(list(types), [list(values) for values in columns])
        sink = SimpleNamespace(sendall=lambda data: _write_all(file.fileno(), data))
        try:
            BlockOutputStream(BufferedSocketWriter(sink, _BUFFER_BYTES), context or file_context()).write(block)
        except OSError:
            raise
        except Exception as error:  # the driver raises whatever struct, Decimal or a missing attribute raise
            raise DatabaseError(f"a value does not fit its column: {error}", TYPE_MISMATCH) from error


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def scratch_file() -> Iterator[tuple[int, str]]:
    """A file that is gone afterwards, as (descriptor, path that this process can open)."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("zhengdian")
        try:
            yield fd, f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
        return
    with tempfile.NamedTemporaryFile() as file:
        yield file.fileno(), file.name


def as_rows(types: Types, columns: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns -> one dict a row."""
    names = [name for name, _ in types]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
