"""One Kafka partition's share of everything: its buyers, the sums over them, and what a flush has to write.

Pure: bytes in, bytes out. The worker (streams/) moves them, and writes a flush's `state` before its `outputs`: results
are computed from durable facts only, so what was sent once can always be sent again, or cleared.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import orjson

from processors.admission import admit
from processors.buyer import GONE, Buyer, Outcome
from processors.calendar import HOUR_MS, calendar
from processors.changes import Changes
from processors.facts import Fact, fact_of
from processors.leaderboard import BoardKey, BoardSums
from processors.records import flag_record, leaderboard_partial, round_record, task_record, window_partial
from processors.ruleset import RulesetBook
from processors.state import decode_key, decode_value, encode_facts, encode_gone, encode_key
from processors.sums import Changed, Sums
from processors.windows import WindowKey, WindowSums, rules_of
from schemas.events import Event, InvalidEventError
from schemas.rejections import rejection
from schemas.topics import CALL_TASKS, FLAGS, LEADERBOARD, ROUNDS, WINDOWS
from schemas.types import DAY_MS

PRUNE_MARGIN_MS: Final = 2 * DAY_MS
"""kept beyond the horizon: what a fact just inside it bears on (its day, its session, the day before an order)"""
_FINISHED: Final = frozenset({"revisited", "withdrawn"})


class Incoming(NamedTuple):
    """One Kafka record. `topic`: the name without any prefix; `timestamp_ms`: when it was written, as far as that can be
    trusted (never later than the reader's clock), None where there is no clock."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp_ms: int | None = None


class Flush(NamedTuple):
    """What to write, in this order; every record goes to the partition number it came from."""

    state: list[tuple[bytes, bytes | None]]
    """(key, value) for the state topic; None is a tombstone"""
    outputs: list[tuple[str, bytes, bytes]]
    """(topic without prefix, key, value)"""
    rejected: list[bytes]
    """values for the topic of rejected records"""


class Partition:
    """The buyers of one partition number of all co-partitioned topics."""

    def __init__(self, number: int, book: RulesetBook, *, writer: bytes, horizon_ms: int) -> None:
        """`writer`: an id that no other object of this class ever had; `horizon_ms`: how far back facts are kept."""
        self.number = number
        self.book = book
        self.writer = writer
        self.horizon_ms = horizon_ms
        self.buyers_by_id: dict[tuple[str, str], Buyer] = {}
        self.facts = 0
        self._sums = Sums(book)
        self._unsent = Changed({}, {})
        self._newest = -(2**62)
        self._touched: dict[tuple[str, str], None] = {}
        self._foreign: dict[tuple[tuple[str, str], str], list[bytes]] = {}
        self._rejected: list[bytes] = []
        self._pruned_to = self._newest
        self._whole_from = self._newest
        """sums of what was before may lack facts that are forgotten: what was written when they were here stands"""
        self._may_be_forgotten: dict[int, list[tuple[str, str]]] = {}
        """every buyer once, by an hour no later than that of its newest fact: beyond the horizon, the buyer is looked at"""

    @property
    def buyers(self) -> int:
        """Number of buyers with facts."""
        return len(self.buyers_by_id)

    @property
    def windows(self) -> dict[WindowKey, WindowSums]:
        """Sums of all response windows, as of the last `settle`, `flush` or `restore`."""
        return self._sums.windows

    @property
    def boards(self) -> dict[BoardKey, BoardSums]:
        """Sums of all leaderboard rows."""
        return self._sums.boards

    # ---- facts in ----------------------------------------------------------------------------------------------

    def restore(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """State records, in any order: shards of one buyer by several writers are united. Before the first `apply`, and
        there more than once: in parts, and later values of keys that were there before."""
        met: dict[tuple[str, str], Buyer] = {}
        for key, value in records:
            shop_id, buyer_id, shard, writer = decode_key(key)
            facts, gone_flags, gone_rounds = decode_value(value)
            identity = shop_id, buyer_id
            # a buyer's gone records say nothing of when: looked at early, it is looked at again
            buyer = self.buyers_by_id.get(identity) or self._new_buyer(identity, facts[0].time if facts else 0)
            met[identity] = buyer
            for fact in facts:
                self._add(buyer, fact, shard)
            buyer.recall(gone_flags, gone_rounds)
            if writer != self.writer:
                keys = self._foreign.setdefault((identity, shard), [])
                if key not in keys:
                    keys.append(key)
        for buyer in met.values():
            self._sums.take(buyer.shop_id, buyer.settle())
            buyer.dirty_shards.clear()
            buyer.unsure = True
        self._sums.settle()
        self._touched.clear()
        self._whole_from = self._forgotten_before

    def apply(self, records: Sequence[Incoming]) -> None:
        """Decodes records and adds their facts; those that are no facts are kept for the next flush as rejected."""
        for record in records:
            try:
                self._take(record)
            except InvalidEventError as error:
                self._rejected.append(
                    orjson.dumps(
                        rejection(
                            error.reason,
                            error.error,
                            record.value,
                            topic=record.topic,
                            partition=record.partition,
                            offset=record.offset,
                        )
                    )
                )

    def _take(self, record: Incoming) -> None:
        event = admit(record.topic, record.key, record.value, record.timestamp_ms)
        if event.time < self._newest - self.horizon_ms and not self._knows(event):
            raise InvalidEventError("late", "time: beyond the horizon; a replay settles it")
        if self.add_event(event) == "conflict":
            raise InvalidEventError("conflict", "id: another event with this source and id differs")

    def _knows(self, event: Event) -> bool:
        data: Any = event.data
        buyer = self.buyers_by_id.get((data.shop_id, data.buyer_id))
        return buyer is not None and (event.source, event.id) in buyer.facts

    def add_event(self, event: Event) -> Outcome:
        """Adds the fact of a buyer's event. Reference events belong to no buyer: ValueError."""
        fact = self.fact(event)
        data: Any = event.data
        identity = data.shop_id, data.buyer_id
        return self._add(self.buyers_by_id.get(identity) or self._new_buyer(identity, fact.time), fact)

    def replace_event(self, event: Event) -> None:
        """Puts the event in the place of the one with its (source, id). For a replay, which settles conflicts at its end."""
        data: Any = event.data
        self.buyers_by_id[data.shop_id, data.buyer_id].replace(self.fact(event))
        self._touched[data.shop_id, data.buyer_id] = None

    def fact(self, event: Event) -> Fact:
        """The fact of a buyer's event, under the ruleset in force at its time. ValueError for a reference event."""
        fact = fact_of(event, self.book)
        if fact is None:
            raise ValueError(f"{event.type} is no buyer's event")
        return fact

    def _new_buyer(self, identity: tuple[str, str], time: int) -> Buyer:
        """`time`: of any of its facts."""
        buyer = self.buyers_by_id[identity] = Buyer(*identity, self.book)
        self._look_again(identity, time)
        return buyer

    def _look_again(self, identity: tuple[str, str], time: int) -> None:
        self._may_be_forgotten.setdefault(time // HOUR_MS, []).append(identity)

    def _add(self, buyer: Buyer, fact: Fact, shard: str | None = None) -> Outcome:
        outcome = buyer.add(fact, shard)
        if outcome != "conflict":
            self._touched[buyer.identity] = None
        if outcome == "new":
            if fact.time > self._newest:
                self._newest = fact.time
            self.facts += 1
        return outcome

    # ---- results out -------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Brings the sums up to date without writing anything: all that a replay in memory needs."""
        for identity in self._touched:
            self._sums.take(identity[0], self.buyers_by_id[identity].settle())
        self._sums.settle()
        self._touched.clear()

    def flush(self, *, sums: bool = True) -> Flush:
        """What changed since the last flush; empty lists when nothing did. Without `sums`, changed windows and boards are left
        for a later flush: however many buyers' facts they sum, each is then written once."""
        state: list[tuple[bytes, bytes | None]] = []
        outputs: list[tuple[str, bytes, bytes]] = []
        for identity in self._touched:
            buyer = self.buyers_by_id[identity]
            changes = buyer.settle()
            self._sums.take(buyer.shop_id, changes)
            state += self._state_records(identity, buyer)
            outputs += _buyer_records(buyer, changes)
        self._touched.clear()
        self._unsent.add(self._sums.settle())
        if sums or self._prunes:  # while their facts are all here
            outputs += self._window_records(self._unsent.windows)
            outputs += self._board_records(self._unsent.boards)
            self._unsent = Changed({}, {})
        state += self._prune()
        rejected, self._rejected = self._rejected, []
        return Flush(state, outputs, rejected)

    def _window_records(self, windows: dict[WindowKey, WindowSums]) -> list[tuple[str, bytes, bytes]]:
        records = []
        for key, sums in windows.items():
            if key.start < self._whole_from:
                continue
            rules = rules_of(key, self.book)
            day_ends_at = calendar(rules.timezone).day_end(key.start)
            value = window_partial(key, sums, self.number, day_ends_at, rules)
            name = f"{key.shop_id}|{key.agent_id}|{value['window_start']}|{value['window_seconds']}|{key.definition}"
            records.append((WINDOWS, name.encode(), orjson.dumps(value)))
        return records

    def _board_records(self, boards: dict[BoardKey, BoardSums]) -> list[tuple[str, bytes, bytes]]:
        records = []
        for key, sums in boards.items():
            if key.hour_start < self._whole_from:
                continue
            rules = self.book.at(key.shop_id, key.hour_start)
            value = leaderboard_partial(key, sums, self.number, rules)
            name = f"{key.shop_id}|{value['hour_start']}|{key.agent_id}"
            records.append((LEADERBOARD, name.encode(), orjson.dumps(value)))
        return records

    def _state_records(self, identity: tuple[str, str], buyer: Buyer) -> list[tuple[bytes, bytes | None]]:
        """The buyer's changed shards. What is gone comes first: facts without it would leave a record nobody clears."""
        dirty, buyer.dirty_shards = buyer.dirty_shards, set()
        records: list[tuple[bytes, bytes | None]] = []
        for shard in sorted(dirty, key=lambda shard: (shard != GONE, shard)):
            if shard == GONE:
                value = encode_gone(buyer.gone_flags.values(), buyer.gone_rounds.values())
            else:
                value = encode_facts(buyer.shards[shard])
            records.append((encode_key(*identity, shard, self.writer), value))
            # what other writers left is in the value above
            records += [(key, None) for key in self._foreign.pop((identity, shard), ())]
        return records

    @property
    def _prunes(self) -> bool:
        """Whether this flush forgets what is beyond the horizon: about once an hour of event time."""
        return self._newest >= self._pruned_to + HOUR_MS

    @property
    def _forgotten_before(self) -> int:
        return self._newest - self.horizon_ms - PRUNE_MARGIN_MS

    def _prune(self) -> list[tuple[bytes, bytes | None]]:
        """Forgets buyers whose last fact is well beyond the horizon, but for those with a call task under way, and the sums
        of windows before."""
        if not self._prunes:
            return []
        self._pruned_to = self._newest
        cutoff = self._whole_from = self._forgotten_before
        records: list[tuple[bytes, bytes | None]] = []
        due = sorted(hour for hour in self._may_be_forgotten if hour * HOUR_MS < cutoff)
        for identity in [identity for hour in due for identity in self._may_be_forgotten.pop(hour)]:
            buyer = self.buyers_by_id[identity]
            under_way = any(record.task.status not in _FINISHED for record in buyer.derived.tasks.values())
            if buyer.newest >= cutoff or under_way:
                self._look_again(identity, max(buyer.newest, cutoff))
                continue
            for shard in [*buyer.shards, GONE]:
                records.append((encode_key(*identity, shard, self.writer), None))
                records += [(key, None) for key in self._foreign.pop((identity, shard), ())]
            self.facts -= len(buyer.facts)
            del self.buyers_by_id[identity]
        self._sums.forget(cutoff)
        return records


def _buyer_records(buyer: Buyer, changes: Changes) -> list[tuple[str, bytes, bytes]]:
    shop_id, buyer_id = buyer.shop_id, buyer.buyer_id
    zone = buyer.book.timezone(shop_id)
    records: list[tuple[str, str, dict[str, Any]]] = []
    records += [(ROUNDS, r.round_id, round_record(shop_id, buyer_id, r, zone)) for r in changes.rounds]
    records += [(ROUNDS, r.round_id, round_record(shop_id, buyer_id, r, zone, void=True)) for r in changes.rounds_gone]
    records += [(FLAGS, f.flag_id, flag_record(shop_id, buyer_id, f, zone)) for f in changes.flags]
    records += [(FLAGS, f.flag_id, flag_record(shop_id, buyer_id, f, zone, cleared=True)) for f in changes.flags_gone]
    records += [(CALL_TASKS, t.task.task_id, task_record(shop_id, buyer_id, t, zone)) for t in changes.tasks]
    return [(topic, key.encode(), orjson.dumps(value)) for topic, key, value in records]
