"""`replay --engine stack`: a past sale through topics, workers, sink and a database of its own, and the results as files.

The parts are child processes, so that each may die and start again. Nothing here waits for a while and hopes: a step ends
when the group has committed the true ends of its topics, which workers and sinks do once what they read has taken effect.
"""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kafka.errors import KafkaError
from pydantic import SecretStr
from rich.progress import Progress

from deploy.broker import BrokerError, EmbeddedBroker
from deploy.context import kafka_failed, make_room_for, progress_bar, say
from deploy.errors import CommandError
from deploy.interrupts import interruptible
from deploy.ports import PortTakenError
from deploy.process import last_line, zhengdian
from deploy.supervisor import PartSpec, Supervisor
from processors.ruleset import RulesetBook
from replay.disputes import Disputes, lost, settle
from replay.export import Export
from replay.files import InputError, InputFile, Line
from replay.ingest import Clock, Pace, ingest
from replay.lines import event_in
from replay.memory import all_lines, inputs
from replay.output import summarize, write_summary, write_tables
from schemas.events import Event, InvalidEventError
from schemas.settings import Settings
from schemas.topics import LARGEST_RECORD_BYTES, TOPICS
from sinks import migrate
from sinks.database import Database, DatabaseError, DatabaseUnavailableError, identifier, open_database
from sinks.kafka import (
    BrokerUnavailableError,
    EventProducer,
    PublishError,
    create_topics,
    delete_topics,
    wait_for_broker,
)
from sinks.progress import OnLeft, wait_for_sink, wait_for_worker

