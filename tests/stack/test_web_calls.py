"""The call desk's API over a real ClickHouse: order, what may be called now, counts."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web_rows import HOUR, fill, insert, task

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.types import parse_time
from sinks.database import Database, open_database
from sinks.migrate import up
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
DAY = 24 * HOUR
RANKS = {"high": 0, "normal": 1, "low": 2}


class NoProducer:
    """Nothing is published here."""

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        raise AssertionError("no test publishes")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("calls")))
    up(database)
    fill(database, NOW)
    shop = "call-shop"
    insert(
        database,
        "call_tasks_raw",
        task("c-agreed", shop, NOW + HOUR, status="called", claimed_by="兰姐", call_again_at=NOW + 1, calls=1),
        task(
            "c-came", shop, NOW + HOUR, status="called", claimed_by="兰姐", call_again_at=NOW, calls=2, priority="low"
        ),
        task("c-late", shop, NOW - 1, priority="normal"),
        task("c-due", shop, NOW, priority="normal"),
        task("c-revisit", shop, NOW - 4 * DAY, status="resolved", outcome="refund", revisit_due_at=NOW),
        task("c-settled", shop, NOW - DAY, status="resolved", outcome="wait", revisit_due_at=NOW + 1),
        task("c-revisited", shop, NOW - 9 * DAY, status="revisited", outcome="refund"),
        task("c-withdrawn", shop, NOW - DAY, status="withdrawn"),
    )
    yield database
    database.close()


@pytest.fixture
def web(db: Database) -> Iterator[TestClient]:
    app = create_app(Settings(), db, NoProducer(), default_book(), clock_ns=lambda: NOW * 1_000_000, pages=False)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client


def queue(web: TestClient, **filters: object) -> dict[str, Any]:
    answer = web.get("/api/v1/calls/queue", params={"limit": 500, **filters})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(found: dict[str, Any]) -> list[str]:
    return [one["task_id"] for one in found["call_tasks"]]


def test_who_may_be_called_now_comes_first_then_the_worst_then_the_first_due(web: TestClient) -> None:
    assert ids(queue(web, shop_id="call-shop")) == ["c-late", "c-due", "c-came", "c-agreed"]
    tasks = queue(web)["call_tasks"]
    keys = [(not t["callable"], RANKS[t["priority"]], parse_time(t["due_at"]), t["task_id"]) for t in tasks]
    assert keys == sorted(keys)
    assert {t["callable"] for t in tasks} == {True, False}
    for one in tasks:
        times = [parse_time(one["not_before"]), parse_time(one["call_again_at"] or one["not_before"])]
        assert one["callable"] == (max(times) <= NOW)
        assert one["overdue"] == (parse_time(one["due_at"]) < NOW)
        assert one["status"] in ("open", "claimed", "called")


def test_each_task_is_in_one_view(web: TestClient) -> None:
    assert ids(queue(web, view="revisit", shop_id="call-shop")) == ["c-revisit"]
    assert set(ids(queue(web, view="done", shop_id="call-shop"))) == {"c-settled", "c-revisited", "c-withdrawn"}
    views = [set(ids(queue(web, view=view))) for view in ("call", "revisit", "done")]
    everything = {t["task_id"] for t in web.get("/api/v1/call-tasks", params={"limit": 500}).json()["call_tasks"]}
    assert set.union(*views) == everything
    assert sum(map(len, views)) == len(everything)


def test_counts_are_those_of_the_queue(web: TestClient) -> None:
    for filters in ({}, {"shop_id": "call-shop"}):
        found = queue(web, **filters)
        tasks = found["call_tasks"]
        assert found["counts"] == {
            "call": len(tasks),
            "now": sum(t["callable"] for t in tasks),
            "overdue": sum(t["overdue"] for t in tasks),
            "high": sum(t["priority"] == "high" for t in tasks),
            "revisit": len(ids(queue(web, view="revisit", **filters))),
            "done": len(ids(queue(web, view="done", **filters))),
        }


def test_filters_select_what_they_say(web: TestClient) -> None:
    everything = queue(web)["call_tasks"]
    for filters in ({"priority": "high"}, {"claimed_by": "兰姐"}, {"shop_id": "call-shop", "priority": "low"}):
        wanted = [t for t in everything if all(t[name] == value for name, value in filters.items())]
        assert queue(web, **filters)["call_tasks"] == wanted
        assert wanted
    assert len(queue(web, limit=3)["call_tasks"]) == 3
    assert web.get("/api/v1/calls/queue", params={"view": "all"}).status_code == 422


@pytest.mark.parametrize("view", ["call", "revisit", "done"])
@pytest.mark.parametrize("filters", [{}, {"priority": "high"}, {"shop_id": "call-shop"}])
def test_pages_are_the_queue(web: TestClient, view: str, filters: dict[str, str]) -> None:
    whole = queue(web, view=view, **filters)
    assert whole["next_cursor"] is None
    for limit in (1, 2, 7, max(1, len(ids(whole)))):
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = queue(web, view=view, limit=limit, cursor=cursor, **filters)
            assert len(ids(page)) == limit or page["next_cursor"] is None
            found, cursor = found + ids(page), page["next_cursor"]
        assert found == ids(whole)
    assert web.get("/api/v1/calls/queue", params={"cursor": "x"}).status_code == 422
