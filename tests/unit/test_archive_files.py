"""Archives: what goes in comes out, damage is refused by name, and a killed run goes on to the same bytes."""

import resource
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy import cli
from processors.ruleset import default_book
from replay.archive.manifest import (
    EVENT_TOPICS,
    MANIFEST,
    PROGRESS,
    ArchiveError,
    ArchiveManifest,
    ArchiveOptions,
    ArchiveProgress,
    ArchiveRange,
)
from replay.archive.selection import Selection
from replay.archive.writer import (
    ArchivedEvent,
    ArchivedRejection,
    ArchiveUseError,
    Entry,
    Step,
    as_line,
    write_archive,
)
from replay.files import InputError, input_files, read_file, read_lines, total_bytes
from replay.ingest import files_of
from replay.memory import replay
from schemas.events import InvalidEventError, parse_event
from schemas.rejections import rejection
from schemas.topics import CHAT, COMMANDS, REFERENCE
from schemas.types import format_time

NOON = 1_762_833_600_000
WHOLE = ArchiveRange(start=None, end=None)


class KilledError(Exception):
    """Stands for the end of the process."""


class Listed:
    """A source of entries given beforehand; positions are indexes. It may be killed before an entry."""

    def __init__(self, entries: list[Entry | None], killed_at: int | None = None) -> None:
        self.entries = entries
        self.killed_at = killed_at
        self.asked: list[Any] = []

    def plan(self) -> dict[str, Any]:
        return {"end": len(self.entries)}

    def size(self, plan: dict[str, Any]) -> int:
        return len(self.entries)

    def read(self, plan: dict[str, Any], position: list[Any] | None) -> Iterator[Step]:
        self.asked.append(position)
        start = 0 if position is None else position[0]
        for index in range(start, plan["end"]):
            if index == self.killed_at:
                raise KilledError
            yield self.entries[index], [index + 1]


def options(part_bytes: int = 200, **changes: Any) -> ArchiveOptions:
    given: dict[str, Any] = {"source": "kafka", "range": WHOLE, "topic_prefix": "", "database": "", **changes}
    return ArchiveOptions(part_bytes=part_bytes, **given)


def make(out: Path, entries: list[Entry | None], part_bytes: int = 200) -> ArchiveManifest:
    return write_archive(out, options(part_bytes), Listed(entries), ["default@1"])


def message(number: int, time: int | None = None, text: str = "在吗") -> ArchivedEvent:
    at = NOON + number * 1000 if time is None else time
    data = {"shop_id": "s", "buyer_id": f"b{number % 3}", "agent_id": "a", "sender": "buyer", "text": text}
    event = {"specversion": "1.0", "id": f"m{number}", "source": "t", "type": "chat.message", "time": format_time(at)}
    return ArchivedEvent(CHAT, "chat.message", at, orjson.dumps(event | {"data": data}))


def some(count: int = 12) -> list[Entry | None]:
    """Events of three topics, rejected ones, and records that were not asked for."""
    entries: list[Entry | None] = []
    for number in range(count):
        entries.append(message(number))
        if number % 3 == 0:
            entries.append(ArchivedRejection(rejection("not_json", "no", b"\xff%d" % number, topic=CHAT)))
        if number % 4 == 0:
            entries.append(message(number + 100)._replace(topic=COMMANDS, type="qc.claimed"))
        if number % 5 == 0:
            entries.append(None)
    return entries


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != MANIFEST}


raws = st.one_of(
    st.binary(min_size=1, max_size=40).filter(lambda raw: not raw.isspace()),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3).map(orjson.dumps),
)
entries = st.lists(
    st.one_of(
        st.builds(
            ArchivedEvent,
            topic=st.sampled_from(EVENT_TOPICS),
            type=st.just("t"),
            time=st.integers(NOON, NOON + 9),
            raw=st.one_of(
                st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3).map(orjson.dumps),
                st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(
                    lambda value: orjson.dumps(str(value)).replace(b" ", b"\r\n")
                ),
            ),
        ),
        st.builds(
            lambda raw: ArchivedRejection(rejection("invalid", "e", raw)),
            raws,
        ),
        st.none(),
    ),
    max_size=30,
)


