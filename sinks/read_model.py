# ruff: noqa: S608 - what is put into the texts is fixed in this file
"""The queries behind the web: every figure it shows is read here, as plain dicts, with bound parameters.

Only names fixed in this file are put into the SQL texts; values are bound. Instants are ints of
milliseconds since the epoch and amounts ints of fen, as everywhere inside the program.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.types import DAY_MS
from sinks import flag_times
from sinks.database import Database
from sinks.flag_times import FLAGS_BY_TIME, IN_TEAM, FlagTimes
from sinks.reader import Reader, Row, and_shop, decoded, equal_to

BUCKET_MS: Final = 900_000
"""Counts come in quarters of an hour, which every time zone's hours and days are made of."""
HISTORY_STEPS: Final = 100


class ReadModel(Reader):
    """Reads the views of contract §3. Every method may raise DatabaseError or DatabaseUnavailableError."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._database = db
        self._times = FlagTimes(db)

    def ping(self) -> None:
        """Return when the database answers."""
        self._database.ping()

    def fingerprint(self) -> str:
        """A text that differs whenever rows were inserted; cheap, it reads no rows."""
        rows = self._db.query(
            "SELECT table, sum(rows) AS n, max(max_block_number) AS block, max(modification_time) AS at"
            " FROM system.parts WHERE database = {database:String} AND active GROUP BY table ORDER BY table",
            {"database": self._database.name},
        )
        return repr([tuple(row.values()) for row in rows])

    # ---- the hourly leaderboard ----------------------------------------------------------------------------------

    def leaderboard(self, at_ms: int, shop_id: str | None = None) -> list[Row]:
        """The rows of the hour that holds `at_ms`, ranked first, the silent row last, for one shop or all."""
        return self.rows(
            "SELECT l.*, a.name AS name, a.role AS role FROM leaderboard_hourly AS l"
            " LEFT JOIN agents AS a ON a.shop_id = l.shop_id AND a.agent_id = l.agent_id"
            f" WHERE {_HOUR.format(column='l.hour_start')}{and_shop(shop_id, 'l.')}"
            " ORDER BY l.shop_id, l.agent_id = '', l.rank, l.agent_id",
            {"at": at_ms, "shop": shop_id or ""},
        )

    def hour_totals(self, from_ms: int, to_ms: int, shop_id: str | None = None) -> list[Row]:
        """One row a shop and hour in [from, to): shop_id, hour_start, paid_amount (fen), orders_paid."""
        return self.rows(
            "SELECT shop_id, hour_start, sum(paid_amount) AS paid_amount, sum(orders_paid) AS orders_paid"
            " FROM leaderboard_partials FINAL WHERE hour_start >= fromUnixTimestamp64Milli({from:Int64})"
            f" AND hour_start < fromUnixTimestamp64Milli({{to:Int64}}){and_shop(shop_id)}"
            " GROUP BY shop_id, hour_start ORDER BY shop_id, hour_start",
            {"from": from_ms, "to": to_ms, "shop": shop_id or ""},
        )

    def latest_hour(self, shop_id: str | None = None) -> int | None:
        """Start of the latest hour that has rows; None when there is none."""
        # first among the newest alone: the hour is nearly always there, and the whole table is years
        newest = self.rows("SELECT max(hour_start) AS at, count() AS n FROM leaderboard_partials", {})[0]
        for from_ms in (newest["at"] - _RECENT_MS, None) if newest["n"] else ():
            since = "" if from_ms is None else " AND hour_start > fromUnixTimestamp64Milli({from:Int64})"
            rows = self.rows(
                f"SELECT max(hour_start) AS at, count() AS n FROM leaderboard_hourly WHERE true{since}{and_shop(shop_id)}",
                {"shop": shop_id or ""} | ({} if from_ms is None else {"from": from_ms}),
            )
            if rows[0]["n"]:
                return int(rows[0]["at"])
        return None

    def sale_events(self, from_ms: int, to_ms: int) -> list[Row]:
        """The sale events that touch [from, to), latest start first; `targets` decoded, its amounts still texts."""
        rows = self.rows(
            "SELECT * FROM sale_events WHERE starts_at < fromUnixTimestamp64Milli({to:Int64})"
            " AND ends_at > fromUnixTimestamp64Milli({from:Int64}) ORDER BY shop_id, starts_at DESC, sale_event_id",
            {"from": from_ms, "to": to_ms},
        )
        for row in rows:
            row["targets"] = decoded(row["targets"])
        return rows

    def last_event_ms(self) -> int | None:
        """Time of the newest event that has come in; None when there is none."""
        # no FINAL and no condition: answered from the parts' min and max of the partition key, without reading rows
        row = self.rows("SELECT max(time) AS at, count() AS n FROM raw_events", {})[0]
        return row["at"] if row["n"] else None

    def waiting_events(self, now_ms: int) -> int:
        """Events of the last hour that came in after the newest result was written, by more than ten seconds.

        Some events change no result, so a handful means nothing; many mean that no worker keeps up.
        """
        return int(
            self.rows(
                "SELECT count() AS n FROM raw_events WHERE time > fromUnixTimestamp64Milli({now:Int64} - 3600000)"
                " AND type IN ('chat.message', 'order.placed', 'payment.succeeded') AND ingested_at > 10 +"
                " (SELECT max(written_at) FROM window_partials"
                " WHERE window_start > fromUnixTimestamp64Milli({now:Int64} - 90000000))",
                {"now": now_ms},
            )[0]["n"]
        )

    # ---- flags -----------------------------------------------------------------------------------------------------

    def flags(self, filters: Mapping[str, str], limit: int, after: tuple[int, str] | None = None) -> list[Row]:
        """Flags, newest first, at most `limit`; `filters` by column; `after`: the last (occurred_at, flag_id) seen."""
        where, params = equal_to(
            filters, ("status", "rule", "agent_id", "shop_id", "buyer_id", "severity", "qc_status")
        )
        if after is not None:
            where += " AND (occurred_at, flag_id) < (fromUnixTimestamp64Milli({at:Int64}), {id:String})"
            params |= {"at": after[0], "id": after[1]}
        order = "occurred_at DESC, flag_id DESC"
        if filters.get("shop_id") or filters.get("buyer_id"):
            return self._page(where, order, params, limit)
        chosen, more = flag_times.first(filters, None, None, after, newest=True)
        return self._page(where, order, params | more, limit, chosen)

    def flag(self, flag_id: str) -> Row | None:
        """One flag, or None."""
        rows = self._flags("SELECT * FROM flags WHERE flag_id = {id:String}", {"id": flag_id}, 1)
        return rows[0] if rows else None

    def flag_counts(self, filters: Mapping[str, str]) -> list[Row]:
        """rule, count of the flags that `filters` select, most first."""
        if not filters.get("shop_id"):
            rules: Counter[str] = Counter()
            for row in self._times.kinds(filters):
                rules[row["rule"]] += row["count"]
            return [{"rule": rule, "count": n} for rule, n in sorted(rules.items(), key=lambda one: (-one[1], one[0]))]
        where, params = equal_to(filters, ("status", "rule", "agent_id", "shop_id", "severity", "qc_status"))
        return self.rows(
            f"SELECT rule, count() AS count FROM {_FLAGS} WHERE {where} GROUP BY rule ORDER BY count DESC, rule",
            params,
        )

    def flag_buckets(self, from_ms: int, to_ms: int, shop_id: str | None = None) -> list[Row]:
        """Raised flags in [from, to): shop_id, rule, severity, bucket (ms, start of a quarter of an hour), count."""
        # a year's flags in one shop are few; over all shops the table that knows the time finds a day's
        source, (span, params) = _FLAGS, _span(from_ms, to_ms)
        where = f"status = 'raised' AND {span}"
        if not shop_id:
            source = FLAGS_BY_TIME
            where, params = flag_times.selected({"status": "raised"}, from_ms, to_ms)
        return self.rows(
            "SELECT shop_id, rule, severity,"
            f" intDiv(toUnixTimestamp64Milli(occurred_at), {BUCKET_MS}) * {BUCKET_MS} AS bucket, count() AS count"
            f" FROM {source} WHERE {where}{and_shop(shop_id)} GROUP BY shop_id, rule, severity, bucket",
            params | {"shop": shop_id or ""},
        )

    def agents(self, shop_id: str | None = None) -> list[Row]:
        """shop_id, agent_id, name, team, role of the agents of one shop or all."""
        return self.rows(
            f"SELECT shop_id, agent_id, name, team, role FROM agents WHERE true{and_shop(shop_id)}"
            " ORDER BY shop_id, agent_id",
            {"shop": shop_id or ""},
        )

    # ---- quality control ---------------------------------------------------------------------------------------------

    def review_queue(
        self,
        filters: Mapping[str, str],
        limit: int,
        after: tuple[int, int, str] | None = None,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> list[Row]:
        """Raised flags that occurred in [from, to), violations before notices and the oldest first, at most `limit`.

        `filters` by column, and `team`; `after`: the last row's (0 for a violation and 1 for a notice, occurred_at, flag_id).
        """
        where, params = _queue(filters, from_ms, to_ms)
        if after is not None:
            where += (
                " AND (severity != 'violation', occurred_at, flag_id) >"
                " ({rank:Int64}, fromUnixTimestamp64Milli({at:Int64}), {id:String})"
            )
            params |= {"rank": after[0], "at": after[1], "id": after[2]}
        order = "severity != 'violation', occurred_at, flag_id"
        if filters.get("shop_id"):
            return self._page(where, order, params, limit)
        rows: list[Row] = []
        # one after the other, so that notices are sought where they are wanted alone
        for rank, severity in enumerate(("violation", "notice")):
            past = after if after is not None and after[0] == rank else None
            if (
                len(rows) < limit
                and filters.get("severity", severity) == severity
                and (after is None or after[0] <= rank)
            ):
                kind = {**filters, "status": "raised", "severity": severity}
                chosen, more = flag_times.first(kind, from_ms, to_ms, past and past[1:])
                rows += self._page(where, order, params | more, limit - len(rows), chosen)
        return rows

    def review_counts(
        self, filters: Mapping[str, str], from_ms: int | None, to_ms: int | None
    ) -> tuple[list[Row], list[Row]]:
        """Counts of the raised flags that occurred in [from, to), twice: rule, severity, qc_status, count of those of the
        `shop_id`, `agent_id` and `team` in `filters`; shop_id, agent_id, team, count of those of its `shop_id`, `rule`, `severity` and
        `qc_status`.
        """
        people = {name: filters.get(name, "") for name in ("shop_id", "agent_id", "team")}
        kinds = {name: filters.get(name, "") for name in ("shop_id", "rule", "severity", "qc_status")}
        if filters.get("shop_id"):
            where, params = _queue(people, from_ms, to_ms)
            by_kind = self.rows(
                f"SELECT rule, severity, qc_status, count() AS count FROM {_FLAGS} WHERE {where}"
                " GROUP BY rule, severity, qc_status",
                params,
            )
            where, params = _queue(kinds, from_ms, to_ms)
            counted = (
                f"SELECT shop_id, agent_id, count() AS count FROM {_FLAGS} WHERE {where} GROUP BY shop_id, agent_id"
            )
        else:
            by_kind = [row for row in self._times.kinds(people, from_ms, to_ms) if row["status"] == "raised"]
            counted, params = flag_times.by_agent(kinds | {"status": "raised"}, from_ms, to_ms)
        by_agent = self.rows(
            "SELECT c.shop_id AS shop_id, c.agent_id AS agent_id, a.team AS team, c.count AS count"
            f" FROM ({counted}) AS c LEFT JOIN agents AS a ON a.shop_id = c.shop_id AND a.agent_id = c.agent_id",
            params,
        )
        return by_kind, by_agent

    def rule_precision(self, from_ms: int | None, to_ms: int | None, shop_id: str | None = None) -> list[Row]:
        """rule, raised, judged, upheld of the flags that occurred in [from, to). A flag that was judged and has been
        cleared since counts as judged.
        """
        if not shop_id:
            return _precision(self._times.kinds({}, from_ms, to_ms))
        where, params = _span(from_ms, to_ms)
        return self.rows(
            "SELECT rule, countIf(status = 'raised') AS raised,"
            " countIf(qc_status IN ('upheld', 'dismissed')) AS judged, countIf(qc_status = 'upheld') AS upheld"
            f" FROM {_FLAGS} WHERE {where}{and_shop(shop_id)} GROUP BY rule ORDER BY rule",
            params | {"shop": shop_id or ""},
        )

    # ---- follow-up calls -------------------------------------------------------------------------------------------

    def tasks(self, filters: Mapping[str, str], limit: int, after: tuple[int, str] | None = None) -> list[Row]:
        """Call tasks, due first, at most `limit`; `after`: the last (due_at, task_id) seen."""
        where, params = equal_to(filters, ("status", "shop_id", "buyer_id", "priority"))
        if after is not None:
            where += " AND (due_at, task_id) > (fromUnixTimestamp64Milli({at:Int64}), {id:String})"
            params |= {"at": after[0], "id": after[1]}
        return self.limited(f"SELECT * FROM call_tasks WHERE {where} ORDER BY due_at, task_id", params, limit)

    def task(self, task_id: str) -> Row | None:
        """One call task, or None."""
        rows = self.limited("SELECT * FROM call_tasks WHERE task_id = {id:String}", {"id": task_id}, 1)
        return rows[0] if rows else None

    def task_counts(self, now_ms: int, shop_id: str | None = None) -> Row:
        """Counts: open, claimed (claimed or called), overdue and high (of both), revisit (a revisit call is due)."""
        return self.rows(
            "SELECT countIf(status = 'open') AS open, countIf(status IN ('claimed', 'called')) AS claimed,"
            " countIf(status IN ('open', 'claimed', 'called') AND due_at < fromUnixTimestamp64Milli({now:Int64})) AS overdue,"
            " countIf(status IN ('open', 'claimed', 'called') AND priority = 'high') AS high,"
            " countIf(status = 'resolved' AND revisit_due_at <= fromUnixTimestamp64Milli({now:Int64})) AS revisit"
            f" FROM call_tasks WHERE true{and_shop(shop_id)}",
            {"now": now_ms, "shop": shop_id or ""},
        )[0]

    def call_queue(
        self, view: str, now_ms: int, filters: Mapping[str, str], limit: int, after: tuple[int, int, str] | None = None
    ) -> list[Row]:
        """The tasks of a view (see `_VIEWS`) with `callable`, at most `limit`: who may be called now first, by priority, by due
        time; the newest first of those that are done. `after`: the (`rank`, due_at, task_id) of the last one seen at `now_ms`.
        """
        where, params = equal_to(filters, ("shop_id", "priority", "claimed_by"))
        rank, order = ("0", "DESC") if view == "done" else (_CALL_RANK, "ASC")
        if after is not None:
            due = "fromUnixTimestamp64Milli({due:Int64})"
            where += (
                f" AND (rank > {{rank:Int64}} OR rank = {{rank:Int64}} AND (due_at {'<' if view == 'done' else '>'} {due}"
                f" OR due_at = {due} AND task_id > {{id:String}}))"
            )
            params |= {"rank": after[0], "due": after[1], "id": after[2]}
        return self.limited(
            f"SELECT *, {_CALLABLE} AS callable, {rank} AS rank FROM call_tasks WHERE {_VIEWS[view]} AND {where}"
            f" ORDER BY rank, due_at {order}, task_id",
            params | {"now": now_ms},
            limit,
        )

    def call_counts(self, now_ms: int, shop_id: str | None = None) -> Row:
        """Counts: call, now, overdue, high (of these three: not settled), revisit (a revisit call is due), done."""
        open_ = _VIEWS["call"]
        return self.rows(
            f"SELECT countIf({open_}) AS call, countIf({open_} AND {_CALLABLE}) AS now,"
            f" countIf({open_} AND due_at < {_NOW}) AS overdue, countIf({open_} AND priority = 'high') AS high,"
            f" countIf({_VIEWS['revisit']}) AS revisit, countIf({_VIEWS['done']}) AS done FROM call_tasks WHERE true{and_shop(shop_id)}",
            {"now": now_ms, "shop": shop_id or ""},
        )[0]

    # ---- one buyer's time line -------------------------------------------------------------------------------------

    def transcript(self, shop_id: str, buyer_id: str, limit: int) -> dict[str, list[Row]]:
        """The newest `limit` rows of each source view for that buyer, newest first, by event type (reviews carry their own)."""
        return {
            kind: self.limited(
                f"SELECT * FROM {view} WHERE shop_id = {{shop:String}} AND buyer_id = {{buyer:String}} ORDER BY time DESC",
                {"shop": shop_id, "buyer": buyer_id},
                limit,
            )
            for kind, view in _TIME_LINE.items()
        }

    def history(self, shop_id: str, buyer_id: str, target_id: str) -> list[Row]:
        """What people did about one flag, sampled conversation or task, oldest first, of more than HISTORY_STEPS the newest:
        id, type, time, actor, and `data`, decoded. Also what came too late to count.
        """
        rows = self.limited(
            "SELECT id, type, time, actor, data FROM commands WHERE shop_id = {shop:String} AND buyer_id = {buyer:String}"
            " AND target_id = {target:String} ORDER BY time DESC, id DESC",
            {"shop": shop_id, "buyer": buyer_id, "target": target_id},
            HISTORY_STEPS,
        )
        return [{**row, "data": decoded(row["data"])} for row in reversed(rows)]

    # ---- reading rows ---------------------------------------------------------------------------------------------------

    def _page(
        self, where: str, order: str, params: Mapping[str, Any], limit: int, chosen: str | None = None
    ) -> list[Row]:
        """The flags that a page shows: chosen by narrow columns, so that evidence is read of those shown alone."""
        chosen = (
            chosen or f"SELECT shop_id, flag_id FROM {_FLAGS} WHERE {where} ORDER BY {order} LIMIT {{limit:UInt32}}"
        )
        return self._flags(
            f"SELECT * FROM flags WHERE {where} AND (shop_id, flag_id) IN ({chosen}) ORDER BY {order}", params, limit
        )

    def _flags(self, sql: str, params: Mapping[str, Any], limit: int) -> list[Row]:
        rows = self.limited(sql, params, limit)
        for row in rows:
            row["evidence"] = decoded(row["evidence"]) or {}
            row["message_id"], row["review_id"] = row["message_id"] or None, row["review_id"] or None
            row["in_sale_event"] = bool(row["in_sale_event"])
        return rows


_FLAGS: Final = "flags_raw FINAL"
"""the view's rows, where nobody asks for `in_sale_event`: that is a join of every flag with the sale events"""
_RECENT_MS: Final = 2 * DAY_MS
_TIME_LINE: Final[Mapping[str, str]] = {
    "chat.message": "messages",
    "order.placed": "orders",
    "order.closed": "order_closings",
    "payment.succeeded": "payments",
    "payment.refunded": "refunds",
    "review.posted": "reviews",
}
_NOW: Final = "fromUnixTimestamp64Milli({now:Int64})"
_CALLABLE: Final = f"(greatest(not_before, ifNull(call_again_at, not_before)) <= {_NOW})"
_CALL_RANK: Final = f"if({_CALLABLE}, 0, 4) + indexOf(['high', 'normal', 'low'], priority)"
_VIEWS: Final[Mapping[str, str]] = {
    "call": "(status IN ('open', 'claimed', 'called'))",
    "revisit": f"(status = 'resolved' AND revisit_due_at <= {_NOW})",
    "done": f"(status IN ('revisited', 'withdrawn') OR status = 'resolved' AND revisit_due_at > {_NOW})",
}
# every zone's hours are an hour long, so exactly one of a shop's hours starts in the 60 minutes up to an instant
_HOUR: Final = (
    "{column} <= fromUnixTimestamp64Milli({{at:Int64}}) AND {column} > fromUnixTimestamp64Milli({{at:Int64}} - 3600000)"
)


