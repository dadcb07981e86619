"""The local copy of the state: an extra that must never cost more than itself."""

import time
from pathlib import Path

import pytest

from streams.state import LocalCopy

FIRST = [(b"a", b"1"), (b"b", b"2")]


def test_what_was_stored_is_loaded(tmp_path: Path) -> None:
    copy = LocalCopy(tmp_path)
    copy.store(0, FIRST, 7)
    copy.store(0, [(b"a", None), (b"c", b"3")], 9)
    copy.keep_only(())
    again = LocalCopy(tmp_path)
    state, mark = again.load(0) or pytest.fail("nothing of use")
    assert state == {b"b": b"2", b"c": b"3"}
    assert (mark.offset, mark.key) == (9, b"c")
    assert again.mark(0) == mark
    assert again.partitions() == [0]


def test_a_copy_that_can_not_be_written_is_given_up_for_good(tmp_path: Path) -> None:
    copy = LocalCopy(tmp_path)
    copy.store(0, FIRST, 7)
    copy._open[0].close()  # from here on every write fails, as on a full disk
    copy.store(0, [(b"c", b"3")], 8)
    copy.store(0, [(b"d", b"4")], 9)  # would make a copy without c
    assert copy.load(0) is None
    copy.keep_only(())
    assert LocalCopy(tmp_path).load(0) is None


@pytest.mark.parametrize("kept", [0, 10], ids=["emptied", "cut"])
def test_a_damaged_copy_is_no_copy(tmp_path: Path, kept: int) -> None:
    copy = LocalCopy(tmp_path)
    copy.store(0, [(b"%d" % number, b"x" * 100) for number in range(1000)], 999)
    copy.keep_only(())
    for file in (tmp_path / "state-0").iterdir():
        if file.name.startswith("MANIFEST") or file.suffix in (".sst", ".log"):
            file.write_bytes(file.read_bytes()[:kept])
    copy = LocalCopy(tmp_path)
    assert copy.load(0) is None
    copy.discard(0)  # as the reader of the topic does before it reads from the beginning
    copy.store(0, FIRST, 1)
    copy.keep_only(())
    state, mark = LocalCopy(tmp_path).load(0) or pytest.fail("nothing of use")
    assert (state, mark.offset, mark.key) == (dict(FIRST), 1, b"b")


def test_a_directory_that_can_not_be_made_is_no_copy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    copy = LocalCopy(tmp_path / "file" / "below")
    assert copy.partitions() == LocalCopy(None).partitions() == []
    assert copy.load(0) is None
    assert copy.mark(0) is None
    copy.store(0, FIRST, 7)
    assert copy.load(0) is None


def test_a_copy_written_in_the_future_is_of_unknown_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for ahead, found in ((0, True), (-13 * 3600, False), (30 * 3600, False)):
        copy = LocalCopy(tmp_path)
        monkeypatch.setattr(time, "time", lambda ahead=ahead: now + ahead)
        copy.store(0, FIRST, 7)
        monkeypatch.setattr(time, "time", lambda: now + 1)
        assert (copy.load(0) is not None) == (copy.mark(0) is not None) == found
        copy.keep_only(())
