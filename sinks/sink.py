"""The sink: everything on Kafka into ClickHouse, at least once; rows replace themselves, so that shows once.

Insert, then commit the offsets of what was inserted, again and again until the group has them. While ClickHouse is away
the consumer is paused and keeps polling, so that it stays in its group. Kafka's IO thread calls back when partitions are
taken away: what is buffered is inserted and its offsets are on the wire before the group is joined anew. What cannot be
inserted in time stays buffered as far as its partitions come back, and is read again by their new owner otherwise.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
    wait_random_exponential,
)

from processors.admission import written_at
from schemas.settings import Settings
from schemas.topics import TOPICS
from sinks import metrics
from sinks.batch import Batch, Position, insert_batch
from sinks.clock import SteadyClock
from sinks.database import Database, DatabaseError, DatabaseUnavailableError
from sinks.kafka import PASSING_ERRORS, BrokerUnavailableError, client_options, sink_group, topic_name
from sinks.pace import Pace
from sinks.rows import Record
from sinks.uncommitted import Uncommitted

log = structlog.get_logger(__name__)

EXIT_CLEAN: Final = 0
EXIT_FAILED: Final = 1
POLL_MS: Final = 100
COMMIT_MS: Final = 5_000
CONNECT_SECONDS: Final = 60.0
BOOTSTRAP_SECONDS: Final = 5.0
MAX_WAIT_SECONDS: Final = 10.0
REVOKE_SECONDS: Final = 2.0
STOP_SECONDS: Final = 20.0
KINDS: Final = frozenset({"source", "reference", "command", "output", "report", "rejected", "access"})

OnBatch = Callable[[set[str]], None]


class _StoppedError(Exception):
    """Asked to stop while waiting for Kafka or ClickHouse."""


class Sink:
    """Reads every topic but the state and writes ClickHouse.

    `run()` blocks and is for a thread or process of its own; `start()` and `stop()` run it in a thread. `on_batch` is
    called after each insert with the tables touched, in a thread of the sink; it must be quick and not raise.
    """

    def __init__(self, settings: Settings, db: Database, on_batch: OnBatch | None = None) -> None:
        self._settings = settings
        self._db = db
        self._on_batch = on_batch
        self._topics = {topic_name(settings, topic.name): topic.name for topic in TOPICS if topic.kind in KINDS}
        self._clock = SteadyClock()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._batch = Batch()
        self._inflight: Batch | None = None
        self._uncommitted = Uncommitted()
        self._pace = Pace(settings.sink_batch_seconds, time.monotonic())
        self._paused = False
        self._consumer: Any = None
        self._thread: threading.Thread | None = None
        self.exit_code: int | None = None
        """0 when it stopped cleanly, 1 when it gave up, None while it runs"""

    def start(self) -> None:
        """Run in a thread."""
        self._thread = threading.Thread(target=self.run, name="sink", daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """Insert and commit what is buffered, leave the group, and join the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def is_alive(self) -> bool:
        """False once it has ended."""
        return self._thread is not None and self._thread.is_alive()

    def run(self) -> int:
        """Until stop(); returns the exit code. Raises nothing: what ends it is logged in one line."""
        try:
            self._connect()
            if self._consumer is not None:
                self._loop()
            self.exit_code = EXIT_CLEAN
        except (DatabaseError, BrokerUnavailableError) as error:
            log.error("sink_stopped", error=str(error), code=getattr(error, "code", None))
            self.exit_code = EXIT_FAILED
        except Exception as error:
            log.error("sink_stopped", error=f"{type(error).__name__}: {' '.join(str(error).split())}")
            self.exit_code = EXIT_FAILED
        finally:
            with self._guard:
                self._batch = Batch()  # leaving the group would hand it over, which after a failure must not be
            self._disconnect()
        return self.exit_code

    def _connect(self) -> None:
        """Join the group. Raises BrokerUnavailableError when no broker has answered for CONNECT_SECONDS."""
        retrying = Retrying(
            retry=retry_if_exception_type(KafkaError),
            wait=wait_exponential_jitter(initial=0.1, max=5),
            stop=stop_after_delay(CONNECT_SECONDS),
            before_sleep=self._note_no_broker,
            sleep=self._wait_or_stop,
            reraise=True,
        )
        try:
            consumer = retrying(self._consume)
        except _StoppedError:
            return
        except KafkaError as error:
            where = self._settings.kafka_bootstrap
            raise BrokerUnavailableError(f"no broker answers at {where} within {CONNECT_SECONDS:g} s") from error
        consumer.subscribe(topics=list(self._topics), listener=_HandOver(self))
        self._consumer = consumer

    def _consume(self) -> Any:
        session_ms = int(self._settings.session_timeout_seconds * 1000)
        return KafkaConsumer(
            **client_options(self._settings),
            group_id=sink_group(self._settings),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=self._settings.sink_batch_rows,
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=POLL_MS,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 3,
            allow_auto_create_topics=False,
            metrics_enabled=False,
            bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000),
        )

    def _note_no_broker(self, state: Any) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("broker_unavailable", attempt=state.attempt_number, error=str(error))

    def _wait_or_stop(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _StoppedError

    def _loop(self) -> None:
        log.info("sink_started", topics=len(self._topics), database=self._db.name)
        while not self._stopping.is_set():
            found = self._poll(POLL_MS)
            self._take(found)
            self._pace.polled(sum(map(len, found.values())))
            with self._guard:
                records = self._batch.records
            now = time.monotonic()
            if records >= self._settings.sink_batch_rows or (records and self._pace.inserts(now)):
                if not self._flush():
                    return  # to commit what came after it would lose it
            elif rest := self._pace.rest(now):
                self._stopping.wait(rest)
            self._commit_inserted()
        self._flush(last=True)
        self._commit_inserted(last=True)
        log.info("sink_finished")

    def _poll(self, timeout_ms: int) -> dict[Any, list[Any]]:
        try:
            return self._consumer.poll(timeout_ms=timeout_ms) or {}
        except KafkaError as error:
            if not isinstance(error, PASSING_ERRORS):
                raise
            log.warning("poll_failed", error=str(error))
            self._stopping.wait(timeout_ms / 1000)
            return {}

    def _take(self, found: dict[Any, list[Any]]) -> None:
        if not found:
            return
        now_ms = self._clock.now_ms()
        with self._guard:
            for partition, records in found.items():
                topic = self._topics[partition.topic]
                metrics.RECORDS.labels(topic).inc(len(records))
                for r in records:
                    value = b"" if r.value is None else bytes(r.value)
                    clock_ms = written_at(r.timestamp, now_ms) if self._settings.check_future else None
                    self._batch.add(Record(topic, r.partition, r.offset, r.key, value, clock_ms))

    def _flush(self, *, last: bool = False) -> bool:
        """Insert the batch; waits while ClickHouse is away, but not when it is the last one.

        False when it was given up because of stop(); nothing after it may be committed then.
        """
        with self._guard:
            batch, self._batch = self._batch, Batch()
            self._inflight = batch
        began = time.monotonic()
        try:
            if batch.records:
                self._insert(batch, last=last)
                with self._guard:
                    self._uncommitted.add(batch.next_offsets)
            return True
        except (_StoppedError, DatabaseUnavailableError) as error:
            log.warning("batch_left_for_later", records=batch.records, error=str(error) or "stopping")
            return False
        finally:
            self._pace.inserted(began, time.monotonic())
            with self._guard:
                self._inflight = None

    def _insert(self, batch: Batch, *, last: bool) -> None:
        if last:
            self._insert_once(batch)
            return
        retrying = Retrying(
            retry=retry_if_exception_type(DatabaseUnavailableError),
            wait=wait_random_exponential(multiplier=0.2, max=MAX_WAIT_SECONDS),
            before_sleep=self._note_retry,
            sleep=self._wait_paused,
            reraise=True,
        )
        try:
            retrying(self._insert_once, batch)
        finally:
            self._resume()

    def _insert_once(self, batch: Batch) -> None:
        started = time.monotonic()
        touched = insert_batch(self._db, batch)
        metrics.INSERT_SECONDS.observe(time.monotonic() - started)
        metrics.BATCHES.inc()
        if batch.oldest_ms:
            metrics.LAG_SECONDS.set(max(time.time() - batch.oldest_ms / 1000, 0))
        if touched and self._on_batch is not None:
            self._on_batch(touched)

    def _note_retry(self, state: Any) -> None:
        metrics.RETRIES.inc()
        error = state.outcome.exception() if state.outcome else None
        log.warning("clickhouse_unavailable", attempt=state.attempt_number, error=str(error))

    def _wait_paused(self, seconds: float) -> None:
        """Wait without reading, yet polling: a consumer that does not poll is put out of its group."""
        self._paused = True
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._stopping.is_set():
                raise _StoppedError
            self._consumer.pause(*self._consumer.assignment())
            # what a partition that was assigned just now brought along goes into the next batch
            self._take(self._poll(POLL_MS))

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._consumer.resume(*self._consumer.paused())

    def _commit_inserted(self, *, last: bool = False) -> None:
        # partitions come and go in poll() and close() only, so none does on the way to the broker
        with self._guard:
            offsets = self._uncommitted.attempt() if last else self._uncommitted.due()
        if offsets:
            self._commit(offsets)

    def _commit(self, offsets: dict[Position, int]) -> None:
        try:
            self._consumer.commit(self._kafka_offsets(offsets), timeout_ms=COMMIT_MS)
        except KafkaError as error:
            self._note_commit(offsets, error)
        else:
            self._note_commit(offsets)

    def _note_commit(self, offsets: dict[Position, int], outcome: object = None) -> None:
        if isinstance(outcome, Exception):
            metrics.COMMIT_FAILURES.inc()
            with self._guard:
                say = self._uncommitted.failed(offsets)
            if say:
                log.warning("commit_failed", error=str(outcome))
            return
        with self._guard:
            say = self._uncommitted.succeeded(offsets)
        if say:
            log.info("commits_succeed_again")

    def _kafka_offsets(self, offsets: dict[Position, int]) -> dict[Any, Any]:
        return {
            TopicPartition(topic_name(self._settings, topic), partition): OffsetAndMetadata(offset, "", -1)
            for (topic, partition), offset in offsets.items()
        }

    def _revoked(self) -> None:
        """Insert and commit before the partitions go. On Kafka's IO thread, which must not block for long."""
        metrics.REBALANCES.inc()
        self._hand_over()
        with self._guard:
            offsets = self._uncommitted.attempt()
        if offsets:
            # the commit goes out on the coordinator's connection before the request to join does
            self._consumer.commit_async(
                self._kafka_offsets(offsets), callback=lambda _, outcome: self._note_commit(offsets, outcome)
            )

    def _hand_over(self) -> None:
        """Insert what is buffered.

        kafka-python keeps its position in the partitions that come back to the same sink, so what could not be inserted
        now stays buffered: to drop it would lose it.
        """
        with self._guard:
            if self._inflight is not None or not self._batch.records:
                return
            batch, self._batch = self._batch, Batch()
            self._inflight = batch
        done: list[bool] = []
        worker = threading.Thread(target=lambda: done.append(self._inserted(batch)), name="sink-handover", daemon=True)
        worker.start()
        worker.join(REVOKE_SECONDS)
        with self._guard:
            self._inflight = None
            if done != [True]:
                log.warning("hand_over_postponed", records=batch.records)
                self._batch = batch.copy()  # the thread may still be at work on the other
            else:
                self._uncommitted.add(batch.next_offsets)

    def _assigned(self) -> None:
        """Forget what is buffered of partitions that went to another sink."""
        mine = {(self._topics[p.topic], p.partition) for p in self._consumer.assignment()}
        with self._guard:
            self._batch.keep(mine)
            self._uncommitted.keep(mine)
            if self._inflight is not None:
                self._inflight.next_offsets = {p: o for p, o in self._inflight.next_offsets.items() if p in mine}
        log.info("partitions_assigned", partitions=len(mine))

    def _lost(self) -> None:
        """Put out of the group: others may be ahead by now, and everything is read again from the last commit."""
        metrics.REBALANCES.inc()
        with self._guard:
            self._batch = Batch()
            self._uncommitted.keep(())
            if self._inflight is not None:
                self._inflight.next_offsets = {}
        log.warning("partitions_lost")

    def _inserted(self, batch: Batch) -> bool:
        try:
            self._insert_once(batch)
        except (DatabaseError, DatabaseUnavailableError) as error:
            log.warning("hand_over_failed", error=str(error))
            return False
        return True

    def _disconnect(self) -> None:
        if self._consumer is not None:
            try:
                self._consumer.close(autocommit=False, timeout_ms=3_000)
            except KafkaError as error:
                log.warning("close_failed", error=str(error))


class _HandOver(ConsumerRebalanceListener):  # type: ignore[misc]
    """Kafka's callbacks, passed on."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def on_partitions_revoked(self, revoked: Any) -> None:
        # kafka-python 3.0.12 forgets why it joins anew when topics have changed (or were not known yet), and drops what
        # the group gives it if a poll ends before that has come: it would read nothing from then on
        self._sink._consumer._coordinator.request_rejoin()
        if revoked:
            self._sink._revoked()

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._sink._assigned()

    def on_partitions_lost(self, lost: Any) -> None:
        self._sink._lost()