ENDLESS_DAYS: Final = 100_000
"""a horizon longer than all the years of the contract: a replay settles late facts too"""
_BROKER_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 10.0
_TURN_SECONDS: Final = 0.1
_STALL_SECONDS: Final = 300.0
_MOST_DEATHS: Final = 5
_MOST_FILES_AT_ONCE: Final = 100
_OWN_PARTITIONS: Final = 4


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Options of `zhengdian replay --engine stack`; its help says what they mean."""

    source: Path
    out: Path
    rules: Path | None = None
    speed: float | None = None
    workers: int = 1
    keep: bool = False


def replay_through_stack(options: StackOptions, settings: Settings, book: RulesetBook) -> dict[str, Any]:
    """Run it and return the summary. Nothing that it started or made is left but the files (and all of it with `keep`).

    Raises CommandError; KeyboardInterrupt for Ctrl-C, SIGTERM and SIGHUP. Call it in the main thread.
    """
    began = time.perf_counter()
    directory = Path(tempfile.mkdtemp(prefix="zhengdian-replay-"))
    done = False
    try:
        with interruptible(), progress_bar() as bar:
            summary = _Run(options, settings, book, directory, bar).run(began)
        done = True
        return summary
    except KeyboardInterrupt:
        done = True
        raise
    except CommandError as error:
        raise CommandError(f"{error}{_see_logs(directory)}", error.exit_code) from error
    except InputError as error:
        done = True
        raise CommandError(str(error)) from None
    except (KafkaError, PublishError, TimeoutError, DatabaseError, DatabaseUnavailableError) as error:
        raise CommandError(f"{str(error) or type(error).__name__}{_see_logs(directory)}") from error
    except OSError as error:
        raise CommandError(f"{error.filename or options.out}: {error.strerror or error}") from error
    finally:
        if not options.keep:
            done = done or not _see_logs(directory)
            shutil.rmtree(directory if done else directory / "data", ignore_errors=True)


def _see_logs(directory: Path) -> str:
    """Where an error is explained; empty while no part has written a log."""
    logs = directory / "logs"
    return f" (logs: {logs})" if logs.is_dir() and any(logs.iterdir()) else ""


class _Run:
    def __init__(
        self, options: StackOptions, settings: Settings, book: RulesetBook, directory: Path, bar: Progress
    ) -> None:
        self._options = options
        self._settings = settings
        self._book = book
        self._directory = directory
        self._logs = directory / "logs"
        self._logs.mkdir()
        self._bar = bar
        self._broker: EmbeddedBroker | None = None
        self._parts: Supervisor | None = None
        self._next_turn = 0.0
        self._forgiven = 0

    def run(self, began: float) -> dict[str, Any]:
        files = inputs(self._options.source, self._options.out)
        if self._options.speed is not None:
            make_room_for(len(files))
        losers = self._losers(files)
        with ExitStack() as ending:
            if self._options.keep:
                ending.callback(say, f"kept: the logs in {self._logs}")
            self._kafka(ending)
            self._database(ending)
            self._parts = Supervisor(self._specs(), self._logs, environment(self._settings), say)
            ending.callback(self._parts.stop, _STOP_SECONDS)
            events = self._send(files, losers)
            self._wait("worker", wait_for_worker)
            self._wait("sink", wait_for_sink)
            # the parts first: an embedded database has one owner, and no process may be forked once it is open here
            self._parts.stop(_STOP_SECONDS)
            summary = self._write(events)
        summary["seconds"] = round(time.perf_counter() - began, 3)
        write_summary(self._options.out, summary)
        return summary

    # ---- what counts -------------------------------------------------------------------------------------------

    def _losers(self, files: list[InputFile]) -> set[tuple[str, int]]:
        """(file, line) of the lines that a conflict rejects. Live the first in the log counts, so these are not sent."""
        disputes = Disputes(self._book)
        task = self._bar.add_task("check", total=max(1, sum(file.size for file in files)))
        for line in all_lines(files, lambda size: self._bar.advance(task, size)):
            try:
                disputes.note(event_in(line))
            except InvalidEventError:
                continue
        if not disputes:
            return set()
        settled = settle(all_lines(files), disputes.__contains__, self._book)
        return {(line.file, line.number) for line in settled.losers}

    # ---- a system of its own -----------------------------------------------------------------------------------

    def _kafka(self, ending: ExitStack) -> None:
        """Topics of its own: on the cluster that the settings name, else on an embedded broker."""
        own: dict[str, Any]
        if "kafka_bootstrap" in self._settings.model_fields_set:
            own = {"topic_prefix": f"{self._settings.topic_prefix}replay-{secrets.token_hex(4)}."}
        else:
            self._broker = EmbeddedBroker(self._logs / "broker.log")
            ending.callback(self._broker.stop)
            try:
                self._broker.start()
            except (BrokerError, PortTakenError) as error:
                raise CommandError(str(error)) from None
            defaults = ("kafka_security_protocol", "kafka_ca_file", "topic_prefix", "replication_factor")
            own = {name: Settings.model_fields[name].default for name in defaults}
            own |= {
                "kafka_bootstrap": self._broker.bootstrap,
                "partitions": max(_OWN_PARTITIONS, self._options.workers),
            }
        rules = self._options.rules or self._settings.rules
        self._settings = self._settings.model_copy(
            update=own
            | {
                "rules": None if rules is None else rules.absolute(),
                "horizon_days": ENDLESS_DAYS,
                "check_future": False,
                "worker_state_dir": None,
                "worker_metrics_port": 0,
                "sink_metrics_port": 0,
            }
        )
        try:
            wait_for_broker(self._settings, _BROKER_SECONDS)
            if self._broker is None:
                if self._options.keep:
                    ending.callback(say, f"kept: the topics {self._settings.topic_prefix}*")
                else:
                    ending.callback(self._delete_topics)
            roomy = [replace(topic, max_message_bytes=LARGEST_RECORD_BYTES) for topic in TOPICS]
            create_topics(self._settings, roomy)
        except (BrokerUnavailableError, KafkaError) as error:
            raise kafka_failed(self._settings, error) from error

    def _delete_topics(self) -> None:
        try:
            delete_topics(self._settings)
        except KafkaError as error:
            say(f"zhengdian: warning: topics or groups {self._settings.topic_prefix}* are left: {error}")

    def _database(self, ending: ExitStack) -> None:
        """A database of its own: on the server that the settings name, or chDB in the temporary directory."""
        if self._settings.clickhouse == "embedded":
            data_dir = self._directory / "data"
            self._settings = self._settings.model_copy(update={"data_dir": data_dir})
            if self._options.keep:
                ending.callback(say, f"kept: the database in {data_dir}")
            return
        url = urlsplit(self._settings.clickhouse_url.get_secret_value())
        name = f"{url.path.strip('/') or self._settings.database}_replay_{secrets.token_hex(4)}"
        own = SecretStr(url._replace(path=f"/{name}").geturl())
        self._settings = self._settings.model_copy(update={"clickhouse_url": own, "database": name})
        if self._options.keep:
            ending.callback(say, f"kept: the database {name}")
        else:
            ending.callback(self._drop_database)
        with self._open_database():
            pass

    @contextmanager
    def _open_database(self) -> Iterator[Database]:
        db = open_database(self._settings)
        try:
            migrate.up(db)
            yield db
        finally:
            db.close()

    def _drop_database(self) -> None:
        name = self._settings.database
        try:
            db = open_database(self._settings)
            try:
                db.command(f"DROP DATABASE IF EXISTS {identifier(name)} SYNC")
            finally:
                db.close()
        except (DatabaseError, DatabaseUnavailableError) as error:
            say(f"zhengdian: warning: the database {name} could not be dropped: {error}")

    def _specs(self) -> list[PartSpec]:
        workers = [PartSpec(f"worker-{number}", zhengdian("worker")) for number in range(1, self._options.workers + 1)]
        return [PartSpec("sink", zhengdian("sink")), *workers]

    # ---- through it --------------------------------------------------------------------------------------------

    def _send(self, files: list[InputFile], losers: set[tuple[str, int]]) -> int:
        """Send all lines; returns their number once Kafka has them."""

        def parse(line: Line) -> Event:
            event = event_in(line)
            if (line.file, line.number) in losers:
                raise lost()
            return event

        speed = self._options.speed
        if speed is None and len(files) <= _MOST_FILES_AT_ONCE:
            speed = float("inf")  # in order of time, which saves the workers work
        task = self._bar.add_task("send", total=max(1, sum(file.size for file in files)))
        producer = EventProducer(self._settings)
        try:
            counts = ingest(
                files,
                producer,
                pace=Pace(speed),
                future_tolerance_ms=None,
                parse=parse,
                clock=Clock(sleep=self._sleep),
                on_bytes=lambda size: self._bar.advance(task, size),
                on_counts=lambda _: self._turn(),
            )
        finally:
            producer.close()
        return counts.accepted.total() + counts.rejected.total()

    def _sleep(self, seconds: float) -> None:
        self._turn()
        time.sleep(min(seconds, _TURN_SECONDS))

    def _wait(self, name: str, wait: Callable[[Settings, float, OnLeft], None]) -> None:
        """Wait for workers or sink for as long as they come forward."""
        task = self._bar.add_task(name, total=None)
        least, since = float("inf"), time.monotonic()

        def on_left(left: int) -> None:
            nonlocal least, since
            if left < least:
                if least == float("inf"):
                    self._bar.update(task, total=max(left, 1))
                least, since = left, time.monotonic()
                self._forgiven = self._deaths()
            elif time.monotonic() - since > _STALL_SECONDS:
                raise CommandError(
                    f"{name}: {left} records left and no progress for {_STALL_SECONDS:g} s{self._why(name)}"
                )
            self._bar.update(task, completed=(self._bar.tasks[task].total or 0) - left)
            self._turn()

        wait(self._settings, float("inf"), on_left)

    def _why(self, name: str) -> str:
        """The last word of such a part, and how much room there is for what it writes."""
        logs = sorted(self._logs.glob(f"{name}*.log"), key=lambda log: log.stat().st_mtime)
        said = f"; {logs[-1].name}: {last_line(logs[-1])}" if logs else ""
        return f"{said}; {shutil.disk_usage(self._directory).free >> 20} MiB free at {self._directory}"

    def _turn(self) -> None:
        """Keep the parts running; a few times a second, however often it is called."""
        if time.monotonic() < self._next_turn or self._parts is None:
            return
        self._next_turn = time.monotonic() + _TURN_SECONDS
        if self._broker is not None and self._broker.child.exit_code is not None:
            raise CommandError(self._broker.child.why())
        self._parts.tick()
        if self._deaths() - self._forgiven > _MOST_DEATHS:
            last = [self._parts.failures(spec.name)[-1] for spec in self._specs() if self._parts.failures(spec.name)]
            raise CommandError(f"given up after {_MOST_DEATHS} restarts: {last[-1]}")

    def _deaths(self) -> int:
        assert self._parts is not None
        return sum(len(self._parts.failures(spec.name)) for spec in self._specs())

    def _write(self, events: int) -> dict[str, Any]:
        task = self._bar.add_task("write", total=None)
        with self._open_database() as db:
            found = Export(db, self._book)
            rows, flags = write_tables(self._options.out, found.tables())
            accepted = found.accepted()
        self._bar.update(task, total=1, completed=1)
        return summarize(
            events=events, accepted=accepted, rejected=rows["rejected"], flags=flags, call_tasks=rows["call_tasks"]
        )


def environment(settings: Settings) -> dict[str, str]:
    """That of this process, with exactly those settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, Path):
            value = value.absolute()
        if value is not None:
            env[f"ZHENGDIAN_{name.upper()}"] = str(value)
    return env | {"PYTHONUNBUFFERED": "1"}
