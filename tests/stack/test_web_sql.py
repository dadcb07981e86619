"""SQL over HTTP: any format, values bound, ClickHouse's own limits, and nothing runs for somebody who has left."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from web_rows import fill
from web_served import FOREVER, asking, running, serving, wait_for

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.types import parse_time
from sinks.database import Database, open_database
from sinks.describe import VIEWS_FIRST
from sinks.migrate import up
from web import sql as sql_module
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
LONG = 120.0
"""seconds that a statement may run where a test is about its being stopped before: no machine is as slow"""


class NoProducer:
    """Takes everything and keeps nothing."""

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        pass


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("sql")))
    up(database)
    fill(database, NOW)
    yield database
    database.close()


@pytest.fixture
def app(db: Database) -> FastAPI:
    return create_app(Settings(), db, NoProducer(), default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)


@pytest.fixture
def web(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.fixture
def served(app: FastAPI) -> Iterator[str]:
    with serving(app) as address:
        yield address


def sql(web: TestClient, text: str, fmt: str = "JSON", **parameters: Any) -> Any:
    return web.post("/api/v1/sql", json={"sql": text, "format": fmt, "parameters": parameters})


# ---- statements --------------------------------------------------------------------------------------------------------


def test_sql_reads_in_any_format(web: TestClient) -> None:
    rows = sql(web, "SELECT count() AS n FROM call_tasks WHERE shop_id = 'lining-hz'").json()["data"]
    assert int(rows[0]["n"]) == 9
    assert sql(web, "SELECT 1 AS a, 'x' AS b", "CSVWithNames").text == '"a","b"\n1,"x"\n'
    assert sql(web, "SELECT name FROM agents ORDER BY agent_id LIMIT 1", "Parquet").content[:4] == b"PAR1"


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE flags_raw",
        "INSERT INTO agents_raw (shop_id) VALUES ('x')",
        "SELECT 1; SELECT 2",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "DESCRIBE TABLE url('http://127.0.0.1:1/')",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT 1 INTO OUTFILE '/tmp/zhengdian-must-not-exist'",
        "SELECT 1 SETTINGS readonly = 0",
        "SET readonly = 0",
        "SELECT sleepEachRow(3) FROM numbers(100) SETTINGS max_execution_time = 0",
        "SELECT * FROM numbers(1000000)",
        "SELECT nothing FROM nowhere",
        "SELEC",
    ],
)
def test_sql_refused(web: TestClient, text: str) -> None:
    answer = sql(web, text)
    assert answer.status_code == 400, answer.text[:300]
    assert "\n" not in answer.json()["detail"]
    assert not Path("/tmp/zhengdian-must-not-exist").exists()


@pytest.mark.parametrize(
    ("text", "fmt", "kind"),
    [
        ("SELECT 1", "JSON", "application/json"),
        ("SELECT 1 FORMAT CSV", "JSON", "text/csv; charset=utf-8"),
        ("SELECT 1 FORMAT JSONEachRow", "TSV", "application/json"),
        ("SELECT 1", "TabSeparatedWithNames", "text/tab-separated-values; charset=utf-8"),
        ("SELECT 1", "Native", "application/octet-stream"),
        ("SELECT 1 FORMAT RowBinary", "JSON", "application/octet-stream"),
        ("SELECT 1", "Pretty", "text/plain; charset=utf-8"),
    ],
)
def test_sql_content_type_is_that_of_the_format_used(web: TestClient, text: str, fmt: str, kind: str) -> None:
    plain = web.post("/api/v1/sql", params={"format": fmt}, content=text, headers={"content-type": "text/plain"})
    for answer in (sql(web, text, fmt), plain):
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert plain.content


def test_sql_as_plain_text(web: TestClient) -> None:
    def send(text: bytes, kind: str = "text/plain; charset=utf-8", query: str = "") -> Any:
        return web.post("/api/v1/sql" + query, content=text, headers={"content-type": kind})

    assert send("SELECT '鞋' AS a".encode()).json()["data"] == [{"a": "鞋"}]
    assert send(b"SELECT 7", query="?format=TSV").text == "7\n"
    assert send(b"").status_code == 422
    assert send(b"\xff").status_code == 422
    assert send(b"SELECT 1", query="?format=a;b").status_code == 422
    assert send(b"SELECT 1", kind="application/x-www-form-urlencoded").status_code == 415
    assert send(b"SELECT 1", kind="application/json").status_code == 422
    assert send(b'{"sql": "SELECT 1", "more": 1}', kind="application/json").json()["detail"][0]["loc"] == [
        "body",
        "more",
    ]


def test_sql_format_must_be_a_name(web: TestClient) -> None:
    assert sql(web, "SELECT 1", "JSON; DROP").status_code == 422
    assert sql(web, "SELECT 1", "NoSuch").status_code == 400


def test_values_of_placeholders_are_bound_and_never_pasted(web: TestClient) -> None:
    nasty = "x' OR 1 = 1 --"
    assert sql(web, "SELECT {a:String} AS a", "TSVRaw", a=nasty).text == nasty + "\n"
    assert sql(web, "SELECT count() FROM flags WHERE shop_id = {shop:String}", "TSV", shop=nasty).text == "0\n"
    bound = sql(
        web,
        "SELECT {n:UInt8}, {f:Float64}, {d:DateTime64(3, 'Asia/Shanghai')}, {list:Array(String)}, {ok:Bool}",
        "TSV",
        n=7,
        f=1.5,
        d="2026-11-11 20:00:00",
        list=["a", "b"],
        ok=True,
    )
    assert bound.text == "7\t1.5\t2026-11-11 20:00:00.000\t['a','b']\ttrue\n"
    plain = {"content": "SELECT {a:String}", "headers": {"content-type": "text/plain"}}
    assert web.post("/api/v1/sql", params={"format": "TSV", "param_a": "鞋 1"}, **plain).text == "鞋 1\n"


@pytest.mark.parametrize(
    ("text", "parameters", "status"),
    [
        ("SELECT {a:UInt8}", {}, 400),
        ("SELECT {a:UInt8}", {"a": "many"}, 400),
        ("SELECT * FROM {a:Identifier}", {"a": "flags"}, 400),
        ("SELECT {a:Array(String)}", {"a": [["x"]]}, 422),
        ("SELECT {a:String}", {"a": {"b": 1}}, 422),
        ("SELECT 1", {"a b": "1"}, 422),
        ("SELECT 1", {f"p{n}": "1" for n in range(101)}, 422),
    ],
)
def test_values_that_do_not_fit_are_refused(
    web: TestClient, text: str, parameters: dict[str, Any], status: int
) -> None:
    assert sql(web, text, **parameters).status_code == status


def test_an_answer_tells_its_format_and_how_long_the_query_took(web: TestClient) -> None:
    answer = sql(web, "SELECT sleep(0.2) FORMAT CSV")
    assert answer.headers["x-clickhouse-format"] == "CSV"
    assert 200 <= float(answer.headers["server-timing"].removeprefix("query;dur=")) < 60_000


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("SELECT '鞋' AS a\nFROM system.one WHERE ) 1", 62, ") 1"),
        ("SELECT nothing FROM system.one", 47, "nothing"),
        ("SELECT a.* FROM nowhere AS a", 60, "nowhere"),
        ("SELECT 1, nofunction(2)", 46, "nofunction"),
        ("SELECT 1 AS x, {shop:String}", 456, "shop"),
        ("SELECT throwIf(1)", 395, None),
        ("DROP TABLE flags_raw", None, None),
    ],
)
def test_a_refusal_says_where_in_the_query(web: TestClient, text: str, code: int | None, at: str | None) -> None:
    answer = sql(web, text)
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["detail"]
    assert problem["code"] == code
    assert problem["position"] == (None if at is None else text.index(at)), problem


# ---- limits ------------------------------------------------------------------------------------------------------------


def test_the_limits_are_clickhouses_own_settings(web: TestClient) -> None:
    names = "'readonly', 'max_execution_time', 'max_result_rows', 'max_memory_usage'"
    rows = sql(web, f"SELECT name, value FROM system.settings WHERE name IN ({names})", "JSONCompact").json()["data"]
    held = web.get("/api/v1/sql/tables").json()["limits"]
    assert {name: float(value) for name, value in rows} == {
        "readonly": 1,
        "max_execution_time": held["seconds"],
        "max_result_rows": held["rows"],
        "max_memory_usage": held["memory_bytes"],
    }


def test_a_statement_that_takes_too_long_is_ended(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_module, "SECONDS", 0.5)
    answer = sql(web, FOREVER)  # which would run for hours
    assert (answer.status_code, answer.json()["code"]) == (400, 159)


@pytest.fixture
def ask(served: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], socket.socket]:
    """Asks for what takes hours, which is the caller's to close."""
    monkeypatch.setattr(sql_module, "SECONDS", LONG)
    return lambda: asking(served, "/api/v1/sql", {"sql": FOREVER})


