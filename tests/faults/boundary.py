"""A worker or sink that kills itself at a boundary: python boundary.py worker|sink NTH MARKS POINT...

In its first life it dies by SIGKILL at the NTH passage of the first POINT, in its second life at the second, and lives on
when there are no more. Just before it dies it writes the point and its pid to the file MARKS. Passages are counted in
checkpoints (worker) or batches (sink) unless the point says otherwise.

Where something is not durable yet it stays at the point for DWELL_SECONDS, and only that step does: Faust's commit timer
(0.5 s) and the heartbeats go on, so that an offset which can be committed too early is committed.
"""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

DWELL_SECONDS = 1.2
"""more than two ticks of the commit timer, less than a final checkpoint may take at a session timeout of 3 s"""
FINAL, RESTORE = "final checkpoint made, not committed", "half restored"
EITHER = "state or results sent, the others not"
"""whichever a checkpoint sends first: with the right order the same as the point below"""
SENT = "results sent, not done"
WITHOUT_SUMS = "results sent, sums not"
WORKER_POINTS = (
    "state half sent",
    "state sent, results not",
    "results half sent",
    SENT,
    WITHOUT_SUMS,
    "done, not committed",
    RESTORE,
)
SINK_POINTS = ("in an insert", "between two tables", "inserted, not committed")


