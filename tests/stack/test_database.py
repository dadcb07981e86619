"""One contract for both ways to ClickHouse: chDB in process, and clickhouse-driver over a real socket.

The socket ends at tests/fixtures/native_server.py, and at a real server (tests/fixtures/named_server.py).
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fixtures.named_server import clickhouse_at
from fixtures.native_process import NativeServerProcess

from schemas.settings import Settings
from sinks.bounded import Bounded
from sinks.database import Database, DatabaseError, DatabaseUnavailableError, TooSlowError, open_database
from sinks.embedded import DatabaseLockedError
from sinks.guard import engine_of

pytestmark = pytest.mark.stack
SHANGHAI = ZoneInfo("Asia/Shanghai")
NASTY = [
    "",
    "it's",
    "a\\b\\n",
    "a\nb\n\n\nc",
    "tab\there",
    "\\N",
    "NULL",
    "亲,在吗?😀",
    'q"`',
    "{x:String}",
    "%(a)s",
    "x\0y",
    "\x07\x0b'",
]


@pytest.fixture(scope="module", params=["embedded", "driver", "real"])
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("db")
    with ExitStack() as stack:
        if request.param == "driver":
            server = stack.enter_context(NativeServerProcess(folder))
            chosen = {"clickhouse": "server", "clickhouse_url": server.url("contract")}
        else:
            chosen = stack.enter_context(clickhouse_at(request.param, request))
        database = open_database(Settings(data_dir=folder, database="contract", **chosen))  # type: ignore[arg-type]
        stack.callback(database.close)
        database.create()
        yield database


@pytest.fixture
def table(db: Database) -> Iterator[str]:
    db.command("DROP TABLE IF EXISTS t")
    db.command(
        "CREATE TABLE t (id Int64, at DateTime64(3, 'Asia/Shanghai') DEFAULT 0, amount Decimal(18, 2) DEFAULT 0,"
        " kind LowCardinality(String) DEFAULT '', text String DEFAULT '', histogram Map(UInt32, UInt64),"
        " tags Array(String), note Nullable(String), score Nullable(Float64), ok Bool DEFAULT false,"
        " due Nullable(DateTime64(3, 'Asia/Shanghai')))"
        " ENGINE = MergeTree ORDER BY id"
    )
    yield "t"
    db.command("DROP TABLE t")


def test_types_round_trip(db: Database, table: str) -> None:
    at = datetime(2026, 11, 11, 9, 0, 3, 120_000, SHANGHAI)
    assert (
        db.insert(
            table,
            {
                "id": [1, 2],
                "at": [int(at.timestamp() * 1000), 0],
                "amount": ["199.90", "1234567890123456.78"],
                "kind": ["全部", "platform"],
                "text": ["亲,在吗?\n\n😀", ""],
                "histogram": [{120: 3, 600_000: 1}, {}],
                "tags": [["甲", "乙'"], []],
                "note": [None, "x"],
                "score": [99.5, None],
                "ok": [True, False],
                "due": [None, int(at.timestamp() * 1000)],
            },
        )
        == 2
    )
    one, two = db.query("SELECT * FROM t ORDER BY id")
    assert one == {
        "id": 1, "at": at, "amount": Decimal("199.90"), "kind": "全部", "text": "亲,在吗?\n\n😀",
        "histogram": {120: 3, 600_000: 1}, "tags": ["甲", "乙'"], "note": None, "score": 99.5, "ok": True,
        "due": None,
    }  # fmt: skip
    assert one["at"].utcoffset() == timedelta(hours=8)
    assert two["amount"] == Decimal("1234567890123456.78")
    assert two["histogram"] == {}
    assert two["tags"] == []
    assert two["note"] == "x"
    assert two["ok"] is False
    assert two["due"] == at


def test_inserted_values_are_left_as_they_were(db: Database, table: str) -> None:
    columns = {"id": [1], "amount": ["1.10"], "at": [datetime(2026, 1, 1, tzinfo=UTC)], "note": [None]}
    db.insert(table, columns)
    assert columns == {"id": [1], "amount": ["1.10"], "at": [datetime(2026, 1, 1, tzinfo=UTC)], "note": [None]}


def test_empty_insert_and_empty_result(db: Database, table: str) -> None:
    assert db.insert(table, {"id": [], "text": []}) == 0
    assert db.query("SELECT * FROM t") == []
    assert db.query("SELECT id FROM t WHERE text = {x:String}", {"x": "a"}) == []


@pytest.mark.parametrize("text", NASTY)
def test_text_parameters_and_values(db: Database, table: str, text: str) -> None:
    assert db.query("SELECT {x:String} AS x, {x:String} || '!' AS y", {"x": text}) == [{"x": text, "y": text + "!"}]
    db.insert(table, {"id": [1], "text": [text], "tags": [[text, "z"]]})
    assert db.query("SELECT id, text, tags FROM t WHERE text = {x:String}", {"x": text}) == [
        {"id": 1, "text": text, "tags": [text, "z"]}
    ]
    assert db.query("SELECT {x:Array(String)} AS x", {"x": [text, "b"]}) == [{"x": [text, "b"]}]


def test_other_parameters(db: Database) -> None:
    at = datetime(2026, 11, 11, 9, 0, 3, 120_000, SHANGHAI)
    row = db.query(
        "SELECT {i:Int64} AS i, {f:Float64} AS f, {b:Bool} AS b, {d:Decimal(18, 2)} AS d, {n:Array(Int64)} AS n,"
        " {t:DateTime64(3, 'UTC')} AS t, {s:DateTime64(3, 'Asia/Shanghai')} AS s, {e:Array(String)} AS e",
        {"i": -(2**62), "f": 0.25, "b": True, "d": Decimal("0.10"), "n": [1, -2], "t": at, "s": at, "e": []},
    )[0]
    assert row == {"i": -(2**62), "f": 0.25, "b": True, "d": Decimal("0.10"), "n": [1, -2], "t": at, "s": at, "e": []}
    with pytest.raises(DatabaseError, match="cannot bind"):
        db.query("SELECT {x:String}", {"x": object()})
    with pytest.raises(DatabaseError):
        db.query("SELECT {x:String}", {})


def test_errors_are_one_line_with_the_code(db: Database, table: str) -> None:
    for sql, code in (("SELECT * FROM nowhere", 60), ("SELEC 1", 62), ("SELECT throwIf(1)", 395)):
        with pytest.raises(DatabaseError) as caught:
            db.query(sql)
        assert caught.value.code == code
        assert "\n" not in str(caught.value)
    with pytest.raises(DatabaseError):
        db.insert("nowhere", {"id": [1]})
    with pytest.raises(DatabaseError):
        db.insert(table, {"id": [1], "nothing": [1]})
    with pytest.raises(DatabaseError, match="not a table or column name"):
        db.insert("t; DROP TABLE t", {"id": [1]})
    with pytest.raises(DatabaseError, match="one length"):
        db.insert(table, {"id": [1], "text": []})
    for column, value in (
        ("id", "x"),
        ("amount", "much"),
        ("text", None),
        ("histogram", 5),
        ("at", "2026"),
        ("id", 2**70),
    ):
        columns = {"id": [1, 2], column: [{"id": 3, "text": "a", "amount": "1"}.get(column), value]}
        with pytest.raises(DatabaseError):
            db.insert(table, columns)
    assert db.query("SELECT count() AS n FROM t") == [{"n": 0}]
    db.ping()


@pytest.mark.slow
def test_big_inserts_with_empty_lines(db: Database, table: str) -> None:
    rows = 200_000
    text = ["a\n\nb\n" * 3 + str(i) for i in range(rows)]
    assert db.insert(table, {"id": list(range(rows)), "text": text}) == rows
    assert db.query("SELECT count() AS n, countIf(text LIKE '%\n\n%') AS m, sum(id) AS s FROM t") == [
        {"n": rows, "m": rows, "s": rows * (rows - 1) // 2}
    ]
    assert [r["text"] for r in db.query("SELECT text FROM t ORDER BY id")] == text
    long = "中" * 5_000_000
    db.insert(table, {"id": [-1], "text": [long]})
    assert db.query("SELECT text FROM t WHERE id = -1")[0]["text"] == long


def test_one_insert_may_span_many_months(db: Database) -> None:
    db.command("DROP TABLE IF EXISTS months")
    db.command("CREATE TABLE months (at DateTime64(3, 'UTC')) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY at")
    assert db.insert("months", {"at": [n * 31 * 86_400_000 for n in range(150)]}) == 150
    assert db.query("SELECT count() AS n FROM months") == [{"n": 150}]
    db.command("DROP TABLE months")


def test_many_threads(db: Database, table: str) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                db.insert(table, {"id": [number * 100 + step], "text": [f"t{number}"]})
                found = db.query(
                    "SELECT count() AS n, {x:Int32} AS x FROM t WHERE text = {t:String}",
                    {"x": number, "t": f"t{number}"},
                )
                assert found == [{"n": step + 1, "x": number}]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert db.query("SELECT count() AS n, uniqExact(id) AS m FROM t") == [{"n": 120, "m": 120}]


LIMITS = {"max_seconds": 20, "max_rows": 1000, "max_memory_bytes": 200_000_000}


def test_formats(db: Database, table: str) -> None:
    db.insert(
        table,
        {"id": [1, 2], "text": ["a'b", "中\n文"], "amount": ["1.50", "2"], "at": [1_000, 2_000], "tags": [["x"], []]},
    )
    run = lambda sql, fmt, **more: db.query_format(sql, fmt, **{**LIMITS, **more}).data  # noqa: E731
    assert run("SELECT id, text FROM t ORDER BY id", "TSV") == "1\ta\\'b\n2\t中\\n文\n".encode()
    found = json.loads(run("SELECT id, text, at, tags FROM t ORDER BY id;", "JSON"))
    assert [c["type"] for c in found["meta"]] == ["Int64", "String", "DateTime64(3, 'Asia/Shanghai')", "Array(String)"]
    assert found["data"][1]["text"] == "中\n文"
    assert found["data"][0]["at"] == "1970-01-01 08:00:01.000"
    assert json.loads(run("SELECT id FROM t WHERE 0", "JSON"))["data"] == []
    assert run("SELECT id AS `a b'c` FROM t ORDER BY id LIMIT 1", "CSVWithNames") == b'"a b\'c"\n1\n'
    assert run("SELECT 1 AS a", "Parquet")[:4] == b"PAR1"
    assert run("SELECT 1 AS a FORMAT JSONEachRow", "TSV") == b'{"a":1}\n'
    assert run("SELECT {x:String} AS a, ' FORMAT CSV' AS b", "TSV", params={"x": "a\tb"}) == b"a\\tb\t FORMAT CSV\n"
    assert run("SHOW TABLES", "TSV").decode().split() == ["t"]
    assert b"text" in run("DESCRIBE TABLE t", "TSV")
    assert run("EXPLAIN SELECT 1", "TSV")
    with pytest.raises(DatabaseError, match="no such output format"):
        run("SELECT 1", "Arrowtable")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t (id) VALUES (1)", "INSERT INTO t (id) SELECT 1", "DROP TABLE t", "TRUNCATE TABLE t", "ALTER TABLE t DELETE WHERE 1",
        "CREATE TABLE u (a Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE u (a Int8)", "SET readonly = 0", "SET max_result_rows = 0",
        "SELECT 1 SETTINGS max_result_rows = 0", "SELECT 1 SETTINGS readonly = 0", "KILL QUERY WHERE 1", "SYSTEM SHUTDOWN", "USE system",
        "SELECT file('/etc/hostname')", "SELECT `file`('/etc/hostname')", "SELECT (FILE /* x */ ('/etc/hostname'))",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', 'system.one')", "SELECT 1 INTO OUTFILE '{out}'", "SELECT 1 INTO/**/OUTFILE '{out}' FORMAT CSV",
        "SELECT 1 UNION ALL (SELECT 2) INTO OUTFILE '{out}'", "EXPLAIN SELECT 1 INTO OUTFILE '{out}'", "SELECT * FROM Python(open)",
        "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "", "-- nothing", "WITH 1 AS x INSERT INTO t SELECT x", "SELECT 1 PARALLEL WITH SELECT 2",
        "SELECT * FROM executable('id', 'LineAsString', 'a String')", "GRANT ALL ON *.* TO default", "SELECT ')' ) INTO OUTFILE '{out}' --",
        "SELECT * FROM default.`/etc/hostname`", "DESCRIBE TABLE `default`.`/etc/hostname`", "SELECT '1' IN default . \"/etc/hostname\"",
        "SELECT * FROM merge('default', '.*')",
        "SELECT * FROM {t:Identifier}", "SELECT * FROM { d : identifier }.`x`", "DESCRIBE TABLE {d:Identifier}.{t:Identifier}",
    ],
)  # fmt: skip
def test_users_statements_cannot_write_or_reach_out(db: Database, table: str, tmp_path: Path, sql: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(DatabaseError):
        # a parameter that names a table would get round what is judged
        db.query_format(sql.replace("{out}", str(out)), "TSV", **LIMITS, params={"d": "default", "t": "/etc/hostname"})
    assert not out.exists()
    assert db.query("SELECT count() AS n FROM t") == [{"n": 0}]
    db.insert(table, {"id": [1]})  # the limits do not stick


REACHING_OUT = [
    "url({there}, 'LineAsString')", "URL({there})", "`url`({there})", "url /* x */ ({there})", "url({there}, headers('a' = 'b'))", "s3({there})",
    "s3Cluster('c', {there})", "gcs({there})", "oss({there})", "hdfs({there})", "azureBlobStorage({there}, 'c', 'b')", "remote('127.0.0.1:{port}', system.one)",
    "remoteSecure('127.0.0.1:{port}', system.one)", "cluster('c', system.one)", "mysql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
    "postgresql('127.0.0.1:{port}', 'd', 't', 'u', 'p')", "mongodb('127.0.0.1:{port}', 'd', 't', 'u', 'p', 'a Int8')",
    "redis('127.0.0.1:{port}', 'k', 'k String')", "odbc('DSN=x', 'd', 't')", "jdbc('DSN=x', 't')", "sqlite('/tmp/x', 't')", "deltaLake({there})",
    "iceberg({there})", "hudi({there})", "icebergLocal('/tmp')", "input('a Int8')", "executable('id', 'TSV', 'a String')", "dictionary('d')",
    "loop(url({there}))", "view(SELECT * FROM url({there}))", "viewIfPermitted(SELECT 1 ELSE url({there}))", "eval('SELECT 1')", "filesystem('/')",
]  # fmt: skip


def test_users_statements_connect_to_nobody(db: Database) -> None:
    """DESCRIBE opens a table function under readonly too, so none that reaches out may stand anywhere."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        for function in REACHING_OUT:
            call = function.replace("{there}", f"'http://127.0.0.1:{port}/x.csv'").replace("{port}", str(port))
            for sql in (
                f"DESCRIBE TABLE {call}",
                f"SELECT * FROM {call}",
                f"EXPLAIN SELECT 1 FROM numbers(1) AS `a b`, {call} AS `(`",
                f"WITH x AS (SELECT * FROM {call}) SELECT 1",
                f"SELECT 1 FROM numbers(2) AS n LEFT JOIN {call} AS r ON 1",
                f"SELECT 1 IN (SELECT * FROM {call})",
            ):
                with pytest.raises(DatabaseError, match=r"not allowed|Syntax error"):
                    db.query_format(sql, "TSV", **LIMITS)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT sum(number) FROM numbers(4)", b"6\n"),
        ("SELECT format('{}!', 'a'), 'url(x) default.x'", b"a!\turl(x) default.x\n"),
        ("SELECT * FROM values('a Int8', 7)", b"7\n"),
        ("SELECT * FROM view(SELECT 3)", b"3\n"),
        ("SELECT merge, `url (` FROM (SELECT 1 AS merge, 2 AS `url (`)", b"1\t2\n"),
        ("SELECT url FROM (SELECT 'x' AS url) WHERE url IN ('x')", b"x\n"),
    ],
)
def test_users_statements_may_use_what_stays_inside(db: Database, sql: str, answer: bytes) -> None:
    assert db.query_format(sql, "TSV", **LIMITS).data == answer


