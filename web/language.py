"""The language of a page: what its address asks for, else what this browser asked for last, else Chinese."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser

from web.texts import Lang, pick_lang

COOKIE: Final = "zhengdian_lang"
_KEPT: Final = "Path=/; Max-Age=31536000; SameSite=lax; HttpOnly"

Message = MutableMapping[str, Any]


class Languages:
    """ASGI middleware. Puts `lang` into the request's state, and has the browser keep what an address asked for."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("lang")
        kept = cookie_parser(Headers(scope=scope).get("cookie", "")).get(COOKIE)
        lang = pick_lang(asked, kept)
        scope.setdefault("state", {})["lang"] = lang

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and asked and lang != kept:
                MutableHeaders(scope=message).append("set-cookie", f"{COOKIE}={lang}; {_KEPT}")
            await send(message)

        await self._app(scope, receive, sending)


def in_language(path: str, lang: Lang) -> str:
    """An address of this site that, where it asks for a language, asks for that one."""
    parts = urlsplit(path)
    query = [(key, lang if key == "lang" else value) for key, value in parse_qsl(parts.query, keep_blank_values=True)]
    return urlunsplit(parts._replace(query=urlencode(query))) if query else path
