"""The desks' pages: a Vue component each, which talks to the API as whoever has signed in."""

from pathlib import Path
from typing import Final

from nicegui import Client, ui
from nicegui import app as gui
from nicegui.element import Element

from web.calls import OUTCOMES
from web.texts import Lang, pick_lang, texts

_STATIC: Final = Path(__file__).parent / "static"


class QcDesk(Element, component="static/qc.js"):
    """The component of `/qc`."""

    def __init__(self, lang: Lang) -> None:
        super().__init__()
        self._props.update(texts=texts(lang), lang=lang)


class CallDesk(Element, component="static/calls.js"):
    """The component of `/calls`."""

    def __init__(self, lang: Lang) -> None:
        super().__init__()
        self._props.update(texts=texts(lang), lang=lang, outcomes=list(OUTCOMES))


def mount(icon: str) -> None:
    """Put the desks' pages beside the wallboard; `web.wall.mount` runs NiceGUI."""
    css = (_STATIC / "desk.css").read_text(encoding="utf-8")
    # what the components import; looked at each time, lest an upgrade leave half of a page behind
    gui.add_static_files("/static", _STATIC, max_cache_age=0)

    @ui.page("/qc", favicon=icon, dark=True)
    async def qc_page(client: Client, lang: str = "") -> None:
        language = pick_lang(lang)
        ui.page_title(texts(language)["qc_title"])
        ui.add_css(css)
        QcDesk(language)

    @ui.page("/calls", favicon=icon, dark=True)
    async def calls_page(client: Client, lang: str = "") -> None:
        language = pick_lang(lang)
        ui.page_title(texts(language)["calls_title"])
        ui.add_css(css)
        CallDesk(language)
