"""What the API of the reports takes and answers. Times are RFC 3339 with the shop's offset, amounts decimal strings in CNY."""

from typing import Self

from pydantic import BaseModel, Field

from processors.report import Report, reached
from processors.report_text import speech, title
from schemas.outputs import PostStatus, ReportKind, ReportStar, ReportTeam
from schemas.types import Id, format_amount, format_time
from web.sent import Body


class Words(BaseModel):
    """The same in both languages."""

    zh: str
    en: str


class PostOut(BaseModel):
    """How far the report has come in the group chats."""

    status: PostStatus
    taken: int = Field(description="robots that have it")
    error: str = Field(description="why others have not; empty: all have")


class Standing(BaseModel):
    """The same span as it stands now: facts may have come in since."""

    paid_amount: str
    orders_paid: int


class ReportOut(BaseModel):
    """A report as it was announced."""

    report_id: str
    kind: ReportKind
    shop_id: str
    starts_at: str
    ends_at: str
    as_of: str = Field(description="facts up to this moment count")
    made_at: str
    made_by: str = Field(description="who asked for it; empty: made by itself")
    complete: bool = Field(description="false when results were still on their way")
    sale_event: str
    pk_basis: str
    paid_amount: str
    orders_paid: int
    buyers_served: int
    conversion: float | None = Field(description="null for a day, whose hours count a buyer again")
    silent_share: float | None
    before_amount: str | None = Field(description="paid in the hour or day before")
    target_amount: str | None
    target_orders: int | None
    reached_amount: int | None = Field(description="percent of the target, rounded down")
    reached_orders: int | None
    day_amount: str
    day_orders: int
    day_target_amount: str | None
    day_target_orders: int | None
    day_reached_amount: int | None
    day_reached_orders: int | None
    teams: list[ReportTeam] = Field(description="best first")
    lead: str | None = Field(description="of the first team before the second, in what the PK compares; null: no PK")
    stars: list[ReportStar] = Field(description="the first three ranks")
    stars_left: int = Field(description="further agents who share the last rank")
    title: Words
    speech: Words = Field(description="what is spoken")
    post: PostOut
    standing: Standing | None = Field(None, description="where one report is asked for: how its span stands now")

    @classmethod
    def of(cls, report: Report, standing: tuple[int, int] | None = None) -> Self:
        """`standing`: fen and orders of now."""

        def time(ms: int) -> str:
            return format_time(ms, report.timezone)

        def amount(fen: int | None) -> str | None:
            return None if fen is None else format_amount(fen)

        lead = report.lead
        record = report.value()
        told = _Told.model_validate_json(record)
        return cls(
            report_id=report.report_id,
            kind=report.kind,
            shop_id=report.shop_id,
            starts_at=time(report.starts_at),
            ends_at=time(report.ends_at),
            as_of=time(report.as_of),
            made_at=time(report.made_at),
            made_by=report.made_by,
            complete=report.complete,
            sale_event=report.sale_event,
            pk_basis=report.pk_basis,
            paid_amount=format_amount(report.paid_amount),
            orders_paid=report.orders_paid,
            buyers_served=report.buyers_served,
            conversion=report.conversion,
            silent_share=report.silent_share,
            before_amount=amount(report.before_amount),
            target_amount=amount(report.target_amount),
            target_orders=report.target_orders,
            reached_amount=reached(report.paid_amount, report.target_amount),
            reached_orders=reached(report.orders_paid, report.target_orders),
            day_amount=format_amount(report.day_amount),
            day_orders=report.day_orders,
            day_target_amount=amount(report.day_target_amount),
            day_target_orders=report.day_target_orders,
            day_reached_amount=reached(report.day_amount, report.day_target_amount),
            day_reached_orders=reached(report.day_orders, report.day_target_orders),
            teams=told.teams,
            lead=None if lead is None else str(lead) if report.pk_basis == "orders" else format_amount(lead),
            stars=told.stars,
            stars_left=report.stars_left,
            title=Words(zh=title(report, "zh"), en=title(report, "en")),
            speech=Words(zh=speech(report, "zh"), en=speech(report, "en")),
            post=PostOut(status=report.post_status, taken=len(report.posted), error=report.post_error),
            standing=None
            if standing is None
            else Standing(paid_amount=format_amount(standing[0]), orders_paid=standing[1]),
        )


class _Told(BaseModel):
    teams: list[ReportTeam]
    stars: list[ReportStar]


class ReportPage(BaseModel):
    """A page of reports, the newest moment first."""

    reports: list[ReportOut]
    next_cursor: str | None
    robots: int = Field(description="group-chat robots that reports are posted to, of that shop or any")


class Announce(Body):
    """Make a report now, by hand."""

    shop_id: Id
    kind: ReportKind = "hour"
    hour: str | None = Field(
        None, description="any RFC 3339 instant inside the hour or day; default: now, so the hour as far as it has come"
    )
    post: bool = Field(False, description="whether to post it to the group chats")
