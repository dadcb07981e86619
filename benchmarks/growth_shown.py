"""What growth.py has measured, as a table and as small multiples."""

from collections.abc import Sequence

from benchmarks.growth import BUYERS, CORE_AXES, QUERY_AXES, SINK_AXES, Point, growth_of
from benchmarks.panels import Line, Panel, panels
from benchmarks.sheets import Sheet

_AXES = (*CORE_AXES, *SINK_AXES, *QUERY_AXES)


def growth_sheet(points: Sequence[Point]) -> Sheet:
    """Each axis' ends, and the power between them."""
    found, rows = growth_of(points), []
    for axis in _AXES:
        mine = [point for point in points if point.axis == axis.name]
        for what in mine[0].cost if mine else ():
            first, last = mine[0], mine[-1]
            rows.append(
                (
                    f"{axis.name}: {what}",
                    f"{first.value:,} to {last.value:,}",
                    axis.cost,
                    f"{first.typical(what):.1f}",
                    f"{last.typical(what):.1f}",
                    f"{found[axis.name, what]:.2f}",
                    *(_ends(first, last, name) for name in ("records", "state_bytes", "memory_bytes")),
                    f"{max(point.load for point in mine):.0f}",
                )
            )
    return Sheet(
        "how cost grows: one thing grows, the rest stays",
        (
            "what grows: what is done",
            "from, to",
            "cost",
            "at the least",
            "at the most",
            "power",
            "results an event",
            "state written, bytes an event",
            "memory, bytes an event",
            "load",
        ),
        rows,
        "Power of the whole cost: 1.00 means that an event or a record costs the same whatever the size. Of an answer it is its own:"
        " there 0.00 means that the size does not matter. The best of the runs at each size, as other programs only add, and those of the core in turns; of the sink's inserts"
        " the mean, as merges are their cost. Load: of the machine, over a minute.",
    )


def _ends(first: Point, last: Point, name: str) -> str:
    if name not in first.seen:
        return ""
    digits = 2 if name == "records" else 0
    return f"{first.seen[name]:,.{digits}f} to {last.seen[name]:,.{digits}f}"


def growth_chart(points: Sequence[Point]) -> str:
    """A panel an axis, both logarithmic, and one of the memory by buyers."""
    found, plots = growth_of(points), []
    for axis in _AXES:
        mine = [point for point in points if point.axis == axis.name]
        if len(mine) > 1:
            lines = [Line(what, [(point.value, point.typical(what)) for point in mine]) for what in mine[0].cost]
            powers = ", ".join(f"{found[axis.name, what]:.2f}" for what in mine[0].cost)
            if len(lines) == 1:
                lines = [Line("", lines[0].points)]
            plots.append(Panel(f"{axis.name}: power {powers}", axis.name, axis.cost, lines))
    mine = [point for point in points if point.axis == BUYERS]
    names = {"memory_bytes": "memory", "state_bytes": "state written", "record_bytes": "results"}
    lines = [Line(text, [(point.value, point.seen[name]) for point in mine]) for name, text in names.items()]
    plots.append(Panel("bytes an event", BUYERS, "bytes", lines))
    return panels("How cost grows", plots)
