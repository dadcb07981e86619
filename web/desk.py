"""The pages beside the wallboard: a Vue component each, which talks to the API as whoever has signed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nicegui import Client, ui
from nicegui import app as gui
from nicegui.element import Element

from web.calls import OUTCOMES
from web.texts import pick_lang, texts

_STATIC: Final = Path(__file__).parent / "static"


class QcDesk(Element, component="static/qc.js"):
    """The component of `/qc`."""


class CallDesk(Element, component="static/calls.js"):
    """The component of `/calls`."""


class ScorecardsPage(Element, component="static/scorecards.js"):
    """The component of `/scorecards`."""


class SqlPage(Element, component="static/sql.js"):
    """The component of `/sql`."""


class AuditPage(Element, component="static/audit.js"):
    """The component of `/audit`."""


class ReportsPage(Element, component="static/reports.js"):
    """The component of `/reports`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of one component: its path, the key of its title, what the component is given beside texts and language."""

    path: str
    component: type[Element]
    title: str
    props: Mapping[str, Any] = field(default_factory=dict)
    styles: tuple[str, ...] = ()
    """style sheets beside desk.css"""


PAGES: Final = (
    Page("/qc", QcDesk, "qc_title"),
    Page("/calls", CallDesk, "calls_title", {"outcomes": list(OUTCOMES)}),
    Page("/scorecards", ScorecardsPage, "scorecards_title", styles=("scorecards.css",)),
    Page("/sql", SqlPage, "sql_title", styles=("sql.css",)),
    Page("/audit", AuditPage, "audit_title", styles=("audit.css",)),
    Page("/reports", ReportsPage, "reports_title", styles=("report_sheet.css", "reports.css")),
)


def mount(icon: str) -> None:
    """Put the pages beside the wallboard; `web.wall.mount` runs NiceGUI."""
    # what the components import; looked at each time, lest an upgrade leave half of a page behind
    gui.add_static_files("/static", _STATIC, max_cache_age=0)
    for page in PAGES:
        _mount(page, icon)


def _mount(page: Page, icon: str) -> None:
    css = "".join((_STATIC / name).read_text(encoding="utf-8") for name in ("desk.css", *page.styles))

    @ui.page(page.path, favicon=icon, dark=True)
    async def show(client: Client, lang: str = "") -> None:
        language = pick_lang(lang)
        ui.page_title(texts(language)[page.title])
        ui.add_css(css)
        page.component()._props.update(texts=texts(language), lang=language, **page.props)
