"""One buyer in one shop: a set of facts, and everything that follows from it.

Facts may come in any order, twice, and in any batches. `settle` brings the derived records up to date: where all new
facts are later than all known ones it extends what is there (the incremental path), else it derives everything anew
from the sorted set. Both run the same rules, on the units that a fact can change: a thread's day, a session, an hour, a
message, an order's reviews. A property test holds the two together.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Final, Literal

from processors.calendar import calendar
from processors.changes import Changes, FlagRecord, RoundRecord
from processors.conversations import Conversations
from processors.derivation import Derivation
from processors.facts import Fact, Message, same_content
from processors.ruleset import RulesetBook
from schemas.types import DAY_MS

Outcome = Literal["new", "duplicate", "conflict"]
"""`conflict`: another content with the same (source, id) is in the set already, and stays."""
SHARD_FACTS: Final = 500
"""a shard of the state takes this many facts, then the day goes on in another one"""
GONE: Final = "gone"
"""the shard of the records that are no more"""


_in_time = attrgetter("time", "id", "source")


class Buyer:
    """The facts of one buyer in one shop and what is derived from them."""

    __slots__ = (
        "_latest",
        "_new",
        "_open_shards",
        "_resend",
        "book",
        "buyer_id",
        "conversations",
        "derived",
        "dirty_shards",
        "facts",
        "gone_flags",
        "gone_rounds",
        "identity",
        "shards",
        "shop_id",
        "unsure",
    )

    def __init__(self, shop_id: str, buyer_id: str, book: RulesetBook) -> None:
        self.shop_id = shop_id
        self.buyer_id = buyer_id
        self.identity = shop_id, buyer_id
        self.book = book
        self.facts: dict[tuple[str, str], Fact] = {}
        self.shards: dict[str, list[Fact]] = {}
        """the facts again, by the state record that holds them: at most SHARD_FACTS of one UTC day"""
        self.dirty_shards: set[str] = set()
        self.gone_flags: dict[str, FlagRecord] = {}
        self.gone_rounds: dict[str, RoundRecord] = {}
        """records that were derived once and are no more, by id: kept so that their clearing can be sent again"""
        self.unsure = False
        """set on a restore: whether all results of these facts were sent is not known"""
        self._open_shards: dict[int, tuple[str, list[Fact]]] = {}
        """by UTC day the shard that takes its facts, unless it is full"""
        self.conversations = self._no_conversations()
        self.derived = Derivation(self.conversations)
        self._latest = -(2**62)
        self._new: list[Fact] = []
        self._resend = False

    def add(self, fact: Fact, shard: str | None = None) -> Outcome:
        """Takes a fact into the set; call `settle` after the batch. `shard`: the state record it was read from."""
        key = fact.source, fact.id
        known = self.facts.setdefault(key, fact)
        if known is fact:
            self._new.append(fact)
            if shard is None:
                day = fact.time // DAY_MS
                name, facts = self._open_shards.get(day) or self._open_shard(day)
                if len(facts) >= SHARD_FACTS:
                    name, facts = self._open_shard(day)
                self.dirty_shards.add(name)
                facts.append(fact)
            else:
                self.shards.setdefault(shard, []).append(fact)
            return "new"
        if not same_content(known, fact):
            return "conflict"
        if self.unsure:
            # its results may never have been sent: once after a restore, send all of this buyer's again
            self.unsure, self._resend = False, True
        return "duplicate"

    def replace(self, fact: Fact) -> None:
        """Puts another content under the fact's (source, id), before the first `settle`. For a replay, which settles
        conflicts at its end."""
        key = (fact.source, fact.id)
        self.facts[key] = fact
        self._new = [new for new in self._new if (new.source, new.id) != key] + [fact]

    def recall(self, flags: Iterable[FlagRecord], rounds: Iterable[RoundRecord]) -> None:
        """Takes in the records that were known to be gone."""
        self.gone_flags.update({flag.flag_id: flag for flag in flags})
        self.gone_rounds.update({round_.round_id: round_ for round_ in rounds})

    @property
    def newest(self) -> int:
        """Time of the newest fact, ms; far in the past without facts."""
        return max(self._latest, max((fact.time for fact in self._new), default=self._latest))

    def settle(self) -> Changes:
        """Derives what the new facts change; what has changed since the last call, everything if a fact came again."""
        changes = Changes()
        new, self._new = self._new, []
        if new:
            new.sort(key=_in_time)
            self._add_messages([fact for fact in new if isinstance(fact, Message)], changes)
            if new[0].time <= self._latest:
                before, self.derived = self.derived, Derivation(self.conversations)
                self.derived.extend(sorted(self.facts.values(), key=_in_time), Changes())
                self.derived.difference(before, changes)
            else:
                self.derived.extend(new, changes)
            self._latest = max(self._latest, new[-1].time)
        self._note_gone(changes)
        if self._resend:
            self._resend = False
            self.conversations.resend(changes)
            self.derived.resend(changes)
            changes.rounds_gone = list(self.gone_rounds.values())
            changes.flags_gone = list(self.gone_flags.values())
        return changes

    def _add_messages(self, new: list[Message], changes: Changes) -> None:
        if not new:
            return
        if new[0].time > self.conversations.latest:
            self.conversations.extend(new, changes)
            return
        before, self.conversations = self.conversations, self._no_conversations()
        messages = [fact for fact in self.facts.values() if isinstance(fact, Message)]
        self.conversations.extend(sorted(messages, key=_in_time), Changes())
        self.conversations.difference(before, changes)

    def _no_conversations(self) -> Conversations:
        return Conversations(self.shop_id, self.buyer_id, self.book, calendar(self.book.timezone(self.shop_id)))

    def _open_shard(self, day: int) -> tuple[str, list[Fact]]:
        """The day's first shard that has room, also among those restored."""
        number = 0
        while len(facts := self.shards.setdefault(f"{day}.{number}", [])) >= SHARD_FACTS:
            number += 1
        self._open_shards[day] = f"{day}.{number}", facts
        return self._open_shards[day]

    def _note_gone(self, changes: Changes) -> None:
        known = len(self.gone_flags), len(self.gone_rounds)
        for flag in changes.flags:
            self.gone_flags.pop(flag.flag_id, None)
        for round_ in changes.rounds:
            self.gone_rounds.pop(round_.round_id, None)
        if changes.flags_gone or changes.rounds_gone or known != (len(self.gone_flags), len(self.gone_rounds)):
            self.dirty_shards.add(GONE)
        self.gone_flags.update({flag.flag_id: flag for flag in changes.flags_gone})
        self.gone_rounds.update({round_.round_id: round_ for round_ in changes.rounds_gone})
