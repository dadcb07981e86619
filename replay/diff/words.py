"""Values as people read them: durations, evidence, masked buyers. Shared by the terminal's table and the report."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from replay.diff.model import Diff, Fields, Move, Row, Table, TableDiff
from replay.diff.texts import Texts


def printable(text: str) -> str:
    """The text on one line, without what would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def masked(buyer_id: str) -> str:
    """A character or three of a longer id: enough to follow a buyer through a list, too little to say who it is."""
    if len(buyer_id) < 3:
        return "***"
    return f"{buyer_id[0]}***{buyer_id[-1 if len(buyer_id) < 8 else -2 :]}"


def value(name: str, given: Any, texts: Texts, fine: bool = False) -> str:
    """A field's value; null is a dash. `*_ms*` are milliseconds and `rate_*` shares of one. `fine`: to the millisecond."""
    if given is None or given in ("", []):
        return "–"
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if number and "_ms" in name:
        return duration(given / 1000, texts, fine)
    if number and name.startswith("rate_"):
        return f"{given:.3%}" if fine else f"{given:.1%}"
    if isinstance(given, list):
        return ", ".join(value(name, each, texts, fine) for each in given)
    if isinstance(given, str):
        return moment(given, fine) if name.endswith("_at") or name == "not_before" else texts.name(name, given)
    return str(given) if number else orjson.dumps(given).decode()


