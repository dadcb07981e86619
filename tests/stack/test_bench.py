"""`make bench` runs, and its figures are there."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import growth, world
from benchmarks.__main__ import main
from benchmarks.peers.run import FETCHING
from benchmarks.queries import EMBEDDED, QUESTIONS, SERVER, WITHOUT_ROWS, Asked
from benchmarks.sheets import Bar, Sheet, chart
from benchmarks.throughput import COMPILED, DECODE, FETCH, FETCH_AND_DECODE
from deploy.compiling import has_compiler

pytestmark = [pytest.mark.bench, pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]


def test_every_part_is_measured_and_recovers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, only = tmp_path / "figures.json", ["--only", "throughput", "recovery"]
    sizes = ["--buyers", "60", "--recovery-buyers", "60", "--runs", "1"]
    assert main([*sizes, *only, "--json", str(file), "--report", str(tmp_path / "docs")]) == 0
    figures = json.loads(file.read_text())
    runs = figures["throughput"]
    by_confluent = {FETCH, FETCH_AND_DECODE} & runs.keys()
    assert len(by_confluent) == (0 if FETCHING.missing else 2)
    assert len(runs) == 8 + len(by_confluent) + sum(what.endswith(COMPILED) for what in runs)
    assert any(what.endswith(COMPILED) for what in runs) or not has_compiler()
    # the sinks read the same sale's results, one worker's and two workers'
    assert runs["sink into a server, records"][0]["records"] > 60 * 10
    measured = [run for several in runs.values() for run in several]
    assert all(run["records"] > 60 * 10 and run["seconds"] > 0 and run["cpu_seconds"] > 0 for run in measured)
    assert all(run["rss_mb"] > 1 for run in measured)
    recovery = figures["recovery"]
    assert recovery["facts"] > 60 * 10
    assert len(recovery["held_mb"]["local copy kept"]) == 1
    assert len(recovery["with_local_copy"]) == len(recovery["from_kafka"]) == 1
    assert len(recovery["compiled_with_local_copy"]) == len(recovery["compiled_from_kafka"]) == has_compiler()
    report = (tmp_path / "docs" / "benchmarks.md").read_text()
    for text in (capsys.readouterr().out, report):
        assert DECODE in text
        assert "its local copy" in text
    assert not (tmp_path / "docs" / "benchmarks.svg").exists()
    # what is measured later, and alone, comes beside it
    sizes = ["--rows", "20000", "--asked", "2", "--place", str(tmp_path)]
    assert main([*sizes, "--only", "queries", "--report", str(tmp_path / "docs")]) == 0
    later = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert [line for line in later.splitlines() if line.startswith("## ")] == [
        "## Throughput",
        "## Recovery",
        "## Queries",
    ]
    assert set(report.splitlines()) < set(later.splitlines())
    assert json.loads((tmp_path / "docs" / "benchmarks.json").read_text())["throughput"] == runs


def test_how_late_rows_and_wallboard_are_is_measured_probe_by_probe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, sizes = tmp_path / "figures.json", ["--buyers", "60", "--latency-seconds", "3", "--runs", "1"]
    assert main([*sizes, "--only", "latency", "--json", str(file)]) == 0
    found = json.loads(file.read_text())["latency"]
    assert [one["share"] for one in found["at"]] == [0.25, 0.5, 0.75]
    for one in found["at"]:
        assert 0 < one["rate"] <= found["most"]
        assert len(one["to_result"]) == len(one["to_row"]) == len(one["to_page"]) > 3
        assert all(0 < result < row for result, row in zip(one["to_result"], one["to_row"], strict=True))
        assert min(one["to_page"]) > 0
    # lines are broken where the table ends
    assert "Tried for the most, events/s, and kept up with:" in " ".join(capsys.readouterr().out.split())


def test_a_pause_is_measured_and_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, sizes = tmp_path / "figures.json", ["--buyers", "60", "--pause-seconds", "2", "--runs", "1"]
    assert main([*sizes, "--only", "pause", "--json", str(file)]) == 0
    (one,) = json.loads(file.read_text())["pause"]
    assert one["seen"][-1][1] <= one["waiting"] / 10
    assert min(one[name] for name in ("alone", "speed", "rate", "waiting", "cpu_seconds", "peak_mb")) > 0
    assert "until a tenth of them is left, s" in capsys.readouterr().out


def test_the_growth_of_the_core_is_measured_in_turns(tmp_path: Path) -> None:
    points = {point.axis: point for point in growth.measure(2, tmp_path, lambda _: None, most=1)}
    assert list(points) == [axis.name for axis in (*growth.CORE_AXES, *growth.SINK_AXES, *growth.QUERY_AXES)]
    for axis in growth.CORE_AXES:
        assert [len(runs) for runs in points[axis.name].cost.values()] in ([2], [2, 2])
    assert all(run > 0 for point in points.values() for runs in point.cost.values() for run in runs)


def test_every_question_of_the_pages_is_asked_of_both_engines_and_answered_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, sizes = tmp_path / "figures.json", ["--rows", "20000", "--asked", "2", "--place", str(tmp_path)]
    assert main([*sizes, "--only", "queries", "--json", str(file)]) == 0
    asked = json.loads(file.read_text())["queries"]
    answered = {(one["engine"], one["what"]): one["answer_rows"] for one in asked}
    questions = [what for each in QUESTIONS.values() for what in each]
    assert len(asked) == len(answered) == 2 * len(questions)
    assert all(answered[EMBEDDED, what] == answered[SERVER, what] for what in questions)
    assert all(0 < one["p50"] <= one["p99"] and len(one["milliseconds"]) == 2 for one in asked)
    assert answered[EMBEDDED, "leaderboard, this hour, a shop"] == world.AGENTS
    assert answered[EMBEDDED, "leaderboard, this hour, all shops"] == world.AGENTS * world.SHOPS
    assert answered[EMBEDDED, "QC queue, all shops"] == 51
    # by size and by what counts
    assert answered[EMBEDDED, "response times, hour and day, all shops"] == world.SHOPS * 4
    assert all(answered[EMBEDDED, what] == 0 for what in WITHOUT_ROWS)
    assert questions[0] in capsys.readouterr().out
    assert [left.name for left in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(100, 99, 99.0), (100, 50, 50.0), (3, 50, 2.0), (3, 99, 3.0), (1, 1, 1.0)]
)
def test_percentiles_are_of_the_nearest_rank(count: int, share: int, expected: float) -> None:
    took = [float(number) for number in range(1, count + 1)]
    assert Asked("", "", 0, 0.0, "", took, 0, 0.0, 0.0, 0.0).percentile(share) == expected


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
