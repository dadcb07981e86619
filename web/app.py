"""The web part: the FastAPI application, and running it under uvicorn."""

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Match, Route

from processors.ruleset import RulesetBook, load_book
from processors.sampling import known_salts
from schemas.settings import Settings
from sinks.collector import YOUNG, tame_collector
from sinks.database import Database, DatabaseError, DatabaseUnavailableError, TooSlowError, open_database
from sinks.read_model import ReadModel
from web import (
    api,
    audit,
    calls,
    commands,
    floor,
    health,
    ingest,
    metrics,
    people,
    qc,
    samples,
    scorecards,
    sql,
    wall,
    wallboard,
)
from web.access.guard import Guard, needs
from web.access.limits import Limits
from web.access.oidc import Oidc
from web.access.roles import May, Person
from web.access.sessions import Sessions
from web.access.sign_in import SignIn
from web.access.sign_in import router as sign_in_router
from web.access.users import Users, UsersError
from web.language import Languages
from web.live import Live
from web.models import Problem
from web.parts import Parts, Producer
from web.reports.api import Reports

log = structlog.get_logger(__name__)

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
STOP_SECONDS: Final = 3
_CSP: Final = (
    # the page's own scripts are inline and its templates are compiled in the browser; nothing comes from elsewhere
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'self'; base-uri 'self'"
)
_HEADERS: Final = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_DESCRIPTION: Final = (
    "Times are RFC 3339 with the shop's offset, amounts decimal strings in CNY. Where people sign in, programs send "
    "`Authorization: Bearer TOKEN` (`zhengdian users token`), and buyers' ids are masked for whoever need not know them."
)


def create_app(
    settings: Settings,
    db: Database,
    producer: Producer,
    book: RulesetBook,
    *,
    clock_ns: Callable[[], int] = time.time_ns,
    pages: bool = True,
    sink: health.SinkState | None = None,
) -> FastAPI:
    """The application. `pages`: with the wallboard, which a process can have once. `app.state.parts` holds the `Parts`.
    Raises UsersError and RobotsError.

    Where the sink runs in this process, call `app.state.parts.live.rows_arrived` after each of its batches.
    """
    read = ReadModel(db)
    users = Users(settings.web_users)
    open_to_all = is_open(settings)
    secret = settings.web_secret.get_secret_value() or secrets.token_hex(
        32
    )  # one of this process: sessions end with it
    try:
        provider = Oidc(settings, secret) if settings.web_oidc_issuer else None
    except ValueError as error:
        raise UsersError(str(error)) from None
    if not open_to_all and not users and provider is None:
        raise UsersError(
            "nobody could sign in: name a users file in ZHENGDIAN_WEB_USERS (see `zhengdian users add`) or a provider in"
            " ZHENGDIAN_WEB_OIDC_ISSUER, or set ZHENGDIAN_WEB_ACCESS=open behind a gateway"
        )
    limits = Limits()
    sessions = Sessions(users, secret, settings.web_session_hours, provider.stamp if provider else "")

    async def fingerprint() -> str:
        return await parts.call(read.fingerprint)

    parts = Parts(settings, db, read, producer, book, clock_ns, Live(fingerprint))
    parts.can_sign_in = provider is not None or users.have_passwords
    signing_in = SignIn(settings, users, sessions, limits, parts.trail, provider, open=open_to_all)
    reports = Reports(parts)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        poll = asyncio.create_task(parts.live.run(), name="live")
        try:
            async with reports.running():
                yield
        finally:
            poll.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await poll
            # the engine's queries must have ended before its directory is let go
            parts.close()

    app = FastAPI(
        title="Zhengdian",
        version="1",
        description=_DESCRIPTION,
        # so that the schema says how programs sign in; the guard does the work
        dependencies=[Depends(HTTPBearer(auto_error=False, description="a token of `zhengdian users token`"))],
        responses={code: {"model": Problem} for code in (401, 403, 429)},
        docs_url=None,  # its page loads scripts from a CDN
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.parts = parts
    app.add_middleware(
        Guard,
        users=users,
        sessions=sessions,
        limits=limits,
        open=open_to_all,
        unproxied=settings.web_access in ("auto", "local"),
    )
    app.add_middleware(Languages)
    app.add_middleware(_Outer)
    hosts = [host.strip() for host in settings.web_hosts.split(",") if host.strip()]
    if open_to_all and (hosts or settings.web_host in LOOPBACK):
        # a foreign site whose name resolves to this machine must not read through the browser
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts or [*LOOPBACK, "[::1]"], www_redirect=False)
    boards = wallboard.Boards(parts)
    routers = [
        health.router(parts, sink),
        ingest.router(parts),
        api.router(parts),
        floor.router(parts),
        wallboard.router(parts, boards),
        qc.router(parts),
        samples.router(parts),
        calls.router(parts),
        scorecards.router(parts),
        commands.router(parts),
        sql.router(parts, limits),
        audit.router(parts),
        people.router(parts, users),
        reports.router(),
    ]
    for router in [*routers, sign_in_router(signing_in)]:
        app.include_router(router)

    @app.get(
        "/metrics",
        tags=["operations"],
        response_class=Response,
        summary="Prometheus metrics",
        dependencies=[needs(May.MEASURE)],
    )
    def get_metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(DatabaseUnavailableError)
    def unavailable(_: Request, error: Exception) -> JSONResponse:
        log.warning("database_unavailable", error=str(error))
        return JSONResponse({"detail": "the database cannot be reached; try again"}, 503, {"Retry-After": "2"})

    @app.exception_handler(DatabaseError)
    def failed(_: Request, error: Exception) -> JSONResponse:
        log.error("database_error", error=str(error))
        return JSONResponse({"detail": "the database refused the query; see the log"}, 500)

    @app.exception_handler(TooSlowError)
    def too_slow(request: Request, error: Exception) -> JSONResponse:
        log.warning("read_too_slow", path=request.url.path, error=str(error))
        return JSONResponse({"detail": f"{error}; ask for a shorter period, or later"}, 504)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # what was sent is not sent back: it may be long, and nothing that could be written as JSON
        problems = [{key: one[key] for key in ("type", "loc", "msg")} for one in error.errors()]
        return JSONResponse({"detail": problems}, 422)

    @app.exception_handler(403)
    async def forbidden(request: Request, error: HTTPException) -> Response:
        person: Person | None = request.state.person
        if person is not None:
            path = f"{request.method} {request.url.path}"
            await parts.trail.tried(person, "access.refused", path, detail=str(error.detail), status=403)
        return await http_exception_handler(request, error)

    nowhere = _Nowhere([route for router in routers for route in router.routes])
    for root in ("/api", "/v1"):
        app.router.routes += [Route(root, nowhere), Route(root + "/{rest:path}", nowhere)]
    if pages:
        wall.mount(app, parts, boards)
    return app


