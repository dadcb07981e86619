"""The schema of ClickHouse, in numbered steps: sinks/migrations/NNNN_name.up.sql and .down.sql.

A file holds statements that end with `;` at a line's end, each safe to run again (IF NOT EXISTS, OR REPLACE), because
ClickHouse has no transactions over DDL: a step that broke off is run again whole.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, Literal

from sinks.database import Database

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.(up|down)\.sql")
_STATEMENT_END: Final = re.compile(r";[ \t]*$", re.M)
_COMMENT: Final = re.compile(r"^\s*--.*$", re.M)
_HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32 COMMENT 'number of the step',
    name String COMMENT 'name of the step',
    checksum String COMMENT 'SHA-256 of the up file that was run',
    applied Bool COMMENT 'whether it is in force; false after a down',
    changed_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when it was run'
)
ENGINE = ReplacingMergeTree
ORDER BY version
COMMENT 'steps of the schema that were run; written by zhengdian migrate'
"""


class MigrationError(Exception):
    """The schema's history and the files disagree; one line naming the file."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step."""

    version: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()

    @property
    def file(self) -> str:
        return f"{self.version:04d}_{self.name}.up.sql"


@dataclass(frozen=True, slots=True)
class Status:
    """A step as it stands: applied, pending, or changed (applied, and its file is another one now)."""

    version: int
    name: str
    state: Literal["applied", "pending", "changed"]


def load(folder: Traversable | None = None) -> list[Migration]:
    """The steps in order. Raises MigrationError when a number is missing or twice, or a file lacks its other half."""
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for entry in (folder or files("sinks.migrations")).iterdir():
        if match := _FILE.fullmatch(entry.name):
            halves = found.setdefault(int(match[1]), {})
            if match[3] in halves:
                raise MigrationError(f"two migrations have the number {match[1]}")
            halves[match[3]] = (match[2], entry.read_text("utf-8"))
    steps = []
    for expected, (version, halves) in enumerate(sorted(found.items()), start=1):
        if version != expected:
            raise MigrationError(f"migration {expected:04d} is missing")
        if set(halves) != {"up", "down"} or halves["up"][0] != halves["down"][0]:
            raise MigrationError(f"migration {version:04d} needs an up and a down file of one name")
        steps.append(Migration(version, halves["up"][0], halves["up"][1], halves["down"][1]))
    return steps


def statements(text: str) -> list[str]:
    """The statements of a file, without comment lines and closing semicolons."""
    return [part.strip() for part in _STATEMENT_END.split(_COMMENT.sub("", text)) if part.strip()]


def status(db: Database, steps: list[Migration] | None = None) -> list[Status]:
    """Every step and whether it is in force. Changes nothing."""
    known = _applied(db)
    return [
        Status(
            s.version,
            s.name,
            "pending" if s.version not in known else "applied" if known[s.version] == s.checksum else "changed",
        )
        for s in (load() if steps is None else steps)
    ]


def up(db: Database, target: int | None = None, steps: list[Migration] | None = None) -> list[int]:
    """Run what is pending, up to `target`; returns the numbers run. Creates the database. Running it again does nothing.

    Raises MigrationError when a file that was applied has changed, or a newer program's step is in force.
    """
    steps = load() if steps is None else steps
    db.create()
    db.command(_HISTORY)
    known = _checked(db, steps)
    run = []
    for step in steps:
        if step.version in known or (target is not None and step.version > target):
            continue
        for statement in statements(step.up):
            db.command(statement)
        _record(db, step, applied=True)
        run.append(step.version)
    return run


def down(db: Database, count: int = 1, steps: list[Migration] | None = None) -> list[int]:
    """Take back the last `count` steps with all their data; returns the numbers taken back."""
    steps = load() if steps is None else steps
    known = _checked(db, steps)
    taken = []
    for step in sorted((s for s in steps if s.version in known), key=lambda s: -s.version)[:count]:
        for statement in statements(step.down):
            db.command(statement)
        _record(db, step, applied=False)
        taken.append(step.version)
    return taken


def _applied(db: Database) -> dict[int, str]:
    """Number -> checksum of the steps in force."""
    if not db.query("SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"):
        return {}
    rows = db.query("SELECT version, checksum FROM schema_migrations FINAL WHERE applied")
    return {row["version"]: row["checksum"] for row in rows}


def _checked(db: Database, steps: list[Migration]) -> dict[int, str]:
    known = _applied(db)
    for step in steps:
        if known.get(step.version, step.checksum) != step.checksum:
            raise MigrationError(
                f"{step.file} was changed after it was applied; undo the change and write a new migration"
            )
    if newer := set(known) - {step.version for step in steps}:
        raise MigrationError(
            f"the database has migration {max(newer):04d}, which this program does not know; update it"
        )
    return known


def _record(db: Database, step: Migration, *, applied: bool) -> None:
    db.insert(
        "schema_migrations",
        {"version": [step.version], "name": [step.name], "checksum": [step.checksum], "applied": [applied]},
    )
