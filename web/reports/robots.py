"""Group-chat robots that reports are posted to: Apprise, with plugins of our own for DingTalk, WeCom and Feishu.

Apprise 2.3's plugins for these encode DingTalk's signature twice, do not sign for Feishu, send no Markdown to WeCom and take
`{"errcode": 310000}` for success. Nothing that Apprise or the HTTP client say is logged: their texts hold tokens.
"""

import base64
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import apprise
import requests
from apprise.manager_plugins import NotificationManager
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.wecombot import NotifyWeComBot
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_exponential

for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

ATTEMPTS: Final = 3
_FIRST_WAIT_SECONDS: Final = 1.0
_ENTRY: Final = re.compile(
    r"(?:(?P<shop>(?:(?!://)[^\s=])+)=)?(?P<url>(?P<schema>[a-z][a-z0-9+.-]*)://\S+)", re.IGNORECASE
)
_WECOM_BYTES: Final = 4096


class RobotsError(Exception):
    """A robot's address can't be used; one line that does not show it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a robot made of a message: `error` is empty when it was taken, else one line without secrets."""

    robot: str
    error: str


class Robot:
    """One address."""

    def __init__(self, name: str, shop_id: str, plugin: Any) -> None:
        self.name = name
        """what it is called where people look: the platform and a digest of the address"""
        self.shop_id = shop_id
        """empty: for all shops"""
        self._plugin = plugin

    def post(self, title: str, markdown: str, first_wait_seconds: float = _FIRST_WAIT_SECONDS) -> Outcome:
        """Send it, with a few attempts. Blocks for a minute at most, where nothing answers."""
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(first_wait_seconds),
            retry=retry_if_result(bool),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else "",
        )
        return Outcome(self.name, retrying(self._attempt, title, markdown))

    def _attempt(self, title: str, markdown: str) -> str:
        self._plugin.why = "not taken"
        try:
            taken = self._plugin.notify(body=markdown, title=title, body_format=apprise.NotifyFormat.MARKDOWN)
        except Exception as error:
            return type(error).__name__
        return "" if taken else str(self._plugin.why)


def read_robots(text: str) -> list[Robot]:
    """The robots of ZHENGDIAN_WEB_REPORT_URLS: `URL` or `SHOP=URL`, separated by blanks. Raises RobotsError."""
    _use_ours()
    robots = []
    for number, entry in enumerate(text.split(), 1):
        match = _ENTRY.fullmatch(entry)
        plugin = match and apprise.Apprise.instantiate(match["url"], suppress_exceptions=True)
        if not match or not plugin:
            raise RobotsError(f"ZHENGDIAN_WEB_REPORT_URLS: entry {number} is no address that Apprise knows")
        digest = hashlib.blake2b(match["url"].encode(), digest_size=3).hexdigest()
        robots.append(Robot(f"{match['schema'].lower()}-{digest}", match["shop"] or "", plugin))
    return robots


def robots_for(robots: Iterable[Robot], shop_id: str) -> list[Robot]:
    """Those that the shop's reports go to."""
    return [robot for robot in robots if robot.shop_id in ("", shop_id)]


# ---- the platforms of Chinese shop floors ----------------------------------------------------------------------------


