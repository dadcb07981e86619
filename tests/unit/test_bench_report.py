"""A bench whose sections fail or succeed."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import profile, queries
from benchmarks.__main__ import main


def test_a_section_that_fails_is_said_and_left_as_it_was_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def profiled(*_: Any) -> Any:
        return {"worker": {"a": 3}, "replay": {"b": 4}}

    def fails(*_: Any) -> Any:
        raise ValueError("no samples")

    monkeypatch.setattr(queries, "measure", lambda *_: [])
    monkeypatch.setattr(profile, "measure", profiled)
    assert main(["--only", "profile", "--report", str(tmp_path)]) == 0
    monkeypatch.setattr(profile, "measure", fails)
    assert main(["--only", "profile", "queries", "--report", str(tmp_path)]) == 1
    assert "profile: not measured: ValueError: no samples" in capsys.readouterr().err
    figures = json.loads((tmp_path / "benchmarks.json").read_text())
    assert figures["profile"] == profiled()
    assert figures["queries"] == []
