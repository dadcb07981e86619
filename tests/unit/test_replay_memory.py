"""`replay --engine memory` and its files; what the figures mean is in test_contract_*.py."""

import json
import os
from pathlib import Path

import orjson
import pytest
from test_partition import T0, message

from deploy import cli
from processors.ruleset import default_book
from replay.files import InputError, MissingInputError
from replay.memory import replay

BOOK = default_book()
SALE = b"\n".join(orjson.dumps(message(n, T0 + n * 1000, "不行", "agent" if n % 2 else "buyer")) for n in range(6))


def results(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in out.iterdir() if file.suffix == ".jsonl"}


@pytest.mark.parametrize("out", ["in", "in/deeper", "."])
def test_results_inside_or_around_the_input_are_not_read_as_events(tmp_path: Path, out: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "sale.jsonl").write_bytes(SALE)
    first = replay(source, tmp_path / out, BOOK)
    assert first["events"] == 6
    before = (tmp_path / out / "flags.jsonl").read_bytes()
    assert replay(source, tmp_path / out, BOOK) | {"seconds": 0} == first | {"seconds": 0}
    assert (tmp_path / out / "flags.jsonl").read_bytes() == before != b""


def test_a_directory_without_events_gives_empty_files_and_a_summary_of_zeros(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    summary = replay(tmp_path / "in", tmp_path / "out", BOOK)
    assert (summary["events"], summary["accepted"], summary["rejected"], summary["call_tasks"]) == (0, 0, 0, 0)
    assert set(results(tmp_path / "out").values()) == {b""}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary


def test_an_input_that_ends_too_early_leaves_earlier_results_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sale.jsonl").write_bytes(SALE)
    replay(tmp_path / "in", tmp_path / "out", BOOK)
    before = results(tmp_path / "out")
    (tmp_path / "in" / "broken.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00")
    with pytest.raises(InputError, match=r"broken\.jsonl\.gz"):
        replay(tmp_path / "in", tmp_path / "out", BOOK)
    assert results(tmp_path / "out") == before


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nowhere"):
        replay(tmp_path / "nowhere", tmp_path / "out", BOOK)


def test_a_conflict_rejects_every_line_that_does_not_count(tmp_path: Path) -> None:
    lines = [message(1, T0 + 1, "后来"), message(1, T0, "先来"), message(1, T0 + 1, "后来"), message(1, T0, "先来")]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    summary = replay(tmp_path / "in.jsonl", tmp_path / "out", BOOK)
    assert [summary[name] for name in ("events", "accepted", "duplicates", "rejected")] == [4, 1, 1, 2]
    rejected = [orjson.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_bytes().splitlines()]
    assert [(row["reason"], row["file"], row["line"]) for row in rejected] == [
        ("conflict", "in.jsonl", 1),
        ("conflict", "in.jsonl", 3),
    ]


def test_rows_that_only_partly_took_the_place_of_others_have_no_summary(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(SALE)
    out = tmp_path / "out"
    replay(tmp_path / "in.jsonl", out, BOOK)
    (out / "rejected.jsonl").unlink()
    (out / "rejected.jsonl" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="rejected"):
        replay(tmp_path / "in.jsonl", out, BOOK)
    assert not (out / "summary.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sale.jsonl.gz").write_bytes(b"damaged, and not reached")
    (tmp_path / "closed").mkdir(mode=0o500)
    out = tmp_path / "closed" / "deep" / "out"
    assert cli.run(["replay", str(tmp_path / "sale.jsonl.gz"), "--out", str(out)]) == 1
    assert capsys.readouterr().err == f"zhengdian: {out}: {tmp_path / 'closed'} can't be written to\n"
