"""Scorecards: what a figure is called and shown as, its target, and the score made of figures (docs/scorecards.md). Pure.

A figure is a pair of whole numbers, numerator and denominator, which add up over agents; it becomes one number here and
nowhere else. A count has no denominator.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from processors.ruleset_model import Rules
from processors.sides import SIDE_OF_ROLE, Side

Unit = Literal["percent", "seconds", "yuan", "items", "points", "stars", "count"]
RoleGroup = Side
Pair = tuple[int, int]
Sums = Mapping[str, Pair]
"""Figure -> numerator, denominator."""

QC_SCALE: Final = 10_000
"""a rubric score is kept in whole ten-thousandths of a point"""
_FACTORS: Final[Mapping[Unit, Fraction]] = {
    "percent": Fraction(100),
    "seconds": Fraction(1, 1000),
    "yuan": Fraction(1, 100),
    "items": Fraction(1),
    "points": Fraction(1, QC_SCALE),
    "stars": Fraction(1),
    "count": Fraction(1),
}


_PART_DECIMALS: Final[Mapping[Unit, int]] = {"yuan": 2, "seconds": 1, "points": 1}
"""Units that numerators have; all others are pieces."""


class Figure(NamedTuple):
    """`decimals` are those shown; `better`: which way is good; `counts`: the numerator alone, nothing is divided."""

    key: str
    unit: Unit
    decimals: int
    better: Literal["high", "low"]
    counts: bool = False


FIGURES: Final = (
    Figure("own_target", "percent", 1, "high"),
    Figure("paid_amount", "yuan", 2, "high", counts=True),
    Figure("orders_paid", "count", 0, "high", counts=True),
    Figure("inquiry_to_order", "percent", 1, "high"),
    Figure("order_to_paid", "percent", 1, "high"),
    Figure("items_per_order", "items", 2, "high"),
    Figure("amount_per_order", "yuan", 2, "high"),
    Figure("reply_rate", "percent", 1, "high"),
    Figure("first_response", "seconds", 1, "low"),
    Figure("average_response", "seconds", 1, "low"),
    Figure("rate_3min", "percent", 1, "high"),
    Figure("sample_score", "points", 1, "high"),
    Figure("qc_score", "points", 1, "high"),
    Figure("judged", "count", 0, "high", counts=True),
    Figure("violations", "count", 0, "low", counts=True),
    Figure("rating", "stars", 2, "high"),
    Figure("complaints", "percent", 2, "low"),
)
"""In the order of the page."""
BY_KEY: Final[Mapping[str, Figure]] = {figure.key: figure for figure in FIGURES}

COMPONENTS: Final = ("own_target", "qc", "rating", "complaints", "superior", "conduct")
STARS: Final = 3
STAR_COMPONENTS: Final = 2
"""a star agent's score rests on as many components at least: one good review is no month's work"""


def rounded(value: Fraction, decimals: int) -> str:
    """As it is shown everywhere: halves up, always with that many decimals."""
    scaled = (abs(value) * 10**decimals + Fraction(1, 2)).__floor__()
    sign = "-" if value < 0 and scaled else ""
    whole, rest = divmod(scaled, 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}d}" if decimals else f"{sign}{whole}"


def value(figure: Figure, pair: Pair) -> Fraction | None:
    """The figure in its unit; None where there is nothing to divide by."""
    numerator, denominator = pair
    if figure.counts:
        return numerator * _FACTORS[figure.unit]
    return Fraction(numerator, denominator) * _FACTORS[figure.unit] if denominator else None


def numerator_unit(figure: Figure) -> Unit:
    """What the numerator is counted in; `own_target`'s may be amounts or orders."""
    return figure.unit if figure.unit in _PART_DECIMALS else "count"


def part(number: int, unit: Unit) -> str:
    """A numerator, or what one row adds to it, as it is shown."""
    decimals = _PART_DECIMALS.get(unit)
    return str(number) if decimals is None else rounded(number * _FACTORS[unit], decimals)


def targets(rules: Rules) -> dict[str, Fraction]:
    """The KPI table: figure -> what is to be reached, in the figure's unit."""
    return {
        "own_target": 100 * _exact(rules.own_target_rate),
        "inquiry_to_order": 100 * _exact(rules.inquiry_to_order_rate),
        "order_to_paid": 100 * _exact(rules.order_to_paid_rate),
        "items_per_order": _exact(rules.items_per_order),
        "amount_per_order": Fraction(rules.amount_per_order_fen, 100),
        "reply_rate": 100 * _exact(rules.reply_rate_target),
        "first_response": Fraction(rules.first_response_target_ms, 1000),
    }


