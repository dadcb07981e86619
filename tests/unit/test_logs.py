"""Logs: one JSON object a line from structlog and from the standard library, and never a secret."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from deploy.logs import hide_secrets, setup_logs
from schemas.settings import Settings


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_both_kinds_of_loggers_write_json(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs(Settings(log_format="json"), "worker")
    structlog.get_logger("streams.worker").info("checkpoint", records=3, text="在吗")
    logging.getLogger("some.library").warning("slow %s", "thing")
    logging.getLogger("kafka.conn").warning("noise")
    structlog.get_logger().debug("not at this level")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["event"] == "checkpoint"
    assert (first["records"], first["text"], first["part"], first["level"]) == (3, "在吗", "worker", "info")
    assert (second["event"], second["logger"], second["level"]) == ("slow thing", "some.library", "warning")
    assert first["timestamp"].endswith("Z")


def test_traceback_is_inside_the_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs(Settings(log_format="json"), "sink")
    password = "hunter2"
    try:
        raise ValueError(f"no such thing as clickhouse://me:{password}@db/x")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("some.library").exception("failed too")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "no such thing" in json.loads(line)["exception"]
        assert password not in line


def test_quiet_leaves_the_last_word_to_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs(Settings(log_format="json"), "migrate", quiet=True)
    structlog.get_logger().warning("tried again")
    structlog.get_logger().error("no connection")
    structlog.get_logger().critical("gone")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "gone"


def test_kafka_python_repeats_itself_once_in_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs(Settings(log_format="json"), "sink")
    for attempt in range(40):
        logging.getLogger("kafka.net.manager").error("Bootstrap attempt %s failed", attempt)
        logging.getLogger("kafka.cluster").error(f"no broker, backoff {attempt}")
    logging.getLogger("kafka.cluster").error("Topic t is not authorized")
    logging.getLogger("kafkaesque").error("another's")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("Bootstrap attempt 0 failed", "warning"),
        ("no broker, backoff 0", "warning"),
        ("Topic t is not authorized", "warning"),
        ("another's", "error"),
    ]


def test_a_lost_connection_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs(Settings(log_format="json"), "sink")
    log = logging.getLogger("kafka.net")
    try:
        raise ConnectionResetError(104, "reset by peer")
    except OSError:
        log.exception("100%% lost: %s", "socket")
    try:
        raise ValueError("a bug")
    except ValueError:
        log.exception("failed")
    try:
        raise AttributeError("'NoneType' object has no attribute 'recv'")
    except AttributeError:
        logging.getLogger("kafka.net.transport").exception("closing socket")  # it was closed while it was being read
    lost, bug, closed = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert lost["event"] == "100% lost: socket: [Errno 104] reset by peer"
    assert "exception" not in lost
    assert "ValueError: a bug" in bug["exception"]
    assert "exception" not in closed


def test_console_format(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logs(Settings(log_format="console"), "web")
    structlog.get_logger().info("hello", shop="lining-hz")
    assert "shop=lining-hz" in capsys.readouterr().err


def test_secrets_are_hidden() -> None:
    event = {
        "event": "connect clickhouse://me:hunter2@db/x",
        "kafka_password": "hunter2",
        "url": "https://user:hunter2@host/path",
        "Authorization": "Bearer hunter2",
        "plain": "http://127.0.0.1:8080/healthz",
        "rows": 3,
        "token": "",
    }
    shown = hide_secrets(None, "info", event)
    assert "hunter2" not in str(shown)
    assert shown["url"] == "https://user:***@host/path"
    assert shown["plain"] == event["plain"]
    assert (shown["rows"], shown["token"]) == (3, "")
