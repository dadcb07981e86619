"""Bytewax 0.21: a stateful step keyed by the thread, then `fold_window` keyed by the agent, as its documentation has it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from benchmarks.peers.job import (
    FIGURES,
    GRACE_DAYS,
    OUTPUT_TOPIC,
    TOPIC,
    WINDOW_MS,
    Change,
    Clock,
    options,
    take,
    window_row,
)

_ALIGN = datetime(2025, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


class _Null(StatelessSinkPartition[Row]):  # type: ignore[misc]  # untyped where Bytewax is not installed
    def write_batch(self, items: list[Row]) -> None:
        """Nowhere."""


class _NullSink(DynamicSink[Row]):  # type: ignore[misc]
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Null:
        """One for each worker."""
        return _Null()


def _sums() -> dict[str, int]:
    return dict.fromkeys(FIGURES, 0)


def _add(sums: dict[str, int], change: Change | dict[str, int]) -> dict[str, int]:
    for figure in FIGURES:
        sums[figure] += change[figure]
    return sums


def main() -> None:
    """Run the flow to the end of the topic, where all windows close."""
    chosen, clock, rows, records = options(), Clock(), list[Row](), 0

    def decode(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, Row]:
        nonlocal records
        clock.begin()
        records += 1
        event = orjson.loads(message.value)
        return f"{message.key.decode()}|{event['data']['agent_id']}", event

    def rounds(opened: int | None, event: Row) -> tuple[int | None, Iterable[Change]]:
        after, change = take(opened, event)
        return after, () if change is None else (change,)

    def row(closed: tuple[str, tuple[int, dict[str, int]]]) -> Row:
        agent, (number, sums) = closed
        rows.append(window_row(agent, int(_ALIGN.timestamp() * 1000) + number * WINDOW_MS, sums))
        return rows[-1]

    source = KafkaSource(
        [chosen.bootstrap], [TOPIC], tail=False, batch_size=5_000, add_config={"fetch.wait.max.ms": "50"}
    )
    flow = Dataflow("windows")
    threads = op.map("decode", op.input("messages", flow, source), decode)
    changes = op.stateful_flat_map("rounds", threads, rounds)
    agents = op.map("by_agent", changes, lambda item: (item[1]["agent"], item[1]))
    clock_of_windows = win.EventClock(
        ts_getter=lambda change: datetime.fromtimestamp(change["opened_at"] / 1000, UTC),
        wait_for_system_duration=timedelta(days=GRACE_DAYS),
    )
    windower = win.TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=_ALIGN)
    # sums need no order, and ordering would hold every change that long
    windows = win.fold_window("sum", agents, clock_of_windows, windower, _sums, _add, _add, ordered=False)
    results = op.map("row", windows.down, row)
    if chosen.output == "kafka":
        written = op.map("out", results, lambda r: KafkaSinkMessage(r["agent_id"].encode(), orjson.dumps(r)))
        op.output("windows", written, KafkaSink([chosen.bootstrap], OUTPUT_TOPIC))
    else:
        op.output("nowhere", results, _NullSink())
    cli_main(flow)
    clock.end()
    clock.report(chosen.report, records, rows)


if __name__ == "__main__":
    main()
