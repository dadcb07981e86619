"""What the driver raises: a row's fault is told from ours."""

import struct
from decimal import InvalidOperation

import pytest

from sinks.database import TYPE_MISMATCH, DatabaseError
from sinks.server import ServerDatabase


@pytest.fixture
def database() -> ServerDatabase:
    return ServerDatabase("clickhouse://default@127.0.0.1:1/sales", "sales")


@pytest.mark.parametrize(
    "error", [ValueError("x"), TypeError("x"), struct.error("x"), OverflowError("x"), InvalidOperation(), KeyError("x")]
)
def test_a_value_that_does_not_fit_is_the_rows_fault(database: ServerDatabase, error: Exception) -> None:
    with pytest.raises(DatabaseError, match="a value does not fit its column") as raised, database._translated():
        raise error
    assert raised.value.code == TYPE_MISMATCH


@pytest.mark.parametrize("error", [ImportError("No module named 'zstd'"), MemoryError(), RuntimeError("x")])
def test_what_is_no_rows_fault_sets_no_row_aside(database: ServerDatabase, error: Exception) -> None:
    with pytest.raises(type(error)), database._translated():
        raise error
