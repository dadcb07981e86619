"""The QC desk's view of the sample."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "qc_view": ("看什么", "View"),
    "qc_view.flags": ("预警", "Flags"),
    "qc_view.samples": ("抽检", "Sample"),
    "qc_view.precision": ("规则准确率", "Rules"),
    "qc_shop_id": ("店铺", "Shop"),
    "qc_day": ("日期", "Day"),
    "samples_queue": ("待抽检 {n} 个会话", "{n} {n:conversation|conversations} to read"),
    "samples_found": ("{n} 个会话", "{n} {n:conversation|conversations}"),
    "samples_rounds": ("{n} 轮", "{n} {n:round|rounds}"),
    "samples_status.open": ("待检", "Open"),
    "samples_status.claimed": ("已领取", "Claimed"),
    "samples_status.upheld": ("发现问题", "Fault found"),
    "samples_status.dismissed": ("无问题", "Nothing found"),
    "samples_empty": ("没有待抽检的会话", "No conversation to read"),
    "samples_empty_hint": (
        "最近三天的抽检都已完成，或换个筛选条件。本页会自动更新。",
        "Those of the last three days are done; or change the filters. This page updates by itself.",
    ),
    "samples_why": (
        "{agent} {day} 的这段会话没有触发任何规则，是随机抽到的。请通读，看看有没有规则发现不了的问题。",
        "No rule was broken in this conversation of {agent} on {day}: it was drawn at random. Read it for what no rule finds.",
    ),
    "samples_uphold": ("发现问题", "Fault found"),
    "samples_dismiss": ("无问题", "Nothing found"),
    "samples_reason": ("问题所在（发现问题时必填）", "What is wrong (needed for a fault)"),
    "samples_need_reason": ("请写明发现了什么问题", "Say what is wrong"),
    "samples_flagged": ("这段会话已有预警，请到“预警”里处理", "A flag has been raised here: it is now among the flags"),
    "samples_keys": (
        "J/K 上下一条 · C 领取 · U 发现问题 · D 无问题 · Ctrl+Enter 提交",
        "J/K next/previous · C claim · U fault found · D nothing found · Ctrl+Enter submit",
    ),
}
