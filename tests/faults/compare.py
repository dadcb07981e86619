"""The files of a live run against those of a replay: rows lost, doubled, wrong; and then byte for byte."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import orjson

KEYS = {
    "flags": ("flag_id",),
    "call_tasks": ("task_id",),
    "response_rounds": ("round_id",),
    "response_windows": ("shop_id", "agent_id", "window_start", "window_seconds", "definition"),
    "leaderboard_hourly": ("shop_id", "hour_start", "agent_id"),
}
"""file -> what identifies a row"""

Rejection = tuple[str, str]
"""(reason, the record as it is kept)"""


class Comparison(NamedTuple):
    """Rows of the replay that are missing live, rows that are live alone or twice, rows that differ; some text of each."""

    rows: int
    lost: list[str]
    doubled: list[str]
    wrong: list[str]

    def plus(self, other: "Comparison") -> "Comparison":
        """Both together."""
        return Comparison(*(mine + its for mine, its in zip(self, other, strict=True)))


def compare(
    live: Path,
    replayed: Path,
    expected_rejections: Counter[Rejection] | None = None,
    resent: Counter[str] | None = None,
) -> Comparison:
    """Compare two directories of results. Rejected records are named by topic and offset in the one and by file and line
    in the other, so of them reason and bytes are compared; `expected_rejections` replaces those of the replay, `resent`
    are records that came once more than they were fed."""
    rows = 0
    lost: list[str] = []
    doubled: list[str] = []
    wrong: list[str] = []
    for name, key in KEYS.items():
        want, got = read(replayed, name), read(live, name)
        rows += len(want)
        wanted = {tuple(row[field] for field in key): row for row in want}
        assert len(wanted) == len(want), f"{name}: the replay has a row twice"
        seen: dict[tuple[Any, ...], Any] = {}
        for row in got:
            identity = tuple(row[field] for field in key)
            if identity not in wanted or identity in seen:
                doubled.append(f"{name} {row}")
            elif row != wanted[identity]:
                wrong.append(f"{name} {row} instead of {wanted[identity]}")
            seen[identity] = row
        lost += [f"{name} {row}" for identity, row in wanted.items() if identity not in seen]
        if want == got:
            assert (live / f"{name}.jsonl").read_bytes() == (replayed / f"{name}.jsonl").read_bytes(), name
        else:
            assert lost or doubled or wrong, f"{name}: the same rows in another order"
    wanted_rejections = _rejections(replayed) if expected_rejections is None else expected_rejections
    reasons = {raw: reason for reason, raw in wanted_rejections}
    wanted_rejections = wanted_rejections + Counter(
        {(reasons[raw], raw): count for raw, count in (resent or {}).items() if raw in reasons}
    )
    found = _rejections(live)
    rows += wanted_rejections.total()
    lost += [f"rejected {row}"[:500] for row in (wanted_rejections - found).elements()]
    doubled += [f"rejected {row}"[:500] for row in (found - wanted_rejections).elements()]
    return Comparison(rows, lost, doubled, wrong)


def read(directory: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [orjson.loads(line) for line in (directory / f"{name}.jsonl").read_bytes().splitlines()]


def _rejections(directory: Path) -> Counter[Rejection]:
    return Counter((row["reason"], row["raw"]) for row in read(directory, "rejected"))
