"""Query parameters: Python values as the two backends take them. Both reach ClickHouse as one escaped text each."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sinks.database import DatabaseError, Parameters

_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\0": "\\0", "'": "\\'"}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _scalar(name: str, value: Any) -> str:
    """A text as it is; anything else as ClickHouse reads it in TSV."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        # seconds since the epoch mean the same in every zone of the placeholder
        micros = (value - _EPOCH) // (value.resolution)
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    raise DatabaseError(f"parameter {name}: cannot bind a {type(value).__name__}")


def _elements(name: str, values: list[Any] | tuple[Any, ...]) -> list[Any]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise DatabaseError(
                f"parameter {name}: an Array is bound from texts or numbers, got a {type(value).__name__}"
            )
    return list(values)


def for_engine(params: Parameters | None) -> dict[str, str]:
    """Parameters for chDB: it reads each as TSV, so texts are escaped here."""
    texts = {}
    for name, value in (params or {}).items():
        if isinstance(value, list | tuple):
            quoted = (f"'{v.translate(_ESCAPES)}'" if isinstance(v, str) else str(v) for v in _elements(name, value))
            texts[name] = f"[{','.join(quoted)}]"
        else:
            texts[name] = _scalar(name, value).translate(_ESCAPES)
    return texts


def for_driver(params: Parameters | None) -> dict[str, Any]:
    """Parameters for clickhouse-driver with server_side_params, which escapes texts and lists itself."""
    return {
        name: _elements(name, value) if isinstance(value, list | tuple) else _scalar(name, value)
        for name, value in (params or {}).items()
    }
