"""Entries of a source into the files of an archive: bounded memory, checkpoints, the manifest last.

Entries are held up to `part_bytes`, then written as one file for each topic, sorted by time, and the progress is saved.
A run that was killed goes on from there; the same input gives the same bytes. Files sorted by time can be merged, so
that an archive can be played at a pace.
"""

import fcntl
import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import orjson
import zstandard

from replay.archive.manifest import (
    MANIFEST,
    PART_NAME,
    PROGRESS,
    REJECTED_STEM,
    ArchiveCounts,
    ArchiveError,
    ArchiveFile,
    ArchiveManifest,
    ArchiveOptions,
    ArchiveProgress,
    file_sha256,
    sync_directory,
)
from schemas.export import EVENT_MODEL_OF_TYPE, json_schema
from schemas.topics import REFERENCE
from schemas.types import format_time, parse_time

PART_BYTES: Final = 64 << 20
_LEVEL: Final = 6
_NO_NEWLINES: Final = bytes.maketrans(b"\r\n", b"  ")
_LINES_AT_ONCE: Final = 4096
_REPORT_EVERY: Final = 1000
_SAVE_EVERY: Final = 200_000
"""records after which the progress is saved also when none of them was asked for"""

OnProgress = Callable[[int, int], None]
"""called now and then with (records read, records there are)"""


class ArchivedEvent(NamedTuple):
    """An event to archive; `time` in ms."""

    topic: str
    type: str
    time: int
    raw: bytes


class ArchivedRejection(NamedTuple):
    """A record that is no event of the archive: schemas.outputs.Rejected as a dict."""

    row: dict[str, Any]


Entry = ArchivedEvent | ArchivedRejection
Step = tuple[Entry | None, list[Any]]
"""(what one record of the source gives: nothing when it is not asked for; the position after it)"""


class Source(Protocol):
    """Where the events come from. Positions and plans are JSON, and mean something to their source alone."""

    def plan(self) -> dict[str, Any]:
        """Fix, once for an archive, up to where it will be read."""

    def size(self, plan: dict[str, Any]) -> int:
        """About how many records there are to read."""

    def read(self, plan: dict[str, Any], position: list[Any] | None) -> Iterator[Step]:
        """Everything after the position, always in the same order."""


class ArchiveUseError(Exception):
    """OUT can't be written to as asked: it is finished, or something else, or was begun otherwise. One line."""


