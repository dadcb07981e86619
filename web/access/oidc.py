"""Signing in at an OpenID Connect provider: authorization code flow with PKCE, by Authlib.

The state, the nonce and PKCE's verifier wait in a signed cookie of the browser that began. Nothing of the provider's is
kept but its metadata and keys, for an hour; a key that is not among them has them read again.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client.apps import StarletteOAuth2App
from httpx2 import HTTPError, HTTPStatusError, InvalidURL
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc.errors import JoseError

from schemas.settings import Settings
from web.access.roles import Person, Role

log = structlog.get_logger(__name__)

COOKIE: Final = "zhengdian_oidc"
FLOW_SECONDS: Final = 600
"""as long as somebody may take to sign in at the provider"""
PREFIX: Final = "oidc:"
"""before the names of people who sign in there: a local user's name has no colon, so nobody is taken for one"""
_METADATA_SECONDS: Final = 3600.0
_ANSWER_SECONDS: Final = 5.0
_LEEWAY_SECONDS: Final = 60
_MAX_NAME: Final = 64
_MAX_ACCOUNTS_BYTES: Final = 1_500
"""as JSON; with all that is around them the session's cookie stays below 4 096, beyond which browsers drop it without a word"""
_SIGNATURES: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""by the provider's own key alone: neither `none` nor what is signed with the client's secret, whatever it lists"""
_OTHER_HOSTS: Final = ("127.0.0.1", "::1", "localhost")


class OidcError(Exception):
    """Nobody has signed in; `key` is that of the sign-in page's text, `str()` one line for the log."""

    def __init__(self, key: str, reason: str, status: int = 401) -> None:
        super().__init__(" ".join(reason.split())[:300])
        self.key = key
        self.status = status


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the cookie that it brings back."""

    url: str
    cookie: str


class Flow(NamedTuple):
    """A sign-in that was begun, as the cookie has it."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    target: str


class Oidc:
    """One provider. Raises OidcError where somebody does not get in, and where the provider does not answer."""

    def __init__(self, settings: Settings, secret: str) -> None:
        """Raises ValueError for settings that can't be used. Nothing is asked of the provider yet."""
        issuer = settings.web_oidc_issuer
        parts = urlsplit(issuer)
        if parts.scheme != "https" and parts.hostname not in _OTHER_HOSTS:
            raise ValueError("ZHENGDIAN_WEB_OIDC_ISSUER: must be an https:// address")
        if not settings.web_oidc_client_id:
            raise ValueError("ZHENGDIAN_WEB_OIDC_CLIENT_ID: is missing")
        self._settings = settings
        self._signer = URLSafeTimedSerializer(secret, salt=COOKIE)
        self.host: Final = parts.netloc
        # a session of another provider, or of another client of it, is none
        self.stamp: Final = hashlib.sha256(f"{issuer}\n{settings.web_oidc_client_id}".encode()).hexdigest()[:16]
        self._client = _Client(
            None,
            name="oidc",
            client_id=settings.web_oidc_client_id,
            client_secret=settings.web_oidc_client_secret.get_secret_value() or None,
            server_metadata_url=issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.web_oidc_scopes,
                "code_challenge_method": "S256",
                "timeout": _ANSWER_SECONDS,
            },
        )
        self._client.issuer = issuer

    async def begin(self, redirect_uri: str, target: str) -> Begun:
        """`target`: the path to go to afterwards."""
        try:
            begun = await self._client.create_authorization_url(redirect_uri)
        except (*_REFUSED, *_DOWN) as error:
            raise _failed(error) from None
        flow = Flow(begun["state"], begun["nonce"], begun["code_verifier"], redirect_uri, target)
        return Begun(begun["url"], str(self._signer.dumps(flow)))

    def flow(self, cookie: str) -> Flow:
        """What this browser has begun."""
        try:
            return Flow(*self._signer.loads(cookie, max_age=FLOW_SECONDS))
        except (BadSignature, ValueError, TypeError):
            raise OidcError("sign_in_oidc_again", "no sign-in was begun by this browser, or long ago") from None

    async def finish(self, flow: Flow, query: Mapping[str, str]) -> Person:
        """The person of what the provider has sent the browser back with."""
        if not query.get("state") or query["state"] != flow.state:
            raise OidcError("sign_in_oidc_again", "state is not that of the sign-in that was begun")
        if query.get("error") or not query.get("code"):
            raise OidcError("sign_in_oidc_refused", f"the provider says {query.get('error', 'nothing')}")
        try:
            token = await self._client.fetch_access_token(
                redirect_uri=flow.redirect_uri, code=query["code"], code_verifier=flow.verifier
            )
            claims: Mapping[str, Any] = await self._client.claims(token, flow.nonce)
            if claim(claims, self._settings.web_oidc_roles_claim) is None:
                claims = await self._more(claims, token)
        except (*_REFUSED, *_DOWN) as error:
            raise _failed(error) from None
        return self._person(claims)

    async def end_url(self, back: str) -> str | None:
        """Where the person signs out of the provider too; None where it has no such place, or does not answer."""
        try:
            endpoint = (await self._client.load_server_metadata()).get("end_session_endpoint")
        except (*_REFUSED, *_DOWN) as error:
            log.warning("oidc_no_sign_out", error=str(error))
            return None
        if not isinstance(endpoint, str) or not endpoint.startswith(("https://", "http://")):
            return None
        query = urlencode({"client_id": self._settings.web_oidc_client_id, "post_logout_redirect_uri": back})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    async def _more(self, claims: Mapping[str, Any], token: Any) -> Mapping[str, Any]:
        """Some providers tell groups at the userinfo endpoint alone."""
        if not (await self._client.load_server_metadata()).get("userinfo_endpoint"):
            return claims
        told = await self._client.userinfo(token=token)
        if told.get("sub") != claims["sub"]:
            raise ValueError("userinfo is about somebody else")
        return {**told, **claims}

    def _person(self, claims: Mapping[str, Any]) -> Person:
        settings = self._settings
        name = claim(claims, settings.web_oidc_name_claim)
        if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
            raise OidcError(
                "sign_in_oidc_refused", f"claim {settings.web_oidc_name_claim} is no name of up to {_MAX_NAME} signs"
            )
        roles = roles_of(claim(claims, settings.web_oidc_roles_claim), settings.web_oidc_roles)
        if not roles:
            raise OidcError("sign_in_oidc_no_role", f"{PREFIX}{name} has no role here", 403)
        shown = claims.get("name")
        told = claim(claims, settings.web_oidc_agents_claim) if settings.web_oidc_agents_claim else None
        accounts = frozenset(_texts(told))
        if len(json.dumps(sorted(accounts))) > _MAX_ACCOUNTS_BYTES:
            raise OidcError(
                "sign_in_oidc_refused",
                f"claim {settings.web_oidc_agents_claim} of {PREFIX}{name} has more than {_MAX_ACCOUNTS_BYTES} bytes",
            )
        return Person(PREFIX + name, roles, shown[:_MAX_NAME] if isinstance(shown, str) else "", accounts, by="oidc")


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a dotted path such as `realm_access.roles`; None where there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


