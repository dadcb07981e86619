"""Which directories are archives, and which of their files are input."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from replay.archive.manifest import (
    MANIFEST,
    PART_NAME,
    PROGRESS,
    ArchiveError,
    ArchiveFile,
    ArchiveManifest,
    file_sha256,
)


def archives_among(files: Sequence[Path]) -> Iterator[Path]:
    """The directories of those files that hold an archive, finished or not. Raises OSError."""
    for name in (MANIFEST, PROGRESS):
        for file in files:
            # a directory with both is given once
            if file.name == name and (name == MANIFEST or not (file.parent / MANIFEST).exists()) and _is_ours(file):
                yield file.parent
    # files of an archive without either: a copy that ended too early
    parts = {file.parent for file in files if PART_NAME.fullmatch(file.name)}
    yield from sorted(part for part in parts if not (part / MANIFEST).exists() and not (part / PROGRESS).exists())


def listed_files(directory: Path) -> list[ArchiveFile]:
    """The files of an archive, every one there and of its length.

    Raises ArchiveError naming the file that is missing, truncated or damaged, or the archive that is unfinished.
    """
    if not (directory / MANIFEST).exists():
        raise ArchiveError(
            f"{directory}: an unfinished archive, it has no {MANIFEST}; run the same zhengdian archive command again to "
            "finish it, or copy it whole"
        )
    files = ArchiveManifest.read(directory / MANIFEST).files
    for file in files:
        path = directory / file.name
        if not path.is_file():
            raise ArchiveError(
                f"{path}: missing, the archive's manifest lists it; restore it or make the archive again"
            )
        if (size := path.stat().st_size) != file.bytes:
            what = "truncated" if size < file.bytes else "damaged"
            raise ArchiveError(
                f"{path}: {what}, it has {size} of {file.bytes} bytes; restore it or make the archive again"
            )
    return files


def check_sum(path: Path, sha256: str) -> None:
    """Raises ArchiveError naming the file when its bytes are not those that were written, and OSError."""
    if file_sha256(path) != sha256:
        raise ArchiveError(f"{path}: damaged, its checksum differs; restore it or make the archive again")


def _is_ours(file: Path) -> bool:
    """Whether a manifest is an archive's; one that can't be read is when it lies among an archive's files."""
    try:
        content = orjson.loads(file.read_bytes())
        if isinstance(content, dict) and str(content.get("format", "")).startswith("zhengdian-archive"):
            return True
    except ValueError:
        pass
    return any(PART_NAME.fullmatch(other.name) for other in file.parent.iterdir())
