"""The fixture that every scenario starts from, and the table at the end of the session."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures.brokers import Broker

from .report import SCENARIOS, Scenario, table, write_json
from .system import System


@pytest.fixture
def new_system(broker: Broker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., System]]:
    """Makes the system of a test, with settings; it is ended with the test."""
    usual = rf"(?:{broker.kind}|embedded)"
    name = re.sub(rf"\b{usual}-|-?\b{usual}\b(?=\W)", "", request.node.name.removeprefix("test_"))
    scenario = Scenario(name.replace("[]", "").replace("_", " "), broker.kind)
    made: list[System] = []

    def make(**settings: object) -> System:
        SCENARIOS.append(scenario)
        system = System(broker.bootstrap, tmp_path, scenario, **({"session_timeout_seconds": 3} | settings))
        made.append(system)
        return system

    yield make
    for system in made:
        system.close()
    scenario.end()


@pytest.fixture
def system(new_system: Callable[..., System]) -> System:
    """A system with the settings of most scenarios."""
    return new_system()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            for mark in (pytest.mark.faults, pytest.mark.stack, pytest.mark.slow):
                item.add_marker(mark)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not SCENARIOS:
        return
    terminalreporter.section("faults injected, rows lost")
    for line in table(SCENARIOS):
        terminalreporter.line(line)
    if path := os.environ.get("ZHENGDIAN_FAULT_REPORT"):
        write_json(SCENARIOS, Path(path))