def test_no_reading_statements_where_tables_are_files() -> None:
    """chDB's own `default` database takes a table's name for a path."""
    with pytest.raises(DatabaseError, match="ZHENGDIAN_DATABASE"):
        engine_of(lambda _: [{"name": "default", "here": 1}])


def test_limits(db: Database) -> None:
    def code(sql: str, **more: float) -> int | None:
        with pytest.raises(DatabaseError) as caught:
            db.query_format(sql, "TSV", **{**LIMITS, **more})  # type: ignore[arg-type]
        return caught.value.code

    assert code("SELECT number FROM numbers(5000)") == 396
    assert code("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", max_seconds=0.5) in (
        159,
        160,
    )
    assert code("SELECT groupArray(number) FROM numbers(100000000)", max_memory_bytes=50_000_000) in (241, 396)
    assert db.query_format("SELECT count() FROM (SELECT number FROM numbers(5000))", "TSV", **LIMITS).data == b"5000\n"
    assert db.query("SELECT count() AS n FROM (SELECT number FROM numbers(5000))") == [{"n": 5000}]


def test_clickhouse_itself_holds_a_users_statement_to_its_limits(db: Database) -> None:
    """The settings as the engine has them while the statement runs, and only then."""
    names = "'readonly','max_execution_time','timeout_overflow_mode','max_result_rows','max_result_bytes','result_overflow_mode','max_memory_usage'"
    asked = f"SELECT name, value FROM system.settings WHERE name IN ({names}) ORDER BY name"
    held = db.query_format(asked, "TSV", max_seconds=7, max_rows=55, max_memory_bytes=80_000_000)
    assert dict(line.split("\t") for line in held.data.decode().splitlines()) == {
        "readonly": "1",
        "max_execution_time": "7",
        "timeout_overflow_mode": "throw",
        "max_result_rows": "55",
        "max_result_bytes": "10000000",
        "result_overflow_mode": "throw",
        "max_memory_usage": "80000000",
    }
    assert {row["name"]: row["value"] for row in db.query(asked)}["readonly"] == "0"


