"""SQL for data engineers: the tables, the queries that have a name, and reading statements under ClickHouse's own limits."""

import re
import secrets
import time
from functools import partial
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sinks import describe
from sinks.access_log import TRAIL_TABLES
from sinks.database import DatabaseError, DatabaseUnavailableError, Formatted
from sinks.named_queries import named_queries
from web.access.guard import needs
from web.access.limits import QUERIES, Limits
from web.access.roles import May, Person
from web.bodies import media_type, read_body
from web.models import Problem
from web.parts import Parts
from web.wanted import Wanted

SECONDS: Final = 10.0
ROWS: Final = 100_000
MEMORY_BYTES: Final = 1024**3
BODY_BYTES: Final = 8 * 1024 * 1024
FORMAT_HEADER: Final = "X-ClickHouse-Format"
"""as ClickHouse's own HTTP interface names it"""
_PARAMETER: Final = "param_"
_BINARY_FORMATS: Final = (
    "Arrow", "Avro", "BSON", "CapnProto", "MsgPack", "MySQLWire", "Native", "Npy", "ODBCDriver2", "ORC", "Parquet", "PostgreSQLWire",
    "Protobuf", "RawBLOB", "RowBinary",
)  # fmt: skip
_TYPES: Final = (
    "application/json",
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/octet-stream",
)
_SYNTAX: Final = re.compile(r"failed at position (\d+)")
_UNKNOWN: Final = re.compile(
    r"(?:Unknown (?:\w+ )*identifier|Function with name|Unknown function|Substitution|Table) [`'\"]?([\w.]+)"
)

Scalar = bool | int | float | str


class Sql(BaseModel):
    """A read-only query."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(min_length=1, max_length=100_000)
    format: str = Field("JSON", pattern=r"^[A-Za-z][A-Za-z0-9]*$", description="any ClickHouse FORMAT")
    parameters: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$", max_length=100)], Scalar | list[Scalar]] = Field(
        default_factory=dict,
        max_length=100,
        description="values of the placeholders {name:Type}, bound by ClickHouse; a list for an Array",
        examples=[{"shop_id": "lining-hz", "since": "2026-11-11 00:00:00"}],
    )

    @property
    def asked(self) -> str:
        """What goes on record: the statement, and the values that were bound, which may name a buyer."""
        return f"{self.sql}\n-- {orjson.dumps(self.parameters).decode()}" if self.parameters else self.sql


class SqlProblem(Problem):
    """Why a query was refused or broke off."""

    code: int | None = Field(description="ClickHouse's error code; null where it did not get that far")
    position: int | None = Field(description="character of the query where the trouble begins, from 0; null: not known")


class ColumnOut(BaseModel):
    """A column."""

    name: str
    type: str = Field(description="ClickHouse's")
    comment: str


class TableOut(BaseModel):
    """A view or a table."""

    name: str
    comment: str
    kind: Literal["view", "table"]
    rows: int | None = Field(description="rows of a table, replaced ones included; null for a view")
    columns: list[ColumnOut]


class LimitsOut(BaseModel):
    """What ClickHouse holds every statement to."""

    seconds: float
    rows: int
    memory_bytes: int


class Schema(BaseModel):
    """Everything that can be read: the contract's views first, the tables below them after."""

    database: str
    timezone: str = Field(description="of the rules: the zone of days and hours")
    server_timezone: str = Field(description="of columns whose type names no zone")
    limits: LimitsOut
    tables: list[TableOut]


class ParameterOut(BaseModel):
    """A placeholder of a query with a name."""

    name: str
    type: str = Field(description="ClickHouse's")
    default: str = Field(description="where a form begins; of an instant `hour` or `day`, the present one's start")
    en: str
    zh: str


class QueryOut(BaseModel):
    """A query with a name."""

    name: str
    title_en: str
    title_zh: str
    about_en: str
    about_zh: str
    sql: str
    parameters: list[ParameterOut]


class Queries(BaseModel):
    """By name."""

    queries: list[QueryOut]


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": Sql.model_json_schema()},
            "text/plain": {
                "schema": {
                    "type": "string",
                    "description": "the query; its FORMAT as ?format=, the value of a placeholder {x:Type} as ?param_x=",
                }
            },
        },
    }
}