def _span(from_ms: int | None, to_ms: int | None) -> tuple[str, dict[str, Any]]:
    """A WHERE text over occurred_at, and its parameters; None is open."""
    where, params = "true", {}
    if from_ms is not None:
        where += " AND occurred_at >= fromUnixTimestamp64Milli({from:Int64})"
        params["from"] = from_ms
    if to_ms is not None:
        where += " AND occurred_at < fromUnixTimestamp64Milli({to:Int64})"
        params["to"] = to_ms
    return where, params


def _queue(filters: Mapping[str, str], from_ms: int | None, to_ms: int | None) -> tuple[str, dict[str, Any]]:
    where, params = equal_to(filters, ("rule", "severity", "agent_id", "shop_id", "qc_status"))
    span, bounds = _span(from_ms, to_ms)
    if team := filters.get("team"):
        where += f" AND {IN_TEAM}"
        params["team"] = team
    return f"status = 'raised' AND {where} AND {span}", params | bounds


def _precision(kinds: Iterable[Row]) -> list[Row]:
    """rule, raised, judged, upheld out of counts by status, qc_status and rule."""
    rules: dict[str, Row] = {}
    for row in kinds:
        one = rules.setdefault(row["rule"], {"rule": row["rule"], "raised": 0, "judged": 0, "upheld": 0})
        one["raised"] += row["count"] * (row["status"] == "raised")
        one["judged"] += row["count"] * (row["qc_status"] in ("upheld", "dismissed"))
        one["upheld"] += row["count"] * (row["qc_status"] == "upheld")
    return [rules[rule] for rule in sorted(rules)]
