"""What was done about a flag or a call task and what people wrote down, over a real ClickHouse into which a sink writes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from web_people import SITE, sign_in, write_people
from web_rows import HOUR, flag, insert, raw_event, sampled, task

from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.types import parse_time
from sinks.batch import Batch, insert_batch
from sinks.database import Database, open_database
from sinks.migrate import up
from sinks.read_model import HISTORY_STEPS
from sinks.rows import Record
from web.access import users as users_module
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
SHOP, BUYER, PHONE = "lining-hz", "b-10077", "13812345678"


class Sunk:
    """A broker from which a sink writes at once; no worker reads it."""

    def __init__(self, db: Database) -> None:
        self._db, self._offset = db, 0

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        batch = Batch()
        for topic, key, value in records:
            self._offset += 1
            batch.add(Record(topic, 0, self._offset, key, value, None))
        insert_batch(self._db, batch)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("history")))
    up(database)
    yield database
    database.close()


@pytest.fixture
def client(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], TestClient]]:
    """Browsers of people who have signed in. Each look at the clock is a second later."""
    monkeypatch.setattr(users_module, "_HASHER", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
    path = tmp_path / "users.yaml"
    write_people(path, caller=[f"{SHOP}:07"])
    seconds = iter(range(10_000))
    app = create_app(
        Settings(web_users=path), db, Sunk(db), default_book(), pages=False,
        clock_ns=lambda: (NOW + next(seconds) * 1000) * 1_000_000,
    )  # fmt: skip
    with TestClient(app, base_url=SITE, follow_redirects=False) as started:
        opened: list[TestClient] = []

        def make(name: str) -> TestClient:
            one = TestClient(app, base_url=SITE, follow_redirects=False)
            opened.append(one)
            assert sign_in(one, name).status_code == 303
            return one

        assert started
        yield make
        for one in opened:
            one.close()


def told(answer: Any) -> list[dict[str, Any]]:
    """The history without what its steps don't have."""
    assert answer.status_code == 200, answer.text
    return [{key: value for key, value in step.items() if value is not None} for step in answer.json()["history"]]


def test_who_comes_next_reads_what_was_said_on_the_call(db: Database, client: Callable[[str], TestClient]) -> None:
    insert(db, "call_tasks_raw", task("t-said", SHOP, NOW, buyer_id=BUYER))
    insert(db, "call_tasks_raw", task("t-other", SHOP, NOW, buyer_id=BUYER, order_id="o-2"))
    caller = client("caller")
    path = "/api/v1/call-tasks/t-said"
    assert told(caller.get(path)) == []
    given = [
        caller.post(f"{path}/{step}", json=body).json()["event_id"]
        for step, body in (
            ("claim", {}),
            ("call", {"reached": False, "call_again_at": "2026-11-12T06:00:00Z", "note": "无人接听"}),
            ("call", {"note": f"改打 {PHONE}，同意换货"}),
            ("resolve", {"outcome": "exchange", "note": "寄新鞋"}),
        )
    ]
    assert caller.post("/api/v1/call-tasks/t-other/claim", json={}).status_code == 202
    steps = told(caller.get(path))
    assert [step.pop("id") for step in steps] == given
    times = [parse_time(step.pop("time")) for step in steps]
    assert times == sorted(times)
    who = {"actor": "caller"}
    assert steps == [
        {"type": "call_task.claimed", **who},
        {
            "type": "call_task.call_logged", **who, "reached": False, "note": "无人接听",
            "call_again_at": "2026-11-12T14:00:00+08:00",
        },
        {"type": "call_task.call_logged", **who, "reached": True, "note": f"改打 {PHONE}，同意换货"},
        {"type": "call_task.resolved", **who, "outcome": "exchange", "note": "寄新鞋"},
    ]  # fmt: skip
    # as in the texts of conversations: who calls nobody needs no numbers
    for name in ("qc", "ops"):
        assert told(client(name).get(path))[2]["note"] == "改打 138****5678，同意换货"


def test_a_judged_flag_says_why_and_what_the_agent_is_told(db: Database, client: Callable[[str], TestClient]) -> None:
    insert(db, "flags_raw", flag("f-said", "language.vague", "notice", SHOP, NOW, buyer_id=BUYER))
    qc = client("qc")
    path = "/api/v1/flags/f-said"
    said = {"verdict": "upheld", "reason": "答得含糊", "coaching": f"别说可能；电话 {PHONE}", "score": 62.5}
    assert qc.post(f"{path}/claim", json={}).status_code == 202
    assert qc.post(f"{path}/verdict", json=said).status_code == 202
    taken, judged = told(client("engineer").get(path))
    assert (taken["type"], taken["actor"]) == ("qc.claimed", "qc")
    assert {key: judged[key] for key in said} == said
    assert told(client("ops").get(path))[1]["coaching"] == "别说可能；电话 138****5678"


