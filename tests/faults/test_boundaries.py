"""Parts killed between two steps that must not be torn apart; each proves that it died exactly there."""

import random
import shutil
from collections.abc import Sequence

import orjson
from fixtures.records import read_records

from replay.generator import SaleConfig
from schemas.topics import FLAGS, ROUNDS

from .boundary import EITHER, FINAL, SENT, SINK_POINTS, WORKER_POINTS
from .feeding import Sent, sale, write_lines
from .system import System


def test_worker_killed_at_each_boundary(system: System) -> None:
    system.add("sink")
    workers = {"worker-1": WORKER_POINTS, "worker-2": tuple(reversed(WORKER_POINTS))}
    for nth, (name, points) in enumerate(workers.items(), start=1):
        system.add_suicidal(name, points, nth=nth)
    system.feed(sale(SaleConfig(buyers=600, agents=8, seed=11, duplicates=0.03, disorder=0.1, faults=6)), seconds=230)
    system.until(
        lambda: all(len(system.marks(name)) == len(points) for name, points in workers.items()), "they do not die", 210
    )
    system.note_marks(*workers)
    system.finish()


def test_successor_takes_back_what_it_never_derived(system: System) -> None:
    """The successor reads what a dead worker had read together with what came since: it takes back the dead one's results
    though they no longer follow from anything, because the facts were durable before them."""
    system.add("sink")
    records = sale(SaleConfig(buyers=120, agents=6, seed=14))
    dice = random.Random(14)
    parts: tuple[list[Sent], ...] = ([], [], [])
    for record in records:
        parts[dice.randrange(3)].append(record)
    first, second, third = parts
    system.feed(first, seconds=0.1)
    system.fed()
    # far apart, so that a checkpoint holds all there is
    worker = system.add_suicidal("worker-1", [EITHER, SENT], nth=1, ZHENGDIAN_FLUSH_SECONDS="3")
    for lives, (known, more) in enumerate([(first, second), ([*first, *second], third)], start=1):
        system.until(lambda n=lives: len(system.marks("worker-1")) == n and worker.pid is None, "it does not die")
        worker.wanted = False  # its successor has to wait for more
        unfounded = stale(system, known, records)
        assert len(unfounded) > 20
        if lives == 2:  # in its first life it may have died before it sent any
            assert len(unfounded & standing(system)) > 20, "nobody has anything to take back"
        system.feed(more, seconds=0.1)
        system.fed()
        worker.wanted = True
        system.until(lambda: worker.pid is not None, "it is not started")
    assert len(system.marks("worker-1")) == 2
    system.note_marks("worker-1")
    system.finish()


def standing(system: System) -> set[str]:
    """Flags and rounds that the records on Kafka assert."""
    latest: dict[tuple[str, int, bytes | None], bytes | None] = {}
    for (topic, number, _), (key, value) in read_records(system.settings, (FLAGS, ROUNDS)).items():
        latest[topic, number, key] = value
    rows = [orjson.loads(value) for value in latest.values() if value]
    return {row.get("flag_id") or row["round_id"] for row in rows if row["status"] not in ("cleared", "void")}


def stale(system: System, some: Sequence[Sent], everything: Sequence[Sent]) -> set[str]:
    """Flags and rounds that follow from some of the facts and not from all."""
    found = []
    for number, records in enumerate((some, everything)):
        facts, out = (system.directory / "some" / f"{name}-{number}" for name in ("facts", "derived"))
        write_lines(records, facts / "sale.jsonl")
        shutil.rmtree(out, ignore_errors=True)
        system.command("replay", str(facts), "--engine", "memory", "--out", str(out))
        rows = [
            orjson.loads(line)
            for name in ("flags", "response_rounds")
            for line in (out / f"{name}.jsonl").read_bytes().splitlines()
        ]
        found.append({row.get("flag_id") or row["round_id"] for row in rows})
    return found[0] - found[1]


def test_worker_killed_between_final_checkpoint_and_commit(system: System) -> None:
    system.add("sink")
    # checkpoints far apart, so that the final one has something to write
    system.add_suicidal("worker-1", [FINAL, FINAL], nth=1, ZHENGDIAN_FLUSH_SECONDS="4")
    system.until(lambda: system.parts["worker-1"].logged("partitions_ready") > 0, "worker-1 is not ready")
    system.feed(sale(SaleConfig(buyers=300, agents=8, seed=12, duplicates=0.03, disorder=0.1)), seconds=240)
    system.run(1)
    for number in range(2, 10):  # each that joins makes the others hand over
        if len(system.marks("worker-1")) == 2:
            break
        ready = system.parts["worker-1"].logged("partitions_ready")
        system.add(f"worker-{number}")
        system.until(lambda n=ready: system.parts["worker-1"].logged("partitions_ready") > n, "no rebalance")
        system.run(1)
    assert len(system.marks("worker-1")) == 2
    system.note_marks("worker-1")
    system.finish()


def test_sink_killed_at_each_boundary(system: System) -> None:
    system.add("worker-1")
    system.add_suicidal("sink", SINK_POINTS, nth=2)
    system.feed(sale(SaleConfig(buyers=400, agents=8, seed=13, duplicates=0.03, disorder=0.1, faults=6)), seconds=100)
    system.until(lambda: len(system.marks("sink")) == len(SINK_POINTS), "the sink does not die")
    system.note_marks("sink")
    system.finish()
