"""A consumer that will never read or commit again is told from one that waits."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from faust.types.tuples import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.health import JOIN_SECONDS, Watch, is_deaf, mend_aiokafka
from streams.transport import BatchConsumer

LIMIT = 60.0
MENDED = [
    (AIOKafkaConnection, "send"),
    (AIOKafkaConnection, "_send_sasl_token"),
    (GroupCoordinator, "_do_commit_offsets"),
]
TPS = [TP("chat.messages", 0), TP("chat.messages", 1)]
STEPS = st.lists(
    st.tuples(
        st.floats(0.1, 50),
        st.booleans(),
        st.booleans(),
        st.dictionaries(st.sampled_from(TPS), st.none() | st.integers(0, 2), max_size=2),
    ),
    max_size=12,
)


@given(STEPS)
def test_trouble_is_what_held_without_a_break_for_longer_than_its_limit(steps: Any) -> None:
    watch, now = Watch(LIMIT), 0.0
    history: list[tuple[float, dict[object, float]]] = []
    for pause, coordinator, member, uncommitted in steps:
        now += pause
        held: dict[object, float] = dict.fromkeys(uncommitted.items(), LIMIT)
        held |= {} if coordinator else {"coordinator": LIMIT}
        held |= {} if member else {"member": LIMIT + JOIN_SECONDS}
        history.append((now, held))
        found = watch.trouble(now, coordinator=coordinator, member=member, uncommitted=uncommitted)
        overdue = False
        for what, limit in held.items():
            since = now
            for at, before in reversed(history):
                if what not in before:
                    break
                since = at
            overdue |= now - since > limit
        assert (found is not None) == overdue


def test_a_worker_that_only_waits_for_a_broker_that_comes_back_in_time_is_in_no_trouble() -> None:
    watch = Watch(LIMIT)
    for second in range(0, 600, 1):
        away = second % 100 < 55
        assert watch.trouble(second, coordinator=not away, member=True, uncommitted={TPS[0]: second // 50}) is None
    found = [watch.trouble(600 + s, coordinator=True, member=True, uncommitted={TPS[0]: 7}) for s in range(62)]
    assert found[:-1] == [None] * 61
    assert found[-1] == f"nothing can be committed on {TPS[0]}, for 60 s now"


async def _broken(loop: asyncio.AbstractEventLoop) -> AIOKafkaConnection:
    """A connection whose transport has closed, which it has not heard of yet."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    connection = AIOKafkaConnection("127.0.0.1", server.sockets[0].getsockname()[1])
    reader = asyncio.StreamReader(loop=loop)
    transport, protocol = await loop.create_connection(
        lambda: AIOKafkaProtocol(loop.create_future(), reader, loop=loop), "127.0.0.1", connection.port
    )
    connection._reader, connection._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
    connection._read_task = connection._create_reader_task()
    connection._versions = {MetadataRequest.API_KEY: (0, 5)}
    transport.abort()
    server.close()
    await asyncio.sleep(0)
    return connection


def test_a_write_to_a_closed_transport_of_uvloop_is_a_broken_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write() -> None:
        connection = await _broken(asyncio.get_running_loop())
        connection.send(MetadataRequest([]))

    for kind, name in MENDED:
        monkeypatch.setattr(kind, name, getattr(kind, name))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with pytest.raises(RuntimeError, match="closed"):  # else there is nothing to mend any more
            runner.run(write())
        mend_aiokafka()
        mend_aiokafka()
        with pytest.raises(KafkaConnectionError, match=r"broken: .*closed"):
            runner.run(write())


@pytest.mark.parametrize("active", [True, False])
async def test_an_assignment_that_is_over_commits_nothing(monkeypatch: pytest.MonkeyPatch, active: bool) -> None:
    sent: list[Any] = []

    async def do_commit_offsets(self: GroupCoordinator, assignment: Any, offsets: Any) -> None:
        sent.append(offsets)

    for kind, name in MENDED:
        monkeypatch.setattr(kind, name, getattr(kind, name))
    monkeypatch.setattr(GroupCoordinator, "_do_commit_offsets", do_commit_offsets)
    mend_aiokafka()
    coordinator = GroupCoordinator.__new__(GroupCoordinator)
    coordinator.coordinator_id, coordinator._commit_lock = 1, asyncio.Lock()
    committing = coordinator.commit_offsets(SimpleNamespace(active=active), {"tp": 7})
    if active:
        await committing
        assert sent == [{"tp": 7}]
    else:
        with pytest.raises(CommitFailedError, match="already rebalanced"):  # which Faust takes for an answer
            await committing
        assert sent == []


async def test_who_is_cancelled_while_waiting_for_a_commit_makes_none() -> None:
    consumer = BatchConsumer.__new__(BatchConsumer)
    consumer._commit_fut = None
    assert await consumer.maybe_wait_for_commit_to_finish() is False
    consumer._commit_fut = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(consumer.maybe_wait_for_commit_to_finish())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not consumer._commit_fut.cancelled()  # the other commit goes on
    waiting = asyncio.create_task(consumer.maybe_wait_for_commit_to_finish())
    await asyncio.sleep(0)
    consumer._commit_fut.set_result(None)
    assert await waiting is True
    consumer._commit_fut = asyncio.get_running_loop().create_future()
    consumer._commit_fut.cancel()
    assert await consumer.maybe_wait_for_commit_to_finish() is False


async def test_a_client_whose_search_for_brokers_has_ended_is_deaf() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    assert not is_deaf(client)

    async def search() -> None:
        raise RuntimeError

    client._sync_task = asyncio.ensure_future(search())
    assert not is_deaf(client)
    await asyncio.wait({client._sync_task})
    assert is_deaf(client)
    client._sync_task.exception()


@pytest.mark.parametrize("error", [AssertionError("Partition is not assigned"), AttributeError(), KeyError()])
async def test_a_partition_that_is_taken_away_just_now_has_no_high_watermark(error: Exception) -> None:
    class Thread:
        def highwater(self, tp: TP) -> int:
            raise error

    consumer = BatchConsumer.__new__(BatchConsumer)
    consumer._thread = Thread()
    consumer._expected, consumer._inflight, consumer._short_since = {TPS[0]: 7}, {}, {}
    assert consumer.highwater(TPS[0]) is None
    assert consumer.lag() == {TPS[0].topic: 0}
    assert await consumer._went_back(TPS[0], 7) is False
    await consumer._leave_short_logs([TPS[0]])  # which passes it over
