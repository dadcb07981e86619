"""The page to sign in, without a script, and signing out."""

from typing import Final
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader
from starlette.concurrency import run_in_threadpool

from web.access.guard import SIGN_IN, SIGN_OUT, local_path
from web.access.limits import SIGN_IN_BY_ADDRESS, SIGN_IN_BY_NAME, Limits
from web.access.sessions import COOKIE, Sessions
from web.access.users import MAX_PASSWORD, Users
from web.texts import pick_lang, texts

log = structlog.get_logger(__name__)

_TEMPLATES: Final = Environment(loader=PackageLoader("web"), autoescape=True)
_FORM_BYTES: Final = 16_384


def router(users: Users, sessions: Sessions, limits: Limits) -> APIRouter:
    """`/sign-in` and `/sign-out`."""
    routes = APIRouter(include_in_schema=False)

    def page(target: str, lang: str, name: str = "", error: str = "", status: int = 200) -> Response:
        language = pick_lang(lang)
        words = texts(language)
        html = _TEMPLATES.get_template("sign_in.html").render(
            t=words, lang=language, next=local_path(target), name=name, error=error
        )
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})

    @routes.get(SIGN_IN)
    def show(next: str = "/", lang: str = "") -> Response:
        return page(next, lang)

    @routes.post(SIGN_IN)
    async def sign_in(request: Request, lang: str = "") -> Response:
        form = await _form(request)
        name, password, next = form.get("name", "")[:64], form.get("password", ""), form.get("next", "/")
        address = request.client.host if request.client else ""
        # by address and name: a stranger must not be able to keep somebody out by guessing from elsewhere
        if not (limits.take(SIGN_IN_BY_ADDRESS, address) and limits.take(SIGN_IN_BY_NAME, address, name)):
            log.warning("sign_in_limited", name=name, address=address)
            return page(next, lang, name, "sign_in_limited", 429)
        # slow by design, and no slower for a password that nobody can have
        person = await run_in_threadpool(users.check, name, password[: MAX_PASSWORD + 1])
        if person is None:
            log.warning("sign_in_refused", name=name, address=address)
            return page(next, lang, name, "sign_in_refused", 401)
        log.info("signed_in", name=name, address=address)
        answer = RedirectResponse(local_path(next), 303)
        answer.set_cookie(
            COOKIE,
            sessions.begin(person),
            max_age=sessions.max_age_seconds,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post(SIGN_OUT)
    def sign_out() -> Response:
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE)
        return answer

    return routes


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that strangers may send. Raises HTTPException 413."""
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > _FORM_BYTES:
            raise HTTPException(413, "too long")
    try:
        return dict(parse_qsl(raw.decode(), max_num_fields=8))
    except ValueError:
        return {}
