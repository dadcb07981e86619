"""clickhouse-driver's wire between healthy and dying processes: accounts, TLS, compression, stalls, cuts, kill -9.

Against Debian's server (engine of 2018, but accounts and TLS), against ClickHouse's own of today, against the native-protocol
fixture, and what needs no kill against the server that ZHENGDIAN_TEST_CLICKHOUSE_URL names, if it does.
"""

import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import pytest
from fixtures.debian_clickhouse import BINARY, MISSING, PASSWORD, READER_PASSWORD, DebianClickHouse
from fixtures.named_server import NamedServer
from fixtures.native_process import NativeServerProcess
from fixtures.required import absent
from fixtures.tcp_proxy import TcpProxy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.clickhouse import ModernClickHouse
from sinks import server as server_module
from sinks.database import Database, DatabaseError, DatabaseUnavailableError
from sinks.server import INSERT_SETTINGS, ServerDatabase

pytestmark = [pytest.mark.stack, pytest.mark.slow]
NAME = "wire"
T = TypeVar("T")
Server = DebianClickHouse | ModernClickHouse | NativeServerProcess
ENDLESS = "SELECT max(cityHash64(number)) AS n FROM (SELECT number FROM system.numbers LIMIT 1000000000000)"


@dataclass(frozen=True)
class Wire:
    """Where a server is and how this suite speaks to it."""

    host: str
    port: int
    account: str = "default"
    scheme: str = "clickhouse"
    options: tuple[tuple[str, str], ...] = ()
    database: str = NAME
    old: bool = False
    """the engine of 2018"""

    def open(self, **options: Any) -> ServerDatabase:
        query = urlencode([*self.options, *options.items()])
        url = f"{self.scheme}://{self.account}@{self.host}:{self.port}/{self.database}?{query}"
        # the old engine refuses them
        return ServerDatabase(url, NAME, {} if self.old else INSERT_SETTINGS)

    def at(self, port: int) -> "Wire":
        """The same server by way of a proxy on loopback."""
        return replace(self, host="127.0.0.1", port=port)


def debian_wire(server: DebianClickHouse) -> Wire:
    return Wire("127.0.0.1", server.port, f"default:{quote(PASSWORD)}", old=True)


def named_wire(server: NamedServer, database: str) -> Wire:
    return Wire(server.host, server.port, server.account, server.scheme, server.options, database)


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianClickHouse]:
    if BINARY is None:
        absent("clickhouse", MISSING)
    with DebianClickHouse(tmp_path_factory.mktemp("debian") / "ch") as server:
        yield server


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeServerProcess]:
    with NativeServerProcess(tmp_path_factory.mktemp("native")) as server:
        yield server


@pytest.fixture(scope="module")
def modern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModernClickHouse]:
    with ModernClickHouse(tmp_path_factory.mktemp("modern") / "ch") as server:
        yield server


