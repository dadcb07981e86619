"""The QC desk."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "qc_title": ("整点 · 质检台", "Zhengdian · QC desk"),
    "qc_rule": ("规则", "Rule"),
    "qc_severity": ("程度", "Severity"),
    "qc_agent_id": ("客服", "Agent"),
    "qc_team": ("团队", "Team"),
    "qc_qc_status": ("状态", "Status"),
    "qc_since": ("起", "From"),
    "qc_until": ("止", "To"),
    "qc_queue": ("待检 {n} 条", "{n} to review"),
    "qc_found": ("{n} 条", "{n} {n:flag|flags}"),
    "qc_cleared": ("预警已撤销", "The flag was cleared"),
    "qc_status.open": ("待检", "Open"),
    "qc_status.claimed": ("已领取", "Claimed"),
    "qc_status.upheld": ("成立", "Upheld"),
    "qc_status.dismissed": ("不成立", "Dismissed"),
    "qc_empty": ("没有待检的会话", "Nothing to review"),
    "qc_empty_hint": (
        "换个筛选条件，或等新的预警进来，本页会自动更新。",
        "Change the filters, or wait: this page updates by itself.",
    ),
    "qc_pick": ("请从左侧选择一条", "Choose one on the left"),
    "qc_more": ("更多", "More"),
    "qc_why": ("为何预警", "Why it was flagged"),
    "qc_timeline": ("会话与订单", "Conversation and orders"),
    "qc_truncated": ("只显示最近的记录", "Older entries are left out"),
    "qc_claim": ("领取", "Claim"),
    "qc_uphold": ("成立", "Uphold"),
    "qc_dismiss": ("不成立", "Dismiss"),
    "qc_reason": ("理由（不成立时必填）", "Reason (needed to dismiss)"),
    "qc_coaching": ("给客服的建议", "Coaching words"),
    "qc_sheet": ("评分表", "Sheet"),
    "qc_score": ("得分", "Score"),
    "qc_unscored": ("未评分", "No score"),
    "qc_unscored_hint": (
        "评分表还没有填：这样提交只计判定，不计质检分",
        "The sheet is empty: the verdict will count, and no QC score",
    ),
    "qc_critical": ("红线", "critical"),
    "qc_mark_1": ("达标", "Done"),
    "qc_mark_0.5": ("部分", "Partly"),
    "qc_mark_0": ("未达", "Missed"),
    "qc_saved": ("已提交：{what}", "Saved: {what}"),
    "qc_need_reason": ("请写明不成立的理由", "Say why it does not stand"),
    "qc_need_sheet": ("评分表还有 {n} 项未填", "{n} {n:item of the sheet is|items of the sheet are} open"),
    "qc_judged_by": ("{who} 判定：{what}", "{who}: {what}"),
    "qc_precision": ("规则准确率 {p}（{upheld}/{judged}）", "Rule upheld {p} ({upheld}/{judged})"),
    "qc_keys": (
        "J/K 上下一条 · C 领取 · U 成立 · D 不成立 · Ctrl+Enter 提交",
        "J/K next/previous · C claim · U uphold · D dismiss · Ctrl+Enter submit",
    ),
    "why.reminder.repeated": (
        "同一订单 {order_ids} 已在 {seconds} 秒前被 {agent} 催付过，不要重复催付。",
        "Order {order_ids} was already reminded by {agent} {seconds} s before.",
    ),
    "why.reminder.same_day.payment": (
        "买家当天已有付款记录，当天不要再催单。",
        "The buyer has paid something that day: no reminders on such a day.",
    ),
    "why.reminder.same_day.order": (
        "订单 {order_ids} 是当天拍下的，当天不催。",
        "Order {order_ids} was placed that very day.",
    ),
    "why.reminder.after_payment": (
        "该订单已在 {seconds} 秒前付款，却仍被催付。",
        "The order had been paid {seconds} s before, and was reminded all the same.",
    ),
    "why.reminder.direct": (
        "用语过于直接：{phrases}。催付应委婉，先关心再提醒。",
        "Too blunt: {phrases}. Remind gently.",
    ),
    "why.response.slow": (
        "当天对同一买家多次响应过慢，本次 {seconds} 秒。",
        "Slow replies again and again to this buyer that day: {seconds} s.",
    ),
    "why.language.forbidden": ("服务禁语：{phrases}。", "Words that are never used: {phrases}."),
    "why.language.vague": (
        "含糊用语：{phrases}。请给出确定的答复。",
        "Vague words: {phrases}. Give a definite answer.",
    ),
    "why.review.solicited": (
        "向买家索要好评：{phrases}。平台禁止。",
        "Asks for a good review: {phrases}. The platform forbids it.",
    ),
    "why.review.hidden_negative": (
        "{rating} 星评价，但内容是负面的。",
        "{rating} stars, and yet the text is negative.",
    ),
}
