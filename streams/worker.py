"""The worker: Faust delivers batches, pure partitions turn them into state and results, checkpoints make them durable."""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import faust
import structlog
from prometheus_client import start_http_server

from processors.partition import Partition
from processors.ruleset import RulesetBook
from schemas.settings import Settings
from schemas.types import DAY_MS
from sinks.collector import tame_collector
from streams import metrics
from streams.app import build_app, group_id
from streams.delivery import Deliverer
from streams.early import EarlyCores
from streams.health import Watch, mend_aiokafka
from streams.kafka import check_topics, muffle_aiokafka
from streams.memory import FULL, YOUNG
from streams.process import Standstill, WorkerError, die, leave
from streams.retrying import is_infrastructure, retrying
from streams.shards import CheckpointAbandonedError, Core, CoreFactory, Shards
from streams.state import LocalCopy, read_state
from streams.transport import Batch, BatchConsumer

log = structlog.get_logger()

RETRY_SECONDS = 60.0
"""how long an infrastructure error is retried in place"""
_SEEK_SECONDS = 60.0
"""how long after a restore the seek may take"""
_LEAVE_SECONDS = 15.0
_STOP_SECONDS = 25.0
"""all of it: the final checkpoint, leaving the group, and what else may be slow when it is told to stop"""
_HEALTH_SECONDS = 0.25
_MAX_CHECKPOINT_PAUSE_SECONDS = 5.0


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _within(seconds: float, what: Awaitable[Any]) -> Any:
    """As asyncio.timeout, also where the awaited code does not heed its cancellation. Raises TimeoutError."""
    task = asyncio.ensure_future(what)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        task.add_done_callback(lambda late: late.cancelled() or late.exception())  # told here, in one line
    if not done or task.cancelled():
        raise TimeoutError(f"not done within {seconds:.1f} s")
    return task.result()


def _reason(error: BaseException) -> str:
    error = _first(error)
    return " ".join(f"{type(error).__name__}: {error}".split())


