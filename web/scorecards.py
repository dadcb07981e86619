"""Scorecards over HTTP: the sheet of a period, the same as a CSV file, and the rows behind each figure."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Annotated, Final, Literal, TypeVar

from fastapi import APIRouter, HTTPException, Query, Request, Response

from processors.periods import Kind, Period, local_day, period_of
from processors.scorecard import BY_KEY, Unit, numerator_unit, part
from sinks.bounded import Bounded
from sinks.scorecard_model import Behind, Hour, ScorecardModel
from web.access.guard import needs
from web.access.masks import mask, masked
from web.access.roles import May, Person
from web.api import Limit, decode_cursor, encode_cursor, instant_or_422
from web.coaching import Coaching, words_of
from web.models import FigureRow, FigureRows, Problem, Scorecards
from web.parts import HOUR_MS, Parts
from web.sheet import Line, Sheet, read_sheet, shown
from web.texts import Lang, texts
from web.wanted import Wanted

T = TypeVar("T")

KEPT_MS: Final = 20_000
"""a sheet is read once for all who look at it; it recomputes what it can't look up"""
KEPT: Final = 64
"""sheets that can be asked for by their moment; a page shows one for half a minute, or longer where the next one takes too long"""

By = Literal["agent", "team"]
On = Annotated[date | None, Query(description="a day of the period, in the shop's zone; default: today")]
Shop = Annotated[str, Query(max_length=256, description="default: the first by id")]
_LAST_OFFSET: Final = 10**9


def begin(parts: Parts, work: Callable[[ScorecardModel], T]) -> Wanted[T]:
    """Reads within the limit of time, for the requests that will wait for it."""
    bounded = Bounded(parts.db, parts.settings.web_read_seconds)
    return Wanted(parts.long_pool.submit(work, ScorecardModel(bounded)), partial(parts.call, bounded.stop))


