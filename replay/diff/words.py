"""Values as people read them: durations, evidence, masked buyers. Shared by the terminal's table and the report."""

from typing import Any

import orjson

from replay.diff.model import Diff, Fields, Row
from replay.diff.texts import Texts


def printable(text: str) -> str:
    """The text on one line, without what would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def masked(buyer_id: str) -> str:
    """A character or three of a longer id: enough to follow a buyer through a list, too little to say who it is."""
    if len(buyer_id) < 3:
        return "***"
    return f"{buyer_id[0]}***{buyer_id[-1 if len(buyer_id) < 8 else -2 :]}"


def value(name: str, given: Any, texts: Texts) -> str:
    """A field's value; null is a dash. `*_ms*` are milliseconds and `rate_*` shares of one."""
    if given is None or given in ("", []):
        return "–"
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if number and "_ms" in name:
        return duration(given / 1000, texts)
    if number and name.startswith("rate_"):
        return f"{given:.1%}"
    if isinstance(given, list):
        return ", ".join(value(name, each, texts) for each in given)
    if isinstance(given, str):
        return moment(given) if name.endswith("_at") or name == "not_before" else texts.name(name, given)
    return str(given) if number else orjson.dumps(given).decode()


def duration(seconds: float, texts: Texts) -> str:
    """Seconds in words, to the tenth below a minute."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 else ""
    if whole < 60:
        return texts("unit.s", n=f"{seconds:.1f}".removesuffix(".0"))
    if whole < 3600:
        return sign + texts("unit.min", m=whole // 60, n=f"{whole % 60:02d}")
    return sign + texts("unit.h", h=whole // 3600, m=f"{whole % 3600 // 60:02d}")


def moment(time: str) -> str:
    """An RFC 3339 text without its T, offset and milliseconds: all of a shop's times are in its zone."""
    return time[:19].replace("T", " ")


def evidence(given: Row, texts: Texts) -> list[tuple[str, str]]:
    """What a flag is based on, as (name, value) pairs."""
    return [(texts.name("evidence", name), evidence_value(name, each, texts)) for name, each in given.items()]


def evidence_value(name: str, given: Any, texts: Texts) -> str:
    """One field of a flag's evidence."""
    items = given if isinstance(given, list) else []
    if name == "phrases" and items and all(isinstance(each, dict) and "phrase" in each for each in items):
        return "".join(f"「{each['phrase']}」" for each in items)
    if name == "replies" and items and all(isinstance(each, dict) and "response_ms" in each for each in items):
        return ", ".join(value("response_ms", each["response_ms"], texts) for each in items)
    if name.startswith("seconds_") and isinstance(given, int | float):
        return duration(given, texts)
    return value(name, given, texts)


def changes(fields: Fields, texts: Texts) -> list[tuple[str, str, str]]:
    """Fields that differ, as (name, before, after)."""
    found = []
    for name, pair in fields.items():
        inside = name.removeprefix("evidence.")
        if inside == name:
            before, after = (value(name, each, texts) for each in pair)
            found.append((texts.name("field", name), before, after))
        else:
            before, after = (evidence_value(inside, each, texts) for each in pair)
            found.append((texts.name("evidence", inside), before, after))
    return found


def headline(diff: Diff, texts: Texts) -> str:
    """The comparison in one sentence."""
    if not diff.differs:
        return texts("headline.same")
    named = diff.a.label and diff.b.label and diff.a.label != diff.b.label
    who = texts("headline.who", a=diff.a.label, b=diff.b.label) if named else texts("headline.who_same")
    flags = [
        texts(f"headline.{key}", n=len(rows))
        for key, rows in (("raised", diff.flags.new), ("cleared", diff.flags.gone), ("changed", diff.flags.changed))
        if rows
    ]
    parts = [texts("headline.comma").join(flags) if flags else texts("headline.no_flags")]
    tasks = diff.tasks
    if tasks.differs:
        counts = {"new": len(tasks.new), "gone": len(tasks.gone), "changed": len(tasks.changed)}
        parts.append(texts("headline.tasks", **counts))
    if diff.agents_moved:
        parts.append(texts("headline.moved", n=diff.agents_moved))
    if not flags and not tasks.differs and not diff.agents_moved:
        parts.append(texts("headline.figures"))
    return who + texts("headline.semicolon").join(parts) + texts("headline.stop")


def warning(name: str, diff: Diff, texts: Texts) -> str:
    """One of `Diff.warnings` in words."""
    return texts(f"warning.{name}", n=diff.sale_event_only)