def test_a_statement_is_stopped_when_nobody_waits_for_it(db: Database, ask: Callable[[], socket.socket]) -> None:
    connection = ask()
    wait_for(db, 1, seconds=60)
    connection.close()
    wait_for(db, 0, seconds=LONG / 2)


def test_a_statement_that_has_not_begun_never_begins(db: Database, ask: Callable[[], socket.socket]) -> None:
    connections = [ask(), ask()]
    wait_for(db, 2, seconds=60)  # as many as may run at once
    waiting = ask()
    time.sleep(1)
    waiting.close()
    time.sleep(1)
    for connection in connections:
        connection.close()
    wait_for(db, 0, seconds=LONG / 2)
    time.sleep(1)
    assert running(db) == 0


def test_slow_statements_keep_nobody_else_waiting(db: Database, served: str, ask: Callable[[], socket.socket]) -> None:
    slow = [ask() for _ in range(6)]
    wait_for(db, 2, seconds=60)
    assert httpx.get(f"{served}/api/v1/leaderboard", timeout=LONG / 2).status_code == 200
    assert running(db) == 2  # they were there all the time
    for connection in slow:
        connection.close()
    wait_for(db, 0, seconds=LONG / 2)


# ---- what there is to read ----------------------------------------------------------------------------------------------


