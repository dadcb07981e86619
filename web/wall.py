"""The first page: the wallboard, one Vue component that listens to the boards' stream (web/wallboard.py)."""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from nicegui import Client, ui
from nicegui import app as gui
from nicegui.element import Element

from web import desk
from web.parts import Parts, read_instant
from web.texts import Lang, texts
from web.wallboard import BAD_HOUR, LOADING, Board, Boards

log = structlog.get_logger(__name__)

FIRST_BOARD_SECONDS: Final = 2.0
RECONNECT_SECONDS: Final = 10.0
_STATIC: Final = Path(__file__).parent / "static"
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="13" fill="#0a0e17" '
    'stroke="#ff4d5a" stroke-width="4"/><path d="M16 16V8M16 16h6" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>'
)


class Wall(Element, component="static/wall.js"):
    """The component. `board` is what `web.wallboard` makes: the first one, the component listens for more."""

    def __init__(self, board: Board, lang: Lang) -> None:
        super().__init__()
        self._props.update(first=board, texts=texts(lang), lang=lang, places=desk.LINKS)


def mount(app: FastAPI, parts: Parts, boards: Boards) -> None:
    """Put the page at `/` of the app. NiceGUI is one to a process, so this can be done once."""
    css = "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in ("wall.css", "report_sheet.css"))

    @ui.page("/", favicon=_ICON, dark=True, reconnect_timeout=RECONNECT_SECONDS)
    async def wall_page(client: Client, hour: str = "", shop_id: str = "") -> None:
        language: Lang = client.request.state.lang
        ui.page_title(texts(language)["title"])
        ui.add_css(css)
        try:
            at = read_instant(hour)
        except ValueError:
            Wall(BAD_HOUR, language)
            return
        shop = shop_id or None
        try:
            async with asyncio.timeout(FIRST_BOARD_SECONDS):
                board = (await boards.get(at, shop, parts.live.version)).board
        except TimeoutError:
            board = LOADING  # a slow database: the stream has the board when it has been read
        Wall(board, language)

    desk.mount(_ICON, parts)
    _configure(app)


def _configure(app: FastAPI) -> None:
    # or a nameless progress bar would come at each request of a page
    gui.config.quasar_config["loadingBar"]["skipHijack"] = True
    ui.run_with(
        app,
        title="整点 Zhengdian",
        language="zh-CN",
        dark=True,
        reconnect_timeout=RECONNECT_SECONDS,
        # after a longer break the page loads anew: no history of whole boards need be kept
        message_history_length=10,
        binding_refresh_interval=None,
        tailwind=False,
        show_welcome_message=False,
    )
    gui.on_exception(lambda error: log.error("page_failed", error=str(error)))
