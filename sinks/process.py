"""The sink as a process of its own."""

import random
import signal
import threading

import structlog
from prometheus_client import start_http_server

from schemas.settings import Settings
from sinks import migrate
from sinks.collector import YOUNG, tame_collector
from sinks.database import Database, DatabaseUnavailableError, open_database
from sinks.sink import EXIT_CLEAN, EXIT_FAILED, Sink

log = structlog.get_logger(__name__)


def run_sink(settings: Settings) -> int:
    """Until SIGTERM or SIGINT, then 0; 1 when it gave up. Call it in the main thread.

    Raises DatabaseError (also for another owner of the embedded directory) and MigrationError before it starts.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    db = open_database(settings)
    try:
        if not _ready(db, settings, stop):
            return EXIT_CLEAN
        if settings.sink_metrics_port:
            start_http_server(settings.sink_metrics_port, settings.metrics_host)
        tame_collector(YOUNG)
        sink = Sink(settings, db)
        sink.start()
        while sink.is_alive() and not stop.wait(0.2):
            pass
        sink.stop()
        return EXIT_FAILED if sink.is_alive() or sink.exit_code is None else sink.exit_code
    finally:
        db.close()


def _ready(db: Database, settings: Settings, stop: threading.Event) -> bool:
    """Wait until ClickHouse answers and has the schema; False when asked to stop first."""
    while not stop.is_set():
        try:
            if settings.clickhouse == "embedded":
                migrate.up(db)  # nobody else can: the directory is ours
            elif missing := [s.version for s in migrate.status(db) if s.state != "applied"]:
                raise migrate.MigrationError(f"migration {missing[0]:04d} is not applied; run: zhengdian migrate up")
            return True
        except DatabaseUnavailableError as error:
            log.warning("clickhouse_unavailable", error=str(error))
            stop.wait(random.uniform(0.5, 2))  # noqa: S311
    return False
