"""faust-streaming as its user guide has it: Record models, a table, `group_by` the agent, a windowed table."""

import asyncio
from datetime import timedelta
from typing import Any

import faust
import uvloop

from benchmarks.peers.job import (
    FIGURES,
    OUTPUT_TOPIC,
    SESSION_SECONDS,
    TOPIC,
    WINDOW_MS,
    Clock,
    Options,
    options,
    take,
    window_row,
)


class Chat(faust.Record):
    """The payload, as far as the job needs it."""

    shop_id: str
    agent_id: str
    sender: str
    reply_mode: str | None = None


class Event(faust.Record):
    """A CloudEvent around it."""

    time: str
    data: Chat


class Changed(faust.Record):
    """What a message adds to a window; `opened_at` in seconds, as Faust's windows have it."""

    agent: str
    opened_at: float
    rounds: int
    answered: int
    answered_within_3min: int
    response_ms_sum: int


async def _run(chosen: Options) -> None:
    clock, done = Clock(), asyncio.Event()
    counts = {"records": 0, "changes": 0, "windowed": 0}
    app = faust.App(
        chosen.group,
        broker=f"kafka://{chosen.bootstrap}",
        store="memory://",
        datadir=str(chosen.work / "faust"),
        topic_partitions=4,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 6,
        stream_wait_empty=False,
        producer_linger=0.005,
        producer_max_batch_size=512 * 1024,
        loop=asyncio.get_running_loop(),
    )
    messages = app.topic(TOPIC, key_type=str, key_serializer="raw", value_type=Event, value_serializer="json")
    changes = app.topic("bench.changes", key_type=str, key_serializer="raw", value_type=Changed, partitions=4)
    written = app.topic(OUTPUT_TOPIC, key_serializer="raw", value_serializer="json")
    opened = app.Table("opened", partitions=4)
    # relative to the clock of the wall, everything here is old: nothing may expire
    windows = (
        app.Table("windows", default=lambda: [0] * len(FIGURES), partitions=4)
        .tumbling(WINDOW_MS / 1000, expires=timedelta(days=36_500))
        .relative_to_field(Changed.opened_at)  # type: ignore[arg-type]  # a field's descriptor, for Faust
    )

    def stop_when_done() -> None:
        if counts["records"] >= chosen.records and counts["changes"] == counts["windowed"]:
            clock.end()
            done.set()

    async def rounds(stream: Any) -> None:
        async for buyer, event in stream.items():
            clock.begin()
            data = event.data
            thread = f"{buyer}|{data.agent_id}"
            before = opened.get(thread)
            after, change = take(before, {"time": event.time, "data": data.asdict()})
            if after != before:
                opened[thread] = after
            counts["records"] += 1
            if change is not None:
                counts["changes"] += 1
                value = Changed(**{**change, "opened_at": change["opened_at"] / 1000})  # type: ignore[arg-type]
                await changes.send(key=change["agent"], value=value)
            stop_when_done()

    async def sums(stream: Any) -> None:
        async for change in stream:
            window = windows[change.agent]
            now = [had + getattr(change, figure) for had, figure in zip(window.value(), FIGURES, strict=True)]
            windows[change.agent] = now
            counts["windowed"] += 1
            if chosen.output == "kafka":
                start = round(change.opened_at * 1000) // WINDOW_MS * WINDOW_MS
                row = window_row(change.agent, start, dict(zip(FIGURES, now, strict=True)))
                await written.send(key=f"{change.agent}|{start}", value=row)
            stop_when_done()

    app.agent(messages)(rounds)
    app.agent(changes)(sums)
    await app.start()
    await done.wait()
    rows = [
        window_row(agent, round(start * 1000), dict(zip(FIGURES, found, strict=True)))
        for (agent, (start, _)), found in windows.table.items()
    ]
    clock.report(chosen.report, counts["records"], rows)
    await app.stop()


def main() -> None:
    """Run the app until all that the records lead to has been through the windows."""
    uvloop.run(_run(options()))


if __name__ == "__main__":
    main()
