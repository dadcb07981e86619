"""Small multiples as SVG: one panel a question, on log-log or linear axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_INK, _FAINT, _GRID = "#1c2430", "#5b6675", "#e3e7ec"
_COLOURS: Final = ("#c8102e", "#1f5fa8", "#2e7d4f", "#8a5a00")
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")
_COLUMNS, _WIDTH, _HEIGHT = 3, 330, 240
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEAD = 52, 16, 60, 40, 40


@dataclass(frozen=True, slots=True)
class Line:
    """A named series of (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: its title, what stands on the axes, and its lines. `logs`: both axes are logarithmic, all numbers above 0."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]
    logs: bool = True


class _Scale:
    """From a number to its place between two ends, with round numbers to mark."""

    def __init__(self, numbers: Sequence[float], begin: float, end: float, logs: bool) -> None:
        self._logs, self._begin, self._end = logs, begin, end
        low, high = (min(numbers), max(numbers)) if logs else (0.0, max(numbers) or 1.0)
        if logs:  # never less than a factor of four, so that a level line looks level
            low, high = low / 1.25, max(high * 1.25, low * 4)
        self._low, self._high = self._of(low), self._of(high)
        self.marks = _powers(low, high) if logs else _steps(high)

    def _of(self, number: float) -> float:
        return math.log(number) if self._logs else number

    def at(self, number: float) -> float:
        share = (self._of(number) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten where there is room, else powers of ten alone."""
    digits = (1, 2, 5) if high / low < 120 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [number for power in powers for digit in digits if low <= (number := digit * 10.0**power) <= high]


def _steps(high: float) -> list[float]:
    power = 10 ** math.floor(math.log10(high))
    step = next(step * power for step in (0.2, 0.5, 1, 2) if high / (step * power) <= 6)
    return [number * step for number in range(math.floor(high / step) + 1)]


def _short(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def panels(title: str, plots: Sequence[Panel]) -> str:
    """All plots in rows of three, as an SVG document."""
    rows = -(-len(plots) // _COLUMNS)
    width, height = _COLUMNS * _WIDTH, _HEAD + rows * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" font-size="15" font-weight="bold" fill="{_INK}">{escape(title)}</text>',
    ]
    for number, plot in enumerate(plots):
        parts.append(f'<g transform="translate({number % _COLUMNS * _WIDTH},{_HEAD + number // _COLUMNS * _HEIGHT})">')
        parts += _panel(plot)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(plot: Panel) -> list[str]:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    across = _Scale([x for line in plot.lines for x, _ in line.points], left, right, plot.logs)
    up = _Scale([y for line in plot.lines for _, y in line.points], bottom, top, plot.logs)
    parts = [f'<text x="12" y="16" font-size="13" font-weight="bold" fill="{_INK}">{escape(plot.title)}</text>']
    for mark in across.marks:
        x = across.at(mark)
        parts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{_GRID}"/>',
            f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle" fill="{_FAINT}">{_short(mark)}</text>',
        ]
    for mark in up.marks:
        y = up.at(mark)
        parts += [
            f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}"/>',
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{_FAINT}">{_short(mark)}</text>',
        ]
    parts += [
        f'<text x="{(left + right) / 2:.0f}" y="{bottom + 30}" text-anchor="middle" fill="{_FAINT}">{escape(plot.across)}</text>',
        f'<text x="12" y="{top - 10}" fill="{_FAINT}">{escape(plot.up)}</text>',
    ]
    for number, line in enumerate(plot.lines):
        colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
        places = [(across.at(x), up.at(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        if len(places) < 40:  # more of them would hide the line
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
        if not line.name:
            continue
        parts += [
            f'<line x1="{left + number * 92}" x2="{left + number * 92 + 16}" y1="30" y2="30" stroke="{colour}"'
            f' stroke-width="2" stroke-dasharray="{dash}"/>',
            f'<text x="{left + number * 92 + 20}" y="34" fill="{_INK}">{escape(line.name)}</text>',
        ]
    return parts