class Sheets:
    """Sheets that were read lately, and those that are being read."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept: dict[tuple[str, Period, int], tuple[int, Sheet]] = {}
        """by its own moment, with the one at which it had been read: a long month takes longer to read than it is new; the
        newest last
        """
        self._wanted: dict[tuple[str, Period], Wanted[Sheet]] = {}

    def at(self, shop_id: str, period: Period, at_ms: int) -> Sheet:
        """The sheet of that moment. Raises HTTPException 410 where it is kept no more."""
        kept = self._kept.get((shop_id, period, at_ms))
        if kept is None:
            raise HTTPException(410, "as_of: that sheet is kept no more; ask for the sheet of now")
        return kept[1]

    async def get(self, shop_id: str, period: Period, request: Request) -> Sheet:
        """The sheet, at most KEPT_MS old. Raises DatabaseError (TooSlowError among them), DatabaseUnavailableError, and
        HTTPException 499 where nobody waits any more.
        """
        key = (shop_id, period)
        for (*of, _), (read_at, sheet) in reversed(self._kept.items()):
            if tuple(of) == key and 0 <= self._parts.now_ms() - read_at < KEPT_MS:
                return sheet
        wanted = self._wanted.get(key)
        if wanted is None or wanted.gone:
            wanted = self._wanted[key] = begin(
                self._parts, lambda model: read_sheet(self._parts, model, shop_id, period)
            )
        try:
            sheet = await wanted.answer(request)
        finally:
            first = self._wanted.get(key) is wanted
            if first:
                del self._wanted[key]
        if first:
            self._kept.pop((*key, sheet.at_ms), None)
            self._kept[(*key, sheet.at_ms)] = self._parts.now_ms(), sheet
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
        return sheet


def router(parts: Parts) -> APIRouter:
    """The routes under /api/v1/scorecards."""
    routes = APIRouter(
        prefix="/api/v1/scorecards",
        tags=["scorecards"],
        responses={code: {"model": Problem} for code in (503, 504)},
    )
    sheets, names = Sheets(parts), ScorecardModel(parts.db)

    def period(kind: Kind, on: date | None, shop_id: str) -> Period:
        zone_name = parts.book.timezone(shop_id)
        try:
            return period_of(kind, on or local_day(parts.now_ms(), zone_name), zone_name)
        except ValueError as error:
            raise HTTPException(422, f"on: {error}") from None

    @routes.get(
        "",
        summary="KPIs against targets and scores, by agent or team, of a day, week or month",
        response_model=Scorecards,
        responses={200: {"content": {"text/csv": {}}}, 410: {"model": Problem}},
    )
    async def get_scorecards(
        request: Request,
        person: Annotated[Person, needs(May.WATCH)],
        shop_id: Shop = "",
        period_kind: Annotated[Kind, Query(alias="period")] = "month",
        on: On = None,
        by: By = "agent",
        fmt: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
        lang: Annotated[Lang | None, Query(description="of the CSV file's head; default: the fields' names")] = None,
        as_of: Annotated[
            str | None,
            Query(
                description="`generated_at` of a sheet that was answered lately: that very one; default: the one of now"
            ),
        ] = None,
    ) -> Scorecards | Response:
        at_ms = instant_or_422("as_of", as_of)
        shops = await parts.call(names.shops)
        shop = shop_id or next(iter(shops), "")
        wanted = period(period_kind, on, shop)
        sheet = await sheets.get(shop, wanted, request) if at_ms is None else sheets.at(shop, wanted, at_ms)
        cards = shown(sheet, by, shops, parts.book.timezone(shop))
        if fmt == "json":
            return cards
        name = f"scorecards-{cards.period}-{cards.first}-{cards.by}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        text = as_csv(cards, lang)
        await parts.trail.tried(person, "access.exported", "scorecards", shop_id=shop, size=len(text))
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    @routes.get("/rows", summary="The rows behind a figure, oldest first; their sums are the figure")
    async def get_rows(
        request: Request,
        person: Annotated[Person, needs(May.SEE_FLAGS)],
        shop_id: Annotated[str, Query(min_length=1, max_length=256)],
        figure: Annotated[str, Query(json_schema_extra={"enum": list(BY_KEY)})],
        period_kind: Annotated[Kind, Query(alias="period")] = "month",
        on: On = None,
        agent_id: Annotated[str | None, Query(max_length=256)] = None,
        team: Annotated[str | None, Query(max_length=256)] = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> FigureRows:
        if figure not in BY_KEY:
            raise HTTPException(422, f"figure: must be one of {', '.join(BY_KEY)}")
        offset = offset_of(agent_id, team, cursor)
        wanted = period(period_kind, on, shop_id)
        unit = numerator_unit(BY_KEY[figure])

        def behind(members: tuple[str, ...]) -> Callable[[ScorecardModel], Behind]:
            return lambda model: model.behind(
                parts.book, shop_id, wanted, model.sale_events(shop_id, wanted), figure, members, limit, offset
            )

        if agent_id is not None and figure != "own_target":
            # whose rows count needs no sheet, which takes longer to read than they do
            found = await begin(parts, behind((agent_id,))).answer(request)
        else:
            sheet = await sheets.get(shop_id, wanted, request)
            by, line = line_of(sheet, agent_id, team)
            if line is None:
                found = Behind(0, 0, 0, [])
            elif figure == "own_target":
                unit = "count" if sheet.goals.in_orders else "yuan"
                found = _hours(sheet.hours(line, by), unit, limit, offset)
            else:
                found = await begin(parts, behind(line.members)).answer(request)
        after = offset + len(found.rows)
        seen = [{"shop_id": shop_id, "buyer_id": row["buyer"]} for row in found.rows if row["buyer"]]
        await parts.trail.saw(person, "scorecard", seen, figure)
        return FigureRows(
            figure=figure,
            unit=unit,
            total=found.total,
            numerator=found.numerator,
            denominator=found.denominator,
            sum=part(found.numerator, unit),
            over=part(found.denominator, unit if figure == "own_target" else "count"),
            rows=[
                FigureRow(
                    agent_id=row["agent"],
                    at=parts.time(row["at"], shop_id) or "",
                    until=parts.time(row["until"], shop_id),
                    # what it refers to leads to the buyer, too
                    ref=row["ref"] if person.may(May.SEE_BUYERS) else mask(row["ref"]),
                    numerator=row["n"],
                    denominator=row["d"],
                    value=part(row["n"], unit),
                    **masked({"buyer_id": row["buyer"], "order_id": row["order_id"], "what": row["what"]}, person),
                )
                for row in found.rows
            ],
            next_cursor=encode_cursor(after) if after < found.total else None,
        )

    @routes.get("/coaching", summary="What reviewers wrote for an agent or a team's agents, the newest first")
    async def get_coaching(
        request: Request,
        person: Annotated[Person, needs(May.SEE_FLAGS)],
        shop_id: Annotated[str, Query(min_length=1, max_length=256)],
        period_kind: Annotated[Kind, Query(alias="period")] = "month",
        on: On = None,
        agent_id: Annotated[str | None, Query(max_length=256)] = None,
        team: Annotated[str | None, Query(max_length=256)] = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> Coaching:
        offset = offset_of(agent_id, team, cursor)
        wanted = period(period_kind, on, shop_id)
        if agent_id is not None:
            members: tuple[str, ...] = (agent_id,)
        else:
            _, line = line_of(await sheets.get(shop_id, wanted, request), None, team)
            members = () if line is None else line.members
        asked = (shop_id, wanted, members, limit, offset)
        total, rows = await begin(parts, lambda model: model.coaching(*asked)).answer(request)
        await parts.trail.saw(person, "scorecard", [{"shop_id": shop_id, **row} for row in rows], "coaching")
        after = offset + len(rows)
        more = encode_cursor(after) if after < total else None
        return Coaching(total=total, words=words_of(parts, shop_id, rows, person), next_cursor=more)

    return routes


def offset_of(agent_id: str | None, team: str | None, cursor: str | None) -> int:
    """Where to read on. Raises HTTPException 422: for a strange cursor, and unless agent or team is given."""
    if (agent_id is None) == (team is None):
        raise HTTPException(422, "agent_id: or team, one of them")
    (offset,) = decode_cursor(cursor, int) or (0,)
    if offset > _LAST_OFFSET:
        raise HTTPException(422, "cursor: is not one that this API gave out")
    return int(offset)


def line_of(sheet: Sheet, agent_id: str | None, team: str | None) -> tuple[By, Line | None]:
    """The line of that agent, or of that team."""
    by: By = "agent" if team is None else "team"
    lines = sheet.agents if by == "agent" else sheet.teams
    return by, next((line for line in lines if line.id == (agent_id if team is None else team)), None)


def _hours(hours: Sequence[Hour], unit: Unit, limit: int, offset: int) -> Behind:
    rows = [
        {
            "agent": hour.agent_id,
            "at": hour.hour_start,
            "until": hour.hour_start + HOUR_MS,
            "buyer": "",
            "ref": "",
            "order_id": "",
            "what": part(hour.target, unit),
            "n": hour.reached,
            "d": hour.target,
        }
        for hour in hours[offset : offset + limit]
    ]
    return Behind(len(hours), sum(hour.reached for hour in hours), sum(hour.target for hour in hours), rows)


# ---- CSV -------------------------------------------------------------------------------------------------------------

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def as_csv(cards: Scorecards, lang: Lang | None) -> str:
    """The page's rows and figures as they are shown there, with what they were divided from behind them. With a byte order
    mark, without which spreadsheets misread Chinese.
    """
    keys = [figure.key for figure in cards.figures]
    text = texts(lang) if lang else None
    named = ("id", "name", "team", "role", "agents", "rank", "star", "weights", "weight_counted", "score")
    parts = [f"{key}_{part}" for key in keys for part in ("numerator", "denominator")]
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    if text is None:
        writer.writerow([*("shop_id", "first", "last", "as_of"), *named, *keys, *parts])
    else:
        writer.writerow(
            [
                *(text[f"scorecards_{name}"] for name in ("shop", "first", "last", "as_of_head", *named)),
                *(_head(text, figure.key, figure.unit) for figure in cards.figures),
                *(
                    f"{text[f'scorecards.{key}']} {text[f'scorecards_{part}']}"
                    for key in keys
                    for part in ("numerator", "denominator")
                ),
            ]
        )
    for card in cards.cards:
        writer.writerow(
            [
                *map(
                    _safe, (cards.shop_id, cards.first, cards.last, cards.generated_at, card.id, card.name, card.team)
                ),
                *(_safe(card.role), card.agents, "" if card.rank is None else card.rank, "1" if card.star else ""),
                *(card.score.weights or "", card.score.counted, card.score.value or ""),
                *(card.figures[key].value or "" for key in keys),
                *(number for key in keys for number in (card.figures[key].numerator, card.figures[key].denominator)),
            ]
        )
    return out.getvalue()


def _head(text: dict[str, str], key: str, unit: str) -> str:
    shown_unit = text.get(f"scorecards_unit.{unit}", "")
    return text[f"scorecards.{key}"] + (f" ({shown_unit})" if shown_unit else "")


def _safe(cell: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
