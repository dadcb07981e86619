"""How long an event takes from being produced to its row being readable in ClickHouse, and to the wallboard, under load.

First a backlog, read and written by worker and sink side by side, which tells where to look for the most that all of it together
carries: the highest rate tried at which, in most of three runs, what is sent last is hardly later than what was sent before. Then
shares of that rate. All parts and the broker are new in every run; the load of a rate is the same in each.
Among the load are probes: a buyer's message, whose round is looked for over and over, and which the wallboard shows as one more
buyer who waits. What is measured is thus until a reader has it, by one clock, and for rows at most one look too long; and, by the time
that the broker gave the record, until the worker's result was in Kafka, from which the sink has it. All events
are of the moment in which they are sent, or the probes' time would make the others too late to count. The load comes from a client
that takes little of the machine: in a shop's life it comes from elsewhere.
"""

import asyncio
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

import aiohttp
import orjson
from confluent_kafka import Producer

from benchmarks.parts import alive, cpu_seconds, start_part, wait_for_line
from benchmarks.peers.job import rss_mb
from benchmarks.peers.launch import PeerError
from benchmarks.results import first_rounds
from benchmarks.throughput import SECONDS, broker, broker_process
from deploy.process import Child
from replay.generator import SaleConfig
from replay.generator.write import deliver
from schemas.events import parse_event
from schemas.settings import Settings
from schemas.topics import CHAT, ORDERS, PAYMENTS
from schemas.types import format_time
from sinks.kafka import EventProducer, event_key, sink_group, worker_group
from sinks.progress import sink_ends, source_ends, wait_until_read

SHARES: Final = (0.25, 0.5, 0.75)
TRIED: Final = tuple(0.75 * 0.85**step for step in range(9))
"""of the backlog's rate, which large batches make higher than what can be kept up with event by event: down to a fifth"""
_DECIDING: Final = 3
"""runs that say whether a rate is kept up with, by most of them"""
_GROWTH: Final = 0.02
"""seconds later a second, of what is sent at a rate that is still kept up with"""
_LATE_SECONDS: Final = 5.0
"""later than this nobody speaks of keeping up, be it ever so steady"""
_JITTER_SECONDS: Final = 0.1
_SHOP: Final = "probe"
_ZONE: Final = "Asia/Shanghai"
_PROBE_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.2
"""each look keeps the web part busy for some 15 ms"""
_TICK_SECONDS: Final = 0.01
_LINGER_MS: Final = 50
_SETTLE_SECONDS: Final = 3.0
_STOP_SECONDS: Final = 60.0
_LAST_SECONDS: Final = 15.0
"""for the last probes to arrive; one that does not is as late as that"""
_ROUNDS: Final = (
    "SELECT DISTINCT buyer_id FROM rounds_raw WHERE shop_id = {shop:String} AND opened_at >= {since:DateTime64(3)}"
)

Load = Sequence[tuple[str, bytes, bytes]]
"""topic, key, value"""
Unstamped = Sequence[tuple[str, bytes, bytes, bytes]]
"""topic, key, what comes before the event's time and after it"""


