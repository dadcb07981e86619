"""What the read model answers by short cuts is what the views say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.types import DAY_MS
from sinks import migrate
from sinks.database import Database
from sinks.embedded import EmbeddedDatabase
from sinks.read_model import ReadModel

pytestmark = [pytest.mark.stack]

NEWEST = 1_762_840_800_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = EmbeddedDatabase(tmp_path, "zhengdian")
    migrate.up(db)
    yield db
    db.close()


def row(db: Database, shop: str, at_ms: int, orders: int) -> None:
    share = {"shop_id": [shop], "hour_start": [at_ms], "agent_id": ["a"], "partition": [0]}
    db.insert("leaderboard_partials", share | {"orders_placed": [orders], "revision": [1], "ruleset": ["r@1"]})


def test_the_latest_hour_is_found_however_old_it_is_and_is_none_without_figures(db: Database) -> None:
    read = ReadModel(db)
    assert read.latest_hour() is None
    row(db, "empty", NEWEST, 0)
    assert read.latest_hour() is None
    row(db, "old", NEWEST - 90 * DAY_MS, 3)
    row(db, "old", NEWEST - 91 * DAY_MS, 3)
    row(db, "new", NEWEST - DAY_MS, 3)
    assert read.latest_hour() == read.latest_hour("new") == NEWEST - DAY_MS
    assert read.latest_hour("old") == NEWEST - 90 * DAY_MS
    assert read.latest_hour("empty") is read.latest_hour("unknown") is None
