"""A shop's scorecards of one period, put together: everybody's figures, scores and ranks. The page, the API and the CSV file
show the same sheet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from processors.periods import Period
from processors.ruleset import Rules
from processors.scorecard import (
    FIGURES,
    Figure,
    Pair,
    RoleGroup,
    Score,
    add_up,
    group_of,
    meets,
    ranks,
    rounded,
    score,
    stars,
    targets,
    value,
)
from schemas.types import format_time
from sinks.reader import Row
from sinks.scorecard_model import Goals, Hour, ScorecardModel
from web.models import CardFigure, CardScore, FigureKind, Scorecard, Scorecards, ScorePart
from web.parts import Parts


@dataclass(frozen=True, slots=True)
class Line:
    """An agent's or a team's scorecard before anything is rounded. `members`: the agents whose rows it counts."""

    id: str
    name: str
    team: str
    role: str
    members: tuple[str, ...]
    sums: Mapping[str, Pair]
    group: RoleGroup | None
    score: Score
    rank: int | None
    star: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One shop and period, as it was read at `at_ms`. The lines are in order of rank, those without a score last."""

    shop_id: str
    period: Period
    at_ms: int
    rules: Rules
    sales: Sequence[Row]
    goals: Goals
    agents: Sequence[Line]
    teams: Sequence[Line]

    def hours(self, line: Line, by: str) -> list[Hour]:
        """The hours with targets that the line's `own_target` counts, by time."""
        own = self.goals.teams.get(line.id) if by == "team" else None
        found = own if own is not None else [h for agent in line.members for h in self.goals.agents.get(agent, ())]
        return sorted(found, key=lambda hour: (hour.hour_start, hour.agent_id))


def read_sheet(parts: Parts, model: ScorecardModel, shop_id: str, period: Period) -> Sheet:
    """Reads a sheet. Raises DatabaseError or DatabaseUnavailableError."""
    at_ms = parts.now_ms()
    zone_name = parts.book.timezone(shop_id)
    rules = parts.book.at(shop_id, period.to_ms - 1)
    known = model.agents(shop_id)
    sales = model.sale_events(shop_id, period)
    goals = model.goals(shop_id, period, sales, zone_name, known, at_ms)
    cards = model.figures(parts.book, shop_id, period, sales)
    for agent_id, hours in goals.agents.items():
        card = cards.setdefault(agent_id, {figure.key: (0, 0) for figure in FIGURES})
        card["own_target"] = _reached(hours)
    lines = []
    for agent_id, sums in cards.items():
        row = known.get(agent_id, {"name": "", "team": "", "role": ""})
        group = group_of([row["role"]])
        lines.append(
            Line(
                agent_id, row["name"] or agent_id, row["team"], row["role"], (agent_id,), sums, group,
                score(sums, group, rules), None, False,
            )
        )  # fmt: skip
    teams = []
    for team in sorted({line.team for line in lines} | set(goals.teams)):
        members = [line for line in lines if line.team == team]
        sums = add_up(line.sums for line in members)
        if team in goals.teams:
            sums["own_target"] = _reached(goals.teams[team])
        group = group_of(line.role for line in members)
        agents = tuple(line.id for line in members)
        teams.append(Line(team, team, team, "", agents, sums, group, score(sums, group, rules), None, False))
    return Sheet(shop_id, period, at_ms, rules, sales, goals, _ranked(lines, True), _ranked(teams, False))


def _reached(hours: Iterable[Hour]) -> Pair:
    pairs = [(hour.reached, hour.target) for hour in hours]
    return sum(one for one, _ in pairs), sum(other for _, other in pairs)


def _ranked(lines: Sequence[Line], people: bool) -> list[Line]:
    entries = [(line.score, line.sums) for line in lines]
    found = [
        replace(line, rank=rank, star=people and star)
        for line, rank, star in zip(lines, ranks(entries), stars(entries), strict=True)
    ]
    return sorted(found, key=lambda line: (line.rank is None, line.rank or 0, -line.sums["paid_amount"][0], line.id))


# ---- as it is shown --------------------------------------------------------------------------------------------------


def shown(sheet: Sheet, by: str, shops: Sequence[str], zone_name: str) -> Scorecards:
    """The sheet as the API answers it; nothing is rounded anywhere else."""
    period, wanted = sheet.period, targets(sheet.rules)
    return Scorecards(
        shop_id=sheet.shop_id,
        shops=list(shops),
        by="team" if by == "team" else "agent",
        period=period.kind,
        first=period.first.isoformat(),
        last=period.last.isoformat(),
        starts_at=format_time(period.from_ms, zone_name),
        ends_at=format_time(period.to_ms, zone_name),
        over=period.to_ms <= sheet.at_ms,
        generated_at=format_time(sheet.at_ms, zone_name),
        ruleset=sheet.rules.label,
        sale_events=[
            {
                "name": sale["name"],
                "starts_at": format_time(sale["starts_at"], zone_name),
                "ends_at": format_time(sale["ends_at"], zone_name),
            }
            for sale in sheet.sales
        ],
        figures=[
            FigureKind(
                key=figure.key,
                unit=figure.unit,
                better=figure.better,
                target=rounded(wanted[figure.key], figure.decimals) if figure.key in wanted else None,
            )
            for figure in FIGURES
        ],
        cards=[_card(line, wanted) for line in (sheet.teams if by == "team" else sheet.agents)],
    )


def _card(line: Line, wanted: Mapping[str, Fraction]) -> Scorecard:
    return Scorecard(
        id=line.id,
        name=line.name,
        team=line.team,
        role=line.role,
        agents=len(line.members),
        rank=line.rank,
        star=line.star,
        score=CardScore(
            weights=line.group,
            value=None if line.score.points is None else rounded(line.score.points, 1),
            counted=sum(part.weight for part in line.score.counted),
            parts=[
                ScorePart(
                    key=part.key,
                    weight=part.weight,
                    points=None if part.points is None else rounded(part.points, 1),
                )
                for part in line.score.components
            ],
        ),
        figures={figure.key: _figure(figure, line.sums[figure.key], wanted.get(figure.key)) for figure in FIGURES},
    )


def _figure(figure: Figure, pair: Pair, target: Fraction | None) -> CardFigure:
    reached = value(figure, pair)
    return CardFigure(
        value=None if reached is None else rounded(reached, figure.decimals),
        numerator=pair[0],
        denominator=pair[1],
        met=None if reached is None or target is None else meets(figure, reached, target),
    )
