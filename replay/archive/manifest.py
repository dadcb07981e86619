"""What an archive says of itself: the manifest of a finished one, the progress of an unfinished one.

Both files carry a checksum over themselves and appear whole or not at all.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Any, Final, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.topics import TOPICS

MANIFEST: Final = "manifest.json"
PROGRESS: Final = "progress.json"
VERSION: Final = 1
REJECTED_STEM: Final = "rejected"
EVENT_TOPICS: Final = tuple(topic.name for topic in TOPICS if topic.kind in ("source", "reference", "command"))
PART_NAME: Final = re.compile(
    rf"(?:(?:{'|'.join(map(re.escape, EVENT_TOPICS))})-[0-9]{{5,}}\.jsonl|{REJECTED_STEM}-[0-9]{{5,}})\.zst"
)
_CHUNK: Final = 1 << 20

SourceName = Literal["kafka", "clickhouse"]


class ArchiveError(Exception):
    """An archive that can't be read or continued. One line that names the file and says what to do."""


class ArchiveFile(BaseModel):
    """One file of an archive: a zstd frame of lines. The rows of `rejected` files are no events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{PART_NAME.pattern}$")
    role: Literal["events", "rejected"]
    lines: int
    bytes: int = Field(description="on disk")
    uncompressed_bytes: int
    sha256: str = Field(description="of the bytes on disk")


class ArchiveRange(BaseModel):
    """What was asked for: [start, end) by the events' own time, RFC 3339; None: no bound.

    Reference events are in whatever their time, commands from `start` on without an end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str | None
    end: str | None


class ArchiveOptions(BaseModel):
    """What has to stay the same when an unfinished archive is continued."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SourceName
    range: ArchiveRange
    topic_prefix: str = Field(description="kafka: what the topics' names began with")
    database: str = Field(description="clickhouse: the database; empty for kafka")
    origin: str = Field(
        "",
        description="kafka: the cluster's id, of one that tells none its brokers; clickhouse: the server's host:port, or the "
        "directory of the embedded one",
    )
    part_bytes: int = Field(description="uncompressed bytes between two checkpoints")


class ArchiveCounts(BaseModel):
    """What is in the files: events by topic and type, rejected records by reason."""

    model_config = ConfigDict(extra="forbid")

    events: dict[str, dict[str, int]] = {}
    rejected: dict[str, int] = {}
    first_time: str | None = Field(None, description="of all events but reference ones, RFC 3339 in UTC")
    last_time: str | None = None


class _Sealed(BaseModel):
    """A JSON file with a checksum over the rest of it."""

    model_config = ConfigDict(extra="forbid")

    def write(self, path: Path) -> None:
        """Write it whole or not at all, and wait until it is on disk. Raises OSError."""
        content = self.model_dump(mode="json")
        content["sha256"] = _seal(content)
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(_written(content))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file's content. Raises ArchiveError for a damaged one, or one of a version to come."""
        try:
            raw = path.read_bytes()
            content = orjson.loads(raw)
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror or error}") from error
        except ValueError:
            raise ArchiveError(f"{path}: damaged, it is no JSON; {_AGAIN}") from None
        if not isinstance(content, dict):
            raise ArchiveError(f"{path}: damaged, it is no JSON object; {_AGAIN}")
        if isinstance(version := content.get("version"), int) and version > VERSION:
            raise ArchiveError(f"{path}: format version {version} is newer than this program's, {VERSION}; upgrade it")
        # the bytes too: a cut at the last line end leaves the content whole
        if raw != _written(content) or content.pop("sha256", None) != _seal(content):
            raise ArchiveError(f"{path}: damaged, its checksum differs; {_AGAIN}")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ArchiveError(f"{path}: {field}: {first['msg']}; {_AGAIN}") from None


class ArchiveManifest(_Sealed):
    """`manifest.json` of a finished archive; it is written last."""

    format: Literal["zhengdian-archive"] = "zhengdian-archive"
    version: int = VERSION
    created_at: str = Field(description="when the archive was begun, RFC 3339 in UTC")
    options: ArchiveOptions
    read_to: dict[str, Any] = Field(description="the source's own words for where it ended when the archive was begun")
    counts: ArchiveCounts
    rulesets: list[str] = Field(description="name@version of each version in force when the archive was finished")
    program: str = Field(description="version of the program")
    event_schemas: str = Field(description="sha256 over the JSON Schemas of all event types")
    files: list[ArchiveFile]


class ArchiveProgress(_Sealed):
    """`progress.json` of an unfinished archive: the files that are done, and how far the source was read for them."""

    format: Literal["zhengdian-archive-progress"] = "zhengdian-archive-progress"
    version: int = VERSION
    created_at: str
    options: ArchiveOptions
    read_to: dict[str, Any]
    position: list[Any] | None = Field(
        None, description="the source's own words for where to go on; None: the beginning"
    )
    done: int = Field(0, description="records read up to there")
    counts: ArchiveCounts
    files: list[ArchiveFile] = []


def file_sha256(path: Path) -> str:
    """The checksum of a file's bytes. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_AGAIN: Final = "make the archive again in an empty directory"


def _written(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