def test_tables_come_with_comments_views_first(web: TestClient, db: Database) -> None:
    found = web.get("/api/v1/sql/tables").json()
    assert (found["database"], found["timezone"]) == (db.name, "Asia/Shanghai")
    kinds = [table["kind"] for table in found["tables"]]
    assert kinds == sorted(kinds, reverse=True)
    assert tuple(table["name"] for table in found["tables"])[: len(VIEWS_FIRST)] == VIEWS_FIRST
    tables = {table["name"]: table for table in found["tables"]}
    assert tables["flags"]["rows"] is None
    assert tables["flags_raw"]["rows"] == db.query("SELECT count() AS n FROM flags_raw")[0]["n"]
    columns = {column["name"]: column for column in tables["leaderboard_hourly"]["columns"]}
    assert columns["paid_amount"]["type"] == "Decimal(18, 2)"
    assert "CNY" in columns["paid_amount"]["comment"]
    for table in found["tables"]:
        for column in table["columns"]:
            assert table["comment"], table["name"]
            assert column["comment"], column


def test_every_query_with_a_name_runs_as_the_page_would_run_it(web: TestClient) -> None:
    values = {"shop_id": "lining-hz", "buyer_id": "b-77", "sale_event_id": "none"}
    starts = {"day": "2026-11-11 00:00:00", "hour": "2026-11-11 20:00:00"}
    queries = web.get("/api/v1/sql/queries").json()["queries"]
    assert len(queries) >= 16
    for query in queries:
        given = {}
        for one in query["parameters"]:
            value: Any = one["default"] or values[one["name"]]
            value = starts.get(value, value) if one["type"].startswith("DateTime") else value
            given[one["name"]] = value.split(",") if one["type"].startswith("Array") else value
        answer = sql(web, query["sql"], "JSONCompactStrings", **given)
        assert answer.status_code == 200, (query["name"], answer.text)
        assert json.loads(answer.content)["meta"]
