"""The command line: help everywhere, exit codes, errors in one line on stderr."""

import gzip
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.main import get_command

from deploy import cli
from schemas.settings import Settings

ROOT = Path(__file__).parents[2]


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*path, name))


COMMANDS = list(commands(get_command(cli.app)))


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def line(self) -> str:
        """The one line that an error is."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("zhengdian: ")
        return self.err.removeprefix("zhengdian: ").strip()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in list(os.environ):
        if name.startswith("ZHENGDIAN_"):
            monkeypatch.delenv(name)

    def run_in_process(*args: object) -> Result:
        code = cli.run([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run_in_process


def in_shell(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_contract_commands_are_there() -> None:
    top = {path[0] for path in COMMANDS if path}
    assert {"demo", "generate", "ingest", "worker", "sink", "web", "migrate", "topics"} <= top
    assert {"archive", "replay", "diff", "verify", "dlq", "settings", "schemas"} <= top
    assert {("topics", "create"), ("dlq", "list"), ("dlq", "show"), ("dlq", "replay")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_of_every_command(run: Any, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.code == 0
    assert "Usage: zhengdian" in result.out
    assert len(result.out.splitlines()) > 4
    assert not result.err


def test_help_is_fast_and_loads_no_part() -> None:
    code = (
        "import sys; from deploy import cli; cli.run(['worker', '--help']);"
        "heavy = {'faust', 'chdb', 'nicegui', 'kafka', 'fastapi', 'numpy'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_version(run: Any) -> None:
    result = run("--version")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("zhengdian ")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("nonsense",),
        ("topics",),
        ("generate",),
        ("generate", "out", "--buyers", "many"),
        ("generate", "out", "--nonsense"),
        ("migrate", "sideways"),
        ("replay", "in"),
        ("replay", "in", "--out", "out", "--engine", "steam"),
        ("replay", "in", "--out", "out", "--speed", "0"),
        ("replay", "-", "--out", "out"),
        ("export", "--out", "out", "--from", "yesterday"),
        ("export", "--out", "out", "--from", "2025-11-12T00:00:00Z", "--to", "2025-11-12T00:00:00Z"),
        ("ingest",),
        ("ingest", "x.jsonl", "--speed", "fast"),
        ("ingest", "x.jsonl", "--speed", "2", "--live"),
        ("demo", "--port", "70000"),
        ("demo", "--buyers", "0"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(run: Any, args: tuple[str, ...]) -> None:
    result = run(*args)
    assert result.code == 2
    assert result.line()
    assert not result.out


def test_export_without_tables_says_what_to_do(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENGDIAN_DATA_DIR", str(tmp_path / "data"))
    result = run("export", "--out", tmp_path / "out")
    assert result.code == 1
    assert "zhengdian migrate up" in result.line()
    assert not (tmp_path / "out").exists()


def test_wrong_setting_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENGDIAN_PARTITIONS", "a dozen")
    result = run("settings")
    assert result.code == 2
    assert result.line().startswith("ZHENGDIAN_PARTITIONS: ")


def test_settings_are_listed_and_secrets_hidden(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENGDIAN_KAFKA_PASSWORD", "hunter2")
    monkeypatch.setenv("ZHENGDIAN_CLICKHOUSE_URL", "clickhouse://audit:p/w@rd2@db:9000/x?password=hunter3")
    result = run("settings")
    assert result.code == 0
    for name in Settings.model_fields:
        assert f"ZHENGDIAN_{name.upper()}=" in result.out
    assert "ZHENGDIAN_KAFKA_PASSWORD=***\n" in result.out
    assert "ZHENGDIAN_CLICKHOUSE_URL=clickhouse://audit:***@db:9000/x\n" in result.out
    for secret in ("hunter2", "hunter3", "p/w", "rd2"):
        assert secret not in result.out


def test_schemas_export(run: Any, tmp_path: Path) -> None:
    assert run("schemas", "export", tmp_path / "new" / "dir").code == 0
    assert json.loads((tmp_path / "new" / "dir" / "asyncapi.json").read_bytes())["asyncapi"] == "3.0.0"
    (tmp_path / "file").touch()
    assert run("schemas", "export", tmp_path / "file").code == 2


def test_generate_is_the_same_for_the_same_seed(run: Any, tmp_path: Path) -> None:
    args = ("--buyers", 20, "--agents", 4, "--hours", 1, "--seed", 3)
    for name in ("a", "b"):
        result = run("generate", tmp_path / name, *args)
        assert result.code == 0, result.err
        assert "chat.message: " in result.out
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "chat.messages.jsonl" in files
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    "options",
    [("--agents", 1, "--shops", 2), ("--start", "today"), ("--start", "2025-11-11T18:00:00"), ("--faults", -1)],
)
def test_generate_refuses_the_impossible(run: Any, tmp_path: Path, options: tuple[object, ...]) -> None:
    result = run("generate", tmp_path / "x", *options)
    assert result.code == 2
    assert result.line().startswith("--")


def test_generate_into_a_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert run("generate", tmp_path / "x").code == 2


def test_replay_of_nothing_there(run: Any, tmp_path: Path) -> None:
    result = run("replay", tmp_path / "none", "--out", tmp_path / "out")
    assert result.code == 2
    assert "no such file" in result.line()
    assert not (tmp_path / "out").exists()


def test_replay_of_a_directory_without_events(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    result = run("replay", tmp_path / "in", "--out", tmp_path / "out")
    assert result.code == 0
    assert "warning: no *.jsonl" in result.err
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["events"] == 0
    assert (tmp_path / "out" / "flags.jsonl").read_bytes() == b""


def test_replay_of_a_truncated_file_names_it_and_writes_nothing(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    packed = gzip.compress(os.urandom(5000).hex().encode())
    (tmp_path / "in" / "cut.jsonl.gz").write_bytes(packed[:-100])
    result = run("replay", tmp_path / "in", "--out", tmp_path / "out")
    assert result.code == 1
    assert "cut.jsonl.gz: truncated" in result.line()
    assert not (tmp_path / "out" / "summary.json").exists()


def test_generated_sale_replays(run: Any, tmp_path: Path) -> None:
    assert run("generate", tmp_path / "in", "--buyers", 50, "--agents", 4, "--faults", 3).code == 0
    result = run("replay", tmp_path / "in", "--out", tmp_path / "out", "--speed", "5")
    assert result.code == 0
    assert "--speed changes nothing" in result.err
    summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert summary["rejected"] == 3
    assert f"events: {summary['events']}\n" in result.out


def test_rules_file_missing_and_wrong(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    missing = run("replay", tmp_path / "in", "--out", tmp_path / "out", "--rules", tmp_path / "none.yaml")
    assert missing.code == 2
    assert "none.yaml" in missing.line()
    (tmp_path / "wrong.yaml").write_text("name: [")
    wrong = run("replay", tmp_path / "in", "--out", tmp_path / "out", "--rules", tmp_path / "wrong.yaml")
    assert wrong.code == 1
    assert "wrong.yaml" in wrong.line()


def test_web_says_at_once_what_can_not_work(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENGDIAN_DATA_DIR", str(tmp_path))
    assert "has to run with the sink" in run("web", "--without-sink").line()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("web", "--port", port)
    assert result.code == 1
    assert f"port {port}" in result.line()


def test_migrations_of_the_embedded_database(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENGDIAN_DATA_DIR", str(tmp_path))
    (tmp_path / "chdb").touch()  # not a directory: the engine can't open it
    result = run("migrate")
    assert result.code == 1
    assert "ClickHouse" in result.line()


def test_brokers_that_are_not_there(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    (tmp_path / "x.jsonl").touch()
    for args in (("topics", "create", "--wait", "0.5"), ("ingest", tmp_path / "x.jsonl", "--wait", "0.5")):
        result = run(*args)
        assert result.code == 1
        assert "127.0.0.1:1" in result.line()


def test_unexpected_error_is_one_line_and_debug_shows_more(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("deploy.cli_admin.load_settings", broken)
    result = run("settings")
    assert result.code == 1
    assert result.line() == "RuntimeError: first second (--debug shows more)"
    debug = run("--debug", "settings")
    assert debug.code == 1
    assert "Traceback" in debug.err


def test_a_part_that_gave_up_ends_with_its_code(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.process.run_sink", lambda _: 1)
    result = run("sink")
    assert (result.code, result.err.splitlines()[-1]) == (1, "zhengdian: sink failed (see its log)")


def test_interrupt_is_quiet(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.cli_admin.load_settings", interrupted)
    result = run("settings")
    assert (result.code, result.out, result.err) == (130, "", "")


def test_as_a_process() -> None:
    assert in_shell("--version").returncode == 0
    done = in_shell("nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("zhengdian: No such command")
    assert done.stderr.count("\n") == 1


def test_closed_pipe_is_quiet() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m deploy.cli settings | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""


@pytest.mark.slow
def test_ctrl_c_of_a_running_command_is_quiet(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "generate", str(tmp_path / "out"), "--buyers", "1000000"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "out").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("ulimit -n 256", "300 files would have to be open at the same time, but ulimit -n is 256"),
        ("ulimit -S -n 256", "no broker answers at 127.0.0.1:1"),
    ],
    ids=["hard", "soft"],
)
def test_files_that_are_played_side_by_side_may_all_be_open(tmp_path: Path, limit: str, said: str) -> None:
    for number in range(300):
        (tmp_path / f"{number}.jsonl").write_bytes(b"{}")
    command = f'{limit} && exec "{sys.executable}" -m deploy.cli ingest --speed 2 --wait 0 "{tmp_path}"'
    env = {**os.environ, "ZHENGDIAN_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    ended = subprocess.run(["sh", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
