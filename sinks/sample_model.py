# ruff: noqa: S608 - what is put into the texts is fixed in this file
"""QC's sample of the conversations without a flag, drawn where it is read (docs/clickhouse.md has the formula)."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

import orjson

from processors.ruleset import RulesetBook
from processors.sampling import SampleDay, day_of_id, last_days, on_day
from schemas.types import DAY_MS
from sinks.database import Database
from sinks.reader import Reader, Row, equal_to

FACETS: Final = ("shop_id", "agent_id", "team", "day", "qc_status")
"""what the sample can be narrowed by"""


class SampleModel(Reader):
    """Reads the sample. Its rows: sample_id, shop_id, buyer_id, agent_id, day (such as 2026-11-11), day_start, first_at (the
    buyer's first question), last_at (the agent's last answer), rounds, qc_status, qc_actor, qc_reason, qc_score.

    `qc_status` is open, claimed, upheld (a fault was found) or dismissed (nothing was); `flagged`, for `sample` alone, where
    a flag has come before any reviewer. Every method may raise DatabaseError or DatabaseUnavailableError.
    """

    def __init__(self, db: Database, book: RulesetBook) -> None:
        super().__init__(db)
        self._book = book

    def days(self, now_ms: int, count: int, shop_id: str | None = None) -> list[SampleDay]:
        """The last `count` days of one shop or of all that have conversations in them, today among them."""
        # two more: days begin at other times elsewhere, and last up to 25 hours
        return last_days(
            self._book, self._shops(now_ms - (count + 2) * DAY_MS, now_ms + DAY_MS, shop_id), now_ms, count
        )

    def day(self, day: date, shop_id: str | None = None) -> list[SampleDay]:
        """That day of one shop, or of all that have conversations on it."""
        noon = (day.toordinal() - _EPOCH) * DAY_MS + DAY_MS // 2
        return on_day(self._book, self._shops(noon - 2 * DAY_MS, noon + 2 * DAY_MS, shop_id), day)

    def samples(
        self, days: list[SampleDay], filters: Mapping[str, str], limit: int, after: tuple[int, str] | None = None
    ) -> list[Row]:
        """The sample of those days, the oldest first, at most `limit`.

        `filters` by FACETS; `after`: the last (first_at, sample_id) seen.
        """
        where, params = equal_to(filters, FACETS)
        if after is not None:
            where += " AND (first_at, sample_id) > (fromUnixTimestamp64Milli({at:Int64}), {id:String})"
            params |= {"at": after[0], "id": after[1]}
        return self.limited(
            f"{_SAMPLE} WHERE {where} AND qc_status != 'flagged' ORDER BY first_at, sample_id",
            params | _bound(days),
            limit,
        )

    def counts(self, days: list[SampleDay]) -> list[Row]:
        """FACETS, count of the sample of those days."""
        return self.rows(
            f"SELECT {', '.join(FACETS)}, count() AS count FROM ({_SAMPLE})"
            f" WHERE qc_status != 'flagged' GROUP BY {', '.join(FACETS)}",
            _bound(days),
        )

    def sample(self, sample_id: str) -> Row | None:
        """One conversation of the sample, or None."""
        day = day_of_id(sample_id)
        if day is None:
            return None
        found = self.rows(f"{_SAMPLE} WHERE sample_id = {{id:String}}", {"id": sample_id, **_bound(self.day(day))})
        return found[0] if found else None

    def _shops(self, from_ms: int, to_ms: int, shop_id: str | None) -> Iterable[str]:
        if shop_id:
            return [shop_id]
        rows = self.rows(
            f"SELECT DISTINCT shop_id FROM rounds_raw WHERE {_during('opened_at')}", {"from": from_ms, "to": to_ms}
        )
        return [row["shop_id"] for row in rows]


def _bound(days: list[SampleDay]) -> dict[str, Any]:
    """The parameters of `_SAMPLE`."""
    return {
        "days": orjson.dumps([day._asdict() for day in days]).decode(),
        "from": min((day.starts for day in days), default=0),
        "to": max((day.ends for day in days), default=0),
    }


def _during(column: str) -> str:
    """A WHERE text: from the first of the days to the last."""
    return f"{column} >= fromUnixTimestamp64Milli({{from:Int64}}) AND {column} < fromUnixTimestamp64Milli({{to:Int64}})"


def _unpacked(fields: Mapping[str, str]) -> str:
    """A SELECT text of the days, which are bound as one text of JSON: maps cannot be bound to every backend."""
    columns = ", ".join(f"row.{column} AS {column}" for column in fields)
    shape = ", ".join(f"{column} {kind}" for column, kind in fields.items())
    return f"SELECT {columns} FROM (SELECT arrayJoin(JSONExtract({{days:String}}, 'Array(Tuple({shape}))')) AS row)"


def _hashed(*parts: str) -> str:
    """SHA-256 of texts, each with its length, so that they can't run into each other."""
    return "SHA256(concat(" + ", ".join(f"toString(lengthUTF8({part})), ':', {part}" for part in parts) + "))"