@dataclass(frozen=True, slots=True)
class Latency:
    """One run at that share of the most: events/s that were sent, and the seconds of each probe, in the order sent, to the worker's
    result in Kafka, to a row and to the wallboard; whether it was kept up with; by part the cores kept busy until the last probe has
    come, and the most memory in MB."""

    share: float
    rate: float
    to_result: list[float]
    to_row: list[float]
    to_page: list[float]
    kept_up: bool
    cores: dict[str, float]
    peak_mb: dict[str, float]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Events/s of a backlog; the most that is kept up with; and how late things are at shares of that."""

    backlog: float
    most: float
    """events/s that were sent; where not even the least that was tried is kept up with, those"""
    tried: list[tuple[float, bool]]
    """events/s of each run that looked for the most, and whether they were kept up with"""
    at: list[Latency]
    """the runs of a share one after another"""

    @property
    def kept_up(self) -> bool:
        """Whether there is a rate that is kept up with."""
        return any(kept for _, kept in self.tried)

    def rounded(self) -> "Latencies":
        """Its thousands of seconds to two digits, to be kept."""

        def digits(late: Sequence[float]) -> list[float]:
            return [round(seconds, 2) for seconds in late]

        at = [
            replace(one, to_result=digits(one.to_result), to_row=digits(one.to_row), to_page=digits(one.to_page))
            for one in self.at
        ]
        return replace(self, at=at)


def measure(buyers: int, seconds: float, runs: int, place: Path, say: Callable[[str], object]) -> Latencies:
    """Latencies over `seconds`, `runs` times at each of the shares. Raises PeerError and TimeoutError."""
    say("latency: a backlog")
    with broker(place) as settings:
        backlog = _backlog(load_of(buyers, seed=0), settings)
    numbers = count(1)

    def load_at(rate: float) -> Unstamped:
        say(f"latency: a load for {rate:,.0f} events/s")
        return unstamped(load_of_length(int(rate * (seconds + _SETTLE_SECONDS + _TICK_SECONDS)) + 1, next(numbers)))

    def run(share: float, rate: float, load: Unstamped) -> Latency:
        say(f"latency: {rate:,.0f} events/s")
        where = place.with_name(f"{place.name}-{next(numbers)}")
        with broker_process(where) as (settings, broker_pid), _running(settings) as (worker, web, url):
            parts = {
                "broker": broker_pid,
                "worker": worker.pid,
                "web part with sink": web.pid,
                "sender and reader": os.getpid(),
            }
            began, before = time.perf_counter(), {part: cpu_seconds(pid) for part, pid in parts.items()}
            sent, probes, to_row, to_page = asyncio.run(_under(load, rate, seconds, settings, url))
            took = time.perf_counter() - began
            cores = {part: (cpu_seconds(pid) - before[part]) / took for part, pid in parts.items()}
            peak_mb = {part: rss_mb(pid) for part, pid in parts.items()}
            to_result = _late(probes, first_rounds(settings, _SHOP))
            return Latency(share, sent, to_result, to_row, to_page, keeps_up(to_row, seconds), cores, peak_mb)

    tried: list[tuple[float, bool]] = []

    def sent_when_kept_up_with(rate: float) -> float | None:
        load = load_at(rate)

        def once() -> bool:
            one = run(1.0, rate, load)
            tried.append((one.rate, one.kept_up))
            return one.kept_up

        return tried[-1][0] if mostly(once, min(runs, _DECIDING)) else None

    most = highest([backlog * share for share in TRIED], sent_when_kept_up_with) or min(rate for rate, _ in tried)
    found = []
    for share in SHARES:
        load = load_at(most * share)
        found += [run(share, most * share, load) for _ in range(runs)]
    return Latencies(backlog, most, tried, found)


def highest(falling: Sequence[float], found: Callable[[float], float | None]) -> float | None:
    """What is `found` at the first of the rates at which anything is, by bisection: it is at none above, and at all below."""
    best, low, high = None, 0, len(falling)
    while low < high:
        middle = (low + high) // 2
        if (answer := found(falling[middle])) is None:
            low = middle + 1
        else:
            best, high = answer, middle
    return best


def mostly(once: Callable[[], bool], times: int) -> bool:
    """Whether it is so in more than half of so many times, asked until that is certain."""
    most, yes, no = times // 2 + 1, 0, 0
    while yes < most and no <= times - most:
        if once():
            yes += 1
        else:
            no += 1
    return yes == most


def keeps_up(late: Sequence[float], seconds: float) -> bool:
    """Whether probes sent over `seconds`, so late each, were hardly later in the last third than in the one before, and not late."""
    third = len(late) // 3
    if not third:
        return False
    last = statistics.median(late[-third:])
    if last > _LATE_SECONDS:
        return False
    growth = last - statistics.median(late[-2 * third : -third])
    return growth <= _GROWTH * seconds / 3 + _JITTER_SECONDS


def unstamped(load: Load) -> Unstamped:
    """The load without the events' own times."""
    found = []
    for topic, key, value in load:
        before, _, rest = value.partition(b'"time":"')
        found.append((topic, key, before + b'"time":"', rest[rest.index(b'"') :]))
    return found