def duration(seconds: float, texts: Texts, fine: bool = False) -> str:
    """Seconds in words, to the tenth below a minute."""
    if fine:
        return texts("unit.s", n=f"{seconds:.3f}")
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 else ""
    if whole < 60:
        return texts("unit.s", n=f"{seconds:.1f}".removesuffix(".0"))
    if whole < 3600:
        return sign + texts("unit.min", m=whole // 60, n=f"{whole % 60:02d}")
    return sign + texts("unit.h", h=whole // 3600, m=f"{whole % 3600 // 60:02d}")


def moment(time: str, fine: bool = False) -> str:
    """An RFC 3339 text without its T, offset and milliseconds: all of a shop's times are in its zone."""
    return time[: 23 if fine else 19].replace("T", " ")


def share(tolerance: float) -> str:
    """A tolerance as a percentage."""
    return f"{tolerance:.6g}" if tolerance < 0.0001 else f"{tolerance * 100:g} %"


def agent(row: Row, texts: Texts) -> str:
    """Who a row is about."""
    return row["agent_id"] or texts("silent")


def evidence(given: Row, texts: Texts) -> list[tuple[str, str]]:
    """What a flag is based on, as (name, value) pairs."""
    return [(texts.name("evidence", name), evidence_value(name, each, texts)) for name, each in given.items()]


def evidence_value(name: str, given: Any, texts: Texts, fine: bool = False) -> str:
    """One field of a flag's evidence."""
    items = given if isinstance(given, list) else []
    if name == "phrases" and items and all(isinstance(each, dict) and "phrase" in each for each in items):
        return "".join(f"「{each['phrase']}」" for each in items)
    if name == "replies" and items and all(isinstance(each, dict) and "response_ms" in each for each in items):
        return ", ".join(value("response_ms", each["response_ms"], texts, fine) for each in items)
    if name.startswith("seconds_") and isinstance(given, int | float):
        return duration(given, texts, fine)
    return value(name, given, texts, fine)


def changes(fields: Fields, texts: Texts) -> list[tuple[str, str, str]]:
    """Fields that differ, as (name, before, after)."""
    found = []
    for name, pair in fields.items():
        inside = name.removeprefix("evidence.")
        kind, shown = ("field", value) if inside == name else ("evidence", evidence_value)
        found.append((texts.name(kind, inside), *_apart(inside, pair, shown, texts)))
    return found


def _apart(name: str, pair: tuple[Any, Any], shown: Callable[..., str], texts: Texts) -> tuple[str, str]:
    """Two values that differ, as texts that do: more precisely where they would look alike, and at last as they are."""
    for fine in (False, True):
        before, after = (shown(name, each, texts, fine) for each in pair)
        if printable(before) != printable(after):
            return before, after
    before, after = (orjson.dumps(each).decode() for each in pair)
    return before, after


class Listed(NamedTuple):
    """A row of a table that differs: with the fields that do, or with its figures where only one side has it."""

    row: Row
    only: str
    """where it is, or empty: in both"""
    changes: list[tuple[str, str, str]]
    figures: list[tuple[str, str]]


def listed(table: Table, diff: TableDiff, texts: Texts) -> list[Listed]:
    """The rows as they are shown: of windows the longest first, then those in both, then those on one side."""
    rows = [Listed(row, "", changes(fields, texts), []) for row, fields in diff.changed]
    rows += [
        Listed(row, texts(only), [], _figures(table, row, texts))
        for only, there in (("row.new", diff.new), ("row.gone", diff.gone))
        for row in there
    ]
    return sorted(rows, key=lambda each: -each.row.get("window_seconds", 0))


def _figures(table: Table, row: Row, texts: Texts) -> list[tuple[str, str]]:
    """What is not nothing in it. Amounts of money are decimal texts."""
    return [
        (texts.name("field", name), value(name, given, texts))
        for name, given in row.items()
        if name not in table.ignored and name not in table.key
        if (given != "0.00" if name.endswith("_amount") else isinstance(given, int | float) and given)
    ]


def rank(move: Move, texts: Texts) -> str:
    """From which rank to which."""
    end = texts("rank.new") if move.rank_a is None else texts("rank.off") if move.rank_b is None else ""
    before, after = ("–" if each is None else each for each in (move.rank_a, move.rank_b))
    return f"{before} → {after}{end}"


def largest_first(moves: Iterable[Move]) -> list[Move]:
    """Who came onto a board or left it, then by how far they moved."""
    return sorted(moves, key=lambda move: (move.by is not None, -abs(move.by or 0)))


def moved_flags(diff: Diff, texts: Texts) -> dict[tuple[str, str], str]:
    """By shop and flag id, of each flag that only moved: where it went or came from."""
    found = {}
    for cleared, raised in diff.flags_moved:
        to, since = (moment(row["occurred_at"])[11:] for row in (raised, cleared))
        found[cleared["shop_id"], cleared["flag_id"]] = texts("flag.moved_to", time=to)
        found[raised["shop_id"], raised["flag_id"]] = texts("flag.moved_from", time=since)
    return found


def headline(diff: Diff, texts: Texts) -> str:
    """The comparison in one sentence."""
    if not diff.differs:
        return _no_difference(diff, texts)
    named = diff.a.label and diff.b.label and diff.a.label != diff.b.label
    who = texts("headline.who", a=diff.a.label, b=diff.b.label) if named else texts("headline.who_same")
    flags = [
        texts(f"headline.{key}", n=len(rows))
        for key, rows in (("raised", diff.flags.new), ("cleared", diff.flags.gone), ("changed", diff.flags.changed))
        if rows
    ]
    if diff.flags_moved:  # then some are raised and some cleared
        flags[1] += texts("headline.flags_moved", n=len(diff.flags_moved))
    parts = [texts("headline.comma").join(flags) if flags else texts("headline.no_flags")]
    tasks = diff.tasks
    if tasks.differs:
        counts = {"new": len(tasks.new), "gone": len(tasks.gone), "changed": len(tasks.changed)}
        parts.append(texts("headline.tasks", **counts))
    if diff.agents_moved:
        parts.append(texts("headline.moved", n=diff.agents_moved))
    parts += [
        texts(f"headline.{name}", n=len(table.new) + len(table.gone) + len(table.changed))
        for name, table in (("board", diff.leaderboard), ("windows", diff.windows))
        if table.differs
    ]
    if diff.rounds.differs:
        parts.append(texts("headline.rounds", n=diff.rounds.new + diff.rounds.gone + diff.rounds.changed))
    if diff.a.rejected != diff.b.rejected:
        parts.append(texts("headline.rejected"))
    return who + texts("headline.semicolon").join(parts) + texts("headline.stop")


def _no_difference(diff: Diff, texts: Texts) -> str:
    """What is let pass is no difference, but not the same either."""
    parts = []
    if diff.windows.within:
        parts.append(texts("headline.within", tolerance=share(diff.tolerance), n=diff.windows.within))
    if diff.sale_event_only:
        parts.append(texts("headline.sale_event_only", n=diff.sale_event_only))
        if not diff.windows.within:
            parts.append(texts("headline.nothing_else"))
    return texts("headline.semicolon").join(parts or [texts("headline.same")]) + texts("headline.stop")


def warning(name: str, diff: Diff, texts: Texts) -> str:
    """One of `Diff.warnings` in words."""
    return texts(f"warning.{name}", n=diff.sale_event_only)
