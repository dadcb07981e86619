"""confluent-kafka alone: records are fetched and thrown away. What no Python program on librdkafka exceeds."""

from benchmarks.peers.confluent_client import batches
from benchmarks.peers.job import Clock, options


def main() -> None:
    """Fetch everything."""
    chosen, clock, records = options(), Clock(), 0
    for batch in batches(chosen, clock):
        records += sum(message.value() is not None for message in batch)
    clock.report(chosen.report, records, [])


if __name__ == "__main__":
    main()