@given(entries, st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_what_goes_in_comes_out_sorted_by_time_within_each_file(
    tmp_path_factory: pytest.TempPathFactory, given_entries: list[Entry | None], part_bytes: int
) -> None:
    out = tmp_path_factory.mktemp("archive") / "a.zst"
    manifest = make(out, given_entries, part_bytes)
    events = [entry for entry in given_entries if isinstance(entry, ArchivedEvent)]
    rejected = [entry.row for entry in given_entries if isinstance(entry, ArchivedRejection)]
    assert Counter(line.raw for line in read_lines(out)) == Counter(as_line(event.raw) for event in events)
    by_topic = Counter(event.topic for event in events)
    assert {topic: sum(types.values()) for topic, types in manifest.counts.events.items()} == by_topic
    assert manifest.counts.rejected == ({"invalid": len(rejected)} if rejected else {})
    aside = b"".join(
        zstandard.ZstdDecompressor().decompressobj().decompress((out / file.name).read_bytes())
        for file in manifest.files
        if file.role == "rejected"
    )
    assert [orjson.loads(line) for line in aside.splitlines()] == rejected
    times = {as_line(event.raw): event.time for event in events}
    if len(times) == len(events):
        for file in input_files(out):
            found = [times[line.raw] for line in read_lines(file.path)]
            assert found == sorted(found)
    assert ArchiveManifest.read(out / MANIFEST) == manifest


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_an_event_of_many_lines_says_the_same_on_one(value: Any) -> None:
    import json

    pretty = json.dumps(value, indent=1).replace("\n", "\r\n").encode()
    assert b"\n" not in as_line(pretty)
    assert json.loads(as_line(pretty)) == json.loads(pretty)


def test_line_ends_inside_a_text_make_no_event_so_none_is_ever_changed() -> None:
    raw = message(1, text="a?b").raw
    for end in (b"\n", b"\r"):
        with pytest.raises(InvalidEventError):
            parse_event(raw.replace(b"?", end))


def test_a_run_killed_before_any_record_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    manifest = make(whole, some())
    assert len(manifest.files) > 6
    resumed_later = 0
    for killed_at in range(len(some())):
        out = tmp_path / f"killed-{killed_at}"
        with pytest.raises(KilledError):
            write_archive(out, options(), Listed(some(), killed_at), [])
        with pytest.raises(InputError, match="unfinished"):
            input_files(out)
        # what a kill in the middle of a checkpoint leaves behind
        (out / f"{CHAT}-09999.jsonl.zst").write_bytes(b"half")
        again = Listed(some())
        finished = write_archive(out, options(), again, ["default@1"])
        resumed_later += again.asked != [None]
        assert content(out) == content(whole)
        assert finished.model_copy(update={"created_at": ""}) == manifest.model_copy(update={"created_at": ""})
    assert resumed_later > len(some()) // 2


def test_an_archive_that_is_killed_again_and_again_is_finished_in_the_end(tmp_path: Path) -> None:
    make(tmp_path / "whole", some())
    killed = 0
    for at in range(3, len(some()) + 1):
        try:
            write_archive(tmp_path / "out", options(), Listed(some(), at), [])
        except KilledError:
            killed += 1
    assert killed == len(some()) - 3
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_full_disk_is_an_error_after_which_it_goes_on(tmp_path: Path) -> None:
    make(tmp_path / "whole", some(40), 20_000)
    largest = max(path.stat().st_size for path in (tmp_path / "whole").glob("*.zst"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            make(tmp_path / "out", some(40), 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out" / MANIFEST).exists()
    make(tmp_path / "out", some(40), 20_000)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--from", "2025-11-11T00:00:00"), 2, "--from: has no offset"),
        (("--to", "today"), 2, "--to: is not RFC 3339"),
        (
            ("--from", "2025-11-12T00:00:00Z", "--to", "2025-11-12T08:00:00+08:00"),
            2,
            "--from must be earlier than --to",
        ),
        (("--source", "paper"), 2, "--source"),
        (("--wait", "0"), 1, "no broker answers at 127.0.0.1:1 "),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    args: tuple[str, ...],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert cli.run(["archive", str(tmp_path / "out"), *args]) == code
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    assert cli.run(["archive", str(tmp_path / "file")]) == 2
    assert "file: not a directory" in capsys.readouterr().err


def test_replay_and_ingest_refuse_a_damaged_archive_and_write_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(archive, tmp_path / "11-11.zst")
    part = sorted((tmp_path / "11-11.zst").glob("*.jsonl.zst"))[0]
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)
    assert cli.run(["replay", str(tmp_path / "11-11.zst"), "--out", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert f"{part}: damaged" in err
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "out").exists()
    part.unlink()
    monkeypatch.setenv("ZHENGDIAN_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert cli.run(["ingest", str(tmp_path / "11-11.zst")]) == 1
    assert f"{part}: missing" in capsys.readouterr().err


def test_a_kept_file_that_changed_is_not_built_upon(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        write_archive(tmp_path / "out", options(), Listed(some(), 8), [])
    first = ArchiveProgress.read(tmp_path / "out" / PROGRESS).files[0].name
    (tmp_path / "out" / first).write_bytes(b"other")
    with pytest.raises(ArchiveError, match=rf"{first}: missing or changed"):
        make(tmp_path / "out", some())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"range": ArchiveRange(start="2025-11-11T00:00:00+00:00", end=None)}, "range"),
        ({"source": "clickhouse"}, "source"),
        ({"topic_prefix": "x."}, "topic_prefix"),
        ({"database": "other"}, "database"),
        ({"origin": "another-cluster"}, "origin"),
        ({"part_bytes": 7}, "part_bytes"),
    ],
)
def test_it_goes_on_with_the_same_options_only(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(KilledError):
        write_archive(tmp_path, options(), Listed(some(), 8), [])
    with pytest.raises(ArchiveUseError, match=f"another {word};"):
        write_archive(tmp_path, options(**changes), Listed(some()), [])


def test_out_must_be_empty_or_an_archive_under_way(tmp_path: Path) -> None:
    make(tmp_path / "out", some())
    with pytest.raises(ArchiveUseError, match="already finished"):
        make(tmp_path / "out", some())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(ArchiveUseError, match="not empty"):
        make(tmp_path / "other", some())


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    class Meanwhile(Listed):
        def read(self, plan: dict[str, Any], position: list[Any] | None) -> Iterator[Step]:
            with pytest.raises(ArchiveUseError, match="another zhengdian archive"):
                make(tmp_path, some())
            yield from super().read(plan, position)

    write_archive(tmp_path, options(), Meanwhile(some()), [])
    assert len(list(read_lines(tmp_path))) == 15


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "a"
    make(out, some(40), 2000)
    return out


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_byte_flipped_or_cut_off_is_refused_with_the_files_name(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(path.name for path in archive.iterdir() if "rejected" not in path.name)))
    raw = bytearray((archive / name).read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[at:]
    broken = tmp_path_factory.mktemp("broken") / "a"
    shutil.copytree(archive, broken)
    (broken / name).write_bytes(raw)
    taken: list[str] = []
    with pytest.raises(InputError) as error:
        taken.extend(line.file for line in read_lines(broken))
    assert str(broken / name) in str(error.value)
    assert "\n" not in str(error.value)
    assert name not in taken


def test_a_manifest_cut_at_its_last_line_end_is_refused(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "a")
    manifest = tmp_path / "a" / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"{MANIFEST}: damaged"):
        input_files(tmp_path / "a")


def test_a_missing_file_is_refused_before_anything_is_read(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "a")
    last = sorted((tmp_path / "a").glob("*.jsonl.zst"))[-1]
    last.unlink()
    with pytest.raises(InputError, match=f"{last.name}: missing"):
        input_files(tmp_path / "a")


def test_a_copy_that_lacks_the_manifest_is_refused_also_among_other_inputs(archive: Path, tmp_path: Path) -> None:
    copied = tmp_path / "in" / "copied"
    shutil.copytree(archive, copied)
    (copied / MANIFEST).unlink()
    (tmp_path / "in" / "more.jsonl").write_bytes(b"1\n")
    for path in (copied, tmp_path / "in"):
        with pytest.raises(InputError, match=rf"copied: an unfinished archive, it has no {MANIFEST}"):
            input_files(path)
    part = next(copied.glob("*.jsonl.zst"))
    assert [file.path for file in input_files(part)] == [part], "one file that is named is taken as it is"


def test_rejected_files_are_input_of_a_replay_alone(archive: Path, tmp_path: Path) -> None:
    assert not any(file.rejected for file in input_files(archive))
    rejected = next(file for file in input_files(archive, rejected=True) if file.rejected)
    assert rejected.name == "rejected-00001.zst"
    assert all(line.rejected for line in read_file(rejected))
    shutil.copytree(archive, tmp_path / "a")
    damaged = tmp_path / "a" / rejected.name
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match=r"rejected-00001.zst: damaged"):
        replay(tmp_path / "a", tmp_path / "out", default_book())
    (tmp_path / "a" / "rejected-00001.zst").write_bytes(b"")
    with pytest.raises(InputError, match=r"rejected-00001.zst: truncated"):
        input_files(tmp_path / "a")


def test_a_replay_has_what_the_live_run_rejected_each_once_in_the_order_of_an_export(tmp_path: Path) -> None:
    rows = [
        rejection("conflict", "id: differs", b"{}", topic=CHAT, partition=1, offset=3),
        rejection("not_json", "event: is no JSON", b"\xff", topic=CHAT, partition=0, offset=12),
        rejection("invalid", "time: is missing", b"{}", file="b.jsonl", line=2),
        rejection("not_json", "event: is no JSON", b"x", file="a.jsonl", line=10),
        rejection("wrong_key", "key: must be 's|b'", b"{}", topic=COMMANDS, partition=0, offset=0),
    ]
    make(tmp_path / "a", [ArchivedRejection(row) for row in (*rows, *rows[2:4])], 2000)
    summary = replay(tmp_path / "a", tmp_path / "out", default_book())
    assert (summary["events"], summary["rejected"], summary["duplicates"]) == (7, 5, 2)
    replayed = [orjson.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_bytes().splitlines()]
    assert replayed == [rows[4], rows[1], rows[0], rows[3], rows[2]]


def test_an_archive_lies_among_other_inputs(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "in" / "old" / "a")
    (tmp_path / "in" / "more.jsonl").write_bytes(b"1\n")
    names = [file.name for file in input_files(tmp_path / "in")]
    assert names[0] == "more.jsonl"
    assert names[1:] == [f"old/a/{file.name}" for file in input_files(archive)]
    assert total_bytes(tmp_path / "in") == sum(file.size for file in input_files(tmp_path / "in"))
    assert all(file.sha256 for file in files_of([archive]))


@pytest.mark.parametrize("name", ["more.jsonl", "more.jsonl.gz", f"{CHAT}-09999.jsonl.zst"])
def test_what_lies_beside_an_archives_files_is_neither_read_nor_passed_over(
    archive: Path, tmp_path: Path, name: str
) -> None:
    directory = tmp_path / "in" / "a"
    shutil.copytree(archive, directory)
    (directory / "notes.txt").touch()
    (directory / "results").mkdir()
    (directory / "results" / "flags.jsonl").write_bytes(b"")
    below = {file.name for file in input_files(tmp_path / "in")}
    assert below == {f"a/{file.name}" for file in input_files(archive)} | {"a/results/flags.jsonl"}
    (directory / name).write_bytes(b"1\n")
    with pytest.raises(InputError, match=rf"a/{name}: not in the archive's manifest; take it out"):
        input_files(tmp_path / "in")


@pytest.mark.parametrize("content", [b'{"name": "a web page"}', b"no json", b"[]"])
def test_manifest_json_of_somebody_else_changes_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    (tmp_path / "part-00001.jsonl.zst").write_bytes(zstandard.compress(b"1\n"))
    assert [line.raw for line in read_lines(tmp_path)] == [b"1"]


def test_a_manifest_of_a_version_to_come_is_refused(archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "a")
    manifest = orjson.loads((archive / MANIFEST).read_bytes())
    (tmp_path / "a" / MANIFEST).write_bytes(orjson.dumps(manifest | {"version": 2}))
    with pytest.raises(InputError, match=r"manifest.json: format version 2 is newer"):
        input_files(tmp_path / "a")


def test_a_file_that_only_ends_in_zst_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "11-11.zst").write_bytes(zstandard.compress(b"1\n2\n"))
    assert [line.raw for line in read_lines(tmp_path / "11-11.zst")] == [b"1", b"2"]


