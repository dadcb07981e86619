"""What an agent's words break by themselves: contract §2, language.forbidden, language.vague, review.solicited."""

from processors.facts import BUYER, Message
from processors.reminders import Verdict
from processors.ruleset import Rules

_RULE_OF_CATEGORY = {
    "forbidden": "language.forbidden",
    "vague": "language.vague",
    "solicitation": "review.solicited",
}


def judge_language(message: Message, rules: Rules) -> list[Verdict]:
    """The language rules are about effective replies; asking for a good review is wrong in an automatic one too."""
    if message.mode == BUYER or not message.hits:
        return []
    verdicts: list[Verdict] = []
    for category, rule in _RULE_OF_CATEGORY.items():
        hits = [hit for hit in message.hits if hit.category == category]
        if hits and (category == "solicitation" or message.effective):
            phrases = [{"phrase": hit.phrase, "start": hit.start, "end": hit.end} for hit in hits]
            orders = [message.order_id] if message.order_id is not None else []
            verdicts.append(Verdict(rule, rules.severity[rule], orders, {"phrases": phrases}))
    return verdicts
