"""Replay in several processes: the bytes of one process, whatever the events and however many processes."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sale_strategies import events
from test_partition import T0, message

from processors.results import Results
from processors.ruleset import default_book, load_book
from replay import memory, parallel
from replay.files import InputError

BOOK = default_book()
ROOT = Path(__file__).parents[2]
RULES = """
name: mine
version: "1"
shops: {s: {timezone: Europe/Berlin, response: {slow_after_ms: 1000}}}
---
version: "2"
effective_from: 2026-11-11T12:02:00+08:00
response: {slow_after_ms: 60000}
"""


def files(out: Path) -> dict[str, bytes]:
    """The files of a result; the summary without the time it took."""
    found = {file.name: file.read_bytes() for file in out.iterdir()}
    summary = json.loads(found["summary.json"])
    del summary["seconds"]
    return found | {"summary.json": orjson.dumps(summary)}


def reference(number: int, team: str, **more: Any) -> dict[str, Any]:
    data = {"shop_id": "s", "agent_id": f"a{number % 2 + 1}", "name": "x", "team": team, "role": "presale", **more}
    return message(number) | {"id": f"r{number}", "type": "agent.upserted", "data": data}


def sale_event(number: int) -> dict[str, Any]:
    span = {"starts_at": "2026-11-11T00:00:00+08:00", "ends_at": "2026-11-11T12:10:00+08:00"}
    data = {"shop_id": "s", "sale_event_id": "e", "name": "双11", "teams": [], "targets": [], **span}
    return message(number) | {"id": f"s{number}", "type": "sale_event.scheduled", "data": data}


def escaped(event: dict[str, Any]) -> bytes:
    """The buyer's id written with an escape: another look, the same buyer."""
    return orjson.dumps(event).replace(b'"buyer_id":"b', b'"buyer_id":"\\u0062')


def misleading(event: dict[str, Any]) -> bytes:
    """Another buyer's id before one's own, in a field that nobody knows."""
    return b'{"x": {"buyer_id": "b9"}, ' + orjson.dumps(event).removeprefix(b"{")


lines = st.one_of(
    *[events().map(orjson.dumps)] * 6,
    events().map(escaped),
    events().map(misleading),
    st.builds(reference, st.integers(0, 3), st.sampled_from("xy")).map(orjson.dumps),
    st.builds(reference, st.integers(0, 3), st.sampled_from("xy"), buyer_id=st.sampled_from(["b1", "b2"])).map(
        orjson.dumps
    ),
    st.builds(sale_event, st.integers(0, 3)).map(orjson.dumps),
    st.sampled_from([b"{", b"[]", b"\xff", b'{"buyer_id":"b1"}', b'{"buyer_id":"b2","type":"chat.message"}']),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(lines, max_size=40), st.integers(1, 4), st.sampled_from([BOOK, load_book(RULES, "mine")]))
def test_any_events_in_any_number_of_processes_give_the_same_bytes(sale: list[bytes], count: int, book: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "in")
        source.mkdir()
        (source / "one.jsonl").write_bytes(b"\n".join(sale[::2]))
        (source / "two.jsonl").write_bytes(b"\n".join(sale[1::2]))
        memory.replay(source, Path(directory, "a"), book)
        # fork: quicker to start; spawn is what the command does, see below
        parallel.replay(source, Path(directory, "b"), book, count, start_method="fork")
        assert files(Path(directory, "b")) == files(Path(directory, "a"))


SALE = [
    message(n, T0 + n * 1000, "不行", "agent" if n % 2 else "buyer", buyer_id=f"b{n % 7}", agent_id=f"a{n % 3}")
    for n in range(4000)
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sale.jsonl").write_bytes(b"\n".join(map(orjson.dumps, SALE)))
    return tmp_path / "in"


def test_processes_started_anew_give_the_same_bytes_and_report_what_they_read(source: Path, tmp_path: Path) -> None:
    book = load_book(RULES, "mine")
    memory.replay(source, tmp_path / "a", book)
    read: list[int] = []
    parallel.replay(source, tmp_path / "b", book, 2, read.append)
    assert files(tmp_path / "b") == files(tmp_path / "a")
    assert len(files(tmp_path / "b")["response_rounds.jsonl"].splitlines()) > parallel._CHUNK  # several messages
    assert sum(read) == (source / "sale.jsonl").stat().st_size
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_dies_leaves_earlier_results_alone(source: Path, tmp_path: Path, victim: int) -> None:
    parallel.replay(source, tmp_path / "out", BOOK, 2, start_method="fork")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def kill(_: int) -> None:
        children = sorted(multiprocessing.active_children(), key=lambda child: child.pid or 0)
        if len(children) == 2:
            children[victim].kill()

    with pytest.raises(parallel.ProcessError, match=r"died \(SIGKILL\); nothing was written"):
        parallel.replay(source, tmp_path / "out", BOOK, 2, kill, start_method="fork")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_while_its_rows_are_written_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(connection: Connection, rows: Results) -> None:
        connection.send(Counter())
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(parallel, "_send_rows", dies)
    with pytest.raises(parallel.ProcessError, match="SIGKILL"):
        parallel.replay(source, tmp_path / "out", BOOK, 2, start_method="fork")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_input_is_named(source: Path, tmp_path: Path) -> None:
    (source / "broken.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(InputError, match=r"broken\.jsonl\.gz"):
        parallel.replay(source, tmp_path / "out", BOOK, 3, start_method="fork")
    assert not (tmp_path / "out").exists()


def test_the_command_takes_a_number_of_processes(source: Path, tmp_path: Path) -> None:
    def command(out: str, *options: str) -> subprocess.CompletedProcess[str]:
        args = [sys.executable, "-m", "deploy.cli", "replay", str(source), "--out", str(tmp_path / out), *options]
        return subprocess.run(args, cwd=ROOT, capture_output=True, text=True, timeout=100)

    for out, options in (("one", ()), ("two", ("--processes", "2")), ("cores", ("--processes", "0"))):
        result = command(out, *options)
        assert (result.returncode, result.stderr) == (0, "")
        assert files(tmp_path / out) == files(tmp_path / "one")
    assert command("none", "--processes", "-1").returncode == 2
    (source / "broken.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00")
    result = command("none", "--processes", "2")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "broken.jsonl.gz" in result.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "after"),
    [
        pytest.param(number, after, id=f"{number.name} after {after} s")
        for number, after in [
            (signal.SIGINT, 0.0),
            (signal.SIGINT, 0.3),
            (signal.SIGINT, 1.5),
            (signal.SIGTERM, 0.0),
            (signal.SIGTERM, 1.5),
            (signal.SIGKILL, 1.5),
        ]
    ],
)
def test_no_process_outlives_the_command_or_says_a_word(
    source: Path, tmp_path: Path, number: signal.Signals, after: float
) -> None:
    sale = (source / "sale.jsonl").read_bytes()
    (source / "more.jsonl").write_bytes(sale * (50_000_000 // len(sale)))
    command = [sys.executable, "-m", "deploy.cli", "replay", str(source), "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [*command, "--processes", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        until(lambda: len(children(parent.pid)) >= 2)
        time.sleep(after)
        started = children(parent.pid)
        if number is signal.SIGINT:
            os.killpg(parent.pid, number)  # a terminal's Ctrl-C
        else:
            parent.send_signal(number)
        _, said = parent.communicate(timeout=30)
    assert said == ""
    assert parent.returncode == (-number if number is signal.SIGKILL else 130)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert not (tmp_path / "out").exists()


def children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
