"""The one catalogue of the pages' texts, Chinese and English. `{name}` places are filled in by the page."""

from typing import Final, Literal

from schemas.outputs import RULE_NAMES

Lang = Literal["zh", "en"]
DEFAULT_LANG: Final[Lang] = "zh"

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("整点 · 实时业绩榜", "Zhengdian · live leaderboard"),
    "brand": ("整点", "Zhengdian"),
    "switch": ("EN", "中"),
    "switch_hint": ("Switch to English", "切换到中文"),
    "this_hour": ("本小时", "This hour"),
    "that_hour": ("{hour} 整点", "Hour from {hour}"),
    "today": ("今日", "Today"),
    "that_day": ("当日", "That day"),
    "paid_amount": ("成交额", "Paid"),
    "orders_paid": ("付款单", "Orders paid"),
    "orders_paid_unit": ("{n} 单", "{n} orders"),
    "items_per_order": ("连带率", "Items/order"),
    "average_order": ("客单价", "Avg order"),
    "conversion": ("转化率", "Conversion"),
    "buyers_served": ("接待", "Served"),
    "target": ("目标", "Target"),
    "silent": ("静默成交", "Silent sales"),
    "leaderboard": ("客服榜", "Agents"),
    "team_pk": ("团队 PK", "Team PK"),
    "pk_by_amount": ("比成交额", "by amount"),
    "pk_by_orders": ("比付款单", "by orders"),
    "teams": ("团队", "Teams"),
    "lead": ("领先 {n}", "leads by {n}"),
    "tied": ("打平", "level"),
    "rank_pages": ("第 {from}–{to} 名 / 共 {total} 名", "Ranks {from}–{to} of {total}"),
    "move_hint": ("与上一小时的名次相比", "against the rank of the hour before"),
    "new_entry": ("新上榜", "new"),
    "sale_event": ("大促进行中", "Sale on"),
    "flags": ("质检预警", "Flags"),
    "flags_hint": ("小时/当日", "hour/day"),
    "flags_none": ("今日暂无预警", "No flags today"),
    "tasks": ("回访任务", "Calls"),
    "tasks_open": ("待领取", "Open"),
    "tasks_claimed": ("处理中", "Taken"),
    "tasks_overdue": ("已超时", "Overdue"),
    "tasks_high": ("高优先", "High"),
    "tasks_revisit": ("待回访", "Revisit"),
    "behind": ("最新数据 {n}前", "Data {n} old"),
    "behind_none": ("暂无数据", "No data"),
    "seconds": ("{n} 秒", "{n} s"),
    "minutes": ("{n} 分钟", "{n} min"),
    "hours": ("{n} 小时", "{n} h"),
    "days": ("{n} 天", "{n} d"),
    "to_hour": ("距整点 {n}", "{n} to the hour"),
    "past_hour": ("历史时段", "Past hour"),
    "fallback": (
        "本小时还没有数据，显示最近有数据的时段：{hour}",
        "Nothing in this hour yet: showing the latest hour with data, {hour}",
    ),
    "back_to_live": ("回到实时", "Back to live"),
    "empty_title": ("还没有数据", "No data yet"),
    "empty_hour_title": ("这个时段没有数据", "No data in this hour"),
    "empty_body": (
        "有聊天、订单或付款事件进来，榜单就会出现在这里。",
        "The board appears with the first chat, order or payment.",
    ),
    "empty_try": ("试用：生成一场大促", "Try it: a generated sale event"),
    "empty_file": ("导入事件文件", "Ingest a file of events"),
    "empty_post": ("或把事件发到", "Or send events to"),
    "loading": ("正在读取…", "Reading…"),
    "down_title": ("数据库连接不上", "The database cannot be reached"),
    "down_body": ("正在自动重试，恢复后本页会自己刷新。", "Retrying. This page recovers by itself."),
    "down_stale": (
        "数据库连接不上，显示的是 {time} 的数据，正在自动重试",
        "Database unreachable: showing data of {time}, retrying",
    ),
    "waiting": (
        "有 {n} 条事件还没有计入：请检查 zhengdian worker 是否在运行",
        "{n} events are not counted yet: is zhengdian worker running?",
    ),
    "bad_hour": ("hour 参数要写成带时区的 RFC 3339 时间", "hour must be an RFC 3339 time with an offset"),
    "bad_title": ("网址参数有误", "The address is not right"),
    "sign_in_title": ("整点 · 登录", "Zhengdian · sign in"),
    "sign_in_hint": ("请登录后继续", "Sign in to go on"),
    "sign_in_name": ("用户名", "Name"),
    "sign_in_password": ("密码", "Password"),
    "sign_in": ("登录", "Sign in"),
    "sign_in_refused": ("用户名或密码不对", "Name or password is not right"),
    "sign_in_limited": ("尝试次数过多，请一分钟后再试", "Too many attempts; try again in a minute"),
    **{f"rule.{rule}": names for rule, names in RULE_NAMES.items()},
}


def texts(lang: Lang) -> dict[str, str]:
    """Key -> text in that language, for a page as a whole."""
    column = 0 if lang == "zh" else 1
    return {key: pair[column] for key, pair in _TEXTS.items()}


def pick_lang(value: str | None) -> Lang:
    """The language that a `?lang=` asks for; Chinese for anything unknown."""
    return "en" if (value or "").lower().startswith("en") else DEFAULT_LANG