def test_range_bounds_events_reference_is_always_in_and_commands_have_no_end() -> None:
    chosen = Selection(NOON, NOON + 10)
    assert [chosen.holds(CHAT, NOON + at) for at in (-1, 0, 9, 10)] == [False, True, True, False]
    assert [chosen.holds(COMMANDS, NOON + at) for at in (-1, 0, 10)] == [False, True, True]
    assert chosen.holds(REFERENCE, NOON - 10**9)
    assert Selection().holds(CHAT, 0)


def test_a_rejected_record_is_chosen_by_its_time_as_far_as_it_has_one() -> None:
    chosen = Selection(NOON, NOON + 10)
    dated = [orjson.dumps({"time": format_time(NOON + at)}) for at in (-1, 0, 10)]
    assert [chosen.holds_rejected(CHAT, raw) for raw in dated] == [False, True, False]
    assert all(chosen.holds_rejected(CHAT, raw) for raw in (b"", b"\xff", b"[]", b"{}", b'{"time": 1}', b'"x"'))


@pytest.mark.parametrize("ahead", [-1, 0, 1])
def test_a_record_is_passed_over_only_when_no_event_of_the_range_can_be_in_it(ahead: int) -> None:
    chosen = Selection(NOON, NOON + 10)
    assert chosen.written_too_early(CHAT, NOON - 3_600_000 + ahead) == (ahead < 0)
    assert not chosen.written_too_early(REFERENCE, 1)
    assert not chosen.written_too_early(CHAT, None)
    assert not chosen.written_too_early(CHAT, -1)
    assert not Selection().written_too_early(CHAT, 1)
