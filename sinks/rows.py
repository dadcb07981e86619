"""Kafka records -> rows of ClickHouse, by topic. Pure: bytes in, tuples out.

Instants become ints of milliseconds and amounts stay decimal texts, which is what the database's insert takes.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
from pydantic_core import to_json

from processors.admission import admit
from schemas.events import AgentUpsertedEvent, FlagCommand, InvalidEventError, QcVerdict, SaleEventScheduledEvent
from schemas.rejections import rejection
from schemas.topics import (
    ACCESS,
    CALL_TASKS,
    FLAGS,
    LEADERBOARD,
    REFERENCE,
    REJECTED,
    REPORTS,
    ROUNDS,
    WINDOWS,
)
from schemas.types import parse_event_time, parse_time


class Record(NamedTuple):
    """One record of Kafka; `topic` is the name without the prefix, `timestamp_ms` as processors.admission.written_at has it,
    None where there is no clock."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp_ms: int | None


Row = tuple[str, tuple[Any, ...]]
"""(table, values in the order of COLUMNS[table])"""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "raw_events": ("shop_id", "buyer_id", "time", "source", "id", "type", "topic", "partition", "offset", "raw"),
    "agents_raw": ("shop_id", "agent_id", "time", "source", "id", "name", "team", "role"),
    "sale_events_raw": (
        "shop_id", "sale_event_id", "time", "source", "id", "name", "starts_at", "ends_at", "teams", "targets", "pk_basis",
    ),
    "qc_samples_raw": (
        "shop_id", "day_start", "sample_id", "buyer_id", "agent_id", "time", "source", "id", "type", "actor", "verdict", "reason",
        "score", "coaching", "offset",
    ),
    "rejected_raw": ("reason", "error", "raw", "raw_encoding", "topic", "partition", "offset", "file", "line"),
    "dlq_resends_raw": (
        "announced_partition", "announced_offset", "case_partition", "case_offset", "case_reason", "attempt", "corrected", "sha256",
        "topic", "partition", "offset",
    ),
    "flags_raw": (
        "flag_id", "rule", "severity", "status", "shop_id", "buyer_id", "agent_id", "message_id", "review_id", "order_ids",
        "occurred_at", "evidence", "qc_status", "qc_actor", "qc_reason", "qc_score", "revision", "ruleset",
    ),
    "call_tasks_raw": (
        "task_id", "shop_id", "buyer_id", "order_id", "review_ids", "rating", "category", "priority", "raised_at", "not_before",
        "due_at", "assigned_role", "excluded_agent_id", "status", "claimed_by", "calls", "call_again_at", "outcome",
        "revisit_due_at", "revision", "ruleset",
    ),
    "rounds_raw": (
        "round_id", "shop_id", "buyer_id", "agent_id", "opened_at", "message_id", "replied_at", "reply_message_id", "response_ms",
        "in_platform_hours", "day_ends_at", "status", "revision", "ruleset",
    ),
    "window_partials": (
        "partition", "shop_id", "agent_id", "window_start", "window_seconds", "definition", "day_ends_at", "response_cap_ms",
        "rounds", "answered", "answered_within_3min", "response_ms_sum", "first_responses", "first_response_ms_sum",
        "first_within_10s", "buyers_wrote", "buyers_replied", "histogram", "revision", "ruleset",
    ),
    "leaderboard_partials": (
        "partition", "shop_id", "hour_start", "agent_id", "orders_placed", "orders_paid", "paid_amount", "items_paid",
        "refunded_amount", "buyers_served", "buyers_paid", "revision", "ruleset",
    ),
    "access_log_raw": (
        "event_id", "time", "type", "actor", "roles", "recognised_by", "address", "what", "shop_id", "buyer_ids", "target_id", "detail",
        "status", "size",
    ),
    "reports_raw": (
        "report_id", "kind", "shop_id", "timezone", "starts_at", "ends_at", "as_of", "made_at", "made_by", "complete", "sale_event", "pk_basis",
        "paid_amount", "orders_paid", "buyers_served", "buyers_paid", "silent_amount", "before_amount", "target_amount",
        "target_orders", "day_amount", "day_orders", "day_target_amount", "day_target_orders", "teams", "stars", "stars_left",
        "post_status", "post_by", "post_after", "post_attempts", "posted", "post_error", "revision", "ruleset", "offset",
    ),
}  # fmt: skip
"""the columns that the sink writes"""

_TABLES: Final = {
    FLAGS: "flags_raw",
    CALL_TASKS: "call_tasks_raw",
    ROUNDS: "rounds_raw",
    WINDOWS: "window_partials",
    LEADERBOARD: "leaderboard_partials",
    REJECTED: "rejected_raw",
    ACCESS: "access_log_raw",
    REPORTS: "reports_raw",
}
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "flags_raw": {
        "message_id": None, "review_id": None, "order_ids": [], "evidence": {}, "qc_status": "open", "qc_actor": "",
        "qc_reason": "", "qc_score": None,
    },
    "call_tasks_raw": {"claimed_by": "", "calls": 0, "call_again_at": None, "outcome": "", "revisit_due_at": None},
    "rounds_raw": {"replied_at": None, "reply_message_id": None, "response_ms": None},
    "dlq_resends_raw": {"partition": None, "offset": None},
    "rejected_raw": {"raw_encoding": "utf-8", "topic": None, "partition": None, "offset": None, "file": None, "line": None},
}  # fmt: skip