def load_of(buyers: int, seed: int) -> Load:
    """A generated sale in the order of time, with the events' keys."""
    lines = ((topic, line) for topic, line, _ in deliver(SaleConfig(buyers=buyers, seed=seed)))
    return [(topic, event_key(parse_event(line)), line) for topic, line in lines]


def load_of_length(events: int, seed: int) -> Load:
    """The first so many events of a sale that has them: buyers write the less the more of them there are."""
    buyers = events // 15 + 100
    while len(load := load_of(buyers, seed)) < events:
        buyers += buyers // 4
    return load[:events]


@contextmanager
def _running(settings: Settings) -> Iterator[tuple[Child, Child, str]]:
    """A worker, and the web part with the sink, which chDB wants in one process; its address. Both have their partitions."""
    place = settings.data_dir.parent
    with ExitStack() as stack:
        worker = start_part("worker", settings, place, core=None)
        stack.callback(worker.stop, _STOP_SECONDS)
        web = start_part("web", settings, place, core=None, ZHENGDIAN_WEB_PORT="0", ZHENGDIAN_LOG_FORMAT="json")
        stack.callback(web.stop, _STOP_SECONDS)
        wait_for_line(worker, b"partitions_ready")
        wait_for_line(web, b"web_listening")
        wait_for_line(web, b"partitions_assigned")
        line = next(line for line in web.log.read_bytes().splitlines() if b'"web_listening"' in line)
        yield worker, web, orjson.loads(line)["url"]
        alive(worker)
        alive(web)


def _backlog(load: Load, settings: Settings) -> float:
    producer = EventProducer(settings)
    for topic, key, value in load:
        producer.submit(topic, key, value)
    producer.close()
    with _running(settings) as (worker, web, _):
        began = time.perf_counter()
        wait_until_read(settings, worker_group(settings), source_ends(settings), SECONDS, lambda left: alive(worker))
        wait_until_read(settings, sink_group(settings), sink_ends(settings), SECONDS, lambda left: alive(web))
        return len(load) / (time.perf_counter() - began)


def light_producer(settings: Settings, linger_ms: int = _LINGER_MS) -> Producer:
    """One that takes little of the machine: it stands in for shops that are elsewhere. Keys go where kafka-python's do."""
    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "linger.ms": linger_ms,
            "partitioner": "murmur2_random",
        }
    )


