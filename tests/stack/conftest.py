"""Fixtures for tests against real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.broker import EmbeddedBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A fresh embedded broker on a free port."""
    with EmbeddedBroker(tmp_path / "broker.log") as running:
        yield running
