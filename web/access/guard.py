"""The gate in front of everything the web serves: who is it, may a browser's request come from there, how often.

What a person may do is asked where it is done: routes name their permission by `needs`.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse

from web.access.lasting import Lasting
from web.access.limits import REQUESTS, Limits
from web.access.roles import LOCAL, May, Person
from web.access.sessions import COOKIE, Sessions
from web.access.users import Users

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
SIGN_IN_OIDC: Final = "/sign-in/oidc"
OIDC_CALLBACK: Final = "/sign-in/oidc/callback"
_OPEN: Final = frozenset({SIGN_IN, SIGN_OUT, SIGN_IN_OIDC, OIDC_CALLBACK, "/healthz", "/favicon.ico"})
_OPEN_BELOW: Final = "/_nicegui/"
"""scripts and styles, the same for everybody"""
_EVENTS: Final = "/v1/events"
"""not counted: a shop's events come as fast as they come"""
_PROXIED: Final = frozenset({"forwarded", "x-forwarded-for"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


class Guard:
    """ASGI middleware. Puts the `Person` into the request's state, or answers 401, 403 or 429 itself.

    In an `open` web whoever has not signed in is `LOCAL`, who may do everything. `unproxied`: not so for what a proxy
    passes on, which stands on the same machine and speaks for whoever reaches it.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        users: Users,
        sessions: Sessions,
        limits: Limits,
        open: bool,
        unproxied: bool = False,
    ) -> None:
        self._app = app
        self._users = users
        self._sessions = sessions
        self._limits = limits
        self._open = open
        self._unproxied = unproxied

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        known = self._recognise(headers)
        if known is not None:
            person: Person | None = replace(known, address=(scope.get("client") or ("",))[0])
        else:
            person = LOCAL if self._open else None  # also with an Authorization that a gateway has seen to
        scope.setdefault("state", {})["person"] = person
        answer = self._answer(scope, headers, person, known is not None and known.by == "token")
        if answer is None:
            if known is None:
                await self._app(scope, receive, send)
            else:
                await self._lasting(scope, receive, send, lambda: self._recognise(headers) == known)
        elif scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _answer(
        self, scope: MutableMapping[str, Any], headers: Headers, person: Person | None, program: bool
    ) -> JSONResponse | RedirectResponse | None:
        path: str = scope["path"]
        method: str = scope.get("method", "GET")
        # a browser sends cookies along with what another site makes it send; a token is never sent by itself
        if (method not in _SAFE or scope["type"] == "websocket") and not program and is_foreign(headers):
            return _problem(403, "the request comes from another site")
        if person is LOCAL and self._unproxied and path != "/healthz" and _PROXIED & set(headers):
            return _problem(403, "this web is open to its own machine alone; behind a proxy set ZHENGDIAN_WEB_USERS")
        if person is None:
            if path in _OPEN or path.startswith(_OPEN_BELOW):
                return None
            if method == "GET" and "authorization" not in headers and "text/html" in headers.get("accept", ""):
                query = scope.get("query_string", b"").decode("latin-1")
                return RedirectResponse(f"{SIGN_IN}?next={quote(path + ('?' + query if query else ''), safe='')}", 303)
            unknown = "authorization" in headers
            return _problem(401, "unknown token" if unknown else "sign in first", {"WWW-Authenticate": "Bearer"})
        counted = not person.local and not path.startswith(_OPEN_BELOW) and path != _EVENTS
        if counted and not self._limits.take(REQUESTS, person.name):
            return _problem(429, "too many requests; wait a minute", {"Retry-After": "60"})
        return None

    async def _lasting(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, stays: Callable[[], bool]
    ) -> None:
        """Run the application; a stream or socket is closed once its person is out, or is not what they were."""
        lasting, open_ended = Lasting(scope["type"], receive, stays), False

        async def sending(message: Message) -> None:
            nonlocal open_ended
            kind = message["type"]
            open_ended = kind not in ("websocket.close", "http.response.body") or bool(message.get("more_body"))
            await send(message)

        try:
            await self._app(scope, lasting, sending)
        finally:
            lasting.close()
        if lasting.ended and open_ended:
            closing: Message = {"type": "websocket.close", "code": 1008}
            await send(closing if scope["type"] == "websocket" else {"type": "http.response.body", "body": b""})

    def _recognise(self, headers: Headers) -> Person | None:
        """Who that is by token or session, now."""
        return self._by_token(headers) or self._by_cookie(headers)

    def _by_token(self, headers: Headers) -> Person | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return self._users.token(token.strip()) if scheme.lower() == "bearer" else None

    def _by_cookie(self, headers: Headers) -> Person | None:
        value = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        return self._sessions.person(value) if value else None


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another site has made it send this (CSRF). Programs say nothing and are not foreign.

    Sec-Fetch-Site where the browser has it (all since 2023), else Origin against Host.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    except ValueError:
        return True


def local_path(target: str) -> str:
    """Where to go after signing in: a path of this site, `/` for anything else."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return "/"
    return target


def person_of(request: Request) -> Person:
    """Who has sent the request. Raises HTTPException 401."""
    person: Person | None = getattr(request.state, "person", None)
    if person is None:
        raise HTTPException(401, "sign in first", {"WWW-Authenticate": "Bearer"})
    return person


def needs(what: May) -> Any:
    """A dependency for a route: HTTPException 403 unless the person may do that. Gives the Person."""

    def allowed(person: Annotated[Person, Depends(person_of)]) -> Person:
        if not person.may(what):
            raise HTTPException(403, f"{person.name} may not {what}")
        return person

    allowed.needs = what  # type: ignore[attr-defined]
    return Depends(allowed)


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
