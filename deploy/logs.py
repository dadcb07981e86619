"""Logging of every part: structlog and the standard library through one renderer, on stderr."""

import logging
import re
import sys
import time
from typing import Any, Final

import structlog

from schemas.settings import Settings

_SECRET: Final = re.compile(r"password|passwd|secret|token|authorization|api_?key", re.IGNORECASE)
_USERINFO: Final = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://[^:/@\s]*):[^@/\s]+@", re.IGNORECASE)
_NOISY: Final = {
    # what they say at info is of use to their own developers only
    "aiokafka": logging.ERROR,
    "asyncio": logging.WARNING,
    "clickhouse_driver": logging.ERROR,  # each attempt to connect with its traceback; the caller says it in one line
    "faust": logging.WARNING,
    "httpx": logging.WARNING,
    "kafka": logging.ERROR,
    "mode": logging.WARNING,
    "nicegui": logging.WARNING,
    "socketio": logging.WARNING,
    "engineio": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "watchfiles": logging.WARNING,
}

_REPEAT_SECONDS: Final = 30.0
_CONNECTIONS: Final = "kafka.net.transport"


class _KafkaOnce(logging.Filter):
    """What kafka-python calls an error is mostly an attempt that it repeats for ever: a warning, each kind once in a while."""

    def __init__(self, seconds: float = _REPEAT_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it. The kind is the place in the code: texts hold addresses and waiting times."""
        if record.name.partition(".")[0] != "kafka" or record.levelno != logging.ERROR:
            return True
        now, kind = time.monotonic(), (record.name, record.lineno)
        if now - self._last.get(kind, -self._seconds) < self._seconds:
            return False
        self._last[kind] = now
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        error = record.exc_info[1] if record.exc_info else None
        # a broker that went away, or a socket that was closed meanwhile: where in the library it was noticed says nothing
        if isinstance(error, OSError) or (error is not None and record.name == _CONNECTIONS):
            record.msg, record.args, record.exc_info = f"{record.getMessage()}: {error}", (), None
        return True


def setup_logs(settings: Settings, part: str, *, quiet: bool = False) -> None:
    """Route structlog and standard logging to stderr as `settings.log_format` says. `part` names who speaks.

    `quiet` leaves nothing below critical, except at level debug: for commands that say themselves how it went.
    """

    def add_part(_logger: Any, _method: str, event: Any) -> Any:
        # not a context variable: threads of libraries would not have it
        event["part"] = part
        event.pop("color_message", None)  # uvicorn's second copy of its text
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        add_part,
        # as text and without local variables: those may hold passwords
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    last: list[Any] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, hide_secrets, *last],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    level = getattr(logging, settings.log_level.upper())
    if quiet and level > logging.DEBUG:
        level = logging.CRITICAL
    root.setLevel(level)
    if level > logging.DEBUG:
        handler.addFilter(_KafkaOnce())
    for name, least in _NOISY.items():
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else max(level, least))


def hide_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor: values under secret-sounding names and passwords inside URLs become `***`."""
    return {key: "***" if _SECRET.search(key) and value else _without_password(value) for key, value in event.items()}


def _without_password(value: Any) -> Any:
    return _USERINFO.sub(r"\g<scheme>:***@", value) if isinstance(value, str) else value
