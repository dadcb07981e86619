"""What several pages say."""

from typing import Final

from schemas.outputs import RULE_NAMES

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "brand": ("整点", "Zhengdian"),
    "switch": ("EN", "中"),
    "switch_hint": ("Switch to English", "切换到中文"),
    "loading": ("正在读取…", "Reading…"),
    "qc": ("质检台", "QC desk"),
    "wallboard": ("榜单", "Wallboard"),
    "scorecards": ("绩效表", "Scorecards"),
    "reports": ("报数", "Reports"),
    "sql": ("SQL", "SQL"),
    "sign_out": ("退出", "Sign out"),
    "your_name": ("您的名字", "Your name"),
    "your_name_hint": (
        "本机未启用登录：领取和判定会记在这个名字下",
        "Nobody signs in here: what you do goes under this name",
    ),
    "all": ("全部", "All"),
    "severity.violation": ("违规", "Violation"),
    "severity.notice": ("提醒", "Notice"),
    "no_words": ("（无文字）", "(no words)"),
    "no_talk": ("没有会话记录", "No conversation is there"),
    "talk_hidden": ("您的角色看不到会话", "Your role does not see conversations"),
    "need_name": ("请先填写您的名字", "Enter your name first"),
    "taken": ("{who} 已领取", "{who} has it"),
    "too_late": ("已经有了结果，不再待处理", "It is no longer open"),
    "offline": ("连接不上服务器，正在自动重试…", "The server cannot be reached; retrying…"),
    "unavailable": (
        "数据库或消息队列连接不上，正在自动重试…",
        "The database or the broker cannot be reached; retrying…",
    ),
    "signed_out": ("登录已失效，您填写的内容会保留。", "You are signed out; what you have typed is kept."),
    "too_slow": (
        "读取超过了时间上限，已停止。请换更短的时间范围，或稍后再试。",
        "Reading took longer than it may and was stopped. Choose a shorter period, or try again later.",
    ),
    "failed": ("提交失败，请重试", "It did not work; try again"),
    "colon": ("：", ": "),
    "forbidden": ("您的角色不能做这件事", "Your role may not do that"),
    "sender.buyer": ("买家", "Buyer"),
    "sender.agent": ("客服", "Agent"),
    "mode.auto": ("自动回复", "automatic"),
    "mode.assisted": ("辅助回复", "assisted"),
    "entry.order.placed": ("下单", "Order placed"),
    "entry.order.closed": ("订单关闭", "Order closed"),
    "entry.payment.succeeded": ("付款", "Paid"),
    "entry.payment.refunded": ("退款", "Refunded"),
    "entry.review.posted": ("评价", "Review"),
    "entry.review.changed": ("修改评价", "Review changed"),
    "calls": ("回访台", "Call desk"),
    "sign_in": ("登录", "Sign in"),
    **{f"rule.{rule}": names for rule, names in RULE_NAMES.items()},
}