class Worker:
    """One member of the worker group. `start`, then `run` until asked to stop."""

    def __init__(
        self,
        settings: Settings,
        new_core: CoreFactory,
        *,
        fatal: Callable[[str], object] = die,
    ) -> None:
        """`fatal` is called with a one-line reason when nothing may be written any more; it must not return."""
        self._settings = settings
        self._fatal = fatal
        self._standstill = Standstill(settings.session_timeout_seconds / 2, fatal)
        self._copy = LocalCopy(settings.worker_state_dir)
        self._deliverer = Deliverer(settings, self._standstill.check, RETRY_SECONDS)
        self._shards = Shards(settings, new_core, self._deliverer, self._copy, self._is_member)
        self._early = EarlyCores(self._copy, self._shards.build)
        self._app: faust.App | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False
        self._epoch = 0
        self._generation: int | None = None
        self._restored_at: float | None = None

    # --- life

    async def start(self) -> None:
        """Check the topics, connect, join the group. Raises WorkerError, KafkaError or OSError."""
        async for attempt in retrying("topics", RETRY_SECONDS):
            with attempt:
                partitions = await check_topics(self._settings)
        self._standstill.start()
        await self._deliverer.start()
        app = self._app = build_app(self._settings, partitions, self._process)
        app.on_partitions_revoked.connect(cast(Any, self._revoked))
        app.on_rebalance_complete.connect(cast(Any, self._restore))
        self._tasks = [asyncio.create_task(self._checkpoints()), asyncio.create_task(self._health())]
        self._early.begin(self._has_coordinator)  # sooner it would only hold up the start
        await app.start()
        log.info("worker_started", group=group_id(self._settings), partitions=partitions)

    async def stop(self) -> bool:
        """Final checkpoint, commit, leave the group. What misses the deadline is read again by the next owner.

        False: the group was not left in time, and threads of Faust may still run.
        """
        self._open = False
        app = self._app
        clean = True
        if app is not None:
            await self._final_checkpoint(app, "stop")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self._early.end(), return_exceptions=True)
        if app is not None:
            try:
                await _within(_LEAVE_SECONDS, app.stop())
            except TimeoutError:
                clean = False
                log.warning("group_not_left", seconds=_LEAVE_SECONDS)
        self._shards.keep_only(())
        await self._deliverer.stop()
        self._standstill.stop()
        log.info("worker_stopped", clean=clean)
        return clean

    # --- the hot path

    async def _process(self, batch: Batch) -> None:
        if not self._open or self._app is None or batch.generation != self._app.consumer_generation_id:
            metrics.DROPPED.inc(len(batch.records))
            return  # a rebalance is under way; whoever owns the partition next reads it again
        try:
            self._shards.apply(batch)
        except Exception as error:
            self._give_up(f"can't apply {batch.tp} from offset {batch.first_offset}", error)
        # the agent's queue may never be empty, and then nothing else would get a turn
        await asyncio.sleep(0)

    async def _checkpoints(self) -> None:
        took = 0.0
        while True:
            await self._rest(took)
            epoch = self._epoch
            try:
                took = await self._shards.checkpoint()
            except CheckpointAbandonedError as error:
                log.warning("checkpoint_abandoned", reason=str(error))
                if self._epoch == epoch:  # no rebalance has been announced yet: drop what comes until one is
                    self._open = False
                    self._shards.abandon()
                continue
            except Exception as error:
                self._give_up("checkpoint failed", error)
                return

    async def _rest(self, took: float) -> None:
        """Between two checkpoints, of which the first took so many seconds.

        Under a backlog a longer rest saves work: a buyer's record is written once for more facts. Elsewhere it would only add
        to the delay, and feed on itself: a checkpoint takes the longer, the longer the rest before it was.
        """
        step = self._settings.flush_seconds
        until = time.monotonic() + max(step, min(took, _MAX_CHECKPOINT_PAUSE_SECONDS))
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(step, left))
            if not self._has_backlog():
                return

    def _has_backlog(self) -> bool:
        return self._app is None or cast(BatchConsumer, self._app.consumer).has_backlog()

    # --- rebalances

    async def _revoked(self, sender: Any, *_: Any, **__: Any) -> None:
        self._open = False
        self._epoch += 1
        self._restored_at = None
        await self._final_checkpoint(sender, "rebalance")

    async def _final_checkpoint(self, app: faust.App, why: str) -> None:
        """Checkpoint and commit within half a session timeout, all of it together."""
        if not self._shards.numbers:
            return
        try:
            if not self._is_member():
                raise CheckpointAbandonedError("the group has expelled this worker")
            deadline = time.monotonic() + self._settings.session_timeout_seconds / 2
            async with asyncio.timeout(self._settings.session_timeout_seconds / 2):
                await self._shards.checkpoint(last=True)
            # Faust takes the cancellation of a wait for another commit for the end of that commit
            await _within(deadline - time.monotonic(), self._commit(app))
        except Exception as error:
            # the snapshot is lost to these shards, so they go, and are read back by the next owner
            metrics.ABANDONED.inc()
            log.warning("final_checkpoint_abandoned", why=why, error=_reason(error))
            self._shards.abandon()

    async def _commit(self, app: faust.App) -> None:
        # False: another commit was under way, which may not have had the last offsets
        if not await app.consumer.commit():
            await app.consumer.commit()

    def _has_coordinator(self) -> bool:
        return self._app is not None and cast(BatchConsumer, self._app.consumer).has_coordinator()

    def _is_member(self) -> bool:
        return self._app is not None and cast(BatchConsumer, self._app.consumer).is_member()

    async def _restore(self, sender: Any, *_: Any, **__: Any) -> None:
        """Bring the state of newly assigned partitions in. Faust awaits this before it seeks and fetches."""
        started = time.monotonic()
        generation, epoch = sender.consumer_generation_id, self._epoch

        def wanted() -> bool:
            return self._epoch == epoch and sender.consumer_generation_id == generation

        try:
            mine = {tp.partition for tp in sender.consumer.assignment()}
            # in a generation that this worker missed, a partition had another owner
            unbroken = self._generation is not None and generation == self._generation + 1
            kept = self._shards.numbers & mine if unbroken else set()
            self._generation = generation
            self._shards.keep_only(kept)
            await self._early.end(mine - kept)
            async for attempt in retrying("restore", RETRY_SECONDS):
                with attempt:
                    states, read, later = await read_state(
                        self._settings, sorted(mine - kept), self._copy, wanted, self._early.marks
                    )
            for number in sorted(states):
                if not wanted():
                    break
                core = self._early.take(number) if number in later else None
                self._shards.take_over(number, await self._shards.build(number, states.pop(number), core))
                await asyncio.sleep(0)
            if not wanted():
                self._shards.keep_only(kept)
                log.info("restore_abandoned", generation=generation)
                return
        except Exception as error:
            self._give_up("can't restore the state", error)
            return
        self._early.forget()
        self._restored_at = time.monotonic()
        self._open = True
        metrics.GENERATION.set(generation)
        metrics.RESTORED.inc(read)
        metrics.RESTORE_SECONDS.observe(self._restored_at - started)
        log.info(
            "partitions_ready",
            generation=generation,
            partitions=sorted(mine),
            kept=sorted(kept),
            early=sorted(later),
            records=read,
            seconds=round(self._restored_at - started, 3),
        )

    # --- health

    def _give_up(self, what: str, error: Exception) -> None:
        if not is_infrastructure(_first(error)):
            log.exception("bug", what=what)  # a traceback says nothing about Kafka being away
        self._fatal(f"{what}: {_reason(error)}")

    async def _health(self) -> None:
        """Faust swallows some failures; a worker that can't go on has to say so."""
        watch = Watch(RETRY_SECONDS)
        while True:
            await asyncio.sleep(_HEALTH_SECONDS)
            try:
                self._look(watch)
            except Exception as error:
                self._give_up("can't tell how it is", error)
                return

    def _look(self, watch: Watch) -> None:
        self._standstill.check()
        app = self._app
        assert app is not None
        if app.crashed or app.should_stop:
            self._fatal(f"Faust has stopped: {_reason(app.crash_reason or RuntimeError('no reason given'))}")
        consumer = cast(BatchConsumer, app.consumer)
        if consumer.is_deaf() or self._deliverer.is_deaf():
            self._fatal("aiokafka has stopped looking for brokers")
        if trouble := watch.trouble(
            time.monotonic(),
            coordinator=consumer.has_coordinator(),
            member=consumer.is_member(),
            uncommitted=consumer.uncommitted(),
        ):
            self._fatal(trouble)
        ready_since = self._restored_at
        if ready_since is None:
            return
        for topic, lag in consumer.lag().items():
            metrics.LAG.labels(topic.removeprefix(self._settings.topic_prefix)).set(lag)
        unread = consumer.seek_generation != app.consumer_generation_id and bool(consumer.assignment())
        if unread and time.monotonic() - ready_since > _SEEK_SECONDS:
            self._fatal(f"the partitions are restored but not read after {_SEEK_SECONDS:.0f} s")


