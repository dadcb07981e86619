"""A rejected record as it is kept: its bytes whole, where it came from, and why (contract §1, §3)."""

from base64 import b64decode, b64encode
from typing import Any, Final, get_args

from schemas.events import Reason
from schemas.outputs import Rejected

REASONS: Final = (*get_args(Reason), "oversize", "sink")
"""all reasons: those of events, a result that is too large for Kafka, a row that ClickHouse will not take"""


def rejection(
    reason: str,
    error: str,
    raw: bytes,
    *,
    topic: str | None = None,
    partition: int | None = None,
    offset: int | None = None,
    file: str | None = None,
    line: int | None = None,
) -> dict[str, Any]:
    """schemas.outputs.Rejected as a dict. Bytes that are no UTF-8 are kept as base64, and say so."""
    try:
        text, encoding = raw.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = b64encode(raw).decode(), "base64"
    origin = {"topic": topic, "partition": partition, "offset": offset, "file": file, "line": line}
    return {"reason": reason, "error": error, "raw": text, "raw_encoding": encoding} | origin


def rejected_bytes(record: Rejected) -> bytes:
    """The bytes of a rejected record. Raises ValueError for broken base64."""
    return b64decode(record.raw, validate=True) if record.raw_encoding == "base64" else record.raw.encode()
