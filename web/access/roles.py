"""Who may do what: the five roles, and a person who has some of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schemas.access import RecognisedBy


class Role(StrEnum):
    """What somebody is on the floor."""

    OPS = "ops"
    QC = "qc"
    CALLER = "caller"
    ENGINEER = "engineer"
    ADMIN = "admin"


class May(StrEnum):
    """A thing that not everybody may do; the value completes the sentence "NAME may not …"."""

    WATCH = "see the leaderboard"
    SEE_FLAGS = "see flags"
    REVIEW = "judge flags"
    SEE_TASKS = "see call tasks"
    CALL = "make follow-up calls"
    SEE_BUYERS = "see who the buyers are"
    SEE_PHONES = "see phone numbers"
    ANNOUNCE = "announce reports"
    QUERY = "query the tables"
    SEND = "send events"
    SEND_COMMANDS = "send what others have done at the desks"
    MEASURE = "read the metrics"
    SEE_TRAIL = "see who saw what"


_FLOOR: Final = frozenset({May.WATCH, May.SEE_FLAGS, May.SEE_TASKS})
GRANTS: Final[Mapping[Role, frozenset[May]]] = {
    Role.OPS: _FLOOR | {May.ANNOUNCE},
    Role.QC: _FLOOR | {May.REVIEW, May.SEE_BUYERS},
    Role.CALLER: _FLOOR | {May.CALL, May.SEE_BUYERS, May.SEE_PHONES},
    # whoever may query the tables sees in them what there is
    Role.ENGINEER: _FLOOR | {May.SEE_BUYERS, May.SEE_PHONES, May.QUERY, May.SEND, May.MEASURE},
    Role.ADMIN: frozenset(May),
}


_HOMES: Final = {Role.ADMIN: "/", Role.OPS: "/", Role.QC: "/qc", Role.CALLER: "/calls", Role.ENGINEER: "/sql"}
"""the page at which each works; of several roles the first counts"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or something with an API token, that the web has recognised."""

    name: str
    roles: frozenset[Role]
    display_name: str = ""
    agent_ids: frozenset[str] = frozenset()
    """the service accounts that this person chats with: a complaint about them is for somebody else"""
    local: bool = False
    """nobody in particular, on a web that is open to its own machine"""
    by: RecognisedBy = field(default="", compare=False)
    """how they were recognised"""
    address: str = field(default="", compare=False)
    """where this request comes from"""

    def may(self, what: May) -> bool:
        """Whether one of the roles grants it."""
        return any(what in GRANTS[role] for role in self.roles)

    @property
    def home(self) -> str:
        """The path of the page at which they work."""
        return next((path for role, path in _HOMES.items() if role in self.roles), "/")


LOCAL: Final = Person("local", frozenset({Role.ADMIN}), local=True)
