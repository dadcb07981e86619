"""The tables and views as Markdown, made from the comments in ClickHouse. `python -m sinks.describe` renews docs/clickhouse.md."""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sinks.database import Database

BEGIN: Final = "<!-- begin: made by python -m sinks.describe -->"
END: Final = "<!-- end -->"
VIEWS_FIRST: Final = (
    "flags", "qc_samples", "call_tasks", "response_rounds", "response_windows", "leaderboard_hourly", "leaderboard_teams", "reports", "agents", "sale_events",
    "messages", "orders", "order_closings", "payments", "refunds", "reviews", "commands", "rejected", "dlq_resends",
    "access_log",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column, as ClickHouse knows it."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view of the database."""

    name: str
    comment: str
    view: bool
    rows: int | None
    """replaced ones included; None for a view"""
    sorting_key: str
    partition_key: str
    columns: tuple[Column, ...]


def tables(db: Database) -> list[Table]:
    """Views first, as the contract names them, then the tables below them. No rows are read."""
    found = db.query(
        "SELECT name, comment, engine = 'View' AS view, total_rows, sorting_key, partition_key FROM system.tables"
        # a materialized view has no rows of its own: the table that it feeds is there
        " WHERE database = currentDatabase() AND engine != 'MaterializedView'"
    )
    columns: dict[str, list[Column]] = {}
    for row in db.query(
        "SELECT table, name, type, comment FROM system.columns WHERE database = currentDatabase() ORDER BY table, position"
    ):
        columns.setdefault(row["table"], []).append(Column(row["name"], row["type"], row["comment"]))
    order = {name: position for position, name in enumerate(VIEWS_FIRST)}
    found.sort(key=lambda row: (not row["view"], order.get(row["name"], len(order)), row["name"]))
    return [
        Table(
            row["name"],
            row["comment"],
            bool(row["view"]),
            None if row["view"] else row["total_rows"],
            row["sorting_key"],
            row["partition_key"],
            tuple(columns.get(row["name"], ())),
        )
        for row in found
    ]


def markdown(db: Database) -> str:
    """A chapter a table: its comment, and each column's name, type and meaning."""
    parts = []
    for table in tables(db):
        lines = [f"### {table.name}", "", f"{_sentence(table.comment)}"]
        if table.sorting_key:
            partition = f", partitioned by `{table.partition_key}`" if table.partition_key else ""
            lines += ["", f"Key `{table.sorting_key}`{partition}."]
        lines += ["", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{c.name}` | {_plain(c.type)} | {_cell(c.comment)} |" for c in table.columns]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _plain(kind: str) -> str:
    """A type as a reader needs it: the zone and the storage are the same everywhere and said once."""
    return _cell(
        re.sub(r"LowCardinality\((\w+)\)", r"\1", kind).replace("DateTime64(3, 'Asia/Shanghai')", "DateTime64(3)")
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def renew(path: Path, body: str) -> None:
    """Put `body` between the two marks of a file. Raises ValueError when they are not there."""
    text = path.read_text("utf-8")
    head, mark, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{path} has no marks to write between")
    path.write_text(f"{head}{BEGIN}\n\n{body}\n\n{END}{tail}", "utf-8")


def main(path: Path) -> None:
    """Build the schema in a directory that is thrown away, and renew the file from it."""
    from sinks import migrate
    from sinks.embedded import EmbeddedDatabase

    with tempfile.TemporaryDirectory() as folder:
        db = EmbeddedDatabase(Path(folder), "zhengdian")
        try:
            migrate.up(db)
            renew(path, markdown(db))
        finally:
            db.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/clickhouse.md"))
