"""The programs of the benchmark do what they are measured at: each for itself, on a broker of its own."""

from pathlib import Path

import pytest
from fixtures.required import absent

from benchmarks.peers import events, run, truth
from deploy.compiling import build_copy, has_compiler

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS = 3_000


@pytest.fixture(scope="module")
def records() -> list[events.Record]:
    return events.chat(EVENTS)


@pytest.mark.parametrize(
    ("peer", "mode"),
    [pytest.param(peer, mode, id=f"{peer.name}-{mode}") for peer in run.ENTRANTS for mode in peer.modes],
)
def test_in_order_the_windows_are_ours(peer: run.Peer, mode: str, records: list[events.Record], tmp_path: Path) -> None:
    if peer.missing:
        pytest.skip(peer.missing)
    if peer is run.COMPILED:
        if not has_compiler():
            absent("compiler", "no C compiler on this machine")
        build_copy(tmp_path / "compiled")
    found, windows = run.run_once(peer, mode, records, tmp_path / "run", tmp_path / "compiled")
    assert found["records"] == EVENTS
    assert found["seconds"] > 0
    assert found["cpu_seconds"] > 0
    assert found["rss_mb"] > 1
    assert (found["written"] > 0) == (mode == "kafka")
    if peer.does_the_job:
        assert windows == truth.windows_of(records)


def test_our_worker_is_right_on_a_bad_delivery_and_the_figures_say_so(tmp_path: Path) -> None:
    heard: list[str] = []
    figures = run.compare(
        EVENTS, 1, dirty=True, names=[run.OURS.name], modes=("none", "kafka"), place=tmp_path, say=heard.append
    )
    (result,) = figures["results"]
    assert figures["left_out"] == {}
    assert result["correct"] == result["total"] > 0
    assert result["extra"] == 0
    assert result["responses"] == result["responses_total"] > 0
    assert result["events"] == figures["records"] > EVENTS
    assert len(result["seconds"]) == len(result["cpu_seconds"]) == len(heard) == 1


def test_a_peer_that_fails_is_said_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = run.Peer("no_such_program", None, ("pydantic",), ("none",))
    monkeypatch.setattr(run, "ENTRANTS", (broken,))
    figures = run.compare(200, 1, dirty=False, names=[broken.name], modes=("none",), place=tmp_path, say=lambda _: None)
    assert figures["results"] == []
    (reason,) = figures["left_out"].values()
    assert "exit code 1" in reason
    assert "No module named benchmarks.peers.no_such_program" in reason


def test_a_tool_that_is_not_installed_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = run.Peer("quix", "not-installed", ("quixstreams",))
    monkeypatch.setattr(run, "ENTRANTS", (absent,))
    figures = run.compare(200, 1, dirty=False, names=["quix"], modes=("none",), place=tmp_path, say=lambda _: None)
    assert figures["results"] == []
    assert "make bench-peers-setup" in figures["left_out"]["quix"]
