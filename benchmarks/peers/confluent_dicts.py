"""No framework: confluent-kafka, orjson and two dicts. Nothing survives a crash, nothing is checked."""

import orjson
from confluent_kafka import Producer

from benchmarks.peers.confluent_client import batches
from benchmarks.peers.job import FIGURES, OUTPUT_TOPIC, Clock, options, take, window_row, window_start


def main() -> None:
    """Do the job; with `--output kafka` write each window that changed once a batch."""
    chosen, clock, records = options(), Clock(), 0
    producer = Producer({"bootstrap.servers": chosen.bootstrap, "linger.ms": 5, "compression.type": "lz4"})
    opened: dict[tuple[bytes, str], int | None] = {}
    windows: dict[tuple[str, int], dict[str, int]] = {}
    for batch in batches(chosen, clock):
        changed = set()
        for message in batch:
            event = orjson.loads(message.value() or b"")
            thread = (message.key() or b"", event["data"]["agent_id"])
            opened[thread], change = take(opened.get(thread), event)
            if change is not None:
                window = change["agent"], window_start(change["opened_at"])
                sums = windows.get(window)
                if sums is None:
                    sums = windows[window] = dict.fromkeys(FIGURES, 0)
                for figure in FIGURES:
                    sums[figure] += change[figure]
                changed.add(window)
        if chosen.output == "kafka":
            for window in changed:
                row = orjson.dumps(window_row(*window, windows[window]))
                producer.produce(OUTPUT_TOPIC, row, f"{window[0]}|{window[1]}")
                producer.poll(0)
            producer.flush()
            clock.end()
        records += len(batch)
    clock.report(chosen.report, records, [window_row(*window, sums) for window, sums in windows.items()])


if __name__ == "__main__":
    main()