def _time(value: Any) -> int:
    """`parse_time`, and nearly always by what it remembers."""
    try:
        return parse_event_time(value)
    except (ValueError, TypeError):
        return parse_time(value)


_boundary: Final = lru_cache(maxsize=10_000)(parse_time)
"""of hours and windows, which come again and again"""


def _optional_time(value: Any) -> int | None:
    return None if value is None else _time(value)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # an integer of more than 64 bits, which JSON may have
        return to_json(value, inf_nan_mode="null").decode()


def _histogram(value: dict[str, int]) -> dict[int, int]:
    return {int(ms): count for ms, count in value.items()}


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "time": _time,
    "occurred_at": _time,
    "raised_at": _time,
    "not_before": _time,
    "due_at": _time,
    "call_again_at": _optional_time,
    "revisit_due_at": _optional_time,
    "opened_at": _time,
    "replied_at": _optional_time,
    "day_ends_at": _boundary,
    "window_start": _boundary,
    "hour_start": _boundary,
    "starts_at": _time,
    "ends_at": _time,
    "as_of": _time,
    "made_at": _time,
    "post_after": _optional_time,
    "teams": _json,
    "stars": _json,
    "evidence": _json,
    "histogram": _histogram,
}


class _Layout:
    """How what a processor says becomes the row of a table."""

    def __init__(self, columns: tuple[str, ...], defaults: dict[str, Any] | None) -> None:
        self._cells = itemgetter(*columns)
        self._defaults = defaults
        self._conversions = [(at, _CONVERT[column]) for at, column in enumerate(columns) if column in _CONVERT]

    def row(self, found: dict[str, Any]) -> tuple[Any, ...]:
        """Raises KeyError for a column that is missing, and what the conversions raise."""
        cells = list(self._cells(found if self._defaults is None else self._defaults | found))
        for at, convert in self._conversions:
            cells[at] = convert(cells[at])
        return tuple(cells)


_LAYOUTS: Final = {table: _Layout(columns, _DEFAULTS.get(table)) for table, columns in COLUMNS.items()}


class UndecodableError(Exception):
    """A record of an output topic that is none of ours; one line."""


def rows_of(record: Record) -> list[Row]:
    """The rows that a record makes: none for an event that the worker rejects, two for a reference event and for a
    command on a sampled conversation.

    Raises UndecodableError for a record of an output topic that is not what the processors write.
    """
    table = _TABLES.get(record.topic)
    if table is None:
        return _event_rows(record)
    try:
        found = orjson.loads(record.value)
        if record.topic == REJECTED and found.get("kind") == "resend":
            table, found = "dlq_resends_raw", _resend(record, found)
        elif record.topic == ACCESS:
            found = found["data"] | {"event_id": found["id"], "type": found["type"], "time": found["time"]}
        elif record.topic == REPORTS:
            found |= {"offset": record.offset}
        return [(table, _LAYOUTS[table].row(found))]
    except KeyError as error:
        raise UndecodableError(f"field {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UndecodableError(f"not a record of {record.topic}: {error}") from error


def _resend(record: Record, found: dict[str, Any]) -> dict[str, Any]:
    """An announcement is named by its own place, and what follows it by that place."""
    if found.get("announced_offset") is None:
        return found | {"announced_partition": record.partition, "announced_offset": record.offset}
    return found


def quarantine_row(record: Record, error: str) -> Row:
    """The row in rejected for a record that ClickHouse will not take."""
    return _rejected(record, "sink", error)


def _rejected(record: Record, reason: str, error: str) -> Row:
    found = rejection(reason, error, record.value, topic=record.topic, partition=record.partition, offset=record.offset)
    return "rejected_raw", tuple(found[column] for column in COLUMNS["rejected_raw"])


def _event_rows(record: Record) -> list[Row]:
    try:
        event = admit(record.topic, record.key, record.value, record.timestamp_ms)
    except InvalidEventError as error:
        # the worker dead-letters what it reads; the reference topic is read here alone
        return [_rejected(record, error.reason, error.error)] if record.topic == REFERENCE else []
    data = event.data
    rows: list[Row] = [
        (
            "raw_events",
            (
                data.shop_id, getattr(data, "buyer_id", ""), event.time, event.source, event.id, event.type, record.topic,
                record.partition, record.offset, record.value.decode(),
            ),
        )
    ]  # fmt: skip
    if isinstance(event, AgentUpsertedEvent):
        agent = event.data
        values = (agent.shop_id, agent.agent_id, event.time, event.source, event.id, agent.name, agent.team, agent.role)
        rows.append(("agents_raw", values))
    elif isinstance(event, SaleEventScheduledEvent):
        sale = event.data
        rows.append(
            (
                "sale_events_raw",
                (
                    sale.shop_id, sale.sale_event_id, event.time, event.source, event.id, sale.name, sale.starts_at, sale.ends_at,
                    sale.teams, _json(sale.targets), sale.pk_basis,
                ),
            )
        )  # fmt: skip
    elif isinstance(data, FlagCommand) and data.sample is not None:
        verdict = (
            (data.verdict, data.reason, data.score, data.coaching)
            if isinstance(data, QcVerdict)
            else ("", "", None, "")
        )
        rows.append(
            (
                "qc_samples_raw",
                (
                    data.shop_id, data.sample.day_start, data.flag_id, data.buyer_id, data.sample.agent_id, event.time, event.source,
                    event.id, event.type, data.actor, *verdict, record.offset,
                ),
            )
        )  # fmt: skip
    return rows
