"""Rejected records as words: for the terminal and for JSON."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from schemas.types import format_time

if TYPE_CHECKING:
    from replay.dlq.cases import Case, Rejection

HEAD_CHARACTERS: Final = 60
ERROR_CHARACTERS: Final = 80


def printable(raw: bytes, keep: str = "") -> str:
    """The bytes as text for a terminal: what is no UTF-8, and what would steer the terminal, is escaped."""
    text = raw.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, characters: int) -> str:
    """At most that many characters, the last one a mark when some are left out."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def summary(case: "Case") -> dict[str, Any]:
    """A case in one object, without its history."""
    origin = case.arrivals[0].origin
    return {
        "id": case.id,
        "state": case.state,
        "attempts": case.attempts,
        "reason": case.current.reason,
        "error": case.current.error,
        "origin": str(origin),
        "rejected": format_time(case.arrivals[0].at_ms),
        "changed": format_time(case.changed_ms),
        "bytes": case.current.full_size,
        "head": shortened(printable(case.current.head), HEAD_CHARACTERS),
    }


def history(case: "Case") -> Iterator[dict[str, Any]]:
    """Rejections and attempts, each attempt followed by what came of it."""

    def rejected(attempt: int, found: "Sequence[Rejection]") -> Iterator[dict[str, Any]]:
        for reason, error in dict.fromkeys((r.reason, r.error) for r in found):
            same = [r for r in found if (r.reason, r.error) == (reason, error)]
            times = f"rejected {len(same)} times" if len(same) > 1 else "rejected"
            yield {
                "attempt": attempt,
                "time": format_time(same[0].at_ms),
                "what": times,
                "detail": f"{reason}: {error}",
            }

    yield from rejected(1, case.arrivals)
    for attempt in case.resends:
        resend = attempt.resend
        place = (
            f"{resend.topic} {resend.partition}:{resend.offset}"
            if resend.offset is not None
            else f"{resend.topic}, place unknown"
        )
        yield {
            "attempt": attempt.number,
            "time": format_time(attempt.at_ms),
            "what": "corrected and sent again" if resend.corrected else "sent again as it was",
            "detail": place,
        }
        yield from rejected(attempt.number, attempt.rejections)


def row(case: "Case") -> list[str]:
    """A case as the cells of `table`."""
    found = summary(case) | {"error": shortened(case.current.error, ERROR_CHARACTERS)}
    cells = ("id", "state", "attempts", "changed", "reason", "origin", "error")
    return [*(printable(str(found[name]).encode()) for name in cells), found["head"]]


def table(rows: list[list[str]]) -> None:
    """One line a row, columns aligned; the last one is as wide as it likes."""
    if not rows:
        return
    lines = [["ID", "STATE", "ATTEMPTS", "CHANGED", "REASON", "FROM", "ERROR", "BYTES"], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