def partition_factory(settings: Settings, book: RulesetBook) -> CoreFactory:
    """Makes the pure part of a partition."""

    def new_core(number: int, writer: bytes) -> Core:
        return Partition(number, book, writer=writer, horizon_ms=settings.horizon_days * DAY_MS)

    return new_core


async def _run(settings: Settings, new_core: CoreFactory) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if not stop.is_set():
            # a thread, because the loop itself may be what does not come to an end
            _after(_STOP_SECONDS, _cut_short)
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    worker = Worker(settings, new_core)
    starting = asyncio.create_task(worker.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await starting
        await stopping
    else:  # asked to stop before it had started: nothing is owned yet
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    return await worker.stop()


def _after(seconds: float, do: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()


def _cut_short() -> None:
    log.warning("stop_cut_short", seconds=_STOP_SECONDS)
    leave(0)  # what was not committed is read again by the next owner


def run_worker(settings: Settings, book: RulesetBook, *, new_core: CoreFactory | None = None) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code: 0, or 1 when it can't start (one line is logged).

    Ends the process with code 1 when Kafka stays away or the partitions may belong to another worker.
    `new_core` replaces the pure part of the partitions (for tests).
    """
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, settings.metrics_host)
    muffle_aiokafka()
    mend_aiokafka()
    _install_uvloop()
    tame_collector(YOUNG, FULL)
    try:
        with asyncio.Runner() as runner:
            clean = runner.run(_run(settings, new_core or partition_factory(settings, book)))
            if not clean:
                leave(0)  # the runner would wait for tasks that do not heed their cancellation
    except WorkerError as error:
        log.error("worker_cannot_start", reason=str(error))
        return 1
    except Exception as error:
        if not is_infrastructure(_first(error)):
            log.exception("bug", what="worker failed")
        die(_reason(error))  # Faust's threads may still run and would keep the interpreter from ending
    return 0


def _install_uvloop() -> None:
    """As the policy, so that the thread of Faust's consumer gets it too."""
    if sys.platform != "win32":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
