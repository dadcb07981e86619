"""What follows from one buyer's messages alone: rounds, and shares of response windows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from processors.calendar import Calendar
from processors.changes import Changes, RoundRecord, exchange
from processors.facts import Message
from processors.ids import digest, joined
from processors.rounds import Thread, Timed, revisions
from processors.ruleset import RulesetBook
from processors.sessions import Session, continues
from processors.windows import ShareKey, Shares, WindowSums, in_platform_hours

ThreadKey = tuple[str, int]
"""(agent_id, start of the local day)"""


class Conversations:
    """Messages by thread and by session. `extend` takes messages that are all later than those it has, in order."""

    def __init__(self, shop_id: str, buyer_id: str, book: RulesetBook, days: Calendar) -> None:
        self.shop_id, self.buyer_id, self.book, self.days = shop_id, buyer_id, book, days
        self.latest = -(2**62)
        """time of the last message, ms"""
        self.rounds: dict[ThreadKey, list[RoundRecord]] = {}
        self.shares: dict[ShareKey, WindowSums] = {}
        self.slow: dict[ThreadKey, Thread] = {}
        """threads with as many slow answers as raise `response.slow`"""
        self._threads: dict[ThreadKey, Thread] = {}
        self._session: Session | None = None

    def extend(self, messages: Sequence[Message], changes: Changes) -> None:
        """Takes in later messages, ordered by (time, id, source); notes what has changed."""
        slot = self.days.slot
        timed = [(message, slot(message.time)) for message in messages]
        shares: Shares = defaultdict(WindowSums)
        self._add_to_threads(timed, shares, changes)
        self._add_to_sessions(timed, shares)
        self._add_shares(shares, changes)
        self.latest = messages[-1].time

    def _add_to_threads(self, messages: Iterable[Timed], shares: Shares, changes: Changes) -> None:
        of_thread: defaultdict[ThreadKey, list[Timed]] = defaultdict(list)
        for timed in messages:
            message, slot = timed
            of_thread[message.agent_id, slot.day].append(timed)
        for key, own in of_thread.items():
            thread = self._threads.get(key)
            if thread is None:
                agent_id, day = key
                thread = self._threads[key] = Thread(agent_id, day, self.book.at(self.shop_id, day))
                self.rounds[key] = []
            first = thread.take(own, shares)
            self._record(thread, first, self.rounds[key], changes)
            if len(thread.slow) >= thread.rules.slow_count:
                self.slow[key] = thread

    def _record(self, thread: Thread, first: int, records: list[RoundRecord], changes: Changes) -> None:
        """Records of a thread's rounds from the first that is new, or may have been answered."""
        day_ends_at = self.days.day_end(thread.day)
        cause = joined("round", self.shop_id, self.buyer_id, thread.agent_id)
        for index in range(first, len(thread.rounds)):
            round_ = thread.rounds[index]
            if index < len(records):
                if records[index].round != round_:
                    records[index] = records[index]._replace(round=round_, revision=thread.revision(index))
                    changes.rounds.append(records[index])
                continue
            opening = round_.opening
            record = RoundRecord(
                digest("r", cause + joined(opening.source, opening.id)),
                round_,
                day_ends_at,
                in_platform_hours(opening.time, thread.rules, self.days),
                thread.revision(index),
                thread.rules.label,
            )
            records.append(record)
            changes.rounds.append(record)

    def _add_to_sessions(self, messages: Iterable[Timed], shares: Shares) -> None:
        session, gap_ms = self._session, self.book.session_gap_ms
        for message, slot in messages:
            if session is None or not continues(
                session.latest, message, gap_ms(self.shop_id, session.latest.time, message.time)
            ):
                session = Session(self.book.at(self.shop_id, message.time))
            session.take(message, slot, shares)
        self._session = session

    def _add_shares(self, shares: Shares, changes: Changes) -> None:
        for key, share in shares.items():
            known = self.shares.get(key)
            if known is None:
                self.shares[key] = share  # whoever has the changes adds them up before it grows
            else:
                known.add(share)
            changes.windows.append((key, None, share))

    def resend(self, changes: Changes) -> None:
        """Notes every record and every share as changed."""
        changes.rounds = [record for records in self.rounds.values() for record in records]
        changes.windows += [(key, None, None) for key in self.shares]

    def difference(self, before: "Conversations", changes: Changes) -> None:
        """Notes what has changed from `before`, which knew fewer messages."""
        old = {r.round_id: r for records in before.rounds.values() for r in records}
        for records in self.rounds.values():
            changes.rounds += [record for record in records if old.pop(record.round_id, None) != record]
        for gone in old.values():
            opening = gone.round.opening
            thread = self._threads[opening.agent_id, self.days.day_start(opening.time)].messages
            changes.rounds_gone.append(gone._replace(revision=revisions(thread)[thread.index(opening)]))
        exchange(before.shares, self.shares, changes.windows)
