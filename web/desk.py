"""The desks' pages: a Vue component each, which talks to the API as whoever has signed in."""

from pathlib import Path
from typing import Final

from nicegui import Client, ui
from nicegui.element import Element

from web.texts import Lang, pick_lang, texts

_STATIC: Final = Path(__file__).parent / "static"


class QcDesk(Element, component="static/qc.js"):
    """The component of `/qc`."""

    def __init__(self, lang: Lang) -> None:
        super().__init__()
        self._props.update(texts=texts(lang), lang=lang)


def mount(icon: str) -> None:
    """Put the desks' pages beside the wallboard; `web.wall.mount` runs NiceGUI."""
    css = (_STATIC / "desk.css").read_text(encoding="utf-8")

    @ui.page("/qc", favicon=icon, dark=True)
    async def qc_page(client: Client, lang: str = "") -> None:
        language = pick_lang(lang)
        ui.page_title(texts(language)["qc_title"])
        ui.add_css(css)
        QcDesk(language)
