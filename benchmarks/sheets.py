"""Tables and a chart of what was measured: for the terminal, as Markdown and as SVG."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from rich.table import Table


def percentile(ascending: Sequence[float], share: int) -> float:
    """By nearest rank."""
    return ascending[max(-(-len(ascending) * share // 100), 1) - 1]


def median_of(runs: Sequence[float], digits: int = 0) -> str:
    """With the least and the most."""
    return f"{statistics.median(runs):,.{digits}f} ({min(runs):,.{digits}f}–{max(runs):,.{digits}f})"


_BAR, _GAP, _LEFT, _WIDTH, _RIGHT, _TOP = 22, 10, 260, 520, 120, 44


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; all columns but the first hold numbers. `note` stands below it."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    def rich(self) -> Table:
        """For the terminal."""
        table = Table(title=self.title, caption=self.note or None)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For the docs."""
        lines = [f"**{self.title}**", "", _line(self.columns), "|---" + "|---:" * (len(self.columns) - 1) + "|"]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, "", self.note]).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart: median, least and most, in one unit. `ours`: it is drawn in the product's colour."""

    name: str
    median: float
    least: float
    most: float
    ours: bool


_OURS: Final = "#c8102e"
_OTHERS: Final = "#8a94a6"


def chart(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars on one linear scale, with the spread of the runs, as an SVG document."""
    scale = _WIDTH / max(bar.most for bar in bars)
    height = _TOP + len(bars) * (_BAR + _GAP) + _GAP
    width = _LEFT + _WIDTH + _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" font-size="15" font-weight="bold" fill="#1c2430">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        top = _TOP + number * (_BAR + _GAP)
        middle, length = top + _BAR / 2, max(bar.median * scale, 1)
        colour = _OURS if bar.ours else _OTHERS
        parts += [
            f'<text x="{_LEFT - 10}" y="{middle + 4:.0f}" text-anchor="end" fill="#1c2430">{escape(bar.name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<line x1="{_LEFT + bar.least * scale:.1f}" x2="{_LEFT + bar.most * scale:.1f}" y1="{middle}" y2="{middle}"'
            ' stroke="#1c2430" stroke-width="2"/>',
            f'<text x="{_LEFT + max(length, bar.most * scale) + 8:.1f}" y="{middle + 4:.0f}" fill="#1c2430">'
            f"{bar.median:,.0f} {escape(unit)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])
