"""Reads the files of one result (contract §5) and says where they are broken."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from replay.diff.model import Row, Side, Table
from replay.files import printable
from schemas.types import parse_time

instant = lru_cache(maxsize=65_536)(parse_time)
"""RFC 3339 text -> ms; starts of windows and hours come again and again. Raises ValueError."""


class ResultError(Exception):
    """A result that can't be read. One line that names the file."""


class NoResultError(ResultError):
    """The path given is no directory."""


def read_side(path: Path) -> tuple[Side, Row]:
    """The result's summary, as the start of its Side and as it is."""
    if not path.is_dir():
        raise NoResultError(f"{path}: {'not a directory' if path.exists() else 'no such directory'}")
    file = path / "summary.json"
    try:
        summary = orjson.loads(file.read_bytes())
    except OSError as error:
        raise ResultError(f"{file}: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise ResultError(f"{file}: not JSON, {error}") from None
    if not isinstance(summary, dict):
        raise ResultError(f"{file}: not a JSON object")
    events, accepted, duplicates = (_count(file, summary, name) for name in ("events", "accepted", "duplicates"))
    return Side(printable(path), events, accepted, duplicates), summary


def _count(file: Path, summary: Row, name: str) -> int | None:
    value = summary.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise ResultError(f"{file}: {name} is not a count")
    return value


def read_rows(path: Path, table: Table) -> Iterator[Row]:
    """The rows of one table, as they stand in its file."""
    file = path / f"{table.name}.jsonl"
    texts = [name for name in {*table.key, *table.texts} if name != "window_seconds"]
    for number, row in _objects(file):
        for name in texts:
            if not isinstance(row.get(name), str):
                raise ResultError(f"{file}:{number}: {name} is missing or not a text")
        for name in table.times:
            value = row.get(name)
            try:
                if value is not None:
                    instant(value)
            except (ValueError, TypeError) as error:
                raise ResultError(f"{file}:{number}: {name}: {error}") from None
        if not isinstance(row.get("evidence", {}), dict):
            raise ResultError(f"{file}:{number}: evidence is not an object")
        if "window_seconds" in table.key and not isinstance(row.get("window_seconds"), int):
            raise ResultError(f"{file}:{number}: window_seconds is missing or not a whole number")
        if not isinstance(row.get("rank"), int | None):
            raise ResultError(f"{file}:{number}: rank is not a whole number")
        yield row


def read_rejected(path: Path) -> Iterator[str]:
    """The reasons of what was rejected, one a record."""
    file = path / "rejected.jsonl"
    for number, row in _objects(file):
        if not isinstance(row.get("reason"), str):
            raise ResultError(f"{file}:{number}: reason is missing or not a text")
        yield row["reason"]


def _objects(file: Path) -> Iterator[tuple[int, Row]]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row: Any = orjson.loads(line)
                except orjson.JSONDecodeError:
                    row = None
                if not isinstance(row, dict):
                    raise ResultError(f"{file}:{number}: not a JSON object; the file is cut off or damaged")
                yield number, row
    except OSError as error:
        raise ResultError(f"{file}: {error.strerror or error}") from None


def check_count(path: Path, name: str, found: int, said: Any) -> None:
    """A file that was cut off at the end of a line has fewer rows than the summary says. Raises ResultError."""
    if said is not None and said != found:
        raise ResultError(f"{path / name}.jsonl: {found} rows, but summary.json counts {said}")
