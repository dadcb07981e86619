"""What follows from all of one buyer's facts: leaderboard shares, flags, call tasks; by the unit that a fact can change."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from processors.calendar import HOUR_MS
from processors.changes import Changes, FlagRecord, TaskRecord, exchange
from processors.conversations import Conversations, ThreadKey
from processors.facts import (
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
from processors.ids import derive
from processors.language import judge_language
from processors.leaderboard import BoardKey, BoardSums, Hour, hour_shares
from processors.ledger import Ledger, credited_agent
from processors.reminders import Verdict, is_reminder, judge_reminder, targets_of
from processors.reviews import call_task, hidden_negative, standing, task_id_of

_NEVER_JUDGED = (ReviewVersion, Command)


class Derivation:
    """Facts indexed in time order and the records derived from them.

    `extend` takes facts that are all later than those it has, in order of (time, id, source).
    """

    def __init__(self, conversations: Conversations) -> None:
        """`conversations`: of the same buyer; they get the messages first."""
        self._conversations = conversations
        self.shop_id, self.buyer_id = conversations.shop_id, conversations.buyer_id
        self.book, self.days = conversations.book, conversations.days
        self._ledger = Ledger()
        self._effective: list[Message] = []
        self._effective_times: list[int] = []
        self._board_times: list[int] = []  # effective messages, orders, payments, refunds
        self._judged_times: list[int] = []  # chat and commerce facts: what the flags look back on
        self._hours: dict[int, Hour] = {}
        self._versions: list[ReviewVersion] = []
        self._commands: dict[str, list[Command]] = {}
        self._earlier_reminders: dict[str, Message] = {}
        # derived, by unit
        self.boards: dict[int, dict[BoardKey, BoardSums]] = {}
        self._verdicts: dict[str, tuple[Moment, Verdict]] = {}
        self._slow: set[ThreadKey] = set()
        self._of_review: dict[str, str] = {}
        self.flags: dict[str, FlagRecord] = {}
        self.tasks: dict[str, TaskRecord] = {}

    # ---- taking in facts ---------------------------------------------------------------------------------------

    def extend(self, facts: Sequence[Fact], changes: Changes) -> None:
        """Takes in later facts, ordered by (time, id, source); notes what has changed."""
        messages = [fact for fact in facts if isinstance(fact, Message)]
        hours: dict[int, None] = {}
        reviewed: dict[str, None] = {}
        targets: dict[str, None] = {}
        if len(messages) < len(facts):
            self._add_others(facts, hours, reviewed, targets)
        self._judged_times += [fact.time for fact in facts if not isinstance(fact, _NEVER_JUDGED)]
        self._add_effective([message for message in messages if message.mode in EFFECTIVE_MODES], hours)
        self._derive_boards(hours, changes)
        self._judge_slowness(changes)
        self._judge([message for message in messages if message.hits or message.intent is not None], changes)
        self._derive_reviews(reviewed, targets, changes)
        self._apply_commands(targets, changes)

    def _add_effective(self, messages: Sequence[Message], hours: dict[int, None]) -> None:
        times = [message.time for message in messages]
        self._effective += messages
        self._effective_times += times
        self._board_times += times
        self._board_times.sort()  # commerce facts of the same batch are in it
        for message in messages:
            start = self.days.slot(message.time).hour
            hours[start] = None
            self._hour(start).served.add(message.agent_id)

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
            # an order heard of after its payment names what that payment bought; all that name it have it in their revision
            for paid_at in self._ledger.order(fact.order_id).named_by:
                hours[self.days.hour_start(paid_at)] = None
            if any(version.order_id == fact.order_id for version in self._versions):
                reviewed[fact.order_id] = None

    # ---- deriving the touched units ----------------------------------------------------------------------------

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
            exchange(self.boards.get(start, {}), shares, changes.boards)
            self.boards[start] = shares

    def _judge_slowness(self, changes: Changes) -> None:
        """The answer that makes it too many raises `response.slow`, once a day: contract §2, flags."""
        for key, thread in self._conversations.slow.items():
            if key in self._slow:
                continue
            slow = thread.slow[: thread.rules.slow_count]
            replies = [
                {"message_id": r.reply.id, "opened_by": r.opening.id, "response_ms": r.response_ms}
                for r in slow
                if r.reply is not None
            ]
            reply = slow[-1].reply
            assert reply is not None
            verdict = Verdict("response.slow", thread.rules.severity["response.slow"], [], {"replies": replies})
            self._slow.add(key)
            self._raise(Moment.of_message(reply), verdict, changes)

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
        served = bisect_right(self._effective_times, record.placings[-1]) if record.placings else 0
        until = max(version.time for version in self._versions if version.order_id == order_id)
        return sum(version.time <= until for version in self._versions) + len(record.placings) + served

    def _looked_at_review(self, review_id: str) -> int:
        """The same of a review's flag, over all the orders that the review has ever named: it must not shrink when the
        review moves to another one."""
        own = [version for version in self._versions if version.review_id == review_id]
        return sum(self._looked_at(order_id) for order_id in {version.order_id for version in own})

    def _judge_reviews(self, review_ids: set[str], changes: Changes) -> None:
        """Hidden negatives, by each review's standing version, whichever order that names."""
        for version in standing([v for v in self._versions if v.review_id in review_ids]):
            old = self._of_review.pop(version.review_id, None)
            verdict = hidden_negative(version, self.book.at(self.shop_id, version.time))
            if verdict is not None:
                moment = Moment.of_review(
                    version, self._served(version.order_id), self._looked_at_review(version.review_id)
                )
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
        """Notes every record and every share as changed."""
        changes.flags = list(self.flags.values())
        changes.tasks = list(self.tasks.values())
        changes.boards += [(key, None, None) for shares in self.boards.values() for key in shares]

    def difference(self, before: "Derivation", changes: Changes) -> None:
        """Notes what has changed from `before`, which knew fewer facts; what has another revision is sent again."""
        for flag_id, flag in self.flags.items():
            if before.flags.get(flag_id) != flag:
                changes.flags.append(flag)
        for flag_id, flag in before.flags.items():
            if flag_id not in self.flags:
                changes.flags_gone.append(self._cleared(flag))
        for task_id, task in self.tasks.items():
            if before.tasks.get(task_id) != task:
                changes.tasks.append(task)
        for start in {**before.boards, **self.boards}:
            exchange(before.boards.get(start, {}), self.boards.get(start, {}), changes.boards)

    def _cleared(self, flag: FlagRecord) -> FlagRecord:
        """The flag with the revision that its clearing carries: as if it had been judged now."""
        if flag.review_id is None:
            looked_at = self.facts_until(flag.occurred_at)
        else:
            looked_at = self._looked_at_review(flag.review_id)
        return flag._replace(revision=looked_at + len(self._commands.get(flag.flag_id, [])))
