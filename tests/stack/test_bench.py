"""`make bench` runs, and its figures are there."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.sheets import Bar, Sheet, chart
from benchmarks.throughput import DECODE

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(400)]


def test_every_part_is_measured_and_recovers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, only = tmp_path / "figures.json", ["--only", "throughput", "recovery"]
    sizes = ["--buyers", "60", "--recovery-buyers", "60", "--runs", "1"]
    assert main([*sizes, *only, "--json", str(file), "--report", str(tmp_path / "docs")]) == 0
    figures = json.loads(file.read_text())
    runs = figures["throughput"]
    assert len(runs) == 7
    assert all(run["records"] > 60 * 10 and run["seconds"] > 0 and run["cpu_seconds"] > 0 for [run] in runs.values())
    recovery = figures["recovery"]
    assert recovery["facts"] > 60 * 10
    assert len(recovery["with_local_copy"]) == len(recovery["from_kafka"]) == 1
    report = (tmp_path / "docs" / "benchmarks.md").read_text()
    for text in (capsys.readouterr().out, report):
        assert DECODE in text
        assert "its local copy" in text
    assert not (tmp_path / "docs" / "benchmarks.svg").exists()


def test_a_sheet_as_markdown_has_a_line_for_each_row() -> None:
    sheet = Sheet("t", ("what", "n"), [("a|b", "1"), ("c", "2")], "note")
    assert sheet.markdown() == "**t**\n\n| what | n |\n|---|---:|\n| a\\|b | 1 |\n| c | 2 |\n\nnote\n"


def test_bars_are_as_long_as_their_figures_say() -> None:
    drawn = chart("a & b", "/s", [Bar("<x>", 100.0, 80.0, 200.0, True), Bar("y", 50.0, 50.0, 50.0, False)])
    root = ElementTree.fromstring(drawn)
    svg = "{http://www.w3.org/2000/svg}"
    long, short = (float(bar.attrib["width"]) for bar in root.findall(f"{svg}rect")[1:])
    assert long == pytest.approx(short * 2)
    assert {text.text for text in root.iter(f"{svg}text")} >= {"a & b", "<x>", "100 /s", "50 /s"}