class Fuse:
    """Counts passages and ends the process."""

    def __init__(self, nth: int, marks: Path, points: Sequence[str]) -> None:
        life = len(marks.read_text().splitlines()) if marks.exists() else 0
        self.point = points[life] if life < len(points) else None
        self._left = 1 if self.point in (FINAL, RESTORE) else nth
        self._marks = marks
        self._once = threading.Lock()

    def passes(self) -> None:
        """One more passage."""
        self._left -= 1

    @property
    def lit(self) -> bool:
        """Whether to die at this boundary."""
        return self._left <= 0 and self.point is not None

    def die(self) -> NoReturn:
        """Write the mark and die. What is written outlives the process without an fsync, which would leave others time."""
        self._once.acquire()  # for good: whoever comes second waits for the end, and leaves no second mark
        with self._marks.open("a") as file:
            file.write(f"{self.point} {os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    async def linger(self) -> NoReturn:
        """Hold this step for ever, and die in a while whatever becomes of it."""
        self.die_soon()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    def die_soon(self) -> None:
        """Die after the dwell; the event loop goes on."""
        asyncio.get_running_loop().call_later(DWELL_SECONDS, self.die)


def patch_worker(fuse: Fuse) -> None:
    """Put the fuse into the worker. A checkpoint counts when it has something to write."""
    from schemas.topics import STATE
    from streams.delivery import Deliverer
    from streams.shards import Shards
    from streams.worker import Worker

    point = fuse.point
    made = Shards._checkpoint
    final = False

    async def counted(self: Any, *, sums: bool) -> float:
        if any(shard.batches for shard in self._shards.values()) and point not in (FINAL, RESTORE):
            fuse.passes()
        return await made(self, sums=sums)

    Shards._checkpoint = counted  # type: ignore[method-assign]

    def wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        setattr(owner, name, make(getattr(owner, name)))

    def half_sent(wanted: Callable[[str], bool]) -> Callable[[Any], Any]:
        """Of the first delivery the first half of the records, of the others none."""

        def make(deliver: Any) -> Any:
            async def half(self: Any, topic: str, partition: int, records: Any) -> Any:
                if not (fuse.lit and wanted(topic) and records):
                    return await deliver(self, topic, partition, records)
                if not half.begun:  # type: ignore[attr-defined]
                    half.begun = True  # type: ignore[attr-defined]
                    await deliver(self, topic, partition, records[: max(1, len(records) // 2)])
                    await fuse.linger()
                await asyncio.Event().wait()

            half.begun = False  # type: ignore[attr-defined]
            return half

        return make

    def is_state(topic: str) -> bool:
        return topic.endswith(STATE)

    def second_kind_held(deliver: Any) -> Any:
        """Of state and results only what comes first is sent."""
        first: bool | None = None

        async def held(self: Any, topic: str, partition: int, records: Any) -> Any:
            nonlocal first
            if fuse.lit and records:
                first = is_state(topic) if first is None else first
                if is_state(topic) != first:
                    await fuse.linger()
            return await deliver(self, topic, partition, records)

        return held

    def results_held(deliver: Any) -> Any:
        async def held(self: Any, topic: str, partition: int, records: Any) -> Any:
            if fuse.lit and records and not is_state(topic):
                await fuse.linger()
            return await deliver(self, topic, partition, records)

        return held

    def all_results_sent(deliver: Any) -> Any:
        """The results are sent, but their delivery does not return."""
        under_way = 0

        async def sent(self: Any, topic: str, partition: int, records: Any) -> Any:
            nonlocal under_way
            if is_state(topic) or not (fuse.lit and records):
                return await deliver(self, topic, partition, records)
            under_way += 1  # of all topics and partitions before the first of them is sent
            await deliver(self, topic, partition, records)
            under_way -= 1
            if under_way:
                await asyncio.Event().wait()
            await fuse.linger()

        return sent

    def sums_held(checkpoint: Any) -> Any:
        """No more than a checkpoint without them."""

        async def wrapped(self: Any, *, sums: bool) -> float:
            seconds: float = await checkpoint(self, sums=sums)
            if fuse.lit and seconds and not sums:
                await fuse.linger()
            return seconds

        return wrapped

    def after_checkpoint(checkpoint: Any) -> Any:
        async def wrapped(self: Any, *, sums: bool) -> float:
            seconds: float = await checkpoint(self, sums=sums)
            if fuse.lit and seconds and sums and (final or point == "done, not committed"):
                fuse.die()
            return seconds

        return wrapped

    def final_one(function: Any) -> Any:
        async def wrapped(self: Any, app: Any, why: str) -> None:
            nonlocal final
            if why == "rebalance" and self._shards.numbers:
                fuse.passes()
                final = True
            await function(self, app, why)
            final = False

        return wrapped

    def restored(take_over: Any) -> Any:
        def wrapped(self: Any, number: int, core: Any) -> None:
            take_over(self, number, core)
            fuse.passes()
            if fuse.lit:
                restoring, sleep = asyncio.current_task(), asyncio.sleep

                async def held(*args: Any) -> Any:  # the restoring task sleeps within each partition
                    await (asyncio.Event().wait() if asyncio.current_task() is restoring else sleep(*args))

                asyncio.sleep = held
                fuse.die_soon()

        return wrapped

    match point:
        case "state half sent":
            wrap(Deliverer, "deliver", half_sent(is_state))
        case "state sent, results not":
            wrap(Deliverer, "deliver", results_held)
        case boundary if boundary == EITHER:
            wrap(Deliverer, "deliver", second_kind_held)
        case "results half sent":
            wrap(Deliverer, "deliver_fitting", half_sent(lambda topic: True))
        case boundary if boundary == SENT:
            wrap(Deliverer, "deliver", all_results_sent)
        case boundary if boundary == WITHOUT_SUMS:
            wrap(Shards, "_checkpoint", sums_held)
        case "done, not committed":
            wrap(Shards, "_checkpoint", after_checkpoint)
        case boundary if boundary == FINAL:
            wrap(Worker, "_final_checkpoint", final_one)
            wrap(Shards, "_checkpoint", after_checkpoint)
        case boundary if boundary == RESTORE:
            wrap(Shards, "take_over", restored)
        case str():
            raise SystemExit(f"no such point: {point}")


def patch_sink(fuse: Fuse) -> None:
    """Put the fuse into the sink. A batch counts when it has rows for three tables or more."""
    import sinks.batch
    import sinks.sink
    from sinks.embedded import EmbeddedDatabase

    whole, one_table, commit, insert = (
        sinks.sink.insert_batch,
        sinks.batch._insert_rows,
        sinks.sink.Sink._commit,
        EmbeddedDatabase.insert,
    )
    tables = 0

    def insert_batch(db: Any, batch: Any) -> set[str]:
        nonlocal tables
        tables = 0
        if sum(bool(rows) for rows in batch.tables.values()) >= 3:
            fuse.passes()
        return whole(db, batch)

    def insert_rows(db: Any, table: str, rows: Any) -> None:
        nonlocal tables
        one_table(db, table, rows)
        tables += 1
        if fuse.lit and fuse.point == "between two tables" and tables == 2:
            time.sleep(DWELL_SECONDS)  # the thread that talks to Kafka goes on
            fuse.die()

    def commit_offsets(self: Any, offsets: Any) -> None:
        if fuse.lit and fuse.point == "inserted, not committed":
            fuse.die()
        commit(self, offsets)

    def insert_columns(self: Any, table: str, columns: Any) -> int:
        running = threading.Event()
        running.set()

        def strike() -> None:
            time.sleep(random.uniform(0.0005, 0.006))
            if running.is_set():
                fuse.die()

        if fuse.lit and fuse.point == "in an insert":
            threading.Thread(target=strike, daemon=True).start()
        try:
            return insert(self, table, columns)
        finally:
            running.clear()

    sinks.sink.insert_batch = insert_batch
    sinks.batch._insert_rows = insert_rows
    sinks.sink.Sink._commit = commit_offsets  # type: ignore[method-assign]
    EmbeddedDatabase.insert = insert_columns  # type: ignore[method-assign]


def main() -> None:
    """Arm and run the part."""
    kind, nth, marks, *points = sys.argv[1:]
    fuse = Fuse(int(nth), Path(marks), points)
    (patch_worker if kind == "worker" else patch_sink)(fuse)
    from deploy.cli import run

    sys.exit(run([kind]))


if __name__ == "__main__":
    main()
