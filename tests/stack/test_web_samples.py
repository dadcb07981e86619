"""QC's sample over a real ClickHouse: who is in it, how it is listed, taken and judged."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from hashlib import sha256
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_rows import HOUR, agent, flag, insert, round_row

from processors.calendar import calendar
from processors.facts import Command
from processors.flags import Moment, flag_record
from processors.reminders import Verdict
from processors.ruleset import RulesetBook, load_book
from processors.sampling import on_day
from schemas.events import parse_event
from schemas.settings import Settings
from schemas.topics import COMMANDS
from schemas.types import DAY_MS, format_time, parse_time
from sinks.batch import Batch, insert_batch
from sinks.database import Database, open_database
from sinks.kafka import event_key
from sinks.migrate import up
from sinks.rows import Record
from sinks.sample_model import SampleModel
from web.access.guard import person_of
from web.access.roles import Person, Role
from web.app import create_app

pytestmark = pytest.mark.stack

NOW = parse_time("2026-11-11T20:40:00+08:00")
TODAY = date(2026, 11, 11)
BOOK = load_book(
    """
name: own
version: "1"
qc: {sample: {rate: 0.2, salt: geheim}}
shops:
  all: {qc: {sample: {rate: 1, roles: {presale: 0}, agents: {"all:00": 1, "all:09": 0}}}}
  azores: {timezone: Atlantic/Azores, qc: {sample: {rate: 1}}}
""",
    "own.yaml",
)
LOOSE = settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
Names = tuple[str, str, str]
"""(shop, buyer, agent)"""


class Sunk:
    """A producer whose records go straight through the sink into ClickHouse, as soon as `flow` says so."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.values: list[bytes] = []
        self.flow = True

    def publish(self, records: list[tuple[str, bytes, bytes]], timeout_seconds: float) -> None:
        commands = [value for topic, _, value in records if topic == COMMANDS]  # and not who saw what
        self.values += commands
        if self.flow and commands:
            sink(self._db, commands, len(self.values))


def sink(db: Database, values: list[bytes], offset: int = 0) -> None:
    """Commands as they come from Kafka."""
    batch = Batch()
    for number, value in enumerate(values):
        key = event_key(parse_event(value))
        batch.add(Record(COMMANDS, 0, offset + number, key, value, None))
    insert_batch(db, batch)


def talk(shop: str, buyer: str, agent_id: str, at: int, zone: str = "Asia/Shanghai", **more: Any) -> dict[str, Any]:
    """A round, answered after twenty seconds."""
    row = round_row(shop, buyer, agent_id, at, at + 20_000, calendar(zone).day_end(at), at)
    return {**row, "round_id": f"{shop}-{buyer}-{agent_id}-{at}", **more}


def draw(day: str, *names: str) -> float:
    """The documented formula once more."""
    text = "".join(f"{len(part)}:{part}" for part in ("geheim", *names, day))
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big") / 2**32


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(Settings(data_dir=tmp_path_factory.mktemp("samples")))
    up(opened)
    yield opened
    opened.close()


@pytest.fixture
def db(database: Database) -> Database:
    empty(database)
    return database


def empty(db: Database) -> None:
    for table in ("rounds_raw", "flags_raw", "qc_samples_raw", "raw_events", "agents_raw"):
        db.command(f"TRUNCATE TABLE {table}")


@pytest.fixture
def producer(db: Database) -> Sunk:
    return Sunk(db)


@pytest.fixture
def web(db: Database, producer: Sunk) -> Iterator[TestClient]:
    app = create_app(Settings(), db, producer, BOOK, clock_ns=lambda: NOW * 1_000_000, pages=False)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client


def found(db: Database, *shops: str, book: RulesetBook = BOOK, **filters: str) -> set[Names]:
    """Who is in the sample of 2026-11-11 and open."""
    days = on_day(book, shops, TODAY)
    rows = SampleModel(db, book).samples(days, {"qc_status": "open", **filters}, 1000)
    return {(row["shop_id"], row["buyer_id"], row["agent_id"]) for row in rows}


# ---- who is in the sample --------------------------------------------------------------------------------------------