def write_archive(
    out: Path, options: ArchiveOptions, source: Source, rulesets: Sequence[str], on_progress: OnProgress | None = None
) -> ArchiveManifest:
    """Write the archive, or go on with the one that was begun with the same options; returns its manifest.

    Raises ArchiveUseError, ArchiveError for files that changed since they were written, OSError, and what `source`
    raises; after any of them the same call goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        writer = _Writer(out, _begin(out, options, source))
        progress = writer.progress
        total = source.size(progress.read_to) if on_progress is not None else 0
        for entry, position in source.read(progress.read_to, progress.position):
            writer.take(entry, position)
            if on_progress is not None and progress.done % _REPORT_EVERY == 0:
                on_progress(progress.done, total)
        writer.checkpoint()
        manifest = ArchiveManifest(
            **progress.model_dump(include={"created_at", "options", "read_to", "counts", "files"}),
            rulesets=list(rulesets),
            program=version("zhengdian"),
            event_schemas=event_schemas_hash(),
        )
        manifest.write(out / MANIFEST)
        (out / PROGRESS).unlink()
    return manifest


def event_schemas_hash() -> str:
    """sha256 over the JSON Schemas of all event types: differs when what an event is has changed."""
    schemas = {name: json_schema(name) for name in EVENT_MODEL_OF_TYPE}
    return hashlib.sha256(orjson.dumps(schemas, option=orjson.OPT_SORT_KEYS)).hexdigest()


def as_line(raw: bytes) -> bytes:
    """The event on one line: in JSON, line ends stand between tokens only, where a space says the same."""
    return raw.translate(_NO_NEWLINES)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Nobody else writes this archive; the kernel lets go of the lock when the process ends, however it ends."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ArchiveUseError(f"{out}: another zhengdian archive is writing it") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _begin(out: Path, options: ArchiveOptions, source: Source) -> ArchiveProgress:
    """The progress of the archive that was begun, or of a new one."""
    if (out / MANIFEST).exists():
        raise ArchiveUseError(f"{out}: already finished; take another directory")
    if not (out / PROGRESS).exists():
        if any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise ArchiveUseError(f"{out}: not empty, and no archive was begun there; take another directory")
        now = format_time(time.time_ns() // 1_000_000)
        progress = ArchiveProgress(created_at=now, options=options, read_to=source.plan(), counts=ArchiveCounts())
        progress.write(out / PROGRESS)
        return progress
    progress = ArchiveProgress.read(out / PROGRESS)
    if changed := [name for name, value in options if value != getattr(progress.options, name)]:
        raise ArchiveUseError(
            f"{out}: was begun with another {', '.join(changed)}; give the same, or another directory"
        )
    _check_kept(out, progress)
    return progress


def _check_kept(out: Path, progress: ArchiveProgress) -> None:
    """What was written before is as it was; what a kill left behind goes."""
    kept = {file.name: file for file in progress.files}
    for path in list(out.iterdir()):
        if PART_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()
    for file in kept.values():
        path = out / file.name
        if not path.is_file() or file_sha256(path) != file.sha256:
            raise ArchiveError(
                f"{path}: missing or changed since it was written; make the archive again in an empty directory"
            )


class _Writer:
    """Holds entries and writes them out at checkpoints."""

    def __init__(self, out: Path, progress: ArchiveProgress) -> None:
        self.progress = progress
        self._out = out
        self._events: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._rejected: list[bytes] = []
        self._held_bytes = 0
        self._position = progress.position
        counts = progress.counts
        self._first = None if counts.first_time is None else parse_time(counts.first_time)
        self._last = None if counts.last_time is None else parse_time(counts.last_time)

    def take(self, entry: Entry | None, position: list[Any]) -> None:
        """One record of the source, read up to `position`."""
        self._position = position
        self.progress.done += 1
        counts = self.progress.counts
        if isinstance(entry, ArchivedEvent):
            line = as_line(entry.raw)
            self._events[entry.topic].append((entry.time, line))
            self._held_bytes += len(line) + 1
            by_type = counts.events.setdefault(entry.topic, {})
            by_type[entry.type] = by_type.get(entry.type, 0) + 1
            if entry.topic != REFERENCE:
                self._first = entry.time if self._first is None else min(self._first, entry.time)
                self._last = entry.time if self._last is None else max(self._last, entry.time)
        elif isinstance(entry, ArchivedRejection):
            row = orjson.dumps(entry.row)
            self._rejected.append(row)
            self._held_bytes += len(row) + 1
            reason = entry.row["reason"]
            counts.rejected[reason] = counts.rejected.get(reason, 0) + 1
        skipped_long = self._held_bytes == 0 and self.progress.done % _SAVE_EVERY == 0
        if skipped_long or self._held_bytes >= self.progress.options.part_bytes:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write what is held and save the progress. Raises OSError."""
        for topic in sorted(self._events):
            held = self._events.pop(topic)
            held.sort(key=lambda item: item[0])  # stable: what happened at one moment stays in the order of the log
            self._write(topic, [line for _, line in held])
        if self._rejected:
            self._write(REJECTED_STEM, self._rejected)
            self._rejected = []
        self._held_bytes = 0
        sync_directory(self._out)
        counts = self.progress.counts
        counts.first_time = None if self._first is None else format_time(self._first)
        counts.last_time = None if self._last is None else format_time(self._last)
        self.progress.position = self._position
        self.progress.write(self._out / PROGRESS)

    def _write(self, stem: str, lines: list[bytes]) -> None:
        number = 1 + sum(file.name.startswith(f"{stem}-") for file in self.progress.files)
        name = f"{stem}-{number:05d}" + (".zst" if stem == REJECTED_STEM else ".jsonl.zst")
        packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        digest, size, plain_size = hashlib.sha256(), 0, 0
        with (self._out / name).open("wb") as file:
            for start in range(0, len(lines), _LINES_AT_ONCE):
                plain = b"".join(line + b"\n" for line in lines[start : start + _LINES_AT_ONCE])
                plain_size += len(plain)
                for packed in (packer.compress(plain), packer.flush() if start + _LINES_AT_ONCE >= len(lines) else b""):
                    size += file.write(packed)
                    digest.update(packed)
            file.flush()
            os.fsync(file.fileno())
        self.progress.files.append(
            ArchiveFile(
                name=name,
                role="rejected" if stem == REJECTED_STEM else "events",
                lines=len(lines),
                bytes=size,
                uncompressed_bytes=plain_size,
                sha256=digest.hexdigest(),
            )
        )
