"""confluent-kafka and our own validating decode, nothing else: what a worker that checks its input can't exceed."""

from benchmarks.peers.confluent_client import batches
from benchmarks.peers.job import Clock, options
from schemas.events import parse_event


def main() -> None:
    """Fetch and decode everything."""
    chosen, clock, records = options(), Clock(), 0
    for batch in batches(chosen, clock):
        for message in batch:
            parse_event(message.value() or b"")
            records += 1
    clock.report(chosen.report, records, [])


if __name__ == "__main__":
    main()