def test_of_a_long_history_the_newest_steps_are_there(db: Database, client: Callable[[str], TestClient]) -> None:
    insert(db, "call_tasks_raw", task("t-long", SHOP, NOW, buyer_id=BUYER, status="called", claimed_by="caller"))
    calls = [
        raw_event(
            "call_task.call_logged", "audit.commands", f"long-{n:03d}", SHOP, NOW - 1000 * HOUR + n,
            buyer_id=BUYER, task_id="t-long", actor="caller", note=str(n),
        )
        | {"buyer_id": BUYER}
        for n in range(HISTORY_STEPS + 5)
    ]  # fmt: skip
    insert(db, "raw_events", *calls)
    steps = told(client("caller").get("/api/v1/call-tasks/t-long"))
    assert [step["note"] for step in steps] == [str(n) for n in range(5, HISTORY_STEPS + 5)]
    assert all(step["reached"] for step in steps)  # what the schema says of an event without it


def test_a_lead_reads_the_words_for_an_agent_on_the_scorecard(
    db: Database, client: Callable[[str], TestClient]
) -> None:
    shop, agent, noon = "coached", "coached:01", NOW - 8 * HOUR
    who = {"agent_id": agent, "buyer_id": BUYER}
    qc = client("qc")
    for name, more in (
        ("f-upheld", {}), ("f-silent", {}), ("f-cleared", {}), ("f-other", {"agent_id": "coached:02"}),
        ("f-before", {"occurred_at": NOW - 48 * HOUR}), ("f-dismissed", {}),
    ):  # fmt: skip
        row = flag(name, "language.vague", "notice", shop, noon, **who) | more
        verdict = "dismissed" if name == "f-dismissed" else "upheld"
        insert(db, "flags_raw", row)
        words = "" if name == "f-silent" else f"{name} {PHONE}"
        said = {"verdict": verdict, "reason": "含糊", "coaching": words, "score": 70}
        assert qc.post(f"/api/v1/flags/{name}/verdict", json=said).status_code == 202
        judged = {"qc_status": verdict, "qc_actor": "qc", "qc_reason": "含糊", "qc_score": 70.0, "revision": 9}
        insert(db, "flags_raw", row | judged | ({"status": "cleared"} if name == "f-cleared" else {}))
    # somebody whose verdict came second and did not count
    late = {"flag_id": "f-upheld", "actor": "late", "verdict": "upheld", "coaching": "nobody should read this"}
    insert(
        db, "raw_events",
        raw_event("qc.verdict_given", "audit.commands", "late", shop, NOW + 9_000_000, buyer_id=BUYER, **late)
        | {"buyer_id": BUYER},
    )  # fmt: skip
    midnight = parse_time("2026-11-11T00:00:00+08:00")
    insert(db, "qc_samples_raw", sampled("s-1", shop, midnight, "upheld", 80.0, **who, coaching="抽检：先问尺码"))
    names = {"shop_id": shop, "period": "day", "on": "2026-11-11"}
    ops = client("ops")

    def read(web: TestClient, **params: Any) -> Any:
        answer = web.get("/api/v1/scorecards/coaching", params={**names, **params})
        assert answer.status_code == 200, answer.text
        return answer.json()

    found = read(qc, agent_id=agent)
    assert [one["id"] for one in found["words"]] == ["s-1", "f-dismissed", "f-upheld"]  # newest first
    assert (found["total"], found["next_cursor"]) == (3, None)
    sample, _, upheld = found["words"]
    assert (sample["about"], sample["verdict"], sample["coaching"]) == ("sample", "upheld", "抽检：先问尺码")
    assert {key: upheld[key] for key in ("about", "rule", "verdict", "actor", "score", "reason")} == {
        "about": "flag", "rule": "language.vague", "verdict": "upheld", "actor": "qc", "score": 70.0, "reason": "含糊",
    }  # fmt: skip
    assert upheld["coaching"] == f"f-upheld {PHONE[:3]}****{PHONE[7:]}"  # QC calls nobody
    assert read(ops, agent_id=agent) == found
    # a page at a time, and a team's
    first = read(ops, agent_id=agent, limit=2)
    rest = read(ops, agent_id=agent, limit=2, cursor=first["next_cursor"])
    assert first["words"] + rest["words"] == found["words"]
    assert rest["next_cursor"] is None
    assert {one["id"] for one in read(ops, team="")["words"]} == {"s-1", "f-dismissed", "f-upheld", "f-other"}
    for wrong in ({}, {"agent_id": agent, "team": ""}, {"agent_id": agent, "cursor": "x"}):
        assert ops.get("/api/v1/scorecards/coaching", params={**names, **wrong}).status_code == 422
