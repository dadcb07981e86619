"""The first page: the wallboard, drawn by one Vue component and pushed to every viewer while events arrive."""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI
from nicegui import Client, background_tasks, ui
from nicegui import app as gui
from nicegui.element import Element

from web import desk, metrics
from web.parts import HOUR_MS, Parts, read_instant
from web.texts import Lang, pick_lang, texts
from web.wallboard import BAD_HOUR, LOADING, Board, Boards

log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 5.0
"""Re-read this often without new rows: tasks fall overdue by the clock alone."""
RETRY_SECONDS: Final = 2.0
FIRST_BOARD_SECONDS: Final = 2.0
RECONNECT_SECONDS: Final = 10.0
_STATIC: Final = Path(__file__).parent / "static"
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="13" fill="#0a0e17" '
    'stroke="#ff4d5a" stroke-width="4"/><path d="M16 16V8M16 16h6" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>'
)


class Wall(Element, component="static/wall.js"):
    """The component. `board` is what `web.wallboard` makes."""

    def __init__(self, board: Board, lang: Lang) -> None:
        super().__init__()
        self._props.update(board=board, texts=texts(lang), lang=lang)

    def show(self, board: Board) -> None:
        """Push a board to the viewer, unless it is the one on show."""
        if self._props["board"] is not board:
            self._props["board"] = board
            self.update()


async def _follow(parts: Parts, boards: Boards, wall: Wall, hour_ms: int | None, shop_id: str | None) -> None:
    """Push until cancelled, which is when the viewer has gone."""
    with metrics.VIEWERS.labels("wall").track_inprogress():
        while True:
            version = parts.live.version
            board = await boards.get(hour_ms, shop_id, version)
            wall.show(board)
            down = board["stale"] or board["status"] == "down"
            to_next_hour = (HOUR_MS - parts.now_ms() % HOUR_MS) / 1000 + 0.05
            await parts.live.changed(version, min(RETRY_SECONDS if down else REFRESH_SECONDS, to_next_hour))


def mount(app: FastAPI, parts: Parts) -> None:
    """Put the page at `/` of the app. NiceGUI is one to a process, so this can be done once."""
    boards = Boards(parts)
    css = (_STATIC / "wall.css").read_text(encoding="utf-8")

    @ui.page("/", favicon=_ICON, dark=True, reconnect_timeout=RECONNECT_SECONDS)
    async def wall_page(client: Client, hour: str = "", shop_id: str = "", lang: str = "") -> None:
        language = pick_lang(lang)
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
                board = await boards.get(at, shop, parts.live.version)
        except TimeoutError:
            board = LOADING  # a slow database: the board is pushed when it has been read
        wall = Wall(board, language)
        task = background_tasks.create(_follow(parts, boards, wall, at, shop), name="wall")
        client.on_delete(lambda: task.cancel())

    desk.mount(_ICON)
    _configure(app)


def _configure(app: FastAPI) -> None:
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
