"""A worker or sink that kills itself at a boundary: python boundary.py worker|sink NTH MARKS POINT...

In its first life it dies by SIGKILL at the NTH passage of the first POINT, in its second life at the second, and lives on
when there are no more. Just before it dies it writes the point and its pid to the file MARKS. Passages are counted in
checkpoints (worker) or batches (sink) unless the point says otherwise.
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

FINAL, RESTORE = "final checkpoint made, not committed", "half restored"
WORKER_POINTS = (
    "state half sent",
    "state sent, results not",
    "results half sent",
    "results sent, not done",
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


def patch_worker(fuse: Fuse) -> None:
    """Put the fuse into the worker. A checkpoint counts when it has something to write."""
    from schemas.topics import STATE
    from streams.delivery import Deliverer
    from streams.shards import Shards
    from streams.state import LocalCopy
    from streams.worker import Worker

    point = fuse.point
    made = Shards._checkpoint
    final = False

    async def counted(self: Any) -> float:
        if any(shard.batches for shard in self._shards.values()) and point not in (FINAL, RESTORE):
            fuse.passes()
        return await made(self)

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
                    fuse.die()
                await asyncio.Event().wait()

            half.begun = False  # type: ignore[attr-defined]
            return half

        return make

    def before(function: Any) -> Any:
        def wrapped(*args: Any) -> Any:
            if fuse.lit:
                fuse.die()
            return function(*args)

        return wrapped

    def after_checkpoint(checkpoint: Any) -> Any:
        async def wrapped(self: Any) -> float:
            seconds: float = await checkpoint(self)
            if fuse.lit and seconds and (final or point == "done, not committed"):
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

    def restored(restore: Any) -> Any:
        def wrapped(self: Any, number: int, state: Any) -> None:
            restore(self, number, state)
            fuse.passes()
            if fuse.lit:
                fuse.die()

        return wrapped

    match point:
        case "state half sent":
            wrap(Deliverer, "deliver", half_sent(lambda topic: topic.endswith(STATE)))
        case "state sent, results not":
            wrap(Shards, "_deliver_results", before)
        case "results half sent":
            wrap(Deliverer, "deliver_fitting", half_sent(lambda topic: True))
        case "results sent, not done":
            wrap(LocalCopy, "store", before)
        case "done, not committed":
            wrap(Shards, "checkpoint", after_checkpoint)
        case boundary if boundary == FINAL:
            wrap(Worker, "_final_checkpoint", final_one)
            wrap(Shards, "checkpoint", after_checkpoint)
        case boundary if boundary == RESTORE:
            wrap(Shards, "restore", restored)
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
