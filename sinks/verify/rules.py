"""A ruleset's numbers and phrases as query parameters: an array each, one element a version, oldest first."""

import re
from collections.abc import Callable
from typing import Any, Final

from processors.ruleset import Rules, RulesetBook
from sinks.database import Parameters

SETTLED: Final = "time: beyond the horizon; settled by a backfill"
"""the `error` of a late event's row in rejected once a backfill has counted the event"""

_WIDE: Final = "".join(map(chr, range(0xFF01, 0xFF5F)))
_NARROW: Final = "".join(map(chr, range(0x21, 0x7F)))
_PLAIN: Final = str.maketrans(_WIDE + "ABCDEFGHIJKLMNOPQRSTUVWXYZ", _NARROW + "abcdefghijklmnopqrstuvwxyz")
_NOTHING: Final = r"[^\s\S]"

_NUMBERS: Final[dict[str, Callable[[Rules], int]]] = {
    "cap_ms": lambda r: r.response_cap_ms,
    "target_ms": lambda r: r.response_target_ms,
    "first_target_ms": lambda r: r.first_response_target_ms,
    "session_gap_ms": lambda r: r.session_gap_ms,
    "slow_after_ms": lambda r: r.slow_after_ms,
    "slow_count": lambda r: r.slow_count,
    "platform_from": lambda r: r.platform_hours[0],
    "platform_to": lambda r: r.platform_hours[1],
    "attribution_ms": lambda r: r.attribution_horizon_ms,
    "basis_payment": lambda r: int("payment" in r.same_day_basis),
    "basis_order": lambda r: int("order" in r.same_day_basis),
    "hidden_rating_min": lambda r: r.hidden_negative_rating_min,
    "negative_rating_max": lambda r: r.negative_rating_max,
    "lookback_ms": lambda r: r.negative_lookback_ms,
    "high_rating": lambda r: r.high_priority_rating_max,
    "normal_rating": lambda r: r.normal_priority_rating_max,
    "high_fen": lambda r: r.high_priority_amount_fen,
    "late_from": lambda r: r.late_purchase_hours[0],
    "late_to": lambda r: r.late_purchase_hours[1],
    "due_after_review_ms": lambda r: r.due_after_review_ms,
    "due_after_call_ms": lambda r: r.due_after_not_before_ms,
}


def parameters(book: RulesetBook, shop_id: str) -> Parameters:
    """What the SQL files need of the rules of a shop: times in ms, amounts in fen, versions counted from 1."""
    history = book.history(shop_id)
    params: dict[str, Any] = {
        "shop": shop_id,
        "tz": book.timezone(shop_id),
        "labels": list(book.versions),
        "settled": SETTLED,
        # the first version is in force for all times before it
        "starts": [0, *(start for start, _ in history[1:])],
        "ruleset": [rules.label for _, rules in history],
        "assigned_role": [rules.assigned_role for _, rules in history],
        "wide": _WIDE,
        "narrow": _NARROW,
    }
    for name, read in _NUMBERS.items():
        params[name] = [read(rules) for _, rules in history]
    severities = [(f"{n} {key}", s) for n, (_, r) in enumerate(history, 1) for key, s in r.severity.items()]
    params["severity_keys"], params["severities"] = map(list, zip(*severities, strict=True))
    hours = [
        (start, end, version, late)
        for version, (_, rules) in enumerate(history, 1)
        for late, intervals in enumerate((rules.calling_hours, rules.late_purchase_calling_hours))
        for start, end in intervals
    ]
    for column, values in zip(
        ("hours_from", "hours_to", "hours_version", "hours_late"), zip(*hours, strict=True), strict=True
    ):
        params[column] = list(values)
    return params | _phrases(book, shop_id)


def _phrases(book: RulesetBook, shop_id: str) -> dict[str, Any]:
    found = [
        (phrase.translate(_PLAIN), category, version)
        for version, (_, rules) in enumerate(book.history(shop_id), 1)
        for category, phrases in rules.phrases.phrases.items()
        for phrase in phrases
    ]
    texts = sorted({phrase for phrase, _, _ in found})
    return {
        "phrases": [phrase for phrase, _, _ in found],
        "phrase_categories": [category for _, category, _ in found],
        "phrase_versions": [version for _, _, version in found],
        "mark": next(mark for mark in map(chr, range(0xE000, 0xF900)) if not any(mark in text for text in texts)),
        "any_phrase": "|".join(map(re.escape, texts)) or _NOTHING,
    }
