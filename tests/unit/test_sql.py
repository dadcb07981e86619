"""Where in a query ClickHouse's message points, and what FORMATs are on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.sql import format_type, position_of


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_syntax_error_s_byte_is_the_character_s_place(before: str, after: str) -> None:
    sql = before + after
    message = f"Syntax error: failed at position {len(before.encode()) + 1} (x) (line 1, col 1): x. Expected one of: y"
    assert position_of(sql, message) == len(before)


@given(st.integers(1, 10**9), st.text(max_size=20))
def test_a_place_lies_inside_the_query(byte: int, sql: str) -> None:
    found = position_of(sql, f"failed at position {byte} (end of query)")
    assert found is not None
    assert 0 <= found <= len(sql)


@pytest.mark.parametrize(
    ("sql", "message", "place"),
    [
        ("SELECT nonsense, no FROM t", "Unknown expression identifier `no`. In scope SELECT", "no FROM"),
        ("SELECT a.x FROM a", "Unknown expression or function identifier 'a.x' in scope", "a.x"),
        ("SELECT 1 FROM 没有, nowhere", "Unknown table expression identifier 'nowhere'. In scope", "nowhere"),
        ("SELECT f(1), ff(2)", "Function with name `ff` does not exist. In scope", "ff(2)"),
        ("SELECT {b:String}", "Substitution `b` is not set.", "b:String"),
        ("SELECT 1", "Unknown expression identifier `gone`.", None),
        ("SELECT throwIf(1)", "Value passed to 'throwIf' function is non-zero", None),
    ],
)
def test_a_name_that_is_not_known_is_looked_for(sql: str, message: str, place: str | None) -> None:
    assert position_of(sql, message) == (None if place is None else sql.index(place))


def test_formats_on_the_wire() -> None:
    kinds = {
        fmt: format_type(fmt).partition(";")[0]
        for fmt in ("JSONCompactStrings", "CSVWithNames", "TSV", "Parquet", "Vertical")
    }
    assert kinds == {
        "JSONCompactStrings": "application/json",
        "CSVWithNames": "text/csv",
        "TSV": "text/tab-separated-values",
        "Parquet": "application/octet-stream",
        "Vertical": "text/plain",
    }
