"""A flag: the moment a rule was broken, and what quality control made of it (contract §2 and §3)."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from processors.changes import FlagRecord
from processors.facts import Command, Message, ReviewVersion
from processors.reminders import Verdict


class Moment(NamedTuple):
    """Where and by whom a rule was broken. `looked_at`: number of facts a review's flag depends on; None for messages."""

    time: int
    cause: tuple[str, str]
    agent_id: str
    message_id: str | None
    review_id: str | None
    looked_at: int | None

    @classmethod
    def of_message(cls, message: Message) -> "Moment":
        return cls(message.time, (message.source, message.id), message.agent_id, message.id, None, None)

    @classmethod
    def of_review(cls, version: ReviewVersion, agent_id: str, looked_at: int) -> "Moment":
        """`agent_id`: whom the review's order is credited to."""
        return cls(version.time, ("review", version.review_id), agent_id, None, version.review_id, looked_at)


def flag_record(
    flag_id: str, moment: Moment, verdict: Verdict, commands: Sequence[Command], looked_at: int, ruleset: str
) -> FlagRecord:
    """The flag with its QC state. `commands`: what was done to it, by (time, id); `looked_at`: facts it depends on."""
    status, actor, reason = "open", "", ""
    score: float | None = None
    for command in commands:
        if command.kind == "qc.claimed" and status == "open":
            status, actor = "claimed", command.actor
        elif command.kind == "qc.verdict_given" and (status == "open" or (status, actor) == ("claimed", command.actor)):
            details = orjson.loads(command.details)
            status, actor = details["verdict"], command.actor
            reason, score = details["reason"], details["score"]
    return FlagRecord(
        flag_id=flag_id,
        rule=verdict.rule,
        severity=verdict.severity,
        agent_id=moment.agent_id,
        message_id=moment.message_id,
        review_id=moment.review_id,
        order_ids=verdict.order_ids,
        occurred_at=moment.time,
        evidence=verdict.evidence,
        qc_status=status,
        qc_actor=actor,
        qc_reason=reason,
        qc_score=score,
        revision=looked_at + len(commands),
        ruleset=ruleset,
    )