ID = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
NAMES = st.tuples(st.sampled_from(["s1", "s2"]), ID, ID)


@given(st.lists(NAMES, min_size=1, max_size=40, unique=True), st.randoms(use_true_random=False))
@LOOSE
def test_a_conversation_is_in_by_its_own_names_alone(db: Database, talks: list[Names], rnd: random.Random) -> None:
    empty(db)
    rows = [talk(*names, NOW - rnd.randint(0, 20 * HOUR)) for names in talks for _ in range(rnd.randint(1, 3))]
    rnd.shuffle(rows)
    seen: set[Names] = set()
    there: set[Names] = set()
    while rows:
        some, rows = rows[:13], rows[13:]
        insert(db, "rounds_raw", *some)
        there |= {(row["shop_id"], row["buyer_id"], row["agent_id"]) for row in some}
        now = found(db, "s1", "s2")
        assert seen <= now  # what comes in afterwards puts nobody out
        assert now == {names for names in there if draw("20261111", *names) < 0.2}
        seen = now


@given(st.lists(NAMES, min_size=1, max_size=20, unique=True), st.data())
@LOOSE
def test_a_flagged_conversation_is_not_in_and_a_cleared_one_is(
    db: Database, talks: list[Names], data: st.DataObject
) -> None:
    empty(db)
    book = load_book("name: own\nversion: '1'\nqc: {sample: {rate: 1}}", "own.yaml")
    insert(db, "rounds_raw", *(talk(*names, NOW) for names in talks))
    flagged = data.draw(st.sets(st.sampled_from(talks)))
    cleared = data.draw(st.sets(st.sampled_from(talks)))
    flags = [(names, "raised", NOW - HOUR) for names in flagged] + [(names, "cleared", NOW) for names in cleared]
    flags += [(names, "raised", NOW - DAY_MS) for names in cleared]  # another day's
    for number, ((shop, buyer, agent_id), status, at) in enumerate(flags):
        more = {"status": status, "buyer_id": buyer, "agent_id": agent_id}
        insert(db, "flags_raw", flag(f"f-{number}", "language.vague", "notice", shop, at, **more))
    assert found(db, "s1", "s2", book=book) == set(talks) - flagged


def test_over_many_the_share_is_the_rate(db: Database) -> None:
    names = [("s1", f"b{number}", f"a{number % 20}") for number in range(4000)]
    insert(db, "rounds_raw", *(talk(*one, NOW) for one in names))
    counts = dict.fromkeys((0.02, 0.2, 0.5), 0)
    before: set[Names] = set()
    for rate in counts:
        book = load_book(f"name: own\nversion: '1'\nqc: {{sample: {{rate: {rate}}}}}", "own.yaml")
        days = on_day(book, ["s1"], TODAY)
        counts[rate] = sum(row["count"] for row in SampleModel(db, book).counts(days))
        assert abs(counts[rate] / 4000 - rate) < 4 * (rate * (1 - rate) / 4000) ** 0.5
        inside = found(db, "s1", book=book) if counts[rate] <= 1000 else before
        assert before <= inside  # a higher rate takes in more, and puts nobody out
        before = inside
    salts = [
        found(db, "s1", book=load_book(f"name: o\nversion: '1'\nqc: {{sample: {{salt: {s}}}}}", "o")) for s in "ab"
    ]
    assert salts[0] != salts[1]


def test_the_rate_is_the_agents_else_the_roles_else_all(db: Database) -> None:
    insert(db, "agents_raw", *(agent("all", number, "甲", NOW) for number in (0, 1)))  # both presale
    insert(db, "rounds_raw", *(talk("all", "b", f"all:{number:02d}", NOW) for number in (0, 1, 2, 9)))
    assert found(db, "all") == {("all", "b", "all:00"), ("all", "b", "all:02")}


