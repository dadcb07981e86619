"""What `replay` and `ingest` read: plain and compressed lines, odd files, broken files."""

import errno
import gzip
import io
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from replay import files
from replay.files import InputError, Line, MissingInputError, input_files, read_file, read_lines, total_bytes


def raws(path: Path) -> list[tuple[int, bytes]]:
    return [(line.number, line.raw) for line in read_lines(path)]


def test_directory_is_read_by_relative_path_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.jsonl").write_bytes(b"3\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"1\n"))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(b"2\n"))
    (tmp_path / "notes.txt").write_bytes(b"no\n")
    (tmp_path / "a.jsonl.bak").write_bytes(b"no\n")
    assert list(read_lines(tmp_path)) == [
        Line("a.jsonl.gz", 1, b"1"),
        Line("a.jsonl.zst", 1, b"2"),
        Line("b/x.jsonl", 1, b"3"),
    ]
    assert total_bytes(tmp_path) == sum(file.size for file in input_files(tmp_path)) > 4


def test_single_file_is_named_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_bytes(b"1\n2")
    assert list(read_lines(path)) == [Line("events.json", 1, b"1"), Line("events.json", 2, b"2")]


def test_name_that_is_no_utf8_can_be_written_and_stays_its_own(tmp_path: Path) -> None:
    for odd in (b"a\xfe.jsonl", b"a\xff.jsonl"):
        (tmp_path / os.fsdecode(odd)).write_bytes(b"1")
    assert [file.name.encode() for file in input_files(tmp_path)] == [b"a\\xfe.jsonl", b"a\\xff.jsonl"]
    assert [line.raw for line in read_lines(tmp_path)] == [b"1", b"1"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"a", [(1, b"a")]),
        (b"a\n", [(1, b"a")]),
        (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"a\n\n  \nb", [(1, b"a"), (4, b"b")]),
        (b"\xef\xbb\xbfa\nb", [(1, b"a"), (2, b"b")]),
        (b"\xef\xbb\xbf", []),
        (b"a\n\xef\xbb\xbfb", [(1, b"a"), (2, b"\xef\xbb\xbfb")]),
        (b"\xff\xfe\n", [(1, b"\xff\xfe")]),
    ],
)
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_odd_contents(tmp_path: Path, suffix: str, content: bytes, expected: list[tuple[int, bytes]]) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(_pack(suffix, content))
    assert raws(path) == expected


def _pack(suffix: str, content: bytes) -> bytes:
    if suffix.endswith(".gz"):
        return gzip.compress(content)
    return zstandard.compress(content) if suffix.endswith(".zst") else content


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_file_of_no_bytes_and_directory_without_events(tmp_path: Path, suffix: str) -> None:
    assert raws(tmp_path) == []
    (tmp_path / f"x{suffix}").touch()
    assert raws(tmp_path) == []


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_truncated_file_is_an_error_that_names_it(tmp_path: Path, suffix: str, keep: float) -> None:
    content = b"".join(b"%d\n" % (n * 7919) for n in range(20_000))
    packed = _pack(suffix, content)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(packed[: int(len(packed) * keep)])
    with pytest.raises(InputError, match=rf"cut{suffix}: truncated") as error:
        list(read_lines(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_corrupt_file_is_an_error_that_names_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(b'{"plain": "text"}\n')
    with pytest.raises(InputError, match=rf"bad{suffix}: corrupt"):
        list(read_lines(path))


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_members_and_frames_one_after_the_other(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(_pack(suffix, b"1\n2") + _pack(suffix, b"3\n") + _pack(suffix, b""))
    assert raws(path) == [(1, b"1"), (2, b"23")]


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        input_files(tmp_path / "none")


def test_directory_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "open" / "closed"
    closed.mkdir(parents=True)
    (tmp_path / "a.jsonl").write_bytes(b"1")

    def refusing(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def listed(where: Any = ".") -> Any:
            if str(where) == str(closed):
                raise PermissionError(errno.EACCES, "Permission denied", str(closed))
            return call(where)

        return listed

    # both ways to list a directory: root, as whom tests may run, may read them all
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    with pytest.raises(InputError, match=r"closed: Permission denied$"):
        input_files(tmp_path)


def test_links_to_directories_are_followed_and_each_directory_is_read_once(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "x.jsonl").write_bytes(b"1")
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "link").symlink_to(elsewhere)
    (inputs / "twice").symlink_to(elsewhere / "deep")
    (elsewhere / "deep" / "cycle").symlink_to(inputs)
    (inputs / "self").symlink_to("self")
    (inputs / "nowhere.jsonl").symlink_to(tmp_path / "none")
    assert [line.raw for line in read_lines(inputs)] == [b"1"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1\n2\n")))
    assert list(read_lines(Path("-"))) == [Line("-", 1, b"1"), Line("-", 2, b"2")]


def test_progress_counts_bytes_on_disk(tmp_path: Path) -> None:
    for suffix in files.SUFFIXES:
        (tmp_path / f"x{suffix}").write_bytes(_pack(suffix, b"1\n" * 1000))
    seen: list[int] = []
    assert len(list(read_lines(tmp_path, seen.append))) == 3000
    assert sum(seen) == total_bytes(tmp_path)


@given(st.binary(max_size=60), st.integers(1, 7))
def test_chunk_boundaries_change_nothing(content: bytes, size: int) -> None:
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    assert list(files._lines("x", chunks)) == list(files._lines("x", [content]))


def test_many_files_side_by_side_hold_little_of_each(tmp_path: Path) -> None:
    """As `ingest --speed` reads them; unpacked, a line of a sale is a tenth or less on disk."""
    words = [b"%d" % (number * 2_654_435_761 % 1_000_003) for number in range(400_000)]
    whole = b"\n".join(b'{"type":"chat.message","shop_id":"lining-hz","text":"' + word + b'"}' for word in words)
    (tmp_path / "in.jsonl.zst").write_bytes(zstandard.compress(whole))
    lines = read_file(input_files(tmp_path)[0])
    tracemalloc.start()
    next(lines)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < len(whole) / 3