def roles_of(values: Any, mapping: Mapping[str, str]) -> frozenset[Role]:
    """The roles that a claim's value or values stand for: by the mapping, without one by their own names."""
    names = {role.value for role in Role}
    meant = (mapping.get(value) if mapping else value for value in _texts(values))
    return frozenset(Role(name) for name in meant if name in names)


def _texts(values: Any) -> Iterable[str]:
    if isinstance(values, str):
        return (values,)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list | tuple) else ()


class _Client(StarletteOAuth2App):  # type: ignore[misc]
    """Authlib's, with metadata that is checked and grows old."""

    issuer = ""
    server_metadata: dict[str, Any]

    async def load_server_metadata(self) -> dict[str, Any]:
        """The provider's metadata, at most an hour old. Raises as httpx2 does, and ValueError for another issuer's."""
        if time.time() - self.server_metadata.get("_loaded_at", 0) > _METADATA_SECONDS:
            self.server_metadata = {}
            found = await super().load_server_metadata()
            # `iss` of the tokens is compared with it
            if not isinstance(found, dict) or found.get("issuer") != self.issuer:
                self.server_metadata = {}
                raise ValueError(f"the provider calls itself {found.get('issuer')!r}, not {self.issuer!r}")
            listed = found.get("id_token_signing_alg_values_supported") or ["RS256"]
            found["id_token_signing_alg_values_supported"] = sorted(_SIGNATURES.intersection(listed))
        return self.server_metadata

    async def claims(self, token: Any, nonce: str) -> dict[str, Any]:
        """What the ID token says, checked: signature, issuer, audience, expiry, nonce. Raises as joserfc does."""
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client_id},
        }
        found = await self.parse_id_token(token, nonce=nonce, claims_options=options, leeway=_LEEWAY_SECONDS)
        if not found:
            raise ValueError("the provider has sent no ID token")
        return dict(found)


_REFUSED: Final = (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""what an answer that is not as it should be leads to, beside what it says itself"""
_DOWN: Final = (HTTPError, InvalidURL, OSError)


def _failed(error: Exception) -> OidcError:
    down = isinstance(error, _DOWN) and not (isinstance(error, HTTPStatusError) and error.response.status_code < 500)
    if down:
        return OidcError("sign_in_oidc_down", f"{type(error).__name__}: {error}", 503)
    return OidcError("sign_in_oidc_refused", f"{type(error).__name__}: {error}")