def test_an_agent_who_never_answered_had_no_conversation(db: Database) -> None:
    ends_at = calendar("Asia/Shanghai").day_end(NOW)
    insert(
        db, "rounds_raw", round_row("all", "b", "x", NOW, None, ends_at, 1), talk("all", "c", "x", NOW, status="void")
    )
    assert found(db, "all") == set()
    insert(db, "rounds_raw", talk("all", "b", "x", NOW + 1))
    assert found(db, "all") == {("all", "b", "x")}
    (row,) = SampleModel(db, BOOK).samples(on_day(BOOK, ["all"], TODAY), {}, 9)
    assert (row["first_at"], row["last_at"], row["rounds"]) == (NOW, NOW + 20_001, 2)


def test_days_are_the_shops(web: TestClient, db: Database) -> None:
    late = parse_time("2026-11-11T00:30:00+00:00")  # in the Azores it is still the 10th
    insert(db, "rounds_raw", talk("azores", "b", "x", late, "Atlantic/Azores"), talk("all", "b", "x", late))
    insert(db, "rounds_raw", talk("azores", "b", "x", late + HOUR, "Atlantic/Azores"))
    listed = web.get("/api/v1/qc/samples").json()["samples"]
    assert sorted((row["shop_id"], row["day"], row["first_at"]) for row in listed) == [
        ("all", "2026-11-11", "2026-11-11T08:30:00+08:00"),
        ("azores", "2026-11-10", "2026-11-10T23:30:00-01:00"),
        ("azores", "2026-11-11", "2026-11-11T00:30:00-01:00"),
    ]
    assert len({row["sample_id"] for row in listed}) == 3


# ---- listing ---------------------------------------------------------------------------------------------------------


def furnish(db: Database, talks: int = 30) -> None:
    """Four days of the shop where everything is read, two agents of one team and one of none."""
    insert(
        db, "agents_raw", *(agent("all", number, "甲", NOW, team="蓝队") | {"role": "aftersale"} for number in (0, 1))
    )
    at = NOW - 3 * DAY_MS
    rows = [talk("all", f"b-{n:04d}", f"all:{n % 3:02d}", at - n % 7 * HOUR + n % 4 * DAY_MS) for n in range(talks)]
    insert(db, "rounds_raw", *rows, talk("s1", "b", "none", NOW))


def pages(web: TestClient, limit: int, **filters: Any) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = web.get("/api/v1/qc/samples", params={"limit": limit, "cursor": cursor, **filters})
        assert answer.status_code == 200, answer.text
        got += answer.json()["samples"]
        cursor = answer.json()["next_cursor"]
    return got


def test_the_last_days_are_listed_the_oldest_first_page_by_page(web: TestClient, db: Database) -> None:
    furnish(db)
    everything = pages(web, 500, shop_id="all")
    assert pages(web, 4, shop_id="all") == everything
    assert {row["day"] for row in everything} == {"2026-11-09", "2026-11-10", "2026-11-11"}
    keys = [(row["first_at"], row["sample_id"]) for row in everything]
    assert keys == sorted(keys)
    assert len(everything) == len(set(keys)) == 22
    assert {row["day"] for row in pages(web, 500, days=1)} == {"2026-11-11"}
    assert {row["day"] for row in pages(web, 500, day="2026-11-08")} == {"2026-11-08"}


def test_filters_select_what_they_say_and_counts_are_those_of_the_list(web: TestClient, db: Database) -> None:
    furnish(db)
    taken = pages(web, 1)[0]["sample_id"]
    web.post(f"/api/v1/qc/samples/{taken}/claim", json={"actor": "王姐"})
    everything = pages(web, 500) + pages(web, 500, qc_status="claimed")
    wanted: list[tuple[dict[str, str], Any]] = [
        ({}, lambda _: True),
        ({"qc_status": "claimed"}, lambda row: row["sample_id"] == taken),
        ({"shop_id": "all"}, lambda row: row["shop_id"] == "all"),
        ({"agent_id": "all:02"}, lambda row: row["agent_id"] == "all:02"),
        ({"team": "蓝队"}, lambda row: row["agent_id"] in ("all:00", "all:01")),
        ({"day": "2026-11-10"}, lambda row: row["day"] == "2026-11-10"),
        (
            {"day": "2026-11-10", "agent_id": "all:02"},
            lambda row: (row["day"], row["agent_id"]) == ("2026-11-10", "all:02"),
        ),
    ]
    for filters, holds in wanted:
        status = filters.get("qc_status", "open")
        chosen = [row for row in everything if holds(row) and row["qc_status"] == status]
        assert pages(web, 500, **filters) == chosen, filters
        assert chosen, filters
        counts = web.get("/api/v1/qc/samples/counts", params={"qc_status": "open", **filters}).json()
        assert counts["total"] == len(chosen)
    assert (counts["day"]["2026-11-09"], counts["agent_id"]["all:00"]) == (
        len(pages(web, 500, day="2026-11-09", agent_id="all:02")),
        len(pages(web, 500, day="2026-11-10", agent_id="all:00")),
    )
    older = web.get("/api/v1/qc/samples/counts", params={"day": "2026-11-08"}).json()
    assert older["total"] == len(pages(web, 500, day="2026-11-08")) > 0


