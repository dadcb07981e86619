"""The sign-in page."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "sign_in_title": ("整点 · 登录", "Zhengdian · sign in"),
    "sign_in_hint": ("请登录后继续", "Sign in to go on"),
    "sign_in_name": ("用户名", "Name"),
    "sign_in_password": ("密码", "Password"),
    "sign_in_refused": ("用户名或密码不对", "Name or password is not right"),
    "sign_in_limited": ("尝试次数过多，请一分钟后再试", "Too many attempts; try again in a minute"),
}
