"""Kafka records as rows: what the database tests do not come to."""

import orjson
import pytest

from schemas.topics import REFERENCE
from sinks.rows import COLUMNS, Record, rows_of


@pytest.mark.parametrize("amount", ["1" + "0" * 30, "-9223372036854775809", "1e400", "1.5"])
def test_a_number_that_only_json_can_hold_does_not_stop_the_sink(amount: str) -> None:
    """`targets` may be anything; a sink that raises would meet the record again and again."""
    when = '"2025-11-11T09:00:00+08:00"'
    raw = (
        f'{{"specversion":"1.0","id":"s","source":"x","type":"sale_event.scheduled","time":{when},"data":{{"shop_id":"s",'
        f'"sale_event_id":"e","name":"n","starts_at":{when},"ends_at":"2025-11-12T00:00:00+08:00",'
        f'"targets":[{{"amount":{amount}}}]}}}}'
    )
    (_, _), (table, values) = rows_of(Record(REFERENCE, 0, 0, b"s", raw.encode(), None))
    targets = values[COLUMNS[table].index("targets")]
    assert targets == f'[{{"amount":{"null" if "e" in amount else amount}}}]'
    if len(amount) < 20:
        assert orjson.loads(targets)
