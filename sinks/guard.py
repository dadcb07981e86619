"""What a user's SQL may be. ClickHouse's readonly=1 does most of it; this closes the holes it leaves: table functions that
read the network or the disk (DESCRIBE opens them too), scalar file(), INTO OUTFILE, Python(), databases made of files.

The text judged is ClickHouse's own canonical form (formatQuerySingleLine), and that form is what runs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sinks.database import (
    TIMEOUT_EXCEEDED,
    DatabaseError,
    DatabaseUnavailableError,
    Formatted,
    Parameters,
    TooSlowError,
)

_CANONICAL_SQL: Final = "SELECT formatQuerySingleLine({sql:String}) AS sql"
_FORMATS_SQL: Final = "SELECT name FROM system.formats WHERE is_output"
_TABLE_FUNCTIONS_SQL: Final = "SELECT name FROM system.table_functions"
_DATABASES_SQL: Final = (
    "SELECT name, name = currentDatabase() AS here FROM system.databases"
    " WHERE engine NOT IN ('Atomic', 'Ordinary', 'Replicated', 'Shared', 'Memory')"
)

ALLOWED_TABLE_FUNCTIONS: Final = frozenset(
    {
        "format", "generaterandom", "generateseries", "generate_series", "null", "numbers", "numbers_mt", "primes",
        "sqlstandardvalues", "values", "view", "zeros", "zeros_mt",
    }
)  # fmt: skip
"""they make rows of nothing or of their arguments; every other table function that the engine knows is forbidden"""
FORBIDDEN_CALLS: Final = frozenset(
    {
        # scalar functions that reach the disk, another program or a service
        "file", "catboostevaluate", "executablepool", "aiclassify", "aiembed", "aiextract", "aifilter", "aigenerate", "airedact",
        "aisimilarity", "aitranslate",
        # table functions, in case that an engine has one that it does not list
        "azureblobstorage", "bigquery", "cluster", "clusterallreplicas", "cosn", "deltalake", "dictionary", "eval", "executable",
        "filesystem", "gcs", "hdfs", "hudi", "iceberg", "input", "jdbc", "loop", "merge", "mongodb", "mysql", "odbc", "oss", "paimon",
        "postgresql", "python", "redis", "remote", "remotesecure", "s3", "s3cluster", "sqlite", "url", "urlcluster", "ytsaurus",
    }
)  # fmt: skip

_STOP_SQL: Final = "KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC"
_RESULT_SHARE: Final = 8
"""a result may take this part of the memory: the web part holds it a second time, formatted"""
_READING: Final = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN", "EXISTS"})
_STRING: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.S)
_CALL: Final = re.compile(r"(\w+)\s*\(")
_FORBIDDEN_WORDS: Final = re.compile(r"\b(INTO\s+OUTFILE|FROM\s+INFILE|PARALLEL\s+WITH)\b", re.I)
_NAMED_BY_PARAMETER: Final = re.compile(r"\{\s*\w+\s*:\s*Identifier\s*\}", re.I)
_MARK: Final = re.compile(r"\w*", re.ASCII)
_OUR_SCOPE: Final = re.compile(r":? In scope SELECT formatQuerySingleLine\(.*", re.S)
_FORMAT: Final = re.compile(r"\sFORMAT\s+(\w+)\s*$")


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine behind a database has, as far as it matters here."""

    formats: frozenset[str]
    forbidden_calls: frozenset[str]
    """in lower case"""
    closed_databases: frozenset[str]
    """whose tables are files or other servers: a table's name would be a path"""


@dataclass(frozen=True, slots=True)
class ReadingStatement:
    """A statement that may run: without its FORMAT clause, the format that was asked for, the settings to run it with."""

    sql: str
    fmt: str
    limits: dict[str, str]


class GuardedReads:
    """The part of a Database that runs a user's statements, the same for every backend."""

    _engine: Engine | None = None

    def _select(self, sql: str, params: Parameters | None, settings: Mapping[str, str]) -> list[dict[str, Any]]:
        """Run one SELECT of the program's own with these settings of ClickHouse."""
        raise NotImplementedError

    def query(
        self, sql: str, params: Parameters | None = None, *, max_seconds: float | None = None, mark: str = ""
    ) -> list[dict[str, Any]]:
        """As in Database."""
        try:
            return self._select(sql, params, {**time_limit(max_seconds), **marked(mark)})
        except DatabaseUnavailableError as error:
            if max_seconds is None or error.code != TIMEOUT_EXCEEDED:
                raise
            raise TooSlowError(str(error), error.code) from error

    def command(self, sql: str, params: Parameters | None = None) -> None:
        """As in Database."""
        raise NotImplementedError

    def _read(self, statement: ReadingStatement, params: Parameters | None) -> bytes:
        """Run a statement that was found fit under its limits."""
        raise NotImplementedError

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
        """As in Database."""
        if self._engine is None:
            self._engine = engine_of(self.query)
        try:
            canonical = self.query(_CANONICAL_SQL, {"sql": sql})[0]["sql"]
        except DatabaseError as error:  # what stands around the user's text is none of the user's business
            raise DatabaseError(_OUR_SCOPE.sub("", str(error)), error.code) from error
        text, asked = judged(canonical, fmt, self._engine, closed)
        limits = limit_settings(max_seconds, max_rows, max_memory_bytes, mark)
        try:
            return Formatted(self._read(ReadingStatement(text, asked, limits), params), asked)
        except DatabaseUnavailableError as error:
            if error.code is None:
                raise
            raise DatabaseError(str(error), error.code) from error  # the limit on memory or time is the user's own

    def stop(self, mark: str) -> None:
        """As in Database."""
        if not mark:
            raise ValueError("without a mark it would be everybody's statements")
        self.command(_STOP_SQL, {"mark": mark})


