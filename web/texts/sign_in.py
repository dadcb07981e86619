"""The sign-in page."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "sign_in_title": ("整点 · 登录", "Zhengdian · sign in"),
    "sign_in_hint": ("请登录后继续", "Sign in to go on"),
    "sign_in_name": ("用户名", "Name"),
    "sign_in_password": ("密码", "Password"),
    "sign_in_oidc": ("用统一账号登录（{host}）", "Sign in with {host}"),
    "sign_in_or": ("或", "or"),
    "sign_in_without": ("不登录，直接进入", "Go on without signing in"),
    "sign_in_refused": ("用户名或密码不对", "Name or password is not right"),
    "sign_in_limited": ("尝试次数过多，请一分钟后再试", "Too many attempts; try again in a minute"),
    "sign_in_oidc_down": (
        "统一登录服务暂时连接不上，请稍后再试",
        "The sign-in service cannot be reached; try again later",
    ),
    "sign_in_oidc_refused": ("统一登录没有成功，请再试一次", "The sign-in service did not let you in; try again"),
    "sign_in_oidc_again": ("登录已过期或被打断，请重新登录", "That sign-in was too old or interrupted; begin again"),
    "sign_in_oidc_no_role": (
        "您的账号在这里还没有角色，请联系管理员",
        "Your account has no role here; ask an administrator",
    ),
    "sign_in_unrecorded": (
        "登录无法留痕（消息队列连接不上），请稍后再试",
        "Signing in cannot be recorded (the broker is away); try again",
    ),
}
