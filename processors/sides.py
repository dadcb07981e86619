"""Before-sales and after-sales: which of the two an agent's role is for. Pure.

A sale runs at about 7 : 3 (售前 : 售后), the three days after it at 3 : 7.
"""

from collections.abc import Mapping
from typing import Final, Literal

Side = Literal["presale", "aftersale"]

SIDE_OF_ROLE: Final[Mapping[str, Side]] = {
    "presale": "presale",
    "reminder": "presale",
    "order_change": "presale",
    "aftersale": "aftersale",
    "escalation": "aftersale",
    "review_specialist": "aftersale",
}
"""by the `role` of `agent.upserted` (contract §1)"""


def side_of(role: str) -> Side:
    """The side of a role; an agent of whom nothing is known sells."""
    return SIDE_OF_ROLE.get(role, "presale")