def meets(figure: Figure, reached: Fraction, target: Fraction) -> bool:
    """Whether the target is met; by the exact value, not by the rounded one."""
    return reached >= target if figure.better == "high" else reached <= target


def add_up(cards: Iterable[Sums]) -> dict[str, Pair]:
    """A team's figures: numerators and denominators summed over its agents."""
    total: dict[str, Pair] = {figure.key: (0, 0) for figure in FIGURES}
    for card in cards:
        for key, (numerator, denominator) in card.items():
            total[key] = (total[key][0] + numerator, total[key][1] + denominator)
    return total


# ---- the score -------------------------------------------------------------------------------------------------------


def group_of(roles: Iterable[str]) -> RoleGroup | None:
    """Whose weights hold for agents of these roles: those of most of them, before-sales in a draw. None: no role is known."""
    groups = [SIDE_OF_ROLE[role] for role in roles if role in SIDE_OF_ROLE]
    if not groups:
        return None
    return "presale" if 2 * groups.count("presale") >= len(groups) else "aftersale"


class Component(NamedTuple):
    """A part of a score. `points`: 0 to 100, None where there is no data; then its weight does not count."""

    key: str
    weight: int
    points: Fraction | None


class Score(NamedTuple):
    """`points`: 0 to 100; None where no component that weighs anything has data."""

    points: Fraction | None
    components: tuple[Component, ...]

    @property
    def counted(self) -> tuple[Component, ...]:
        """The components that the points are made of."""
        return tuple(part for part in self.components if part.weight and part.points is not None)


def component_points(key: str, sums: Sums, complaint_rate_zero: Fraction) -> Fraction | None:
    """0 to 100; the better the figure, the higher. None without data.

    - `own_target`: percent of one's own target that was reached, 100 at most
    - `qc`: the mean rubric score of the conversations sampled at random; of the flags where none was sampled
    - `rating`: 0 at one star, 100 at five, linear between
    - `complaints`: 100 without any, 0 from `complaint_rate_zero` complaints a paid order on, linear between
    """
    if key == "own_target":
        share = _ratio(sums, "own_target")
        return None if share is None else 100 * min(share, Fraction(1))
    if key == "qc":
        # never mixed: flags are the worst that there is, and how many a score has says more about the rules than the agent
        mean = _ratio(sums, "qc_score" if _ratio(sums, "sample_score") is None else "sample_score")
        return None if mean is None else mean / QC_SCALE
    if key == "rating":
        stars = _ratio(sums, "rating")
        return None if stars is None else (stars - 1) * 25
    if key == "complaints":
        complaints, orders = sums["complaints"]
        if not orders:
            return Fraction(0) if complaints else None  # about orders that were paid before the period
        return 100 * max(1 - Fraction(complaints, orders) / complaint_rate_zero, Fraction(0))
    return None  # superior, conduct: nobody enters them


def score(sums: Sums, group: RoleGroup | None, rules: Rules) -> Score:
    """The mean of the components that have data, by the weights of the role group; no points without a group."""
    weights = dict(getattr(rules.scorecard, group)) if group else dict.fromkeys(COMPONENTS, 0)
    zero = _exact(rules.scorecard.complaint_rate_zero)
    parts = tuple(Component(key, weights[key], component_points(key, sums, zero)) for key in COMPONENTS)
    whole = Score(None, parts)
    weight = sum(part.weight for part in whole.counted)
    points = sum((part.weight * part.points for part in whole.counted if part.points is not None), Fraction(0))
    return whole._replace(points=points * Fraction(1, weight)) if weight else whole


def ranks(entries: Sequence[tuple[Score, Sums]]) -> list[int | None]:
    """The place of each by the score as shown, then by the paid amount; equal in both share it. None without a score."""
    keys = [
        None if one.points is None else (Fraction(rounded(one.points, 1)), sums["paid_amount"][0])
        for one, sums in entries
    ]
    return [None if key is None else 1 + sum(other is not None and other > key for other in keys) for key in keys]


def stars(entries: Sequence[tuple[Score, Sums]]) -> list[bool]:
    """Who is a star agent (明星客服): the first three, equal ones together, of those whose score rests on enough."""
    enough = [
        (one if len(one.counted) >= STAR_COMPONENTS else one._replace(points=None), sums) for one, sums in entries
    ]
    return [rank is not None and rank <= STARS for rank in ranks(enough)]


def _ratio(sums: Sums, key: str) -> Fraction | None:
    numerator, denominator = sums[key]
    return Fraction(numerator, denominator) if denominator else None


def _exact(number: float) -> Fraction:
    """A ruleset's 0.95 as it is written, not as a float keeps it."""
    return Fraction(str(number))
