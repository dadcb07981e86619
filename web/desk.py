"""The pages beside the wallboard: a Vue component each, which talks to the API as whoever has signed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nicegui import Client, ui
from nicegui import app as gui
from nicegui.element import Element

from web.access.roles import GRANTS, May, Person, Role
from web.api import me_of
from web.calls import OUTCOMES
from web.parts import Parts
from web.texts import Lang, texts

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


class Refusal(Element, component="static/refusal.js"):
    """Stands for the component of a page that is not for the person who has come."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of one component; its path, and the keys of its texts: as links call it, and `_title` of the tab."""

    path: str
    component: type[Element]
    name: str
    needs: May
    props: Mapping[str, Any] = field(default_factory=dict)
    """what the component is given beside what all are given"""
    styles: tuple[str, ...] = ()
    """style sheets beside desk.css"""


PAGES: Final = (
    Page("/qc", QcDesk, "qc", May.SEE_FLAGS),
    Page("/calls", CallDesk, "calls", May.SEE_TASKS, {"outcomes": list(OUTCOMES)}),
    Page("/scorecards", ScorecardsPage, "scorecards", May.WATCH, styles=("scorecards.css",)),
    Page("/reports", ReportsPage, "reports", May.WATCH, styles=("report_sheet.css", "reports.css")),
    Page("/sql", SqlPage, "sql", May.QUERY, styles=("sql.css",)),
    Page("/audit", AuditPage, "audit", May.SEE_TRAIL, styles=("audit.css",)),
)
LINKS: Final = (
    ("/", "wallboard", May.WATCH.name.lower()),
    *((page.path, page.name, page.needs.name.lower()) for page in PAGES),
)
"""what leads from page to page: path, key of the text, and which of `may` of `GET /api/v1/me` it takes"""


def mount(icon: str, parts: Parts) -> None:
    """Put the pages beside the wallboard; `web.wall.mount` runs NiceGUI."""
    # what the components import; looked at each time, lest an upgrade leave half of a page behind
    gui.add_static_files("/static", _STATIC, max_cache_age=0)
    for page in PAGES:
        _mount(page, icon, parts)


def _mount(page: Page, icon: str, parts: Parts) -> None:
    css = "".join((_STATIC / name).read_text(encoding="utf-8") for name in ("desk.css", *page.styles))

    @ui.page(page.path, favicon=icon, dark=True)
    async def show(client: Client) -> None:
        language: Lang = client.request.state.lang
        person: Person = client.request.state.person
        words = texts(language)
        ui.page_title(words[f"{page.name}_title"])
        ui.add_css(css)
        if person.may(page.needs):
            shown, more = page.component(), page.props
        else:
            await parts.trail.tried(person, "access.refused", f"GET {page.path}", status=403)
            roles = [role.value for role in Role if page.needs in GRANTS[role]]
            shown, more = Refusal(), {"me": me_of(parts, person).model_dump(), "roles": roles}
        shown._props.update(texts=words, lang=language, places=LINKS, **more)