def router(parts: Parts, limits: Limits) -> APIRouter:
    """The routes under /api/v1/sql."""
    routes = APIRouter(prefix="/api/v1/sql", tags=["SQL"], responses={503: {"model": Problem}})

    @routes.get("/tables", summary="Tables and views with their comments")
    async def get_tables(person: Annotated[Person, needs(May.QUERY)]) -> Schema:
        return await parts.call(_schema, parts, _kept_from(person))

    @routes.get("/queries", summary="The queries that have a name", dependencies=[needs(May.QUERY)])
    async def get_queries() -> Queries:
        return Queries(queries=_queries())

    @routes.post(
        "",
        summary="A read-only query, in any ClickHouse FORMAT",
        description=(
            "ClickHouse itself keeps it reading and within its limits of time, rows and memory. Whoever closes the connection"
            " before the answer stops the query. `Server-Timing` tells how long it took."
        ),
        response_class=Response,
        responses={
            200: {"content": {kind: {} for kind in _TYPES}},
            400: {"model": SqlProblem},
            **{code: {"model": Problem} for code in (413, 415)},
        },
        openapi_extra=_BODY,
    )
    async def post_sql(
        request: Request,
        person: Annotated[Person, needs(May.QUERY)],
        fmt: Annotated[str, Query(alias="format", description="FORMAT of a text/plain query")] = "JSON",
    ) -> Response:
        body = await _read(request, fmt)
        if not person.local and not limits.take(QUERIES, "sql", person.name):
            raise HTTPException(429, "too many queries; wait a minute", {"Retry-After": "60"})
        begun = time.monotonic()
        asked = partial(parts.trail.tried, person, "access.queried", body.format, detail=body.asked)
        try:
            result = await _run(parts, request, body, _kept_from(person))
        except HTTPException as stopped:
            await asked(status=stopped.status_code)
            raise
        except DatabaseUnavailableError:
            await asked(status=503)
            raise
        except DatabaseError as error:
            await parts.trail.did(person, "access.queried", body.format, detail=body.asked, status=400)
            problem = SqlProblem(detail=str(error), code=error.code, position=position_of(body.sql, str(error)))
            return JSONResponse(problem.model_dump(), 400)
        await parts.trail.did(person, "access.queried", result.fmt, detail=body.asked, size=len(result.data))
        headers = {
            "X-Content-Type-Options": "nosniff",
            FORMAT_HEADER: result.fmt,
            "Server-Timing": f"query;dur={(time.monotonic() - begun) * 1000:.1f}",
        }
        return Response(result.data, media_type=format_type(result.fmt), headers=headers)

    return routes


async def _read(request: Request, fmt: str) -> Sql:
    """The query in a request's body. Raises HTTPException 413 or 415, RequestValidationError for what is no query."""
    kind, raw = media_type(request), await read_body(request, BODY_BYTES)
    try:
        if kind == "text/plain":
            values = {
                key[len(_PARAMETER) :]: v for key, v in request.query_params.items() if key.startswith(_PARAMETER)
            }
            return Sql(sql=raw.decode(), format=fmt, parameters=dict(values))
        if kind in ("application/json", ""):
            return Sql.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None
    except UnicodeDecodeError as error:
        raise HTTPException(422, f"the query is not UTF-8: {error.reason}") from None
    raise HTTPException(415, "content type must be application/json or text/plain")


async def _run(parts: Parts, request: Request, body: Sql, closed: frozenset[str]) -> Formatted:
    """The result; stopped when nobody waits for it any more. Raises DatabaseError, HTTPException 499."""
    mark = secrets.token_hex(16)
    statement = partial(
        parts.db.query_format,
        body.sql,
        body.format,
        max_seconds=SECONDS,
        max_rows=ROWS,
        max_memory_bytes=MEMORY_BYTES,
        params=body.parameters,
        mark=mark,
        closed=closed,
    )
    work = parts.sql_pool.submit(statement)
    return await Wanted(work, partial(parts.call, parts.db.stop, mark)).answer(request)


def _kept_from(person: Person) -> frozenset[str]:
    """The tables that are not for them."""
    return frozenset() if person.may(May.SEE_TRAIL) else TRAIL_TABLES


def _schema(parts: Parts, kept: frozenset[str]) -> Schema:
    """Without the tables of `kept`. Called on a thread of the database."""
    return Schema(
        database=parts.db.name,
        timezone=parts.book.timezone(""),
        server_timezone=parts.db.query("SELECT timezone() AS zone")[0]["zone"],
        limits=LimitsOut(seconds=SECONDS, rows=ROWS, memory_bytes=MEMORY_BYTES),
        tables=[
            TableOut(
                name=table.name,
                comment=table.comment,
                kind="view" if table.view else "table",
                rows=table.rows,
                columns=[ColumnOut(name=c.name, type=c.type, comment=c.comment) for c in table.columns],
            )
            for table in describe.tables(parts.db)
            if table.name not in kept
        ],
    )


def _queries() -> list[QueryOut]:
    return [
        QueryOut(
            name=query.name,
            title_en=query.title_en,
            title_zh=query.title_zh,
            about_en=query.about_en,
            about_zh=query.about_zh,
            sql=query.sql,
            parameters=[
                ParameterOut(name=one.name, type=one.kind, default=one.default, en=one.text_en, zh=one.text_zh)
                for one in query.parameters
            ],
        )
        for query in named_queries().values()
    ]


def format_type(fmt: str) -> str:
    """The Content-Type of a ClickHouse FORMAT."""
    if fmt.startswith(_BINARY_FORMATS):
        return "application/octet-stream"
    if "JSON" in fmt:
        return "application/json"
    if fmt.startswith("CSV"):
        return "text/csv; charset=utf-8"
    if fmt.startswith(("TSV", "TabSeparated")):
        return "text/tab-separated-values; charset=utf-8"
    return "text/plain; charset=utf-8"


def position_of(sql: str, message: str) -> int | None:
    """Where in the query ClickHouse's message points, in characters from 0. It counts bytes from 1, in syntax errors only;
    a name that it does not know is looked for.
    """
    if found := _SYNTAX.search(message):
        return min(len(sql.encode()[: int(found[1]) - 1].decode(errors="ignore")), len(sql))
    if found := _UNKNOWN.search(message):
        place = re.search(rf"(?<!\w){re.escape(found[1])}(?!\w)", sql)
        return place.start() if place else None
    return None