def is_open(settings: Settings) -> bool:
    """Whether whoever reaches the web may do everything."""
    if settings.web_access == "auto":
        return settings.web_host in LOOPBACK and settings.web_users is None and not settings.web_oidc_issuer
    return settings.web_access == "open" or (settings.web_access == "local" and settings.web_host in LOOPBACK)


Message = MutableMapping[str, Any]


class _Nowhere:
    """Answers for the API what none of its routes does: the pages are mounted at `/` and would answer with HTML."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: MutableMapping[str, Any], receive: object, send: object) -> None:
        near = (route for route in self._routes if route.matches(scope)[0] is Match.PARTIAL)
        if allowed := {method for route in near for method in getattr(route, "methods", None) or ()}:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HTTPException(404)


class _Outer:
    """Counts requests by route and status, and adds the security headers."""

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

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                # the template, not the path: paths hold ids without end
                route = getattr(scope.get("route"), "path", "other") or "other"
                metrics.REQUESTS.labels(scope["method"], route, str(message["status"])).inc()
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((k, v) for k, v in _HEADERS if k not in present)]
            await send(message)

        await self._app(scope, receive, sending)


class _Server(uvicorn.Server):
    """Ends when the sink of this process has given up, so that whoever supervises the process starts both anew."""

    def __init__(self, config: uvicorn.Config, sink: health.SinkState | None) -> None:
        super().__init__(config)
        self._sink = sink
        self.sink_ended = False

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second; true ends the server."""
        if self._sink is not None and not self._sink.is_alive() and not self.should_exit:
            log.error("sink_ended_web_follows")
            self.sink_ended = True
            return True
        return await super().on_tick(counter)


def run_web(
    settings: Settings,
    *,
    with_sink: bool | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; 0 when it stopped cleanly, 1 when it could not start or its sink
    gave up. Call it in the main thread.

    `with_sink` (default: on the embedded stack) runs the sink in this process, since chDB has one owner. `on_ready` gets
    the address. Raises what `open_database` and the ruleset's reader raise, and OSError when the port is taken.
    """
    from sinks.kafka import EventProducer

    embedded = settings.clickhouse == "embedded"
    text = settings.rules.read_text(encoding="utf-8") if settings.rules else None
    book = load_book(text, str(settings.rules or "default"))
    with contextlib.ExitStack() as stack:
        db = open_database(settings)
        stack.callback(db.close)
        producer = EventProducer(settings)
        stack.callback(producer.close)
        listeners: list[Callable[[object], None]] = []

        def arrived(tables: object) -> None:
            for listener in listeners:
                listener(tables)

        sink = None
        if embedded:
            from sinks.migrate import up

            up(db)  # nobody else can: the directory belongs to this process
        if embedded if with_sink is None else with_sink:
            from sinks.sink import Sink

            sink = Sink(settings, db, on_batch=arrived)
        app = create_app(settings, db, producer, book, sink=sink)
        listeners.append(app.state.parts.live.rows_arrived)
        if settings.web_host not in LOOPBACK and is_open(settings):
            log.warning("web_open_to_network", host=settings.web_host, hint="no sign-in: put a gateway before it")
        if not is_open(settings) and (shops := known_salts(book, time.time_ns() // 1_000_000)):
            log.warning(
                "qc_sample_predictable", shops=shops, hint="give qc.sample.salt in the ruleset a text of your own"
            )
        config = uvicorn.Config(
            app,
            host=settings.web_host,
            port=settings.web_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        listening = config.bind_socket()
        stack.callback(listening.close)
        host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
        address = f"http://{host}:{listening.getsockname()[1]}"
        # uvicorn raises the signal again when it has stopped: that must not kill the process before the sink has ended
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, lambda *_: None))
        tame_collector(YOUNG)
        if sink is not None:
            sink.start()
            stack.callback(sink.stop)
        log.info("web_listening", url=address, sink=sink is not None)
        if on_ready is not None:
            on_ready(address)
        server = _Server(config, sink)
        server.run(sockets=[listening])
        log.info("web_stopped", sink_alive=None if sink is None else sink.is_alive())
        return 0 if server.started and not server.sink_ended else 1
