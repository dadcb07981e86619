"""The tables and views as Markdown, made from the comments in ClickHouse. `python -m sinks.describe` renews docs/clickhouse.md."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from sinks.database import Database

BEGIN: Final = "<!-- begin: made by python -m sinks.describe -->"
END: Final = "<!-- end -->"
VIEWS_FIRST: Final = (
    "flags", "call_tasks", "response_rounds", "response_windows", "leaderboard_hourly", "leaderboard_teams", "reports", "agents", "sale_events",
    "messages", "orders", "order_closings", "payments", "refunds", "reviews", "commands", "rejected", "dlq_resends",
)  # fmt: skip


def markdown(db: Database) -> str:
    """A chapter a table: its comment, and each column's name, type and meaning. Views first, then the tables below them."""
    tables = db.query(
        "SELECT name, comment, sorting_key, partition_key FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    )
    columns = db.query(
        "SELECT table, name, type, comment FROM system.columns WHERE database = currentDatabase() ORDER BY table, position"
    )
    by_table: dict[str, list[dict[str, Any]]] = {}
    for column in columns:
        by_table.setdefault(column["table"], []).append(column)
    order = {name: position for position, name in enumerate(VIEWS_FIRST)}
    parts = []
    for table in sorted(tables, key=lambda t: (order.get(t["name"], len(order)), t["name"])):
        lines = [f"### {table['name']}", "", f"{_sentence(table['comment'])}"]
        if table["sorting_key"]:
            partition = f", partitioned by `{table['partition_key']}`" if table["partition_key"] else ""
            lines += ["", f"Key `{table['sorting_key']}`{partition}."]
        lines += ["", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{c['name']}` | {_plain(c['type'])} | {_cell(c['comment'])} |" for c in by_table[table["name"]]]
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
