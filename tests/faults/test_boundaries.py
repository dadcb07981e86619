"""Parts killed between two steps that must not be torn apart; each proves that it died exactly there."""

from replay.generator import SaleConfig

from .boundary import FINAL, SINK_POINTS, WORKER_POINTS
from .feeding import sale
from .system import System


def test_worker_killed_at_each_boundary(system: System) -> None:
    system.add("sink")
    workers = {"worker-1": WORKER_POINTS, "worker-2": tuple(reversed(WORKER_POINTS))}
    for nth, (name, points) in enumerate(workers.items(), start=1):
        system.add_suicidal(name, points, nth=nth)
    system.feed(sale(SaleConfig(buyers=400, agents=8, seed=11, duplicates=0.03, disorder=0.1, faults=6)), seconds=100)
    system.until(
        lambda: all(len(system.marks(name)) == len(points) for name, points in workers.items()), "they do not die"
    )
    system.note_marks(*workers)
    system.finish()


def test_worker_killed_between_final_checkpoint_and_commit(system: System) -> None:
    system.add("sink")
    # checkpoints far apart, so that the final one has something to write
    system.add_suicidal("worker-1", [FINAL, FINAL], nth=1, ZHENGDIAN_FLUSH_SECONDS="4")
    system.until(lambda: system.parts["worker-1"].logged("partitions_ready") > 0, "worker-1 is not ready")
    system.feed(sale(SaleConfig(buyers=300, agents=8, seed=12, duplicates=0.03, disorder=0.1)), seconds=60)
    system.run(1)
    for number in (2, 3, 4, 5):  # each that joins makes the others hand over
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
