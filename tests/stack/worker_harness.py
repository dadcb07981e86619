"""Workers as real processes on a real broker: events in, results read back, both compared with the pure core."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiokafka
import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from processors.partition import Incoming, Partition
from processors.ruleset import default_book
from schemas.settings import Settings
from schemas.topics import (
    CALL_TASKS,
    CHAT,
    FLAGS,
    LEADERBOARD,
    ORDERS,
    PAYMENTS,
    REJECTED,
    REVIEWS,
    ROUNDS,
    WINDOWS,
    WORKER_TOPICS,
)
from schemas.types import DAY_MS
from sinks.kafka import create_topics

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
OUTPUTS = (FLAGS, CALL_TASKS, ROUNDS, WINDOWS, LEADERBOARD)
MAIN = (
    "import sys; from schemas.settings import Settings; from processors.ruleset import default_book; "
    "from streams.worker import run_worker; sys.exit(run_worker(Settings(), default_book()))"
)
SLOW_MAIN = """
import sys, time
from processors.partition import Partition
from processors.ruleset import default_book
from schemas.settings import Settings
from streams.worker import run_worker

class Slow(Partition):
    left = 2
    def burn(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
    def __init__(self, *args, **kwargs):
        self.burn(1.8)
        super().__init__(*args, **kwargs)
    def apply(self, records):
        if Slow.left:
            Slow.left -= 1
            self.burn(5)
        super().apply(records)
    def flush(self, *, sums=True):
        self.burn(0.2)
        return super().flush(sums=sums)

def new_core(number, writer):
    return Slow(number, default_book(), writer=writer, horizon_ms=35 * 86_400_000)

sys.exit(run_worker(Settings(), default_book(), new_core=new_core))
"""
"""a worker whose pure part keeps the event loop busy, longer than a session of six seconds in all"""
_START = datetime(2025, 11, 11, 9, 0, tzinfo=UTC)

Event = tuple[str, bytes, bytes]
"""(topic, key, value)"""
HANGING_FETCH_MAIN = f"""
import asyncio, time
from streams.transport import BatchConsumer

fetch = BatchConsumer._getmany
hung = False

async def hanging(self, active, timeout):
    global hung
    began, until = self.seek_generation, None
    while not hung and self.seek_generation in (began, None):  # over the rebalance, and the seek that follows
        if until is None and self._resume_after_seek:
            until = time.monotonic() + 1
        if until is not None and time.monotonic() > until:
            break  # the seek waits for this fetch
        await asyncio.sleep(0.01)
    hung = True
    return await fetch(self, active, timeout)

BatchConsumer._getmany = hanging
{MAIN}
"""
"""its first fetch begins before the first rebalance that follows, and ends after it"""


def impatient_main(seconds: float) -> str:
    """A worker that gives up on Kafka after that time."""
    return f"import streams.worker; streams.worker.RETRY_SECONDS = {seconds}; {MAIN}"


def sale_events(buyers: int, seed: int) -> list[Event]:
    """About 10 facts a buyer, 5 % of them twice, in random order, and a few records that are no events."""
    dice = random.Random(seed)
    events: list[Event] = []

    def add(topic: str, kind: str, buyer: str, at: datetime, **data: Any) -> None:
        number = len(events)
        value = {"specversion": "1.0", "id": f"e-{number}", "source": "test", "type": kind, "time": at.isoformat()}
        value["data"] = {"shop_id": "s", "buyer_id": buyer, **data}
        events.append((topic, f"s|{buyer}".encode(), orjson.dumps(value)))

    for index in range(buyers):
        buyer, agent, order = f"b-{index}", f"s:a{dice.randrange(6)}", f"o-{index}"
        at = _START + timedelta(seconds=dice.randrange(10 * 3600))
        for sender, text in (("buyer", "在吗?"), ("agent", "亲,在的"), ("buyer", "便宜点"), ("agent", "不行哦")):
            at += timedelta(seconds=dice.randrange(5, 240))
            add(CHAT, "chat.message", buyer, at, agent_id=agent, sender=sender, text=text)
        items = [{"sku_id": "k", "title": "鞋", "quantity": 1, "unit_price": "199.00"}]
        add(ORDERS, "order.placed", buyer, at + timedelta(seconds=30), order_id=order, amount="199.00", items=items)
        for minutes in (5, 9):
            add(
                CHAT,
                "chat.message",
                buyer,
                at + timedelta(minutes=minutes),
                agent_id=agent,
                sender="agent",
                text="记得付款哦",
            )
        paid = at + timedelta(minutes=dice.randrange(1, 20))
        add(PAYMENTS, "payment.succeeded", buyer, paid, payment_id=f"p-{index}", order_id=order, amount="199.00")
        rating = dice.randrange(1, 6)
        reviewed = at + timedelta(hours=3)
        add(
            REVIEWS,
            "review.posted",
            buyer,
            reviewed,
            review_id=f"r-{index}",
            order_id=order,
            rating=rating,
            text="质量差",
        )
    events += dice.sample(events, len(events) // 20)
    events += [(CHAT, b"s|b-0", b"no json %d" % number) for number in range(5)]
    dice.shuffle(events)
    return events


class WorkerProcess:
    """A worker in a process of its own; its log is a file."""

    def __init__(self, name: str, bootstrap: str, directory: Path, main: str = MAIN, **settings: str) -> None:
        self._arguments = [sys.executable, "-c", main]
        self._environment = {
            "ZHENGDIAN_KAFKA_BOOTSTRAP": bootstrap,
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            **{f"ZHENGDIAN_{key.upper()}": value for key, value in settings.items()},
        }
        self.log = directory / f"{name}.log"
        self.expected: set[int] = set()
        """exit codes besides 0 that the scenario brings about"""
        self._restarts = 0
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self._arguments, cwd=ROOT, env=os.environ | self._environment, stdout=output, stderr=subprocess.STDOUT
            )

    def supervise(self) -> None:
        """As in production: when it gave up because the machine was too busy it is started again. AssertionError when it died
        of anything else.
        """
        code = self.process.poll()
        if code in {None, 0, *self.expected}:
            return
        assert code == 1, f"{self.log.name} died, {self.told()}"
        self._restarts += 1
        assert self.logged("stood still") >= self._restarts, f"{self.log.name} gave up, {self.told()}"
        self.process = self._started()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process."""
        if number is signal.SIGKILL:
            self.expected.add(-number)
        os.kill(self.process.pid, number)

    def logged(self, what: str) -> int:
        """How many log lines hold that word."""
        return self.log.read_text().count(what)

    def told(self) -> str:
        """How it is, and the end of its log."""
        return f"exit code {self.process.poll()}\n{self.log.read_text()[-4000:]}"

    async def exit_code(self, seconds: float = 30) -> int:
        """Wait for the end."""
        await until(lambda: self.process.poll() is not None, seconds, f"{self.log.name} does not end")
        return int(self.process.returncode)

    async def stop(self, seconds: float = 30) -> None:
        """SIGTERM, and its orderly end; a machine that was too busy for it may have ended it before."""
        self.signal(signal.SIGTERM)
        code = await self.exit_code(seconds)
        stood_still = "stood still" in self.log.read_text().splitlines()[-1]
        assert code == 0 or (code == 1 and stood_still), self.told()

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class System:
    """Topics on a broker, a producer, and the workers."""

    def __init__(self, bootstrap: str, directory: Path, partitions: int = PARTITIONS, replicas: int = 1) -> None:
        self.bootstrap = bootstrap
        self.replicas = replicas
        self.directory = directory
        self.partitions = partitions
        self.workers: list[WorkerProcess] = []
        self.produced: dict[tuple[str, int], int] = defaultdict(int)
        self.anew: set[str] = set()
        """topics that were deleted and made again: until the worker notices, what is committed may be beyond their end"""

    async def __aenter__(self) -> "System":
        settings = Settings(
            kafka_bootstrap=self.bootstrap, partitions=self.partitions, replication_factor=self.replicas
        )
        await asyncio.to_thread(create_topics, settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.end()

    def worker(self, name: str, main: str = MAIN, **settings: str) -> WorkerProcess:
        """Start a worker."""
        worker = WorkerProcess(name, self.bootstrap, self.directory, main, **settings)
        self.workers.append(worker)
        return worker

    async def recreate(self, name: str) -> None:
        """Delete a topic and create it again, empty."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([name])
            await admin.create_topics([NewTopic(name, self.partitions, 1)])
        finally:
            await admin.close()
        self.anew.add(name)
        for tp in [tp for tp in self.produced if tp[0] == name]:
            del self.produced[tp]

    async def ready(self, *workers: WorkerProcess, times: int = 1, seconds: float = 60) -> None:
        """Wait until each has had an assignment ready that many times."""
        for worker in workers:
            deadline = time.monotonic() + seconds
            while worker.logged("partitions_ready") < times:
                worker.supervise()
                assert time.monotonic() < deadline, f"{worker.log.name}: not ready, {worker.told()}"
                await asyncio.sleep(0.05)

    async def produce(self, events: list[Event], seconds: float = 0) -> None:
        """Send all events, spread over that time."""
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=5)
        await producer.start()
        try:
            started = time.monotonic()
            step = 100
            futures = []
            for first in range(0, len(events), step):
                futures += [await producer.send(t, v, key=k) for t, k, v in events[first : first + step]]
                await asyncio.sleep(max(0, started + seconds * (first + step) / len(events) - time.monotonic()))
            for sent in await asyncio.gather(*futures):
                self.produced[sent.topic, sent.partition] += 1
        finally:
            await producer.stop()

    async def drained(self, seconds: float = 60) -> None:
        """Wait until the group has committed everything that was produced."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        left: dict[Any, Any] = {}
        try:
            deadline = time.monotonic() + seconds
            tps = [aiokafka.TopicPartition(*tp) for tp in self.produced]
            while time.monotonic() < deadline:
                for worker in self.workers:
                    worker.supervise()
                committed = await admin.list_consumer_group_offsets("zhengdian-worker", partitions=tps)
                # of a broker that has just started: not all of them
                left = {tp: self.produced[tp] - max(0, committed[tp].offset if tp in committed else 0) for tp in tps}
                beyond = {tp for tp, behind in left.items() if behind < 0 and tp.topic not in self.anew}
                assert not beyond, f"committed more than there is: {left}"
                if not any(left.values()):
                    return
                await asyncio.sleep(0.1)
        finally:
            await admin.close()
        raise AssertionError(f"not committed after {seconds} s: {left}")

    async def records(self, *topics: str) -> list[Any]:
        """All records of the topics."""
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        await consumer.start()
        found: list[Any] = []
        try:
            left = {aiokafka.TopicPartition(t, p) for t in topics for p in range(self.partitions)}
            consumer.assign(list(left))
            await consumer.seek_to_beginning()
            while left:
                for records in (await consumer.getmany(*left, timeout_ms=50)).values():
                    found += records
                for tp in list(left):
                    end = consumer.highwater(tp)
                    if end is not None and await consumer.position(tp) >= end:
                        left.discard(tp)
        finally:
            await consumer.stop()
        return found

    async def check(self, events: list[Event]) -> dict[str, int]:
        """Compare the final results with what the pure core makes of the set of events; returns sizes."""
        outputs = await self.records(*OUTPUTS)
        have = final((r.topic, r.partition, r.key, r.value) for r in outputs)
        cores = {
            number: Partition(number, default_book(), writer=b"reference", horizon_ms=Settings().horizon_days * DAY_MS)
            for number in range(self.partitions)
        }
        source = await self.records(*WORKER_TOPICS)
        assert len(source) == len(events)
        for r in source:
            cores[r.partition].apply([Incoming(r.topic, r.partition, r.offset, r.key, r.value, r.timestamp)])
        want = final((t, number, k, v) for number, core in cores.items() for t, k, v in core.flush().outputs)
        assert want
        missing = want.keys() - have.keys()
        extra = have.keys() - want.keys()
        differ = [key for key in want.keys() & have.keys() if want[key] != have[key]]
        shown = [(key, want.get(key), have.get(key)) for key in [*missing, *extra, *differ][:3]]
        assert (len(missing), len(extra), len(differ)) == (0, 0, 0), shown
        rejected = {
            (orjson.loads(r.value)["partition"], orjson.loads(r.value)["offset"]) for r in await self.records(REJECTED)
        }
        assert len(rejected) == sum(b"no json" in value for _, _, value in events)
        return {"events": len(events), "final": len(want), "written": len(outputs)}


def final(records: Any) -> dict[tuple[str, int, bytes], dict[str, Any]]:
    """(topic, partition, key) -> the record with the highest revision, the later of equals; without what says nothing."""
    best: dict[tuple[str, int, bytes], dict[str, Any]] = {}
    for topic, partition, key, raw in records:
        value = orjson.loads(raw)
        kept = best.get((topic, partition, key))
        if kept is None or value["revision"] >= kept["revision"]:
            best[topic, partition, key] = value
    return {key: value for key, value in best.items() if not _empty(key[0], value)}


def _empty(topic: str, value: dict[str, Any]) -> bool:
    if topic in (FLAGS, ROUNDS):
        return value["status"] in ("cleared", "void")
    if topic == WINDOWS:
        return not any(value[name] for name in ("rounds", "first_responses", "buyers_wrote", "buyers_replied"))
    if topic == LEADERBOARD:
        return not any(isinstance(v, int) and v for k, v in value.items() if k not in ("partition", "revision"))
    return False


async def until(condition: Callable[[], bool], seconds: float, why: str) -> None:
    """Wait for a condition; AssertionError with `why` when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why
        await asyncio.sleep(0.05)
