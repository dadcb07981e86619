"""The page to sign in, without a script; by password or at a provider. And signing out."""

from typing import Final
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader
from starlette.concurrency import run_in_threadpool

from schemas.settings import Settings
from web.access import oidc
from web.access.guard import OIDC_CALLBACK, SIGN_IN, SIGN_IN_OIDC, SIGN_OUT, local_path
from web.access.limits import SIGN_IN_BY_ADDRESS, SIGN_IN_BY_NAME, Limits
from web.access.oidc import Oidc, OidcError
from web.access.roles import Person
from web.access.sessions import COOKIE, Sessions
from web.access.trail import Trail
from web.access.users import MAX_PASSWORD, Users
from web.bodies import read_body
from web.language import in_language
from web.texts import Lang, texts

log = structlog.get_logger(__name__)

_TEMPLATES: Final = Environment(loader=PackageLoader("web"), autoescape=True)
_FORM_BYTES: Final = 16_384


class SignIn:
    """What the sign-in's routes share."""

    def __init__(
        self,
        settings: Settings,
        users: Users,
        sessions: Sessions,
        limits: Limits,
        trail: Trail,
        provider: Oidc | None,
        *,
        open: bool,
    ) -> None:
        """`open`: one may go on without signing in."""
        self._settings = settings
        self._users = users
        self._sessions = sessions
        self._limits = limits
        self._trail = trail
        self._provider = provider
        self._open = open

    def page(self, request: Request, target: str, name: str = "", error: str = "", status: int = 200) -> Response:
        """The page; `error` is the key of a text."""
        language: Lang = request.state.lang
        html = _TEMPLATES.get_template("sign_in.html").render(
            t=texts(language),
            lang=language,
            next=in_language(local_path(target), language),
            name=name,
            error=error,
            hint=self._settings.web_sign_in_hint,
            passwords=self._users.have_passwords or self._provider is None,
            provider=self._provider.host if self._provider else "",
            open=self._open,
        )
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})

    async def by_password(self, request: Request) -> Response:
        """What the form was sent with."""
        form = await _form(request)
        name, password, target = form.get("name", "")[:64], form.get("password", ""), form.get("next", "/")
        address = _address(request)
        # by address and name: a stranger must not be able to keep somebody out by guessing from elsewhere
        if not (self._limits.take(SIGN_IN_BY_ADDRESS, address) and self._limits.take(SIGN_IN_BY_NAME, address, name)):
            log.warning("sign_in_limited", name=name, address=address)
            return self.page(request, target, name, "sign_in_limited", 429)
        # slow by design, and no slower for a password that nobody can have
        person = await run_in_threadpool(self._users.check, name, password[: MAX_PASSWORD + 1])
        if person is None:
            await self._refused(name if self._users.knows(name) else "", address, "name or password is not right")
            return self.page(request, target, name, "sign_in_refused", 401)
        return await self._enter(request, person, target)

    async def at_provider(self, request: Request, target: str) -> Response:
        """Off to the provider."""
        if self._provider is None:
            raise HTTPException(404)
        if not self._limits.take(SIGN_IN_BY_ADDRESS, _address(request)):
            return self.page(request, target, error="sign_in_limited", status=429)
        try:
            begun = await self._provider.begin(self._place(request, OIDC_CALLBACK), local_path(target))
        except OidcError as error:
            log.warning("oidc_failed", error=str(error))
            return self.page(request, target, error=error.key, status=error.status)
        answer = RedirectResponse(begun.url, 303)
        self._set_cookie(request, answer, oidc.COOKIE, begun.cookie, oidc.FLOW_SECONDS)
        return answer

    async def from_provider(self, request: Request) -> Response:
        """Back from the provider."""
        if self._provider is None:
            raise HTTPException(404)
        target = "/"
        # every failure is put on record, and anybody may come here
        if not self._limits.take(SIGN_IN_BY_ADDRESS, _address(request)):
            return self.page(request, target, error="sign_in_limited", status=429)
        try:
            flow = self._provider.flow(request.cookies.get(oidc.COOKIE, ""))
            target = flow.target
            person = await self._provider.finish(flow, request.query_params)
        except OidcError as error:
            await self._refused("", _address(request), str(error))
            answer = self.page(request, target, error=error.key, status=error.status)
        else:
            answer = await self._enter(request, person, target)
        answer.delete_cookie(oidc.COOKIE)
        return answer

    async def out(self, request: Request) -> Response:
        """Out of here, and of the provider."""
        person: Person | None = request.state.person
        target = SIGN_IN
        if person is not None and not person.local:
            await self._trail.tried(person, "access.signed_out", "sign-out")
            if person.by == "oidc" and self._provider is not None:
                target = await self._provider.end_url(self._place(request, SIGN_IN)) or SIGN_IN
        answer = RedirectResponse(target, 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _enter(self, request: Request, person: Person, target: str) -> Response:
        address = _address(request)
        try:
            await self._trail.did(_from(person, address), "access.signed_in", "sign-in", detail=person.display_name)
        except HTTPException:
            return self.page(request, target, error="sign_in_unrecorded", status=503)
        log.info("signed_in", name=person.name, address=address, by=person.by)
        answer = RedirectResponse(_place_for(person, local_path(target)), 303)
        self._set_cookie(request, answer, COOKIE, self._sessions.begin(person), self._sessions.max_age_seconds)
        return answer

    async def _refused(self, name: str, address: str, why: str) -> None:
        """`name`: empty for one that nobody has, which may be a password that was typed in the wrong place."""
        log.warning("sign_in_refused", name=name, address=address, reason=why)
        nobody = Person(name, frozenset(), address=address)
        await self._trail.tried(nobody, "access.sign_in_refused", "sign-in", detail=why, status=401)

    def _set_cookie(self, request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
        secure = self._place(request, "").startswith("https://")
        answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure)

    def _place(self, request: Request, path: str) -> str:
        """An address of this site as browsers know it."""
        return (self._settings.web_public_url or str(request.base_url)).rstrip("/") + path


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _place_for(person: Person, target: str) -> str:
    """The page that was asked for; one's own where that was none in particular."""
    path, _, query = target.partition("?")
    return person.home if path == "/" and dict(parse_qsl(query)).keys() <= {"lang"} else target


def _from(person: Person, address: str) -> Person:
    return Person(person.name, person.roles, person.display_name, person.agent_ids, by=person.by, address=address)


def router(sign_in: SignIn) -> APIRouter:
    """`/sign-in`, by password or at the provider, and `/sign-out`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(SIGN_IN)
    def show(request: Request, next: str = "/") -> Response:
        return sign_in.page(request, next)

    @routes.post(SIGN_IN)
    async def by_password(request: Request) -> Response:
        return await sign_in.by_password(request)

    @routes.get(SIGN_IN_OIDC)
    async def at_provider(request: Request, next: str = "/") -> Response:
        return await sign_in.at_provider(request, next)

    @routes.get(OIDC_CALLBACK)
    async def from_provider(request: Request) -> Response:
        return await sign_in.from_provider(request)

    @routes.post(SIGN_OUT)
    async def sign_out(request: Request) -> Response:
        return await sign_in.out(request)

    return routes


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that strangers may send. Raises HTTPException 413."""
    raw = await read_body(request, _FORM_BYTES)
    try:
        return dict(parse_qsl(raw.decode(), max_num_fields=8))
    except ValueError:
        return {}
