"""Reading `.jsonl` inputs: plain, `.gz` and `.zst`, single files, whole directories, archives and standard input."""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import zstandard

from replay.archive.manifest import ArchiveError
from replay.archive.reader import archives_among, check_sum, listed_files
from replay.walk import files_below

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
STDIN: Final = "-"
_CHUNK: Final = 1 << 20
_PACKED_CHUNK: Final = 1 << 16
"""unpacked it is tens of times as long, and a hundred files may be open side by side"""
_BOM: Final = b"\xef\xbb\xbf"

OnBytes = Callable[[int], None]
"""called with each number of bytes read from disk (compressed size), for progress bars"""


class InputError(Exception):
    """An input that can't be read: missing, not permitted, truncated or corrupt. One line that names the file."""


class MissingInputError(InputError):
    """The path given does not exist."""


class Line(NamedTuple):
    """A line of an input: `file` relative to the path given, `number` from 1, `raw` without its line end.

    `rejected`: an archive's row of `rejected` (schemas.outputs.Rejected), and no event.
    """

    file: str
    number: int
    raw: bytes
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read; `name` is how it is called in outputs and errors, `size` is in bytes on disk (0: not known).

    `sha256`: what its bytes must have, where an archive says so; `rejected`: its lines are rows of `rejected`.
    """

    path: Path
    name: str
    size: int
    sha256: str | None = None
    rejected: bool = False


def input_files(path: Path, *, rejected: bool = False) -> list[InputFile]:
    """Every `*.jsonl`, `*.jsonl.gz` and `*.jsonl.zst` below a directory by relative path, or the one file given.

    Of an archive the files that its manifest lists, all there and of their length; those with what was rejected only where
    `rejected` asks for them. A directory without any gives an empty list. Raises MissingInputError when there is no such
    path, and InputError for an archive that is damaged or unfinished or has such files beside its own, and for a directory
    that can't be read.
    """
    try:
        if str(path) == STDIN:
            return [InputFile(path, STDIN, 0)]
        if not path.exists():
            raise MissingInputError(f"{path}: no such file or directory")
        if not path.is_dir():
            return [InputFile(path, printable(Path(path.name)), path.stat().st_size)]
        files = list(files_below(path))
        archives = set(archives_among(files))
        inputs = [file for file in files if file.name.endswith(SUFFIXES) and file.is_file()]
        found = [
            InputFile(file, printable(file.relative_to(path)), file.stat().st_size)
            for file in inputs
            if file.parent not in archives
        ]
        for archive in sorted(archives):
            found += [
                InputFile(
                    archive / file.name,
                    printable((archive / file.name).relative_to(path)),
                    file.bytes,
                    file.sha256,
                    file.role == "rejected",
                )
                for file in listed_files(archive)
                if rejected or file.role == "events"
            ]
        known = {file.path for file in found}
        for stray in inputs:
            if stray not in known:
                raise InputError(f"{stray}: not in the archive's manifest; take it out")
    except ArchiveError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror or error}") from error
    return sorted(found, key=lambda file: file.name)


def total_bytes(path: Path) -> int:
    """Size on disk of all input files below the path, for a progress bar. Raises as `input_files` does."""
    return sum(file.size for file in input_files(path))


def read_lines(path: Path, on_bytes: OnBytes | None = None) -> Iterator[Line]:
    """All lines of all input files below the path, in order of file name; blank ones are skipped but counted.

    Raises InputError when a file can't be read to its end.
    """
    for file in input_files(path):
        yield from read_file(file, on_bytes)


def read_file(file: InputFile, on_bytes: OnBytes | None = None) -> Iterator[Line]:
    """The lines of one file; a UTF-8 byte order mark and CR before LF are removed. Raises InputError.

    A file with a checksum is read twice, so that no line of a damaged one is taken.
    """
    try:
        if file.sha256 is not None:
            check_sum(file.path, file.sha256)
        if file.name == STDIN:
            yield from _lines(STDIN, _plain(_Counted(sys.stdin.buffer, on_bytes)))
            return
        with file.path.open("rb") as raw:
            counted = _Counted(raw, on_bytes)
            if file.name.endswith(".gz"):
                chunks = _gunzip(counted)
            elif file.name.endswith(".zst"):
                chunks = _unzstd(counted)
            else:
                chunks = _plain(counted)
            lines = _lines(file.name, chunks)
            yield from (line._replace(rejected=True) for line in lines) if file.rejected else lines
    except ArchiveError as error:
        raise InputError(str(error)) from None
    except EOFError:
        raise InputError(f"{file.path}: truncated, the compressed data ends too early") from None
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{file.path}: corrupt, {error}") from None
    except OSError as error:
        raise InputError(f"{file.path}: {error.strerror or error}") from error


def printable(path: Path) -> str:
    r"""The path as it stands in outputs, which are UTF-8: other bytes as \xff."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


class _Counted:
    """A reader that reports what it reads."""

    def __init__(self, raw: BinaryIO, on_bytes: OnBytes | None) -> None:
        # what a pipe has is taken as it comes: read() would wait until it has all that is asked for
        self._read = raw.read1 if isinstance(raw, io.BufferedReader) else raw.read
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._read(size)
        if self._on_bytes is not None and data:
            self._on_bytes(len(data))
        return data


def _plain(raw: _Counted) -> Iterator[bytes]:
    while chunk := raw.read(_CHUNK):
        yield chunk


def _gunzip(raw: _Counted) -> Iterator[bytes]:
    # read() is all that it uses of the file here
    with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:  # type: ignore[call-overload]
        while chunk := unpacked.read(_CHUNK):
            yield chunk


def _unzstd(raw: _Counted) -> Iterator[bytes]:
    """Frame by frame: the stream reader of zstandard takes a truncated frame for a complete one."""
    unpacker = None
    while data := raw.read(_PACKED_CHUNK):
        while data:
            unpacker = unpacker or zstandard.ZstdDecompressor().decompressobj()
            if chunk := unpacker.decompress(data):
                yield chunk
            data = b""
            if unpacker.eof:
                data = unpacker.unused_data
                unpacker = None
    if unpacker is not None:
        raise EOFError


def _lines(name: str, chunks: Iterable[bytes]) -> Iterator[Line]:
    number = 0
    pending: list[bytes] = []  # joined once: a line longer than a chunk must not cost quadratic time
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        pending.append(first)
        if not rest:
            continue
        *complete, last = rest
        for raw in (b"".join(pending), *complete):
            number += 1
            if (line := _clean(raw, number)) is not None:
                yield Line(name, number, line)
        pending = [last]
    if (line := _clean(b"".join(pending), number + 1)) is not None:
        yield Line(name, number + 1, line)


def _clean(raw: bytes, number: int) -> bytes | None:
    if number == 1:
        raw = raw.removeprefix(_BOM)
    raw = raw.removesuffix(b"\r")
    return None if not raw or raw.isspace() else raw
