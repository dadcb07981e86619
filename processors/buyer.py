"""One buyer in one shop: a set of facts, and everything that follows from it.

Facts may come in any order, twice, and in any batches. `settle` brings the derived records up to date: where all new
facts are later than all known ones it extends what is there (the incremental path), else it derives everything anew
from the sorted set. Both run the same rules, on the units that a fact can change: a thread's day, a session, an hour, a
message, an order's reviews. A property test holds the two together.
"""

from typing import Literal

from processors.calendar import Calendar, calendar
from processors.changes import Changes, FlagRecord, RoundRecord
from processors.derivation import Derivation
from processors.facts import Fact, counts_before, same_content
from processors.ruleset import RulesetBook

Outcome = Literal["new", "duplicate", "conflict", "replaced"]
"""`conflict`: differs from the fact with the same (source, id) that counts; `replaced`: this one counts from now on."""


def _in_time(fact: Fact) -> tuple[int, str, str]:
    return fact.time, fact.id, fact.source


class Buyer:
    """The facts of one buyer in one shop and what is derived from them."""

    __slots__ = (
        "_calendar",
        "_latest",
        "_new",
        "_rebuild",
        "book",
        "buyer_id",
        "derived",
        "facts",
        "gone_flags",
        "gone_rounds",
        "resend",
        "shop_id",
    )

    def __init__(self, shop_id: str, buyer_id: str, book: RulesetBook) -> None:
        self.shop_id = shop_id
        self.buyer_id = buyer_id
        self.book = book
        self.facts: dict[tuple[str, str], Fact] = {}
        self.gone_flags: dict[str, FlagRecord] = {}
        self.gone_rounds: dict[str, RoundRecord] = {}
        """records that were derived once and are no more, by id: kept so that their clearing can be sent again"""
        self._calendar: Calendar = calendar(book.timezone(shop_id))
        self.derived = Derivation(shop_id, buyer_id, book, self._calendar)
        self._latest = -(2**62)
        self._new: list[Fact] = []
        self._rebuild = False
        self.resend = False

    def add(self, fact: Fact) -> Outcome:
        """Takes a fact into the set. Call `settle` after the batch."""
        key = (fact.source, fact.id)
        known = self.facts.get(key)
        if known is None:
            self.facts[key] = fact
            self._new.append(fact)
            return "new"
        if same_content(known, fact):
            # It may come again because its results were never sent: send what it takes part in once more.
            self.resend = True
            return "duplicate"
        if not counts_before(fact, known):
            return "conflict"
        self.facts[key] = fact
        self._rebuild = True
        return "replaced"

    @property
    def newest(self) -> int:
        """Time of the newest fact, ms."""
        return max(fact.time for fact in self.facts.values())

    def settle(self) -> Changes:
        """Derives what the new facts change; what has changed since the last call, everything if a fact came again."""
        new, self._new = self._new, []
        new.sort(key=_in_time)
        if self._rebuild or (new and new[0].time <= self._latest):
            changes = self._derive_anew()
        else:
            changes = self.derived.extend(new) if new else Changes()
        self._rebuild = False
        if new:
            self._latest = max(self._latest, new[-1].time)
        self._note_gone(changes)
        if self.resend:
            self.resend = False
            self.derived.resend(changes)
            changes.rounds_gone = list(self.gone_rounds.values())
            changes.flags_gone = list(self.gone_flags.values())
        return changes

    def _derive_anew(self) -> Changes:
        before = self.derived
        self.derived = Derivation(self.shop_id, self.buyer_id, self.book, self._calendar)
        self.derived.extend(sorted(self.facts.values(), key=_in_time))
        return self.derived.difference(before)

    def _note_gone(self, changes: Changes) -> None:
        for flag in changes.flags:
            self.gone_flags.pop(flag.flag_id, None)
        for round_ in changes.rounds:
            self.gone_rounds.pop(round_.round_id, None)
        for flag in changes.flags_gone:
            self.gone_flags[flag.flag_id] = flag
        for round_ in changes.rounds_gone:
            self.gone_rounds[round_.round_id] = round_
