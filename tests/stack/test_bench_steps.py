"""What a change gave is measured before and after it."""

import subprocess

import pytest

from benchmarks import steps

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def test_a_commit_is_held_against_its_parent_and_leaves_no_work_tree(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        steps._git("rev-parse", "--verify", "HEAD^")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no clone with more than its last commit")
    trees = steps._git("worktree", "list")
    (row,) = steps.measure(["HEAD"], 20, 1).rows
    _, before, after, ratio = row
    assert float(before.split()[0]) > 0
    assert float(after.split()[0]) > 0
    assert float(ratio) > 0
    assert steps.main(["no-such-commit", "--buyers", "5"]) == 1
    assert "not measured: fatal: " in capsys.readouterr().err
    assert steps._git("worktree", "list") == trees