def test_a_result_may_take_an_eighth_of_the_memory(db: Database) -> None:
    sql = "SELECT repeat(char(97 + number), {n:UInt32}) FROM numbers(20)"
    limits = {**LIMITS, "max_memory_bytes": 80_000_000}
    with pytest.raises(DatabaseError) as caught:
        db.query_format(sql, "TSV", **limits, params={"n": 600_000})
    assert caught.value.code == 396
    assert len(db.query_format(sql, "TSV", **limits, params={"n": 100_000}).data) == 20 * 100_001


FOREVER = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def test_a_statement_is_stopped_by_its_mark_and_no_other(db: Database) -> None:
    ended: dict[str, float] = {}

    def run(mark: str) -> None:
        with pytest.raises(DatabaseError) as caught:
            db.query_format(FOREVER, "TSV", **{**LIMITS, "max_seconds": 30}, mark=mark)
        ended[mark] = time.monotonic()
        assert caught.value.code == 394

    threads = {mark: threading.Thread(target=run, args=(mark,)) for mark in ("one", "two")}
    for thread in threads.values():
        thread.start()
    running = "SELECT count() AS n FROM system.processes WHERE Settings['log_comment'] IN ('one', 'two')"
    while db.query(running) != [{"n": 2}]:
        time.sleep(0.05)
    begun = time.monotonic()
    db.stop("one")
    threads["one"].join(10)
    assert ended["one"] - begun < 5
    assert threads["two"].is_alive()
    db.stop("none")  # nothing has that mark
    db.stop("two")
    threads["two"].join(10)
    assert set(ended) == {"one", "two"}
    deadline = time.monotonic() + 10
    while db.query(running) != [{"n": 0}]:  # the one who asked is answered before the server has cleared up
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_select_of_the_programs_own_is_ended_by_its_limit_or_its_mark(db: Database) -> None:
    with pytest.raises(TooSlowError):
        db.query(FOREVER, max_seconds=0.3)
    caught: list[BaseException] = []

    def run() -> None:
        try:
            db.query(FOREVER, max_seconds=300, mark="own")
        except DatabaseUnavailableError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    running = "SELECT count() AS n FROM system.processes WHERE Settings['log_comment'] = 'own'"
    while db.query(running) != [{"n": 1}]:
        assert thread.is_alive()
        time.sleep(0.05)
    db.stop("own")
    thread.join(120)
    assert [type(error) for error in caught] == [DatabaseUnavailableError]
    assert db.query("SELECT sleep(0.5) AS n", {}) == [{"n": 0}]  # no limit stays behind


