"""`replay --engine memory` in several processes, each with a share of the buyers: the same bytes as in one.

Every process reads all the input, which is cheap, and takes the lines of its own buyers, which is not. A look at a line's
bytes guesses whose it is; who decodes a line that is another's hands it over, so that no guess can be wrong in the end.
Sums are added up here; rows come from each process in order and as they are written, and are merged on the way.
"""

import heapq
import multiprocessing
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from processors.leaderboard import BoardKey, BoardSums
from processors.reference import Reference
from processors.results import Results, Row, results
from processors.ruleset import RulesetBook
from processors.windows import WindowKey, WindowSums
from replay.disputes import is_reference
from replay.files import InputError, InputFile, Line
from replay.lines import event_in
from replay.memory import (
    MemoryReplay,
    Share,
    all_lines,
    in_order,
    inputs,
    no_cycle_collection,
    summary_of,
)
from replay.output import line_of, write_lines, write_summary
from schemas.events import Event
from schemas.types import parse_time

_BUYER: Final = re.compile(rb'"buyer_id"\s*:\s*"([^"]*)"')
_REFERENCE_OWNER: Final = 0
_CHUNK: Final = 1000
"""rows to a message"""
_ORDER: Final[dict[str, Callable[[Row], Any]]] = {
    "flags": lambda row: (row["shop_id"], parse_time(row["occurred_at"]), row["rule"], row["flag_id"]),
    "call_tasks": lambda row: (row["shop_id"], parse_time(row["raised_at"]), row["task_id"]),
    "response_rounds": lambda row: (row["shop_id"], parse_time(row["opened_at"]), row["round_id"]),
}
"""the tables of buyers' rows, as they are written one after the other, and the order that processors.results gives them"""


_Placed = tuple[Any, bytes]
"""a row's place in the order of its table, which no other row has, and its line"""


class ProcessError(Exception):
    """A process of the replay failed or died. One line."""


class _Read(NamedTuple):
    """Bytes read from disk since the last message."""

    size: int


class _Failed(NamedTuple):
    """The process can't go on."""

    error: Exception


def replay(
    source: Path,
    out: Path,
    book: RulesetBook,
    processes: int,
    on_bytes: Callable[[int], None] | None = None,
    start_method: str = "spawn",
) -> dict[str, Any]:
    """As replay.memory.replay, in that many processes.

    Raises InputError as that does, and ProcessError when a process dies; nothing is written then.
    """
    began = time.perf_counter()
    files = inputs(source, out)
    with ExitStack() as stack, no_cycle_collection():
        context: Any = multiprocessing.get_context(start_method)
        workers = [_Worker.start(context, index, processes, files, book, stack) for index in range(processes)]
        strays = _gather(workers, on_bytes)
        for index, worker in enumerate(workers):
            worker.send([line for found in strays for owner, line in found if owner == index])
        shares: list[Share] = _gather(workers, on_bytes)
        now = max(share.newest for share in shares)
        reference = shares[_REFERENCE_OWNER].reference
        for worker in workers:
            worker.send((now, reference))
        tables = _tables(workers, shares, now, reference, book)
        flags: Counter[str] = sum(_gather(workers, on_bytes), Counter())
        written = write_lines(out, tables)
        summary = summary_of(shares, flags, written["call_tasks"])
        summary |= {"seconds": round(time.perf_counter() - began, 3)}
        write_summary(out, summary)
    return summary


def _tables(
    workers: "list[_Worker]", shares: list[Share], now: int, reference: Reference, book: RulesetBook
) -> dict[str, Iterator[bytes]]:
    windows: dict[WindowKey, WindowSums] = {}
    boards: dict[BoardKey, BoardSums] = {}
    for share in shares:
        for key, sums in share.windows.items():
            windows.setdefault(key, WindowSums()).add(sums)
        for row, figures in share.boards.items():
            boards.setdefault(row, BoardSums()).add(figures)
    summed = results([], windows, boards, reference, book, now)
    rejected = in_order(row for share in shares for row in share.rejected)
    here: dict[str, list[Row]] = summed._asdict() | {"rejected": rejected}
    tables: dict[str, Iterator[bytes]] = {name: map(line_of, rows) for name, rows in here.items()}
    for name in _ORDER:
        tables[name] = (line for _, line in heapq.merge(*(worker.rows() for worker in workers)))
    return tables