def test_nothing_is_no_mistake(web: TestClient) -> None:
    assert web.get("/api/v1/qc/samples").json() == {"samples": [], "next_cursor": None}
    assert web.get("/api/v1/qc/samples/counts").json()["total"] == 0
    assert web.get("/api/v1/qc/samples", params={"day": "9999-12-31"}).json()["samples"] == []


@pytest.mark.parametrize("sample_id", ["s-20261111-0123456789abcdef", "s-20261331-0123456789abcdef", "f-1", "x"])
def test_what_is_not_in_the_sample_is_not_found(web: TestClient, sample_id: str) -> None:
    path = f"/api/v1/qc/samples/{sample_id}"
    assert web.get(path).status_code == 404
    answer = web.post(f"{path}/claim", json={"actor": "王姐"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no such conversation in the sample")


def test_who_is_not_in_can_not_be_judged(web: TestClient, db: Database) -> None:
    insert(db, "rounds_raw", talk("all", "b", "all:09", NOW), talk("all", "b", "all:05", NOW))
    (row,) = pages(web, 500)
    names = "".join(f"{len(part)}:{part}" for part in ("all", "b", "all:09", "20261111"))
    outside = f"s-20261111-{sha256(names.encode()).hexdigest()[:16]}"
    inside = outside.replace(
        sha256(names.encode()).hexdigest()[:16], sha256(names.replace("09", "05").encode()).hexdigest()[:16]
    )
    assert row["sample_id"] == inside
    assert web.post(f"/api/v1/qc/samples/{outside}/claim", json={"actor": "王姐"}).status_code == 404


# ---- judging ---------------------------------------------------------------------------------------------------------


def give(web: TestClient, sample_id: str, step: str, actor: str, **body: Any) -> Any:
    return web.post(f"/api/v1/qc/samples/{sample_id}/{step}", json={"actor": actor, **body})


def test_a_verdict_by_the_sheet_is_scored_and_stays_on_record(web: TestClient, db: Database, producer: Sunk) -> None:
    furnish(db)
    first, second, *_ = pages(web, 500)
    marks = {item["key"]: 1.0 for item in web.get("/api/v1/qc/rubric", params={"shop_id": "all"}).json()["items"]}
    assert give(web, first["sample_id"], "claim", "王姐").status_code == 202
    said = {"verdict": "upheld", "reason": "答非所问", "coaching": "先听懂再答", "marks": marks | {"greeting": 0.5}}
    assert give(web, first["sample_id"], "verdict", "王姐", **said).json()["status"] == "upheld"
    assert give(web, second["sample_id"], "verdict", "李姐", verdict="dismissed").status_code == 202
    data = orjson.loads(producer.values[1])["data"]
    assert data["sample"] == {"agent_id": first["agent_id"], "day_start": first["day"] + "T00:00:00+08:00"}
    (judged,) = pages(web, 500, qc_status="upheld")
    assert judged == {**first, "qc_status": "upheld", "qc_actor": "王姐", "qc_reason": "答非所问", "qc_score": 95.0}
    shown = web.get(f"/api/v1/qc/samples/{first['sample_id']}").json()
    taken, told = shown.pop("history")
    assert shown == judged
    assert (taken["type"], taken["actor"], taken["reason"]) == ("qc.claimed", "王姐", None)
    assert (told["verdict"], told["score"], told["reason"], told["coaching"]) == (
        "upheld",
        95.0,
        "答非所问",
        "先听懂再答",
    )
    assert [row["sample_id"] for row in pages(web, 500, qc_status="dismissed")] == [second["sample_id"]]
    # what the scorecards read
    (stored,) = db.query("SELECT * FROM qc_samples WHERE qc_score > 0")
    assert (stored["agent_id"], stored["qc_coaching"]) == (first["agent_id"], "先听懂再答")
    late = give(web, first["sample_id"], "verdict", "王姐", verdict="dismissed")
    assert (late.status_code, late.json()["detail"]) == (409, "it is upheld; qc.verdict_given needs open or claimed")


@pytest.mark.parametrize("flow", [True, False])
def test_of_two_who_take_it_at_once_one_gets_it(web: TestClient, db: Database, producer: Sunk, flow: bool) -> None:
    furnish(db)
    producer.flow = flow  # also before the sink has read the first claim
    sample_id = pages(web, 500)[0]["sample_id"]
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda n: give(web, sample_id, "claim", f"q{n}"), range(8)))
    (won,) = [n for n, answer in enumerate(answers) if answer.status_code == 202]
    assert {answer.json()["detail"] for n, answer in enumerate(answers) if n != won} == {f"q{won} has it (claimed)"}
    assert len(producer.values) == 1
    again = give(web, sample_id, "claim", f"q{won}")
    assert (again.status_code, again.json()["event_id"]) == (202, None)
    assert give(web, sample_id, "verdict", "somebody", verdict="dismissed").status_code == 409


