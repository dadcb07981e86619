"""Quix Streams 3: state per buyer, then `group_by` the agent and a tumbling window, as its documentation has it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from quixstreams import Application, State
from quixstreams.dataframe.windows import Sum

from benchmarks.peers.job import (
    FIGURES,
    GRACE_DAYS,
    OUTPUT_TOPIC,
    SESSION_SECONDS,
    TOPIC,
    WINDOW_MS,
    Change,
    Clock,
    options,
    take,
    window_row,
)

Window = dict[str, Any]


def main() -> None:
    """Run the application until all that the records lead to has been through the windows."""
    chosen, clock = options(), Clock()
    app = Application(
        broker_address=chosen.bootstrap,
        consumer_group=chosen.group,
        auto_offset_reset="earliest",
        state_dir=chosen.work / "state",
        loglevel="WARNING",
        consumer_extra_config={"fetch.wait.max.ms": 50, "session.timeout.ms": SESSION_SECONDS * 1000},
    )
    counts = {"records": 0, "changes": 0, "windowed": 0}
    latest: dict[tuple[str, int], Window] = {}

    def stop_when_done() -> None:
        if counts["records"] >= chosen.records and counts["changes"] == counts["windowed"]:
            clock.end()
            app.stop()

    def rounds(event: dict[str, Any], state: State) -> Iterable[Change]:
        clock.begin()
        agent = event["data"]["agent_id"]
        before = state.get(agent)
        after, change = take(before, event)
        if after != before:
            state.set(agent, after)
        counts["records"] += 1
        counts["changes"] += change is not None
        stop_when_done()
        return () if change is None else (change,)

    def keep(value: Window, key: str, timestamp: int, headers: object) -> None:
        latest[key, value["start"]] = value
        counts["windowed"] += 1
        stop_when_done()

    def late(*_: object) -> bool:
        counts["windowed"] += 1
        stop_when_done()
        return False  # no line in the log for each

    messages = app.dataframe(app.topic(TOPIC, key_deserializer="str", value_deserializer="json"))
    changes = messages.apply(rounds, stateful=True, expand=True)
    # the window of a round is that of its opening, also for what its reply adds
    changes = changes.set_timestamp(lambda change, key, timestamp, headers: change["opened_at"])
    changes = changes.group_by("agent", key_serializer="str", key_deserializer="str")
    windows = changes.tumbling_window(WINDOW_MS, grace_ms=timedelta(days=GRACE_DAYS), on_late=late)
    results = windows.agg(**{figure: Sum(figure) for figure in FIGURES}).current()
    if chosen.output == "kafka":
        results = results.to_topic(app.topic(OUTPUT_TOPIC, key_serializer="str", value_serializer="json"))
    results.update(keep, metadata=True)
    app.run()
    rows = [window_row(agent, start, window) for (agent, start), window in latest.items()]
    clock.report(chosen.report, counts["records"], rows)


if __name__ == "__main__":
    main()