class _Worker(NamedTuple):
    """A process with a share of the buyers, seen from its parent."""

    process: BaseProcess
    connection: Connection

    @classmethod
    def start(
        cls, context: Any, index: int, count: int, files: list[InputFile], book: RulesetBook, stack: ExitStack
    ) -> "_Worker":
        """Its end comes with that of `stack`."""
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, index, count, files, book), daemon=True)
        resource_tracker.ensure_running()  # starting it would unblock them again
        # a Ctrl-C or a hang-up goes to all processes of a terminal; theirs stay blocked, as the parent decides, which is
        # not to be interrupted between a process's start and its own end of the pipe
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that its death is an end of file here
        worker = cls(process, ours)
        stack.callback(worker.stop)
        return worker

    def stop(self) -> None:
        """Ends it; when all its rows are read it has nothing left to do."""
        self.connection.close()
        self.process.kill()
        self.process.join()

    def send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:
            raise self.died() from None

    def receive(self) -> Any:
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            raise self.died() from None
        if isinstance(message, _Failed):
            raise message.error
        return message

    def rows(self) -> Iterator[_Placed]:
        """The rows of its next table."""
        while chunk := self.receive():
            yield from chunk

    def died(self) -> ProcessError:
        """What became of it."""
        self.process.join(timeout=5)
        code = self.process.exitcode
        if code is not None and code < 0:
            how = signal.Signals(-code).name
        else:
            how = "no exit code" if code is None else f"exit code {code}"
        return ProcessError(f"a process of the replay died ({how}); nothing was written")


def _gather(workers: list[_Worker], on_bytes: Callable[[int], None] | None) -> list[Any]:
    """The next message of each, passing on what they have read in the meantime."""
    messages: dict[int, Any] = {}
    waiting: dict[Any, int] = {worker.connection: index for index, worker in enumerate(workers)}
    while waiting:
        for connection in wait(list(waiting)):
            index = waiting[connection]
            message = workers[index].receive()
            if not isinstance(message, _Read):
                messages[index] = message
                del waiting[connection]
            elif on_bytes is not None:
                on_bytes(message.size)
    return [messages[index] for index in range(len(workers))]


# ---- in the processes ----------------------------------------------------------------------------------------------


def _work(connection: Connection, index: int, count: int, files: list[InputFile], book: RulesetBook) -> None:
    with no_cycle_collection(), suppress(EOFError, ConnectionError):  # the parent has gone, so nobody waits for it
        try:
            run = _take_lines(connection, index, count, files, book)
        except ConnectionError:
            raise
        except (InputError, MemoryError, OSError) as error:
            failed = (
                error if isinstance(error, InputError) else ProcessError(f"a process of the replay failed: {error!r}")
            )
            connection.send(_Failed(failed))
            return
        now, reference = connection.recv()
        _send_rows(connection, run.rows(now, reference, {}, {}))


def _take_lines(
    connection: Connection, index: int, count: int, files: list[InputFile], book: RulesetBook
) -> MemoryReplay:
    run = MemoryReplay(book)

    def mine(event: Event) -> bool:
        return _owner(event, count) == index

    def on_bytes(size: int) -> None:
        if connection.poll():
            raise EOFError  # the parent says nothing yet: its end is closed
        if index == 0:
            connection.send(_Read(size))

    def guessed(on_bytes: Callable[[int], None] | None = None) -> Iterator[Line]:
        for line in all_lines(files, on_bytes):
            if _guess(line.raw, count) == index:
                yield line

    strays = [line for line in guessed(on_bytes) if not run.take(line, mine)]
    connection.send([(_owner(event_in(line), count), line) for line in strays])
    handed_over: list[Line] = connection.recv()
    for line in handed_over:
        run.take(line)

    def reread() -> Iterator[Line]:
        yield from guessed()
        yield from handed_over

    connection.send(run.settle(reread))
    return run


def _guess(raw: bytes, count: int) -> int:
    found = _BUYER.search(raw)
    return _REFERENCE_OWNER if found is None else crc32(found[1]) % count


def _owner(event: Event, count: int) -> int:
    # by buyer alone, which the bytes tell sooner than shop and buyer: it splits as evenly
    return _REFERENCE_OWNER if is_reference(event) else crc32(_buyer_id(event).encode()) % count


def _buyer_id(event: Any) -> str:
    buyer_id: str = event.data.buyer_id
    return buyer_id


def _send_rows(connection: Connection, rows: Results) -> None:
    """Flags by rule first, then the tables, each in chunks and an empty one."""
    connection.send(Counter(flag["rule"] for flag in rows.flags))
    for name, order in _ORDER.items():
        table: list[Row] = getattr(rows, name)
        for start in range(0, len(table), _CHUNK):
            connection.send([(order(row), line_of(row)) for row in table[start : start + _CHUNK]])
        connection.send([])