@pytest.fixture(params=["debian", "modern", "native"])
def server(request: pytest.FixtureRequest) -> Server:
    """One that may be killed; it runs when a test begins."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def wire_of(server: Server) -> Wire:
    return debian_wire(server) if isinstance(server, DebianClickHouse) else Wire("127.0.0.1", server.port)


@pytest.fixture(params=["debian", "native", "real"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    if request.param != "real":
        yield wire_of(request.getfixturevalue(request.param))
        return
    named: NamedServer = request.getfixturevalue("named_server")
    with named.database() as database:
        yield named_wire(named, database)


@contextmanager
def opened(wire: Wire, **options: Any) -> Iterator[ServerDatabase]:
    db = wire.open(**options)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def rows_table(wire: Wire) -> Iterator[ServerDatabase]:
    """A direct connection, and an empty table `rows` whose rows replace themselves."""
    with opened(wire) as db:
        db.create()
        db.command("DROP TABLE IF EXISTS rows")
        db.command("CREATE TABLE rows (id UInt64, text String) ENGINE = ReplacingMergeTree ORDER BY id")
        yield db
        db.command("DROP TABLE rows")


def text_of(number: int) -> str:
    return f"第{number}行 it's\n{number * 2654435761 % 2**32:x}"


def rows_from(first: int, count: int) -> dict[str, list[Any]]:
    numbers = range(first, first + count)
    return {"id": list(numbers), "text": [text_of(number) for number in numbers]}


def assert_exactly(db: Database, count: int) -> None:
    """Rows 0 … count-1, each once after replacement, none altered."""
    found = db.query("SELECT id, text FROM rows FINAL ORDER BY id")
    assert [row["id"] for row in found] == list(range(count))
    assert [row["text"] for row in found] == [text_of(number) for number in range(count)]


def until_done(work: Callable[..., T], *arguments: Any) -> tuple[T, int]:
    """Try as the sink does, as long as the server is unavailable; the result, and the failures. Other errors are bugs."""
    deadline = time.monotonic() + 60
    for failures in itertools.count():
        error: DatabaseUnavailableError
        try:
            return work(*arguments), failures
        except DatabaseUnavailableError as unavailable:
            error = unavailable
        assert "\n" not in str(error)
        assert PASSWORD not in str(error)
        assert time.monotonic() < deadline, error
        time.sleep(0.02)
    raise AssertionError("unreachable")


# accounts and TLS, which Debian's server alone has here


def fails(wire: Wire, kind: type[Exception], match: str) -> Exception:
    with opened(wire) as db, pytest.raises(kind, match=match) as caught:
        db.query("SELECT 1 AS x")
    assert "\n" not in str(caught.value)
    for secret in (PASSWORD, quote(PASSWORD), READER_PASSWORD, "falsch"):
        assert secret not in str(caught.value)
    return caught.value


def test_accounts(debian: DebianClickHouse) -> None:
    wire = debian_wire(debian)
    with rows_table(wire) as db:
        db.insert("rows", rows_from(0, 3))
        fails(replace(wire, account="default:falsch"), DatabaseError, "Wrong password for user default")
        fails(replace(wire, account=f"nobody:{quote(PASSWORD)}"), DatabaseError, "Unknown user nobody")
        with opened(replace(wire, account=f"reader:{READER_PASSWORD}")) as reader:
            assert reader.query("SELECT count() AS n FROM rows") == [{"n": 3}]
            for refused in (
                lambda: reader.insert("rows", rows_from(3, 1)),
                lambda: reader.command("DROP TABLE rows"),
                lambda: reader.command("CREATE TABLE more (a Int8) ENGINE = Memory"),
            ):
                with pytest.raises(DatabaseError) as caught:
                    refused()
                assert caught.value.code == 164
        assert_exactly(db, 3)
    with opened(replace(wire, account="default:falsch")) as wrong, pytest.raises(DatabaseError):
        wrong.insert("rows", rows_from(0, 1))


def test_a_database_that_is_not_there(debian: DebianClickHouse) -> None:
    error = fails(replace(debian_wire(debian), database="nowhere"), DatabaseError, "nowhere")
    assert isinstance(error, DatabaseError)
    assert error.code == 81


def test_hosts_that_are_none() -> None:
    wire = Wire("no-such-host.invalid", 9000, "default:falsch")
    fails(wire, DatabaseUnavailableError, r"no-such-host\.invalid")
    for host in ("a..b", "x" * 64):
        with pytest.raises(DatabaseError, match="host"):
            replace(wire, host=host).open()


@pytest.mark.parametrize("compression", ["lz4", "false"])
def test_tls(debian: DebianClickHouse, compression: str) -> None:
    with rows_table(debian_wire(debian)):
        secure = replace(debian_wire(debian), scheme="clickhouses", host="localhost", port=debian.tls_port)
        with opened(replace(secure, options=(("ca_certs", str(debian.ca)),)), compression=compression) as db:
            assert db.insert("rows", rows_from(0, 30_000)) == 30_000
            assert_exactly(db, 30_000)


def test_tls_refuses_whom_it_cannot_trust(debian: DebianClickHouse, tmp_path: Path) -> None:
    plain = debian_wire(debian)
    trusted = (("ca_certs", str(debian.ca)),)
    secure = replace(plain, scheme="clickhouses", host="localhost", port=debian.tls_port)
    fails(secure, DatabaseUnavailableError, "certificate verify failed")
    fails(replace(secure, host="127.0.0.1", options=trusted), DatabaseUnavailableError, "certificate is not valid for")
    fails(replace(secure, port=debian.port, options=trusted), DatabaseUnavailableError, "localhost")
    fails(replace(plain, port=debian.tls_port), DatabaseUnavailableError, "127.0.0.1")
    with opened(secure, verify="false") as db:
        assert db.query("SELECT 1 AS x") == [{"x": 1}]
    with pytest.raises(DatabaseError, match=r"ca_certs .*none\.crt"):
        secure.open(ca_certs=tmp_path / "none.crt")


# values


VALUES = st.tuples(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.integers(0, 2**64 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=4),
    st.none() | st.text("aé中\0\n'\\", max_size=5),
    st.decimals(Decimal("-9999999999999999.99"), Decimal("9999999999999999.99"), places=2),
    st.floats(allow_nan=False),
    st.sampled_from(["", "全部", "platform", "x" * 300]),
    st.none() | st.floats(allow_nan=False),
)
COLUMNS = ("s", "u", "i", "a", "n", "d", "f", "l", "e")


@pytest.mark.parametrize("compression", ["lz4", "zstd", "false"])
def test_values_come_back_as_they_went(wire: Wire, compression: str) -> None:
    more = {"allow_experimental_low_cardinality_type": 1} if wire.old else {}
    with opened(wire, compression=compression, **more) as db:
        db.create()
        db.command("DROP TABLE IF EXISTS kinds")
        db.command(
            "CREATE TABLE kinds (k UInt32, s String, u UInt64, i Int32, a Array(String), n Nullable(String), d Decimal(18, 2),"
            " f Float64, l LowCardinality(String), e Nullable(Float64)) ENGINE = Memory"
        )
        taken = iter(range(1, 1_000_000))

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(VALUES, min_size=1, max_size=40))
        def check(rows: list[tuple[Any, ...]]) -> None:
            key = next(taken)
            columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
            assert db.insert("kinds", {"k": [key] * len(rows), **columns}) == len(rows)
            found = db.query(f"SELECT {', '.join(COLUMNS)} FROM kinds WHERE k = {key}")
            assert [tuple(row.values()) for row in found] == rows

        check()
        db.insert("kinds", {"k": [0], "f": [math.nan]})
        assert math.isnan(db.query("SELECT f FROM kinds WHERE k = 0")[0]["f"])
        with pytest.raises(DatabaseError):
            db.insert("kinds", {"k": [0, 0], "i": [1, 2**31]})
        assert db.query("SELECT count() AS n FROM kinds WHERE k = 0") == [{"n": 1}]
        db.command("DROP TABLE kinds")


# a network that misbehaves


@contextmanager
def between(wire: Wire) -> Iterator[tuple[TcpProxy, Wire]]:
    with TcpProxy(wire.port, wire.host) as proxy:
        yield proxy, wire.at(proxy.port)


CUTS = [0, 1, 20, 60, 90, 110, 150, 200, 260, 300, 400, 1_000, 20_000, 65_536, 100_000, 200_000, 300_000, 1_000_000]


def test_an_insert_cut_at_any_byte_is_to_be_retried(wire: Wire) -> None:
    """Never a DatabaseError: the sink would set rows aside for a broken line."""
    with rows_table(wire) as direct, between(wire) as (proxy, there):
        failures = 0
        for number, sent in enumerate(CUTS + [random.Random(7).randrange(400) for _ in range(12)]):
            with opened(there, compression="false") as db:
                if number % 2:
                    db.ping()  # the cut is in a statement, else in the handshake for the small ones
                proxy.cut_after(sent)
                failures += until_done(db.insert, "rows", rows_from(number * 10_000, 10_000))[1]
        assert failures >= len(CUTS) - 2
        assert_exactly(direct, 300_000)


def test_an_answer_cut_in_the_middle_is_to_be_retried(wire: Wire) -> None:
    with rows_table(wire) as direct, between(wire) as (proxy, there), opened(there) as db:
        direct.insert("rows", rows_from(0, 60_000))
        proxy.delay(0.05)
        for seconds in (0.12, 0.2, 0.3):
            cutter = threading.Timer(seconds, proxy.cut)
            cutter.start()
            with pytest.raises(DatabaseUnavailableError):
                db.query("SELECT id, text FROM rows")
            cutter.join()
        proxy.delay(0)
        assert_exactly(db, 60_000)


@pytest.mark.parametrize("sent", [0, 30, 60_000])
def test_a_stall_ends_in_a_timeout(wire: Wire, sent: int) -> None:
    """In the handshake, in the statement, in the data."""
    patience = {"connect_timeout": 1, "send_receive_timeout": 1, "sync_request_timeout": 1}
    with rows_table(wire) as direct, between(wire) as (proxy, there), opened(there, **patience) as db:
        for warm in (False, True):
            if warm:
                db.ping()
            proxy.stall_after(sent)
            since = time.monotonic()
            with pytest.raises(DatabaseUnavailableError):
                db.insert("rows", rows_from(0, 20_000))
            assert 0.9 < time.monotonic() - since < 10
            proxy.resume()
            until_done(db.insert, "rows", rows_from(0, 20_000))
        assert_exactly(direct, 20_000)


def test_slow_answers_are_waited_for(wire: Wire) -> None:
    with rows_table(wire), between(wire) as (proxy, there), opened(there, send_receive_timeout=5) as db:
        proxy.delay(0.1)
        db.insert("rows", rows_from(0, 1000))
        assert_exactly(db, 1000)


def test_a_refusal_passes(wire: Wire) -> None:
    with rows_table(wire), between(wire) as (proxy, there), opened(there) as db:
        db.ping()
        proxy.refuse()
        proxy.cut()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailableError, match="refused"):
                db.ping()
        proxy.accept()
        db.ping()


def test_a_statement_that_takes_too_long(wire: Wire) -> None:
    with opened(wire, max_execution_time=1) as db:
        db.create()
        with pytest.raises(DatabaseUnavailableError) as caught:
            db.query(ENDLESS)
        assert caught.value.code == 159
        assert db.query("SELECT 1 AS x") == [{"x": 1}]


def test_threads_do_not_mix_answers_while_connections_break(wire: Wire) -> None:
    errors: list[BaseException] = []
    threads, steps, size = 6, 8, 500

    def work(db: Database, number: int) -> None:
        try:
            for step in range(steps):
                first = (number * steps + step) * size
                until_done(db.insert, "rows", rows_from(first, size))
                found, _ = until_done(db.query, f"SELECT text FROM rows FINAL WHERE id = {first + 7}")
                assert found == [{"text": text_of(first + 7)}]
        except BaseException as error:
            errors.append(error)

    with rows_table(wire) as direct, between(wire) as (proxy, there), opened(there) as db:
        running = [threading.Thread(target=work, args=(db, number)) for number in range(threads)]
        for thread in running:
            thread.start()
        cuts = 0
        while any(thread.is_alive() for thread in running):
            time.sleep(0.1)
            if cuts < 15:
                proxy.cut()
                cuts += 1
        for thread in running:
            thread.join()
        assert errors == []
        assert cuts
        assert_exactly(direct, threads * steps * size)


# kill -9


def test_killed_in_the_middle_of_an_insert(server: Server) -> None:
    wire, rows = wire_of(server), 200_000
    caught: list[BaseException] = []
    with rows_table(wire) as direct, between(wire) as (proxy, there), opened(there) as db:
        direct.ping()  # idles over the kill
        db.ping()
        proxy.stall_after(1_000_000)

        def insert() -> None:
            try:
                db.insert("rows", rows_from(0, rows))
            except BaseException as error:
                caught.append(error)

        thread = threading.Thread(target=insert)
        thread.start()
        while not proxy.stalled:
            assert thread.is_alive(), caught
            time.sleep(0.01)
        server.kill()
        proxy.resume()
        thread.join(30)
        assert [type(error) for error in caught] == [DatabaseUnavailableError]
        with pytest.raises(DatabaseUnavailableError):
            db.ping()
        with pytest.raises(DatabaseUnavailableError, match="refused"):
            direct.ping()
        server.start()
        before = direct.query("SELECT count() AS n FROM rows")
        assert before == [{"n": 0}]  # the insert was one block
        assert db.insert("rows", rows_from(0, rows)) == rows
        assert_exactly(direct, rows)


def test_killed_while_a_query_runs(server: Server) -> None:
    """The server owes nothing but an answer, so the line ends without a reset."""
    caught: list[BaseException] = []
    with rows_table(wire_of(server)) as direct, opened(wire_of(server)) as db:

        def ask() -> None:
            try:
                db.query(ENDLESS)
            except BaseException as error:
                caught.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.5)
        assert caught == []
        server.kill()
        thread.join(30)
        server.start()
        assert [type(error) for error in caught] == [DatabaseUnavailableError]
        db.ping()
        assert_exactly(direct, 0)


def test_restarted_while_idle(server: Server) -> None:
    """The first statement afterwards succeeds, on each of the connections that idled."""
    with rows_table(wire_of(server)) as db:
        idle = threading.Barrier(4)

        def hold() -> None:
            db._with_client(lambda client: (client.execute("SELECT 1"), idle.wait(20)))

        threads = [threading.Thread(target=hold) for _ in range(3)]
        for thread in threads:
            thread.start()
        idle.wait(20)
        for thread in threads:
            thread.join()
        server.kill()
        server.start()
        db.insert("rows", rows_from(0, 10))
        for _ in range(5):
            assert_exactly(db, 10)


@pytest.mark.timeout(240)
def test_killed_at_any_moment_every_row_is_there_once(server: Server) -> None:
    chance, size, kills = random.Random(11), 5_000, 6
    finished = threading.Event()
    done: list[int] = []
    errors: list[BaseException] = []

    with rows_table(wire_of(server)) as db:

        def feed() -> None:
            try:
                while not finished.is_set():
                    done.append(until_done(db.insert, "rows", rows_from(len(done) * size, size))[1])
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=feed)
        thread.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 0.8))
            server.kill()
            time.sleep(chance.uniform(0, 0.2))
            server.start()
        reached = len(done)
        while len(done) < reached + 2 and not errors:
            time.sleep(0.01)
        finished.set()
        thread.join(60)
        assert errors == []
        assert sum(done) >= 1
        assert_exactly(db, len(done) * size)


def test_idle_connections_are_not_kept_without_limit(wire: Wire) -> None:
    with opened(wire) as db:
        db.create()
        many = server_module.MAX_IDLE + 4
        together = threading.Barrier(many)
        threads = [threading.Thread(target=lambda: db._with_client(lambda _: together.wait(30))) for _ in range(many)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(db._idle) == server_module.MAX_IDLE
        db.ping()


def test_a_closed_database_says_so(wire: Wire) -> None:
    db = wire.open()
    db.create()
    db.ping()
    db.close()
    db.close()
    with pytest.raises(DatabaseUnavailableError, match="closed"):
        db.ping()