class _Webhook:
    """Mixed into an Apprise plugin: posts JSON, and reads in the answer whether it was taken.

    `via=https://…` in the address goes to another host than the platform's: a private deployment, or a gateway.
    """

    error_key: str
    host: str
    socket_read_timeout = 15.0
    """who does not answer is asked again, and may have taken it the first time: let that be rare"""
    request_timeout: Any
    verify_certificate: Any
    why = ""

    def __init__(self, *args: Any, via: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._base = via.rstrip("/") or self.host

    @classmethod
    def parse_url(cls, url: str) -> Any:
        """Apprise's parsing, and `via`."""
        results = super().parse_url(url)  # type: ignore[misc]
        if results and results["qsd"].get("via"):
            results["via"] = apprise.URLBase.unquote(results["qsd"]["via"])
        return results

    def _post(self, path: str, payload: dict[str, Any], params: dict[str, str] | None = None) -> bool:
        self.why = ""
        try:
            answer = requests.post(
                self._base + path,
                json=payload,
                params=params,
                timeout=self.request_timeout,
                verify=self.verify_certificate,
                allow_redirects=False,
            )
            if answer.status_code != requests.codes.ok:
                self.why = f"HTTP {answer.status_code}"
            elif (code := answer.json().get(self.error_key)) != 0:
                self.why = f"{self.error_key} {code}"  # its text may repeat what was sent
        except requests.JSONDecodeError:
            self.why = "the answer is no JSON"
        except (requests.RequestException, AttributeError) as error:
            self.why = type(error).__name__  # its text holds the address
        return not self.why


class DingTalk(_Webhook, NotifyDingTalk):  # type: ignore[misc]
    """`dingtalk://SECRET@TOKEN`: the secret (加签, SEC…) signs each request."""

    host = "https://oapi.dingtalk.com"
    error_key = "errcode"

    def send(self, body: str, title: str = "", **_: Any) -> bool:
        params = {"access_token": self.token}
        if self.secret:
            timestamp = str(time.time_ns() // 1_000_000)
            signature = hmac.digest(self.secret.encode(), f"{timestamp}\n{self.secret}".encode(), hashlib.sha256)
            params |= {"timestamp": timestamp, "sign": base64.b64encode(signature).decode()}
        markdown = {"title": title, "text": f"### {title}\n\n{body}"}
        people = {"atMobiles": self.targets, "isAtAll": False}
        return self._post("/robot/send", {"msgtype": "markdown", "markdown": markdown, "at": people}, params)


class WeCom(_Webhook, NotifyWeComBot):  # type: ignore[misc]
    """`wecombot://KEY`: the key in the address is all that WeCom asks for."""

    host = "https://qyapi.weixin.qq.com"
    error_key = "errcode"
    notify_format = (apprise.NotifyFormat.TEXT, apprise.NotifyFormat.MARKDOWN)
    title_maxlen = 250
    body_maxlen = _WECOM_BYTES

    def send(self, body: str, title: str = "", **_: Any) -> bool:
        text = f"### {title}\n{body}".encode()[:_WECOM_BYTES].decode(errors="ignore")
        payload = {"msgtype": "markdown", "markdown": {"content": text}}
        return self._post("/cgi-bin/webhook/send", payload, {"key": self.key})


class Feishu(_Webhook, NotifyFeishu):  # type: ignore[misc]
    """`feishu://SECRET@TOKEN`: the secret (签名校验) signs each request. `lark://` is the same outside of China."""

    host = "https://open.feishu.cn"
    error_key = "code"

    def __init__(self, *args: Any, secret: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._secret = secret

    @classmethod
    def parse_url(cls, url: str) -> Any:
        """Apprise's parsing, and the secret in the place of a user."""
        results = super().parse_url(url)
        if results:
            results["secret"] = apprise.URLBase.unquote(results.get("user") or "")
        return results

    def send(self, body: str, title: str = "", **_: Any) -> bool:
        card = {
            "config": {"wide_screen_mode": True},
            "header": {"title": {"tag": "plain_text", "content": title}, "template": "red"},
            "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": body}}],
        }
        payload: dict[str, Any] = {"msg_type": "interactive", "card": card}
        if self._secret:
            # the text to sign is the key, and nothing is the message: so says Feishu
            timestamp = str(time.time_ns() // 1_000_000_000)
            signature = hmac.digest(f"{timestamp}\n{self._secret}".encode(), b"", hashlib.sha256)
            payload |= {"timestamp": timestamp, "sign": base64.b64encode(signature).decode()}
        return self._post(f"/open-apis/bot/v2/hook/{self.token}", payload)


class Lark(Feishu):
    """Feishu outside of China."""

    secure_protocol = "lark"
    host = "https://open.larksuite.com"


def _use_ours() -> None:
    plugins = NotificationManager()
    for plugin in (DingTalk, WeCom, Feishu, Lark):
        plugins.add(plugin, force=True)
