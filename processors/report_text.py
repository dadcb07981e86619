"""A report in words, Chinese and English: a title, what is spoken across the floor, Markdown for group chats. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final, Literal

from processors.report import Report, Star, Team, reached
from schemas.types import zone

Lang = Literal["zh", "en"]

_WAN: Final = 10_000
_YI: Final = 100_000_000
_TEAMS_SAID: Final = 3
_MARKUP: Final = str.maketrans("*_`[]<>#|~\n", "＊＿｀［］＜＞＃｜～ ")
"""a name must not become markup, or call everybody in the group"""
_NAMES: Final = {
    ("hour", True): ("整点报数", "Hourly report", "Report on the hour"),
    ("hour", False): ("即时报数", "The hour so far", "The hour so far"),
    ("day", True): ("全天报数", "Day's report", "Report of the day"),
    ("day", False): ("当日即时报数", "The day so far", "The day so far"),
}
"""kind, whether it had ended -> name in Chinese, in an English title, in English speech"""
_ORDINALS: Final = ("first", "second", "third")


def whole(fen: int) -> int:
    """Whole yuan, the fen cut off: the same on every screen (`yuan` of web/static/words.js), spoken and in group chats."""
    return fen // 100 if fen >= 0 else -(-fen // 100)


def apart(more: int, less: int) -> int:
    """How many fen are between two amounts as they are shown, in whole yuan; where those are the same, what is in truth."""
    return 100 * (whole(more) - whole(less)) or more - less


def money(fen: int, lang: Lang) -> str:
    """An amount as people say it: 12.3万元, 123.4 thousand yuan. Rounded down to one decimal, 亿 and millions to two."""
    yuan = whole(fen)
    if lang == "zh":
        for unit, name, decimals in ((_YI, "亿", 2), (_WAN, "万", 1)):
            if yuan >= unit:
                return f"{_cut(yuan, unit, decimals)}{name}元"
        return f"{yuan}元"
    if yuan >= 1_000_000:
        return f"{_cut(yuan, 1_000_000, 2)} million yuan"
    return f"{_cut(yuan, 1_000, 1)} thousand yuan" if yuan >= _WAN else f"{yuan:,} yuan"


def _gap(more: int, less: int, lang: Lang) -> str:
    """`apart` as people say it."""
    fen = apart(more, less)
    return money(fen, lang) if fen >= 100 else f"0.{fen:02d}{'元' if lang == 'zh' else ' yuan'}"


def _cut(value: int, unit: int, decimals: int) -> str:
    """value / unit, cut: what is said to be reached has been."""
    scaled = value * 10**decimals // unit
    text = f"{scaled // 10**decimals}.{scaled % 10**decimals:0{decimals}d}"
    return text.rstrip("0").rstrip(".")


def title(report: Report, lang: Lang) -> str:
    """Which report of which shop and when: `整点报数 lining-hz 11月11日 20:00–21:00`."""
    begin, hours = _local(report, report.starts_at), f"{_clock(report, report.starts_at)}–{_until(report)}"
    day = f"{begin.month}月{begin.day}日" if lang == "zh" else f"{begin.day} {begin:%b}"
    zh, en, _ = _NAMES[report.kind, _is_over(report)]
    name = zh if lang == "zh" else en
    return f"{name} {report.shop_id} {day}" + ("" if report.kind == "day" and _is_over(report) else f" {hours}")


def _is_over(report: Report) -> bool:
    """Whether the hour or day had ended: only then is it the report on the hour, or of the day."""
    return report.as_of >= report.ends_at


def speech(report: Report, lang: Lang) -> str:
    """What is said aloud, in short sentences."""
    parts = (_opening, _goal, _day_so_far, _against_before, _pk, _stars, _doubt)
    return ("" if lang == "zh" else " ").join(filter(None, (part(report, lang) for part in parts)))


def markdown(report: Report, lang: Lang) -> str:
    """The body for a group chat, whose title is `title`: bold and lists only, which every robot shows."""
    zh = lang == "zh"
    colon, comma = ("：", "，") if zh else (": ", ", ")

    def line(name: str, *parts: str | None) -> str:
        said = comma.join(filter(None, parts))
        return f"**{name}**{colon}{said}" if said else f"**{name}**"

    amount, orders = _yuan(report.paid_amount), _orders(report.orders_paid, lang)
    lines = [line("成交" if zh else "Paid", amount, orders, _plain(report.sale_event) or None)]
    if goal := _goal(report, lang):
        lines.append(line("目标" if zh else "Target", goal.rstrip("。.")))
    if report.kind == "hour":
        day = _reached_text(
            report.day_amount, report.day_target_amount, report.day_orders, report.day_target_orders, lang
        )
        lines.append(
            line("今日累计" if zh else "Day so far", _yuan(report.day_amount), _orders(report.day_orders, lang), day)
        )
    if before := _against_before(report, lang):
        lines.append(line("环比" if zh else "Change", before.rstrip("。.")))
    if report.conversion is not None:
        served = (
            f"接待{report.buyers_served}人"
            if zh
            else f"{report.buyers_served} buyer{'' if report.buyers_served == 1 else 's'} served"
        )
        lines.append(line("转化" if zh else "Conversion", f"{report.conversion:.1%}", served))
    if report.silent_share is not None:
        lines.append(line("静默占比" if zh else "Silent share", f"{report.silent_share:.1%}"))
    if len(report.teams) > 1:
        scores = [f"- {_plain(team.team)} {_score(report, team)}" for team in report.teams]
        lines.append(
            "\n".join([line("团队PK" if zh else "Team PK", _pk_basis(report, lang), _lead(report, lang)), *scores])
        )
    if report.stars:
        best = [
            f"- {'第' if zh else 'No. '}{star.rank}{'名' if zh else ''} {_plain(star.name)} {_yuan(star.paid_amount)}{comma}"
            + _orders(star.orders_paid, lang)
            for star in report.stars
        ]
        lines.append("\n".join([line("客服榜" if zh else "Best agents", _left_out(report, lang)), *best]))
    if doubt := _doubt(report, lang):
        lines.append(doubt)
    return "\n\n".join(lines)


# ---- the sentences ---------------------------------------------------------------------------------------------------


def _opening(report: Report, lang: Lang) -> str:
    amount, shop = money(report.paid_amount, lang), report.shop_id
    zh, _, en = _NAMES[report.kind, _is_over(report)]
    if lang == "zh":
        if report.kind == "day":
            begin = _local(report, report.starts_at)
            return f"{zh}。{shop}，{begin.month}月{begin.day}日，成交{amount}，付款{report.orders_paid}单。"
        return f"{zh}。{shop}，{_spoken(report, lang)}，成交{amount}，付款{report.orders_paid}单。"
    orders = _orders(report.orders_paid, lang)
    when = f"{_local(report, report.starts_at):%d %B}".lstrip("0") if report.kind == "day" else _spoken(report, lang)
    return f"{en}. {shop}, {when}: {amount} paid, {orders}."


def _goal(report: Report, lang: Lang) -> str:
    text = _reached_text(report.paid_amount, report.target_amount, report.orders_paid, report.target_orders, lang)
    return f"{text}{'。' if lang == 'zh' else '.'}" if text else ""


def _reached_text(amount: int, target: int | None, orders: int, target_orders: int | None, lang: Lang) -> str:
    """The targets that there are, each with how much of it is reached; empty without one."""
    found = []
    if (share := reached(amount, target)) is not None and target is not None:
        text = money(target, lang)
        found.append(f"完成目标{text}的{share}%" if lang == "zh" else f"{share} percent of the target of {text}")
    if (share := reached(orders, target_orders)) is not None:
        text = _orders(target_orders or 0, lang)
        found.append(f"完成单量目标{text}的{share}%" if lang == "zh" else f"{share} percent of the target of {text}")
    return ("，" if lang == "zh" else ", ").join(found)


def _day_so_far(report: Report, lang: Lang) -> str:
    if report.kind == "day":
        return ""
    amount = money(report.day_amount, lang)
    goal = _reached_text(report.day_amount, report.day_target_amount, report.day_orders, report.day_target_orders, lang)
    if lang == "zh":
        return f"今日累计{amount}" + (f"，{goal.replace('完成', '完成全天')}。" if goal else "。")
    return f"The day so far: {amount}" + (f", {goal.replace('the target', 'the day target')}." if goal else ".")


def _against_before(report: Report, lang: Lang) -> str:
    if report.before_amount is None or report.as_of < report.ends_at:  # a part of an hour is no match for a whole one
        return ""
    change = report.paid_amount - report.before_amount
    size = _gap(max(report.paid_amount, report.before_amount), min(report.paid_amount, report.before_amount), lang)
    if lang == "zh":
        than = "前一天" if report.kind == "day" else "上一小时"
        return f"比{than}多{size}。" if change > 0 else f"比{than}少{size}。" if change < 0 else f"与{than}持平。"
    than = "the day before" if report.kind == "day" else "the hour before"
    return f"{size} {'more' if change > 0 else 'less'} than {than}." if change else f"The same as {than}."


def _pk(report: Report, lang: Lang) -> str:
    if len(report.teams) < 2:
        return ""
    zh = lang == "zh"
    shown = report.teams[:_TEAMS_SAID]
    scores = ("，" if zh else ", ").join(f"{team.team}{'' if zh else ' '}{_said(report, team, lang)}" for team in shown)
    lead = _lead(report, lang)
    return f"团队PK：{scores}。{lead}" if zh else f"Team PK: {scores}. {lead}"


def _lead(report: Report, lang: Lang) -> str:
    """Who leads, and by how much; who are level."""
    level = [_plain(team.team) for team in report.teams if report.points(team) == report.points(report.teams[0])]
    if len(level) > 1:
        return f"{'、'.join(level)}打平。" if lang == "zh" else f"{_listed(level, lang)} are level."
    first, second = map(report.points, report.teams[:2])
    size = _orders(first - second, lang) if report.pk_basis == "orders" else _gap(first, second, lang)
    return f"{level[0]}领先{size}。" if lang == "zh" else f"{level[0]} leads by {size}."


def _stars(report: Report, lang: Lang) -> str:
    if not report.stars:
        return "还没有客服开单。" if lang == "zh" else "No agent has a payment yet."
    groups = [(rank, list(same)) for rank, same in groupby(report.stars, key=lambda star: star.rank)]
    said = [_place(rank, same, report, lang, last=rank == groups[-1][0]) for rank, same in groups]
    return "；".join(said) + "。" if lang == "zh" else "On top: " + "; ".join(said) + "."


def _place(rank: int, stars: Sequence[Star], report: Report, lang: Lang, *, last: bool) -> str:
    names = [star.name for star in stars]
    amount = money(stars[0].paid_amount, lang)
    more = report.stars_left if last else 0
    if lang == "zh":
        together = (
            ("等" if more else "")
            + (f"{len(names) + more}人" if more else "")
            + ("并列" if len(names) + more > 1 else "")
        )
        return f"第{'一二三'[rank - 1]}名{'、'.join(names)}{together}，{amount}"
    who = _listed(names + ([f"{more} more"] if more else []), lang)
    return f"{_ORDINALS[rank - 1]} {who}, {amount}" + (" each" if len(names) + more > 1 else "")


def _doubt(report: Report, lang: Lang) -> str:
    if report.complete:
        return ""
    return (
        "部分数据仍在计算，以榜单为准。"
        if lang == "zh"
        else "Some figures are still on their way; the board has the latest."
    )


# ---- the words -------------------------------------------------------------------------------------------------------


def _local(report: Report, ms: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone(report.timezone))


def _clock(report: Report, ms: int) -> str:
    return f"{_local(report, ms):%H:%M}"


def _until(report: Report) -> str:
    text = _clock(report, report.as_of)
    return "24:00" if text == "00:00" and report.as_of > report.starts_at else text


def _spoken(report: Report, lang: Lang) -> str:
    """The hour as it is said: 20点到21点, 20点到20点35分."""
    begin, end = _clock(report, report.starts_at), _until(report)
    if lang == "en":
        return f"{begin} to {end}"
    return "到".join(
        f"{int(hour)}点" + ("" if minute == "00" else f"{int(minute)}分")
        for hour, minute in (begin.split(":"), end.split(":"))
    )


def _plain(name: str) -> str:
    return name.translate(_MARKUP)


def _yuan(fen: int) -> str:
    return f"¥{whole(fen):,}"


def _orders(count: int, lang: Lang) -> str:
    return f"{count}单" if lang == "zh" else f"{count:,} order{'' if count == 1 else 's'}"


def _said(report: Report, team: Team, lang: Lang) -> str:
    return _orders(team.orders_paid, lang) if report.pk_basis == "orders" else money(team.paid_amount, lang)


def _score(report: Report, team: Team) -> str:
    return f"{team.orders_paid:,}" if report.pk_basis == "orders" else _yuan(team.paid_amount)


def _pk_basis(report: Report, lang: Lang) -> str:
    names: dict[tuple[str, Lang], str] = {
        ("orders", "zh"): "比付款单", ("orders", "en"): "by orders", ("amount", "zh"): "比成交额", ("amount", "en"): "by amount",
    }  # fmt: skip
    return names[report.pk_basis, lang]


def _left_out(report: Report, lang: Lang) -> str | None:
    if not report.stars_left:
        return None
    return (
        f"另有{report.stars_left}人并列"
        if lang == "zh"
        else f"{report.stars_left} more share{'s' if report.stars_left == 1 else ''} the last place"
    )


def _listed(names: Sequence[str], lang: Lang) -> str:
    """a, b and c."""
    if lang == "zh":
        return "、".join(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
