"""`make bench` runs, and its figures are there."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.throughput import DECODE

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(400)]


def test_every_part_is_measured_and_recovers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert main(["--buyers", "60", "--recovery-buyers", "60", "--runs", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    runs = figures["throughput"]
    assert len(runs) == 7
    assert all(run["records"] > 60 * 10 and run["seconds"] > 0 and run["cpu_seconds"] > 0 for [run] in runs.values())
    recovery = figures["recovery"]
    assert recovery["facts"] > 60 * 10
    assert len(recovery["with_local_copy"]) == len(recovery["from_kafka"]) == 1
    assert DECODE in capsys.readouterr().out
