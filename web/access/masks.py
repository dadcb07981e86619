"""What is hidden of buyers from those who need not know them. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from web.access.roles import May, Person

# as people write them: 138 1234 5678, 138-1234-5678, +8613812345678, in wide digits; no part of a longer number
_PHONE: Final = re.compile(r"(?<!\d)(?:\+?[8８][6６][ -]?)?[1１][3-9３-９]\d(?:[ -]?\d{4}){2}(?!\d)")
_LEADS_TO_BUYER: Final = ("buyer_id", "order_id", "review_id", "payment_id", "message_id")


def mask(identity: str) -> str:
    """An id but for its last two characters, for those who only need to tell two apart: `b-10077` becomes `•••77`.

    Ids of up to four characters are hidden as a whole. Not a pseudonym: two buyers may look alike.
    """
    if not identity:
        return ""
    return "•••" if len(identity) <= 4 else f"•••{identity[-2:]}"


def mask_phones(text: str) -> str:
    """A text with the middle four digits of each mobile number hidden; as long as before, so that places in it hold."""
    return _PHONE.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    signs = list(found[0])
    digits = [place for place, sign in enumerate(signs) if sign.isdigit()]
    for place in digits[-8:-4]:
        signs[place] = "*"
    return "".join(signs)


def masked(row: Mapping[str, Any], person: Person) -> dict[str, Any]:
    """A row, or what lies within one, as that person may see it.

    Somebody who need not know buyers gets neither their ids nor those of orders, payments, reviews and messages, which lead to
    them; somebody who calls nobody gets no phone numbers out of texts.
    """
    if person.may(May.SEE_BUYERS) and person.may(May.SEE_PHONES):
        return dict(row)
    return {key: _masked(key, value, person) for key, value in row.items()}


def _masked(key: str, value: Any, person: Person) -> Any:
    if isinstance(value, Mapping):
        return masked(value, person)
    if isinstance(value, list):
        return [_masked(key.removesuffix("s"), one, person) for one in value]
    if isinstance(value, str):
        if key.endswith(_LEADS_TO_BUYER) and not person.may(May.SEE_BUYERS):
            return mask(value)
        if key != "id" and not key.endswith("_id") and not person.may(May.SEE_PHONES):
            return mask_phones(value)
    return value
