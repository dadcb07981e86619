"""Everything that follows from one buyer's facts, kept by the unit that a fact can change."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from processors.calendar import HOUR_MS, Calendar
from processors.changes import Changes, Exchange, FlagRecord, RoundRecord, TaskRecord
from processors.facts import (
    BUYER,
    EFFECTIVE_MODES,
    Closing,
    Command,
    Fact,
    Message,
    Order,
    Payment,
    Refund,
    ReviewVersion,
)
from processors.flags import Moment, flag_record
from processors.ids import derive, digest, joined
from processors.language import judge_language
from processors.leaderboard import BoardKey, BoardSums, Hour, hour_shares
from processors.ledger import Ledger, credited_agent
from processors.reminders import Verdict, is_reminder, judge_reminder, targets_of
from processors.reviews import call_task, hidden_negative, standing, task_id_of
from processors.rounds import Thread, Timed, revisions
from processors.ruleset import RulesetBook
from processors.sessions import Session, continues
from processors.windows import ShareKey, Shares, WindowSums, in_platform_hours

_Key = TypeVar("_Key")
_Share = TypeVar("_Share")
_NEVER_JUDGED = (ReviewVersion, Command)
ThreadKey = tuple[str, int]
"""(agent_id, start of the local day)"""


class Derivation:
    """Facts indexed in time order and the records derived from them.

    `extend` takes facts that are all later than those it has, in order of (time, id, source).
    """

    def __init__(self, shop_id: str, buyer_id: str, book: RulesetBook, days: Calendar) -> None:
        self.shop_id, self.buyer_id, self.book, self.days = shop_id, buyer_id, book, days
        self._ledger = Ledger()
        self._threads: dict[ThreadKey, Thread] = {}
        self._session: Session | None = None
        self._effective: list[Message] = []
        self._effective_times: list[int] = []
        self._board_times: list[int] = []  # effective messages, orders, payments, refunds
        self._judged_times: list[int] = []  # chat and commerce facts: what the flags look back on
        self._hours: dict[int, Hour] = {}
        self._versions: list[ReviewVersion] = []
        self._commands: dict[str, list[Command]] = {}
        self._earlier_reminders: dict[str, Message] = {}
        # derived, by unit
        self.rounds: dict[ThreadKey, list[RoundRecord]] = {}
        self.shares: dict[ShareKey, WindowSums] = {}
        """of response windows"""
        self.boards: dict[int, dict[BoardKey, BoardSums]] = {}
        self._verdicts: dict[str, tuple[Moment, Verdict]] = {}
        self._slow: dict[ThreadKey, str] = {}
        self._of_review: dict[str, str] = {}
        self.flags: dict[str, FlagRecord] = {}
        self.tasks: dict[str, TaskRecord] = {}

    # ---- taking in facts ---------------------------------------------------------------------------------------

    def extend(self, facts: Sequence[Fact]) -> Changes:
        """Takes in later facts; what has changed."""
        slot = self.days.slot
        messages = [(fact, slot(fact.time)) for fact in facts if isinstance(fact, Message)]
        shares: Shares = defaultdict(WindowSums)
        hours: dict[int, None] = {}
        reviewed: dict[str, None] = {}
        targets: dict[str, None] = {}
        if len(messages) < len(facts):
            self._add_others(facts, hours, reviewed, targets)
        self._judged_times += [fact.time for fact in facts if not isinstance(fact, _NEVER_JUDGED)]
        self._add_effective([(one, slot) for one, slot in messages if one.mode in EFFECTIVE_MODES], hours)
        changes = Changes()
        self._derive_rounds(messages, shares, changes)
        self._derive_sessions(messages, shares)
        self._add_shares(shares, changes)
        self._derive_boards(hours, changes)
        self._judge([one for one, _ in messages if one.hits or one.intent is not None], changes)
        self._derive_reviews(reviewed, targets, changes)
        self._apply_commands(targets, changes)
        return changes

    def _add_effective(self, messages: Sequence[Timed], hours: dict[int, None]) -> None:
        times = [message.time for message, _ in messages]
        self._effective += [message for message, _ in messages]
        self._effective_times += times
        self._board_times += times
        self._board_times.sort()  # commerce facts of the same batch are in it
        for message, slot in messages:
            hours[slot.hour] = None
            self._hour(slot.hour).served.add(message.agent_id)

    def _add_others(
        self, facts: Iterable[Fact], hours: dict[int, None], reviewed: dict[str, None], targets: dict[str, None]
    ) -> None:
        for fact in facts:
            if isinstance(fact, ReviewVersion):
                self._versions.append(fact)
                reviewed[fact.order_id] = None
            elif isinstance(fact, Command):
                self._commands.setdefault(fact.target, []).append(fact)
                targets[fact.target] = None
            elif not isinstance(fact, Message):
                self._add_commerce(fact, hours, reviewed)

    def _new_thread(self, agent_id: str, day: int) -> Thread:
        thread = self._threads[agent_id, day] = Thread(agent_id, day, self.book.at(self.shop_id, day))
        self.rounds[agent_id, day] = []
        return thread

    def _hour(self, start: int) -> Hour:
        hour = self._hours.get(start)
        if hour is None:
            hour = self._hours[start] = Hour()
        return hour

    def _add_commerce(
        self, fact: Order | Closing | Payment | Refund, hours: dict[int, None], reviewed: dict[str, None]
    ) -> None:
        counts = self._ledger.add(fact)
        if isinstance(fact, Closing):
            return
        self._board_times.append(fact.time)
        start = self.days.hour_start(fact.time)
        self._hour(start).facts.append((fact, counts))
        hours[start] = None
        if isinstance(fact, Order):
            # an order heard of after its payment names what that payment bought
            for payment in self._ledger.order(fact.order_id).payments:
                hours[self.days.hour_start(payment.time)] = None
            if any(version.order_id == fact.order_id for version in self._versions):
                reviewed[fact.order_id] = None

    # ---- deriving the touched units ----------------------------------------------------------------------------

    def _derive_rounds(self, messages: Iterable[Timed], shares: Shares, changes: Changes) -> None:
        of_thread: defaultdict[ThreadKey, list[Timed]] = defaultdict(list)
        for timed in messages:
            message, slot = timed
            of_thread[message.agent_id, slot.day].append(timed)
        for key, own in of_thread.items():
            thread = self._threads.get(key) or self._new_thread(*key)
            first = thread.take(own, shares)
            self._record_rounds(thread, first, self.rounds[key], changes)
            if len(thread.slow) >= thread.rules.slow_count and key not in self._slow:
                self._slow[key] = self._raise_slow(thread, changes)

    def _record_rounds(self, thread: Thread, first: int, records: list[RoundRecord], changes: Changes) -> None:
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
            rules = self.book.at(self.shop_id, opening.time)
            record = RoundRecord(
                digest("r", f"{cause}{len(opening.source)}:{opening.source}{len(opening.id)}:{opening.id}"),
                round_,
                day_ends_at,
                in_platform_hours(opening.time, rules, self.days),
                thread.revision(index),
                rules.label,
            )
            records.append(record)
            changes.rounds.append(record)

    def _derive_sessions(self, messages: Iterable[Timed], shares: Shares) -> None:
        session, gap_ms = self._session, self.book.session_gap_ms
        for message, slot in messages:
            if session is None or not continues(
                session.latest, message, gap_ms(self.shop_id, session.latest.time, message.time)
            ):
                session = Session(self.book.at(self.shop_id, message.time))
            session.take(message, slot, shares)
        self._session = session

    def _raise_slow(self, thread: Thread, changes: Changes) -> str:
        """The round that makes it too many raises `response.slow`, once a day: contract §2, flags."""
        slow = thread.slow[: thread.rules.slow_count]
        replies = [
            {"message_id": r.reply.id, "opened_by": r.opening.id, "response_ms": r.response_ms} for r in slow if r.reply
        ]
        reply = slow[-1].reply
        assert reply is not None
        verdict = Verdict("response.slow", thread.rules.severity["response.slow"], [], {"replies": replies})
        return self._raise(Moment.of_message(reply), verdict, changes)

    def _add_shares(self, shares: Shares, changes: Changes) -> None:
        for key, share in shares.items():
            known = self.shares.get(key)
            if known is None:
                self.shares[key] = share  # whoever has the changes adds them up before it grows
            else:
                known.add(share)
            changes.windows.append((key, None, share))

    def _derive_boards(self, hours: Iterable[int], changes: Changes) -> None:
        for start in hours:
            shares = hour_shares(
                self.shop_id,
                start,
                start + HOUR_MS,
                self._hours[start],
                self._ledger,
                self._effective,
                self._effective_times,
                self._board_times,
                self.book.at(self.shop_id, start),
            )
            _exchange(self.boards.get(start, {}), shares, changes.boards)
            self.boards[start] = shares

    def _judge(self, messages: Iterable[Message], changes: Changes) -> None:
        """Language and reminder rules of new agent messages, in order: a reminder looks at those before it."""
        for message in messages:
            rules = self.book.at(self.shop_id, message.time)
            verdicts = judge_language(message, rules)
            if is_reminder(message, self._ledger):
                targets = targets_of(message, self._ledger)
                verdicts += judge_reminder(message, targets, self._earlier_reminders, self._ledger, rules, self.days)
                for order_id in targets:
                    self._earlier_reminders.setdefault(order_id, message)
            for verdict in verdicts:
                self._raise(Moment.of_message(message), verdict, changes)

    def _derive_reviews(self, order_ids: dict[str, None], targets: dict[str, None], changes: Changes) -> None:
        """Tasks and hidden negatives of orders whose reviews, placing or task commands are new."""
        if targets:
            by_task = {task_id_of(self.shop_id, self.buyer_id, v.order_id): v.order_id for v in self._versions}
            order_ids.update(dict.fromkeys(by_task[target] for target in targets if target in by_task))
        for order_id in order_ids:
            versions = [version for version in self._versions if version.order_id == order_id]
            if not versions:
                continue
            others = [version for version in self._versions if version.order_id != order_id]
            placed = self._ledger.order(order_id).placed
            rules = self.book.at(self.shop_id, versions[0].time)
            commands = self._commands.get(task_id_of(self.shop_id, self.buyer_id, order_id), [])
            served = self._served(order_id)
            task = call_task(self.shop_id, self.buyer_id, versions, others, placed, served, commands, rules, self.days)
            if task is not None:
                self.tasks[task.task_id] = TaskRecord(task, self._looked_at(order_id) + len(commands))
                changes.tasks.append(self.tasks[task.task_id])
            self._judge_reviews({version.review_id for version in versions}, changes)

    def _served(self, order_id: str) -> str:
        """The agent whom the order is credited to; empty: nobody."""
        placed = self._ledger.order(order_id).placed
        return "" if placed is None else self._credited(placed.time)

    def _looked_at(self, order_id: str) -> int:
        """How many facts an order's task and review flags depend on: reviews of the buyer up to the order's latest,
        its placings, and the effective messages that may decide who served."""
        record = self._ledger.order(order_id)
        placed = record.last_placed_at
        served = 0 if placed is None else bisect_right(self._effective_times, placed)
        until = max(version.time for version in self._versions if version.order_id == order_id)
        return sum(version.time <= until for version in self._versions) + record.placings + served

    def _judge_reviews(self, review_ids: set[str], changes: Changes) -> None:
        """Hidden negatives, by each review's standing version, whichever order that names."""
        for version in standing([v for v in self._versions if v.review_id in review_ids]):
            old = self._of_review.pop(version.review_id, None)
            verdict = hidden_negative(version, self.book.at(self.shop_id, version.time))
            if verdict is not None:
                moment = Moment.of_review(version, self._served(version.order_id), self._looked_at(version.order_id))
                self._of_review[version.review_id] = self._raise(moment, verdict, changes)
            elif old is not None:
                del self._verdicts[old]
                changes.flags_gone.append(self._cleared(self.flags.pop(old)))

    def _credited(self, time: int) -> str:
        horizon = self.book.at(self.shop_id, time).attribution_horizon_ms
        return credited_agent(self._effective, self._effective_times, time, horizon)

    # ---- flags -------------------------------------------------------------------------------------------------

    def _raise(self, moment: Moment, verdict: Verdict, changes: Changes) -> str:
        flag_id = derive("f", verdict.rule, self.shop_id, self.buyer_id, *moment.cause)
        self._verdicts[flag_id] = moment, verdict
        self._record_flag(flag_id, changes)
        return flag_id

    def _record_flag(self, flag_id: str, changes: Changes) -> None:
        moment, verdict = self._verdicts[flag_id]
        looked_at = self.facts_until(moment.time) if moment.looked_at is None else moment.looked_at
        label = self.book.at(self.shop_id, moment.time).label
        record = flag_record(flag_id, moment, verdict, self._commands.get(flag_id, []), looked_at, label)
        self.flags[flag_id] = record
        changes.flags.append(record)

    def _apply_commands(self, targets: Iterable[str], changes: Changes) -> None:
        sent = {flag.flag_id for flag in changes.flags}
        for target in targets:
            if target in self._verdicts and target not in sent:
                self._record_flag(target, changes)

    def facts_until(self, time: int) -> int:
        """Number of chat and commerce facts at or before `time`: what a message's flags depend on."""
        return bisect_right(self._judged_times, time)

    # ---- differences -------------------------------------------------------------------------------------------

    def resend(self, changes: Changes) -> None:
        """Puts every record and every share into `changes`, also unchanged ones."""
        changes.rounds = [record for records in self.rounds.values() for record in records]
        changes.flags = list(self.flags.values())
        changes.tasks = list(self.tasks.values())
        changes.windows += [(key, None, None) for key in self.shares]
        changes.boards += [(key, None, None) for shares in self.boards.values() for key in shares]

    def difference(self, before: "Derivation") -> Changes:
        """What has changed from `before`, which knew fewer facts; records are sent again when their revision grew."""
        changes = Changes()
        old_rounds = {r.round_id: r for records in before.rounds.values() for r in records}
        for record in (record for records in self.rounds.values() for record in records):
            if old_rounds.pop(record.round_id, None) != record:
                changes.rounds.append(record)
        for gone in old_rounds.values():
            opening = gone.round.opening
            thread = self._threads[opening.agent_id, self.days.day_start(opening.time)].messages
            place = next(place for place, message in enumerate(thread) if message == opening)
            changes.rounds_gone.append(gone._replace(revision=revisions(thread)[place]))
        for flag_id, flag in self.flags.items():
            if before.flags.get(flag_id) != flag:
                changes.flags.append(flag)
        for flag_id, flag in before.flags.items():
            if flag_id not in self.flags:
                changes.flags_gone.append(self._cleared(flag))
        for task_id, task in self.tasks.items():
            if before.tasks.get(task_id) != task:
                changes.tasks.append(task)
        _exchange(before.shares, self.shares, changes.windows)
        old_boards = {key: share for shares in before.boards.values() for key, share in shares.items()}
        _exchange(old_boards, {k: share for shares in self.boards.values() for k, share in shares.items()}, changes.boards)
        return changes

    def _cleared(self, flag: FlagRecord) -> FlagRecord:
        """The flag with the revision that its clearing carries: as if it had been judged now."""
        if flag.review_id is None:
            looked_at = self.facts_until(flag.occurred_at)
        else:
            (version,) = standing([v for v in self._versions if v.review_id == flag.review_id])
            looked_at = self._looked_at(version.order_id)
        return flag._replace(revision=looked_at + len(self._commands.get(flag.flag_id, [])))


def _exchange(before: dict[_Key, _Share], after: dict[_Key, _Share], out: "list[Exchange[_Key, _Share]]") -> None:
    """Adds (key, share before, share after) for every key of either with another share."""
    for key, share in after.items():
        earlier = before.get(key)
        if earlier != share:
            out.append((key, earlier, share))
    out += [(key, share, None) for key, share in before.items() if key not in after]