def engine_of(query: Callable[[str], list[dict[str, Any]]]) -> Engine:
    """Ask the engine. Raises DatabaseError where the database itself is made of files."""
    closed = query(_DATABASES_SQL)
    if any(row["here"] for row in closed):
        raise DatabaseError("reading statements need a database of their own; set ZHENGDIAN_DATABASE to another name")
    listed = frozenset(row["name"].lower() for row in query(_TABLE_FUNCTIONS_SQL))
    return Engine(
        frozenset(row["name"] for row in query(_FORMATS_SQL)),
        (listed - ALLOWED_TABLE_FUNCTIONS) | FORBIDDEN_CALLS,
        frozenset(row["name"] for row in closed),
    )


def judged(canonical: str, fmt: str, engine: Engine, closed: frozenset[str] = frozenset()) -> tuple[str, str]:
    """A statement in canonical form as it may run, and its format. Raises DatabaseError naming what is not allowed; `closed`:
    tables that it must not name.
    """
    sql = canonical.strip()
    bare = _STRING.sub("''", sql)
    # names that are keywords too stand in backquotes: put bare, unless signs in them could be taken for SQL
    named = _STRING.sub(lambda quoted: _bare_name(quoted[0], engine.closed_databases), sql)
    first = bare.lstrip("( ").split(None, 1)[0].upper() if bare.strip("( ") else ""
    if first not in _READING:
        raise DatabaseError(
            f"only reading statements are allowed (SELECT, WITH, SHOW, DESCRIBE, EXPLAIN, EXISTS), got {first}"
        )
    for call in _CALL.finditer(named):
        if call[1].lower() in engine.forbidden_calls:
            raise DatabaseError(f"the function {call[1]} is not allowed")
    for name in sorted(engine.closed_databases):
        if re.search(rf"(?<![\w.]){re.escape(name)}\s*\.", named):
            raise DatabaseError(f"the database {name} is not allowed")
    if placeholder := _NAMED_BY_PARAMETER.search(bare):  # its value would be a name that is not judged here
        raise DatabaseError(f"{placeholder[0]} is not allowed: a parameter is a value and no name")
    for name in sorted(closed):
        if re.search(rf"\b{re.escape(name)}\b", named):
            raise DatabaseError(f"the table {name} is for admins")
    if words := _FORBIDDEN_WORDS.search(bare):
        raise DatabaseError(f"{words[1].upper()} is not allowed")
    if clause := _FORMAT.search(bare):
        fmt = clause[1]
        sql = sql[: sql.rindex(" FORMAT ")]
    if fmt not in engine.formats:
        raise DatabaseError(f"no such output format: {fmt[:40]}")
    return sql, fmt


def _bare_name(quoted: str, known: frozenset[str]) -> str:
    inside = quoted[1:-1]
    return inside if quoted[0] == "`" and (inside in known or re.fullmatch(r"\w+", inside)) else "''"


def limit_settings(max_seconds: float, max_rows: int, max_memory_bytes: int, mark: str = "") -> dict[str, str]:
    """ClickHouse settings for a user's statement; readonly comes last because nothing can be set after it."""
    return {
        **time_limit(max_seconds),
        "max_result_rows": str(max_rows),
        "max_result_bytes": str(max_memory_bytes // _RESULT_SHARE),
        "result_overflow_mode": "throw",
        "max_memory_usage": str(max_memory_bytes),
        **marked(mark),
        "readonly": "1",
    }


def time_limit(max_seconds: float | None) -> dict[str, str]:
    """ClickHouse settings that end a statement after so many seconds; none without a limit."""
    if max_seconds is None:
        return {}
    return {"max_execution_time": str(max(max_seconds, 0.001)), "timeout_overflow_mode": "throw"}


def marked(mark: str) -> dict[str, str]:
    """ClickHouse settings by which `stop` finds a statement; none without a mark."""
    if not _MARK.fullmatch(mark):
        raise ValueError(f"a mark is made of letters and digits, got {mark!r}")
    return {"log_comment": mark} if mark else {}
