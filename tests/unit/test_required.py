"""What a machine lacks is skipped, and fails where it is demanded; CI demands what its script could install."""

import re
from pathlib import Path

import pytest
from fixtures.required import THINGS, VARIABLE

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
WANTING = """
import pytest
from fixtures.required import absent

@pytest.fixture(scope="module")
def server():
    absent("clickhouse", "no server here")

def test_in_a_fixture(server):
    raise AssertionError("ran")

def test_by_itself():
    absent("kafka", "no broker here")
"""


@pytest.fixture
def lacking(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    monkeypatch.delenv(VARIABLE, raising=False)
    pytester.makepyfile(WANTING)
    return pytester


def run(lacking: pytest.Pytester) -> pytest.RunResult:
    return lacking.runpytest_subprocess("-p", "fixtures.required", "-p", "no:cacheprovider", "-rfEs")


def test_without_a_demand_it_is_skipped_with_the_reason(lacking: pytest.Pytester) -> None:
    done = run(lacking)
    assert done.parseoutcomes() == {"skipped": 2}
    assert "no server here" in done.stdout.str()
    assert "no broker here" in done.stdout.str()


def test_what_is_demanded_fails_with_the_reason(lacking: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kafka, clickhouse")
    done = run(lacking)
    assert done.parseoutcomes() == {"failed": 1, "errors": 1}
    assert f"no server here ({VARIABLE} demands clickhouse)" in done.stdout.str()
    assert f"no broker here ({VARIABLE} demands kafka)" in done.stdout.str()


def test_what_is_not_demanded_is_skipped(lacking: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kafka")
    assert run(lacking).parseoutcomes() == {"failed": 1, "skipped": 1}


def test_an_unknown_name_ends_the_run(lacking: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kafak")
    done = run(lacking)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "kafak is not one of" in done.stderr.str()


def test_ci_demands_all_there_is_and_nothing_else() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert set(re.findall(r"^want (\w+) ", script, re.MULTILINE)) == set(THINGS)
    assert f"export {VARIABLE}=" in script
