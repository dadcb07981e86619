"""The files of a replay (contract §5): each whole or not at all, the summary last."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from processors.results import Results
from schemas.outputs import RULES

TABLES: Final = (*Results._fields, "rejected")
"""the tables; their files are NAME.jsonl"""
SUMMARY: Final = "summary.json"

Row = dict[str, Any]


class Written(NamedTuple):
    """Rows by table, and flags by rule."""

    rows: Counter[str]
    flags: Counter[str]


def write_tables(out: Path, tables: Mapping[str, Iterable[Row]]) -> Written:
    """Write the tables, which may be generated on the way, as `write_lines` does."""
    flags: Counter[str] = Counter()

    def lines(name: str) -> Iterator[bytes]:
        for row in tables[name]:
            if name == "flags":
                flags[row["rule"]] += 1
            yield line_of(row)

    return Written(write_lines(out, {name: lines(name) for name in TABLES}), flags)


def line_of(row: Row) -> bytes:
    """The row as it stands in its file."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def write_lines(out: Path, tables: Mapping[str, Iterable[bytes]]) -> Counter[str]:
    """Write the tables' lines; rows by table. When one raises, earlier files are left as they were.

    An earlier summary goes before its tables do, so that a kill in between leaves no summary of other rows.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: Counter[str] = Counter()
    try:
        for name in TABLES:
            with _temporary(out, name).open("wb") as file:
                for line in tables[name]:
                    file.write(line)
                    rows[name] += 1
    except BaseException:
        for name in TABLES:
            _temporary(out, name).unlink(missing_ok=True)
        raise
    (out / SUMMARY).unlink(missing_ok=True)
    for name in TABLES:
        _temporary(out, name).replace(out / f"{name}.jsonl")
    return rows


def write_summary(out: Path, summary: Mapping[str, Any]) -> None:
    """Write summary.json."""
    temporary = out / f".{SUMMARY}.tmp"
    temporary.write_bytes(orjson.dumps(dict(summary), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    temporary.replace(out / SUMMARY)


def summarize(
    *, events: int, accepted: int, rejected: int, flags: Mapping[str, int], call_tasks: int
) -> dict[str, Any]:
    """The summary of contract §5 without `seconds`. `events`: input lines; `flags`: by rule."""
    return {
        "events": events,
        "accepted": accepted,
        "duplicates": events - accepted - rejected,
        "rejected": rejected,
        "flags": {rule: flags.get(rule, 0) for rule in RULES},
        "call_tasks": call_tasks,
    }


def _temporary(out: Path, name: str) -> Path:
    return out / f".{name}.jsonl.tmp"
