"""What benchmarks.steps starts: CPU µs an event of whichever core is on the path. It may use only what every commit has."""

import gc
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from processors.partition import Incoming, Partition
from processors.ruleset import RulesetBook, default_book

_CHECKPOINT = 2_500
_PARTITIONS = 12
_HORIZON_MS = 35 * 86_400_000


def main() -> None:
    """Events in batches by partition, then a checkpoint of those that have changed, as a worker does it."""
    records = []
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        topic, partition, offset, key, value = json.loads(line)
        records.append(Incoming(topic, partition, offset, key.encode(), value.encode()))
    book = default_book()
    _run(records[:_CHECKPOINT], [_core(number, book) for number in range(_PARTITIONS)])  # rules are read
    cores = [_core(number, book) for number in range(_PARTITIONS)]
    gc.collect()
    gc.disable()
    began = time.process_time()
    _run(records, cores)
    print((time.process_time() - began) / len(records) * 1e6)


def _core(number: int, book: RulesetBook) -> Partition:
    return Partition(number, book, writer=b"steps", horizon_ms=_HORIZON_MS)


def _run(records: Sequence[Incoming], cores: Sequence[Partition]) -> None:
    for begin in range(0, len(records), _CHECKPOINT):
        batches: dict[int, list[Incoming]] = {}
        for record in records[begin : begin + _CHECKPOINT]:
            batches.setdefault(record.partition, []).append(record)
        for number, batch in batches.items():
            cores[number].apply(batch)
        for number in batches:
            cores[number].flush()


if __name__ == "__main__":
    main()