def test_statements_of_one_answer_share_its_time_and_are_stopped_together(db: Database) -> None:
    together = Bounded(db, 2)  # seconds
    assert together.query("SELECT 1 AS n") == [{"n": 1}]
    with pytest.raises(TooSlowError, match="longer than 2 s"):
        together.query(FOREVER)  # for what is left of the time
    with pytest.raises(TooSlowError, match="longer than 2 s"):
        together.query("SELECT 1")
    stopped = Bounded(db, 300)
    assert stopped.query("SELECT {n:Int64} AS n", {"n": 7}) == [{"n": 7}]
    stopped.stop()
    with pytest.raises(TooSlowError, match="stopped"):
        stopped.query("SELECT 1")


@pytest.mark.parametrize("mark", ["a'b", "a b", "\u4e00"])
def test_a_mark_is_letters_and_digits(db: Database, mark: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        db.query_format("SELECT 1", "TSV", **LIMITS, mark=mark)
    with pytest.raises(ValueError, match="everybody"):
        db.stop("")


def test_a_users_values_are_bound(db: Database) -> None:
    def run(sql: str, **params: object) -> bytes:
        return db.query_format(sql, "TSV", **LIMITS, params=params).data

    assert run("SELECT {x:String}, {n:UInt32} + 1, {d:DateTime64(3, 'Asia/Shanghai')}", x="'; --", n="41", d="2026-11-11 20:00:00") == (
        b"\\'; --\t42\t2026-11-11 20:00:00.000\n"
    )  # fmt: skip
    assert run("SELECT arrayJoin({a:Array(String)})", a=["x'", "y"]) == b"x\\'\ny\n"
    assert run("SELECT arraySum({a:Array(UInt8)})", a=[1, 2]) == b"3\n"
    for sql, code in (("SELECT {x:UInt32}", 457), ("SELECT {y:UInt32}", 456)):
        with pytest.raises(DatabaseError) as caught:
            run(sql, x="many")
        assert caught.value.code == code


def test_a_syntax_error_speaks_of_the_users_text_alone(db: Database) -> None:
    with pytest.raises(DatabaseError, match=r"failed at position 14 ") as caught:
        db.query_format("SELECT FRM x y z", "TSV", **LIMITS)
    assert "formatQuery" not in str(caught.value)


def test_one_process_owns_the_directory(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sinks.embedded import EmbeddedDatabase\n"
        "db = EmbeddedDatabase(Path(sys.argv[1]), 'one'); print('open', flush=True); sys.stdin.read(); db.close()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DatabaseLockedError, match=f"in use by process {holder.pid}") as caught:
            open_database(Settings(data_dir=tmp_path))
        assert "\n" not in str(caught.value)
    finally:
        holder.communicate("")
    assert holder.returncode == 0


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("clickhouse://u:secret@h/d", "h:9000"),
        ("clickhouses://u:secret@h/d", "h:9440"),
        ("clickhouses://u:secret@h:1/d?password=secret", "h:1"),
    ],
)
def test_a_server_is_where_the_driver_connects_and_names_no_password(url: str, place: str) -> None:
    assert open_database(Settings(clickhouse="server", clickhouse_url=url)).place == place


def test_unreachable_server_is_to_be_retried_and_names_no_password() -> None:
    db = open_database(Settings(clickhouse="server", clickhouse_url="clickhouse://u:geheim@127.0.0.1:1/x"))
    with pytest.raises(DatabaseUnavailableError) as caught:
        db.ping()
    assert "geheim" not in str(caught.value)
    with pytest.raises(DatabaseError, match="must start with"):
        open_database(Settings(clickhouse="server", clickhouse_url="http://u:geheim@127.0.0.1/x"))


def test_a_column_that_a_command_has_changed_is_inserted_as_it_is_now(db: Database) -> None:
    db.command("CREATE TABLE changing (a UInt8) ENGINE = MergeTree ORDER BY tuple()")
    db.insert("changing", {"a": [1]})
    db.command("ALTER TABLE changing MODIFY COLUMN a UInt32")
    db.command("ALTER TABLE changing ADD COLUMN b String")
    db.insert("changing", {"a": [70_000], "b": ["new"]})
    assert db.query("SELECT a, b FROM changing ORDER BY a") == [{"a": 1, "b": ""}, {"a": 70_000, "b": "new"}]