_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = {"shop_id": "String", "day": "String", "starts": "Int64", "ends": "Int64", "salt": "String", "rate": "Float64", "roles": "Map(String, Float64)", "agents": "Map(String, Float64)"}  # fmt: skip
_NAMES: Final = ("toString(t.shop_id)", "t.buyer_id", "toString(t.agent_id)", "d.day")
_RATE: Final = (
    "multiIf(mapContains(d.agents, toString(t.agent_id)), d.agents[toString(t.agent_id)],"
    " mapContains(d.roles, a.role), d.roles[a.role], d.rate)"
)
# rounds, not messages: sorted by shop, agent and time, and there when their flags are, since one worker writes both
_SAMPLE: Final = f"""
SELECT * FROM
(
    WITH
        days AS ({_unpacked(_DAY)}),
        talks AS
        (
            SELECT shop_id, buyer_id, agent_id, day_ends_at, min(opened_at) AS first_at, max(replied_at) AS last_at,
                count() AS rounds
            FROM response_rounds WHERE shop_id IN (SELECT shop_id FROM days) AND {_during("opened_at")}
            GROUP BY shop_id, buyer_id, agent_id, day_ends_at
            HAVING last_at IS NOT NULL
        ),
        flagged AS
        (
            SELECT f.shop_id, f.buyer_id, f.agent_id, d.ends
            FROM flags_raw AS f FINAL INNER JOIN days AS d ON d.shop_id = f.shop_id
            WHERE f.status = 'raised' AND {_during("f.occurred_at")} AND toUnixTimestamp64Milli(f.occurred_at) >= d.starts
                AND toUnixTimestamp64Milli(f.occurred_at) < d.ends
        ),
        drawn AS
        (
            SELECT t.shop_id AS shop_id, t.buyer_id AS buyer_id, t.agent_id AS agent_id, a.team AS team,
                concat(substring(d.day, 1, 4), '-', substring(d.day, 5, 2), '-', substring(d.day, 7, 2)) AS day,
                d.starts AS day_start, t.first_at AS first_at, t.last_at AS last_at, t.rounds AS rounds,
                concat('s-', d.day, '-', lower(hex(substring({_hashed(*_NAMES)}, 1, 8)))) AS sample_id,
                reinterpretAsUInt32(reverse(substring({_hashed("d.salt", *_NAMES)}, 1, 4))) / 4294967296 < {_RATE} AS hit,
                (t.shop_id, t.buyer_id, t.agent_id, d.ends) IN (SELECT * FROM flagged) AS has_flag
            FROM talks AS t
            INNER JOIN days AS d ON d.shop_id = t.shop_id AND d.ends = toUnixTimestamp64Milli(t.day_ends_at)
            LEFT JOIN agents AS a ON a.shop_id = t.shop_id AND a.agent_id = t.agent_id
        )
    SELECT w.sample_id AS sample_id, w.shop_id AS shop_id, w.buyer_id AS buyer_id, w.agent_id AS agent_id, w.team AS team,
        w.day AS day, w.day_start AS day_start, w.first_at AS first_at, w.last_at AS last_at, w.rounds AS rounds,
        multiIf(q.qc_status != '', q.qc_status, w.has_flag, 'flagged', 'open') AS qc_status, q.qc_actor AS qc_actor,
        q.qc_reason AS qc_reason, q.qc_score AS qc_score
    FROM drawn AS w
    LEFT JOIN qc_samples AS q ON q.shop_id = w.shop_id AND q.sample_id = w.sample_id AND q.buyer_id = w.buyer_id
        AND q.agent_id = w.agent_id AND toUnixTimestamp64Milli(q.day_start) = w.day_start
    WHERE w.hit OR q.qc_status != ''
)"""
