"""What a user's SQL may be. ClickHouse's readonly=1 does most of it; this closes the holes it leaves in an engine that
runs inside our process: scalar file(), INTO OUTFILE and Python() reach the disk and the interpreter, KILL is allowed.

The text judged is ClickHouse's own canonical form (formatQuerySingleLine), and that form is what runs.
"""

import re
from dataclasses import dataclass
from typing import Final

from sinks.database import DatabaseError

CANONICAL_SQL: Final = "SELECT formatQuerySingleLine({sql:String}) AS sql"
FORMATS_SQL: Final = "SELECT name FROM system.formats WHERE is_output"

_READING: Final = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN", "EXISTS"})
# strings and quoted identifiers of the canonical form; what is left are bare words and signs
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.S)
_FORBIDDEN_CALL: Final = re.compile(r"\b(file|python|executable|executablepool|catboostevaluate)\s*\(", re.I)
_FORBIDDEN_WORDS: Final = re.compile(r"\b(INTO\s+OUTFILE|FROM\s+INFILE|PARALLEL\s+WITH)\b", re.I)
_FORMAT: Final = re.compile(r"\sFORMAT\s+(\w+)\s*$")


@dataclass(frozen=True, slots=True)
class ReadingStatement:
    """A statement that may run: without its FORMAT clause, and the format that was asked for."""

    sql: str
    fmt: str


def reading_statement(canonical: str, fmt: str, formats: frozenset[str]) -> ReadingStatement:
    """Judge a statement in canonical form. Raises DatabaseError naming what is not allowed."""
    sql = canonical.strip()
    bare = _QUOTED.sub("''", sql)
    first = bare.lstrip("( ").split(None, 1)[0].upper() if bare.strip("( ") else ""
    if first not in _READING:
        raise DatabaseError(
            f"only reading statements are allowed (SELECT, WITH, SHOW, DESCRIBE, EXPLAIN, EXISTS), got {first}"
        )
    if call := _FORBIDDEN_CALL.search(bare):
        raise DatabaseError(f"the function {call[1]} is not allowed")
    if words := _FORBIDDEN_WORDS.search(bare):
        raise DatabaseError(f"{words[1].upper()} is not allowed")
    if clause := _FORMAT.search(bare):
        fmt = clause[1]
        sql = sql[: _last_format(sql)]
    if fmt not in formats:
        raise DatabaseError(f"no such output format: {fmt[:40]}")
    return ReadingStatement(sql, fmt)


def _last_format(sql: str) -> int:
    return sql.rindex(" FORMAT ")


def limit_settings(max_seconds: float, max_rows: int, max_memory_bytes: int) -> dict[str, str]:
    """ClickHouse settings for a user's statement; readonly comes last because nothing can be set after it."""
    return {
        "max_execution_time": str(max(max_seconds, 0.001)),
        "timeout_overflow_mode": "throw",
        "max_result_rows": str(max_rows),
        "max_result_bytes": str(max_memory_bytes),
        "result_overflow_mode": "throw",
        "max_memory_usage": str(max_memory_bytes),
        "readonly": "1",
    }