class _Feed:
    """Sends the load at that rate, and a probe every now and then, in a thread."""

    def __init__(self, settings: Settings, load: Unstamped, rate: float, seconds: float) -> None:
        self.probes: dict[str, float] = {}
        """buyer -> when it was produced, in seconds since the epoch"""
        self.sent = 0
        self.seconds = 0.0
        self._settings, self._load, self._rate, self._length = settings, load, rate, seconds
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def running(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._length = 0.0
        self._thread.join(2 * _STOP_SECONDS)

    def _run(self) -> None:
        producer, at_once = light_producer(self._settings), light_producer(self._settings, linger_ms=0)
        self._sell(producer)
        began = time.monotonic()
        probe_at = began + _SETTLE_SECONDS
        while (now := time.monotonic()) < began + self._length:
            due = min(int((now - began) * self._rate), len(self._load))
            at = format_time(time.time_ns() // 1_000_000, _ZONE).encode()
            for topic, key, before, after in self._load[self.sent : due]:
                producer.produce(topic, before + at + after, key)
            self.sent = due
            if now >= probe_at:
                probe_at += _PROBE_SECONDS
                self._probe(at_once)
            at_once.poll(0)
            producer.poll(_TICK_SECONDS)
        self.seconds = time.monotonic() - began
        producer.flush(_STOP_SECONDS)
        at_once.flush(_STOP_SECONDS)

    def _probe(self, producer: Producer) -> None:
        buyer, now = f"b-{len(self.probes)}", time.time()
        self.probes[buyer] = now
        chat = {"agent_id": "probe:a", "sender": "buyer", "text": "在吗?"}
        producer.produce(*_event(CHAT, "chat.message", buyer, now, chat))

    @staticmethod
    def _sell(producer: Producer) -> None:
        """A shop that has sold nothing has another wallboard than most."""
        now = time.time()
        items = [{"sku_id": "k", "title": "跑鞋", "quantity": 1, "unit_price": "99.00"}]
        producer.produce(
            *_event(ORDERS, "order.placed", "b", now, {"order_id": "o", "amount": "99.00", "items": items})
        )
        paid = {"order_id": "o", "payment_id": "p", "amount": "99.00"}
        producer.produce(*_event(PAYMENTS, "payment.succeeded", "b", now, paid))


def _event(topic: str, kind: str, buyer: str, now: float, data: Mapping[str, object]) -> tuple[str, bytes, str]:
    """Topic, value and key."""
    at = format_time(int(now * 1000), _ZONE)
    said = {"shop_id": _SHOP, "buyer_id": buyer, **data}
    event = {"specversion": "1.0", "id": f"{kind}-{buyer}", "source": "probe", "type": kind, "time": at, "data": said}
    return topic, orjson.dumps(event), f"{_SHOP}|{buyer}"


def _late(probes: Mapping[str, float], came: Mapping[str, float]) -> list[float]:
    """Seconds by probe, of when each was produced and came."""
    return [came.get(buyer, produced + _LAST_SECONDS) - produced for buyer, produced in probes.items()]


async def _under(
    load: Unstamped, rate: float, seconds: float, settings: Settings, url: str
) -> tuple[float, dict[str, float], list[float], list[float]]:
    """Events/s that were sent, when each probe was produced, and the probes' seconds to a row and to the wallboard."""
    async with aiohttp.ClientSession(url, read_bufsize=2**20, max_line_size=2**20) as session:
        since = time.time() - 60
        with closing(_Feed(settings, load, rate, seconds + _SETTLE_SECONDS)) as feed:
            boards: list[tuple[float, int]] = []
            watching = asyncio.create_task(_watch(session, boards))
            rows: dict[str, float] = {}
            ends = float("inf")

            def missing() -> bool:
                return len(rows) < len(feed.probes) or not boards or boards[-1][1] < len(feed.probes)

            while feed.running() or (missing() and time.time() < ends):
                if not feed.running() and ends == float("inf"):
                    ends = time.time() + _LAST_SECONDS
                for buyer in await _rounds(session, since):
                    rows.setdefault(buyer, time.time())
                await asyncio.sleep(_LOOK_SECONDS)
            watching.cancel()
    pages = {
        buyer: next((at for at, shown in boards if shown >= number), produced + _LAST_SECONDS)
        for number, (buyer, produced) in enumerate(feed.probes.items(), 1)
    }
    if not feed.seconds:
        raise PeerError(f"the sending of {rate:,.0f} events/s failed after {feed.sent:,}")
    assert feed.sent < len(load), "the load ended before its time"
    return feed.sent / feed.seconds, feed.probes, _late(feed.probes, rows), _late(feed.probes, pages)


async def _rounds(session: aiohttp.ClientSession, since: float) -> list[str]:
    body = {"sql": _ROUNDS, "parameters": {"shop": _SHOP, "since": f"{since:.3f}"}}
    async with session.post("/api/v1/sql", json=body) as answer:
        answer.raise_for_status()
        return [row["buyer_id"] for row in (await answer.json())["data"]]


async def _watch(session: aiohttp.ClientSession, boards: list[tuple[float, int]]) -> None:
    """The boards of the probes' shop: when each came, and how many buyers it says wait."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with session.get("/api/v1/wall/stream", params={"shop_id": _SHOP}, timeout=timeout) as stream:
        stream.raise_for_status()
        async for line in stream.content:
            if line.startswith(b"data:"):
                now, board = time.time(), orjson.loads(line[5:])
                boards.append((now, sum(shop["service"]["waiting"]["buyers"] for shop in board["shops"])))