def test_a_flag_takes_an_open_one_away_and_leaves_one_that_is_in_hand(web: TestClient, db: Database) -> None:
    furnish(db)
    opened, claimed, judged, *_ = pages(web, 500)
    give(web, claimed["sample_id"], "claim", "王姐")
    give(web, judged["sample_id"], "verdict", "王姐", verdict="dismissed")
    for number, row in enumerate((opened, claimed, judged)):
        more = {"buyer_id": row["buyer_id"], "agent_id": row["agent_id"]}
        insert(
            db, "flags_raw", flag(f"f-{number}", "language.vague", "notice", "all", parse_time(row["last_at"]), **more)
        )
    assert opened["sample_id"] not in {row["sample_id"] for row in pages(web, 500)}
    assert [row["sample_id"] for row in pages(web, 500, qc_status="claimed")] == [claimed["sample_id"]]
    assert [row["sample_id"] for row in pages(web, 500, qc_status="dismissed")] == [judged["sample_id"]]
    assert web.get(f"/api/v1/qc/samples/{opened['sample_id']}").json()["qc_status"] == "flagged"
    refused = give(web, opened["sample_id"], "verdict", "王姐", verdict="dismissed")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "it is flagged; qc.verdict_given needs open or claimed",
    )
    unexplained = give(web, claimed["sample_id"], "verdict", "王姐", verdict="upheld", reason=" ")
    assert (unexplained.status_code, unexplained.json()["detail"][0]["loc"]) == (422, ["body", "reason"])
    assert give(web, claimed["sample_id"], "verdict", "王姐", verdict="upheld", reason="答非所问").status_code == 202


def test_a_lower_rate_takes_away_nothing_that_was_judged(web: TestClient, db: Database) -> None:
    furnish(db)
    judged = pages(web, 500)[0]
    give(web, judged["sample_id"], "verdict", "王姐", verdict="upheld", reason="答非所问")
    none = load_book("name: own\nversion: '1'\nqc: {sample: {rate: 0}}", "own.yaml")
    model = SampleModel(db, none)
    days = model.days(NOW, 3)
    assert model.samples(days, {"qc_status": "open"}, 500) == []
    assert [row["sample_id"] for row in model.samples(days, {"qc_status": "upheld"}, 500)] == [judged["sample_id"]]


STEP = st.tuples(
    st.integers(0, 3), st.integers(0, 9), st.sampled_from("甲乙"), st.sampled_from(["", "upheld", "dismissed"])
)


