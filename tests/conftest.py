"""Shared by all tests: in CI the property tests draw the same examples each time, so that a red run can be repeated."""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

from deploy.compiling import stale

pytest_plugins = ["fixtures.required", "fixtures.brokers", "fixtures.named_server"]

# no deadlines: how long an example takes says how busy the machine is
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# a run in the background (nohup, a script's &) hands down that these are ignored; what the tests start must hear them
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)


def pytest_configure() -> None:
    """A compiled core that is older than its source would be tested in the place of the source."""
    if why := stale():
        pytest.exit(why, returncode=2)


@pytest.fixture(autouse=True)
def own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test runs in this process sets up logs; a logger that remembers that can't be captured by the next."""
    configure, root = structlog.configure, logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def forgetful(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", forgetful)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
