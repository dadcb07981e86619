"""Everything that follows from one buyer's facts, kept by the unit that a fact can change."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from processors.calendar import HOUR_MS, Calendar
from processors.changes import Changes, FlagRecord, RoundRecord, TaskRecord
from processors.facts import BUYER, Closing, Command, Fact, Message, Order, Payment, Refund, ReviewVersion
from processors.flags import Moment, flag_record
from processors.ids import derive
from processors.language import judge_language
from processors.leaderboard import BoardKey, BoardSums, Hour, hour_shares
from processors.ledger import Ledger, credited_agent
from processors.reminders import Verdict, is_reminder, judge_reminder, targets_of
from processors.reviews import call_task, hidden_negative, standing, task_id_of
from processors.rounds import revisions, rounds_of, third_slow
from processors.ruleset import RulesetBook
from processors.sessions import continues
from processors.windows import Shares, in_platform_hours, session_shares, thread_shares

ThreadKey = tuple[str, int]
"""(agent_id, start of the local day)"""


class Derivation:
    """Facts indexed in time order and the records derived from them.

    `extend` takes facts that are all later than those it has, in order of (time, id, source).
    """

    def __init__(self, shop_id: str, buyer_id: str, book: RulesetBook, days: Calendar) -> None:
        self.shop_id, self.buyer_id, self.book, self.days = shop_id, buyer_id, book, days
        self._ledger = Ledger()
        self._threads: dict[ThreadKey, list[Message]] = {}
        self._sessions: list[list[Message]] = []
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
        self.thread_windows: dict[ThreadKey, Shares] = {}
        self.session_windows: dict[int, Shares] = {}
        self.boards: dict[int, dict[BoardKey, BoardSums]] = {}
        self._verdicts: dict[str, tuple[Moment, Verdict]] = {}
        self._slow: dict[ThreadKey, str] = {}
        self._of_review: dict[str, str] = {}
        self.flags: dict[str, FlagRecord] = {}
        self.tasks: dict[str, TaskRecord] = {}

    # ---- taking in facts ---------------------------------------------------------------------------------------

    def extend(self, facts: Sequence[Fact]) -> Changes:
        """Takes in later facts and derives anew the units they touch; what has changed."""
        threads: dict[ThreadKey, None] = {}
        sessions: dict[int, None] = {}
        hours: dict[int, None] = {}
        messages: list[Message] = []
        reviewed: dict[str, None] = {}
        targets: dict[str, None] = {}
        for fact in facts:
            if isinstance(fact, Message):
                self._judged_times.append(fact.time)
                threads[self._add_to_thread(fact)] = None
                sessions[self._add_to_session(fact)] = None
                if fact.mode != BUYER:
                    messages.append(fact)
                if fact.effective:
                    self._effective.append(fact)
                    self._effective_times.append(fact.time)
                    self._board_times.append(fact.time)
                    hours[self._hour_of(fact.time)] = None
                    self._hours[self._hour_of(fact.time)].served.add(fact.agent_id)
            elif isinstance(fact, ReviewVersion):
                self._versions.append(fact)
                reviewed[fact.order_id] = None
            elif isinstance(fact, Command):
                self._commands.setdefault(fact.target, []).append(fact)
                targets[fact.target] = None
            else:
                self._judged_times.append(fact.time)
                self._add_commerce(fact, hours, reviewed)
        changes = Changes()
        self._derive_threads(threads, changes)
        self._derive_sessions(sessions, changes)
        self._derive_boards(hours, changes)
        self._judge(messages, changes)
        self._derive_reviews(reviewed, targets, changes)
        self._apply_commands(targets, changes)
        return changes

    def _add_to_thread(self, message: Message) -> ThreadKey:
        key = (message.agent_id, self.days.day_start(message.time))
        self._threads.setdefault(key, []).append(message)
        return key

    def _add_to_session(self, message: Message) -> int:
        sessions = self._sessions
        previous = sessions[-1][-1] if sessions else None
        if previous and continues(
            previous, message, self.book.session_gap_ms(self.shop_id, previous.time, message.time)
        ):
            sessions[-1].append(message)
        else:
            sessions.append([message])
        return len(sessions) - 1

    def _hour_of(self, time: int) -> int:
        start = self.days.hour_start(time)
        if start not in self._hours:
            self._hours[start] = Hour()
        return start

    def _add_commerce(
        self, fact: Order | Closing | Payment | Refund, hours: dict[int, None], reviewed: dict[str, None]
    ) -> None:
        counts = self._ledger.add(fact)
        if isinstance(fact, Closing):
            return
        self._board_times.append(fact.time)
        start = self._hour_of(fact.time)
        self._hours[start].facts.append((fact, counts))
        hours[start] = None
        if isinstance(fact, Order):
            # an order heard of after its payment names what that payment bought
            for payment in self._ledger.order(fact.order_id).payments:
                hours[self.days.hour_start(payment.time)] = None
            if any(version.order_id == fact.order_id for version in self._versions):
                reviewed[fact.order_id] = None

    # ---- deriving the touched units ----------------------------------------------------------------------------

    def _derive_threads(self, keys: Iterable[ThreadKey], changes: Changes) -> None:
        for key in keys:
            agent_id, day = key
            thread = self._threads[key]
            rounds = rounds_of(thread)
            day_ends_at = self.days.day_end(day)
            revision_of = self._revisions(key)
            before = {record.round_id: record for record in self.rounds.get(key, ())}
            records = []
            for round_ in rounds:
                opening = round_.opening
                rules = self.book.at(self.shop_id, opening.time)
                record = RoundRecord(
                    derive("r", "round", self.shop_id, self.buyer_id, agent_id, opening.source, opening.id),
                    round_,
                    day_ends_at,
                    in_platform_hours(opening.time, rules, self.days),
                    revision_of[opening.source, opening.id],
                    rules.label,
                )
                records.append(record)
                if before.get(record.round_id) != record:
                    changes.rounds.append(record)
            self.rounds[key] = records
            rules = self.book.at(self.shop_id, day)
            shares = thread_shares(self.shop_id, agent_id, thread, rounds, rules, self.days)
            _exchange(self.thread_windows.get(key), shares, changes.windows)
            self.thread_windows[key] = shares
            self._judge_slowness(key, changes)

    def _revisions(self, key: ThreadKey) -> dict[tuple[str, str], int]:
        """(source, id) of the thread's buyer messages -> revision of the round that each may open."""
        thread = self._threads.get(key, [])
        return {(m.source, m.id): revision for m, revision in zip(thread, revisions(thread), strict=True)}

    def _judge_slowness(self, key: ThreadKey, changes: Changes) -> None:
        rules = self.book.at(self.shop_id, key[1])
        slow = third_slow([record.round for record in self.rounds[key]], rules.slow_after_ms, rules.slow_count)
        if not slow or key in self._slow:
            return
        reply = slow[-1].reply
        assert reply is not None
        replies = [
            {"message_id": r.reply.id, "opened_by": r.opening.id, "response_ms": r.response_ms} for r in slow if r.reply
        ]
        verdict = Verdict("response.slow", rules.severity["response.slow"], [], {"replies": replies})
        self._slow[key] = self._raise(Moment.of_message(reply), verdict, changes)

    def _derive_sessions(self, indexes: Iterable[int], changes: Changes) -> None:
        for index in indexes:
            session = self._sessions[index]
            rules = self.book.at(self.shop_id, session[0].time)
            shares = session_shares(self.shop_id, session, rules, self.days)
            _exchange(self.session_windows.get(index), shares, changes.windows)
            self.session_windows[index] = shares

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
            _exchange(self.boards.get(start), shares, changes.boards)
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
        for units, exchanged in (
            ((*self.thread_windows.values(), *self.session_windows.values()), changes.windows),
            (tuple(self.boards.values()), changes.boards),
        ):
            _exchange_all(units, units, exchanged)

    def difference(self, before: "Derivation") -> Changes:
        """What has changed from `before`, which knew fewer facts; records are sent again when their revision grew."""
        changes = Changes()
        old_rounds = {r.round_id: r for records in before.rounds.values() for r in records}
        for record in (record for records in self.rounds.values() for record in records):
            if old_rounds.pop(record.round_id, None) != record:
                changes.rounds.append(record)
        for gone in old_rounds.values():
            opening = gone.round.opening
            revision_of = self._revisions((opening.agent_id, self.days.day_start(opening.time)))
            changes.rounds_gone.append(gone._replace(revision=revision_of.get((opening.source, opening.id), 0)))
        for flag_id, flag in self.flags.items():
            if before.flags.get(flag_id) != flag:
                changes.flags.append(flag)
        for flag_id, flag in before.flags.items():
            if flag_id not in self.flags:
                changes.flags_gone.append(self._cleared(flag))
        for task_id, task in self.tasks.items():
            if before.tasks.get(task_id) != task:
                changes.tasks.append(task)
        _exchange_all(
            (*before.thread_windows.values(), *before.session_windows.values()),
            (*self.thread_windows.values(), *self.session_windows.values()),
            changes.windows,
        )
        _exchange_all(tuple(before.boards.values()), tuple(self.boards.values()), changes.boards)
        return changes

    def _cleared(self, flag: FlagRecord) -> FlagRecord:
        """The flag with the revision that its clearing carries: as if it had been judged now."""
        if flag.review_id is None:
            looked_at = self.facts_until(flag.occurred_at)
        else:
            (version,) = standing([v for v in self._versions if v.review_id == flag.review_id])
            looked_at = self._looked_at(version.order_id)
        return flag._replace(revision=looked_at + len(self._commands.get(flag.flag_id, [])))


def _exchange(before: Any, after: Any, out: list[Any]) -> None:
    """Adds (key, share before, share after) for every key of either."""
    for key, share in after.items():
        out.append((key, None if before is None else before.get(key), share))
    if before is not None:
        out += [(key, share, None) for key, share in before.items() if key not in after]


def _exchange_all(before: Sequence[Any], after: Sequence[Any], out: list[Any]) -> None:
    for shares in before:
        out += [(key, share, None) for key, share in shares.items()]
    for shares in after:
        out += [(key, None, share) for key, share in shares.items()]