@given(st.lists(STEP, min_size=1, max_size=8, unique_by=lambda step: step[1]), st.randoms(use_true_random=False))
@LOOSE
def test_what_becomes_of_a_sample_is_what_becomes_of_a_flag(db: Database, steps: list[Any], rnd: random.Random) -> None:
    """One rule in two places: the view's SQL, and the workers' `flag_record`."""
    empty(db)
    events, commands = [], []
    for second, number, actor, verdict in steps:
        kind, time = "qc.verdict_given" if verdict else "qc.claimed", NOW + second * 1000
        told = {"verdict": verdict, "reason": f"r{number}", "score": float(number)} if verdict else {}
        data = {"shop_id": "all", "buyer_id": "b", "flag_id": "s-1", "actor": actor, **told}
        data["sample"] = {"agent_id": "x", "day_start": "2026-11-11T00:00:00+08:00"}
        event = {"specversion": "1.0", "id": f"c{number}", "source": "w", "type": kind}
        events.append(orjson.dumps({**event, "time": format_time(time), "data": data}))
        commands.append(Command(time, f"c{number}", "w", kind, "s-1", actor, orjson.dumps(told).decode()))
    rnd.shuffle(events)
    sink(db, events + rnd.sample(events, len(events) // 2))
    (got,) = db.query("SELECT * FROM qc_samples")
    moment, verdict = Moment(NOW, ("s", "m"), "x", "m", None, None), Verdict("language.vague", "notice", [], {})
    want = flag_record("s-1", moment, verdict, sorted(commands, key=lambda told: (told.time, told.id)), 0, "own@1")
    assert (got["qc_status"], got["qc_actor"], got["qc_reason"], got["qc_score"]) == (
        want.qc_status, want.qc_actor, want.qc_reason, want.qc_score,
    )  # fmt: skip
    assert (got["judged_at"] is not None) == (want.qc_status in ("upheld", "dismissed"))


def test_of_two_contents_under_one_id_the_first_in_the_log_counts(db: Database) -> None:
    data = {"shop_id": "all", "buyer_id": "b", "flag_id": "s-1", "verdict": "upheld"}
    data["sample"] = {"agent_id": "x", "day_start": "2026-11-11T00:00:00+08:00"}
    event = {"specversion": "1.0", "id": "c", "source": "w", "type": "qc.verdict_given", "time": format_time(NOW)}
    said = [orjson.dumps({**event, "data": {**data, "actor": actor}}) for actor in ("甲", "乙")]
    sink(db, said[1:], offset=8)
    sink(db, said[:1], offset=7)
    sink(db, said[1:], offset=8)
    assert [row["qc_actor"] for row in db.query("SELECT * FROM qc_samples")] == ["甲"]


@pytest.mark.parametrize(("role", "buyer", "judges"), [(Role.OPS, "•••00", False), (Role.QC, "b-0000", True)])
def test_ops_see_that_somebody_is_in_and_qc_judges(
    web: TestClient, db: Database, role: Role, buyer: str, judges: bool
) -> None:
    insert(db, "rounds_raw", talk("all", "b-0000", "x", NOW))
    web.app.dependency_overrides[person_of] = lambda: Person("mei", frozenset({role}))  # type: ignore[attr-defined]
    (row,) = web.get("/api/v1/qc/samples").json()["samples"]
    assert row["buyer_id"] == web.get(f"/api/v1/qc/samples/{row['sample_id']}").json()["buyer_id"] == buyer
    for step, body in (("claim", {}), ("verdict", {"verdict": "dismissed"})):
        answer = web.post(f"/api/v1/qc/samples/{row['sample_id']}/{step}", json=body)
        assert answer.status_code == (202 if judges else 403)


def test_a_command_on_a_flag_is_none_on_a_sample(db: Database) -> None:
    data = {"shop_id": "all", "buyer_id": "b", "flag_id": "f-1", "actor": "甲"}
    event = {
        "specversion": "1.0",
        "id": "c",
        "source": "w",
        "type": "qc.claimed",
        "time": format_time(NOW),
        "data": data,
    }
    sink(db, [orjson.dumps(event)])
    assert db.query("SELECT * FROM qc_samples") == []
    assert len(db.query("SELECT * FROM commands")) == 1
