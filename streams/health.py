"""What Faust and aiokafka do not report: a consumer that will never read or commit again."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import IllegalGenerationError, KafkaConnectionError, KafkaError
from faust.types.tuples import TP

JOIN_SECONDS: Final = 60.0
"""Faust's rebalance timeout: how long joining may take while the other members end what they are at"""


def mend_aiokafka() -> None:
    """Two things that aiokafka does not foresee. Call it once, before any client is made.

    It takes an OSError for a broken connection. uvloop raises RuntimeError ("the handler is closed"), which ends whatever
    task was sending, the one that looks for brokers among them.

    It makes a commit again in whatever generation it is then. Offsets of an assignment that is over would set a partition
    back that another member has had meanwhile.
    """
    for name in ("send", "_send_sasl_token"):
        write = getattr(AIOKafkaConnection, name)
        if not hasattr(write, "__wrapped__"):
            setattr(AIOKafkaConnection, name, _breaking(write))
    if not hasattr(GroupCoordinator._do_commit_offsets, "__wrapped__"):
        GroupCoordinator._do_commit_offsets = _current(GroupCoordinator._do_commit_offsets)


def _breaking(write: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(write)
    def mended(self: AIOKafkaConnection, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(self, *args, **kwargs)
        except (KafkaError, NotImplementedError):  # they are RuntimeErrors, too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    return mended


def _current(commit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(commit)
    async def mended(self: GroupCoordinator, assignment: Any, offsets: Any) -> Any:
        if not assignment.active:
            raise IllegalGenerationError("the assignment is over")  # as the broker would say
        return await commit(self, assignment, offsets)

    return mended


def is_deaf(client: AIOKafkaClient) -> bool:
    """Whether the client has stopped looking for brokers, because that task met an error it did not foresee.

    Everything that asks for a broker then waits for ever.
    """
    task = client._sync_task
    return task is not None and bool(task.done())


class Watch:
    """Says when a consumer is stuck. Pure: the caller tells the time, in seconds on any clock that does not step."""

    def __init__(self, limit_seconds: float) -> None:
        """`limit_seconds`: how long Kafka may be away."""
        self._limit = limit_seconds
        self._since: dict[object, float] = {}

    def trouble(
        self, now: float, *, coordinator: bool, member: bool, uncommitted: Mapping[TP, int | None]
    ) -> str | None:
        """The reason to give up, or None.

        `coordinator`, `member`: whether the group's broker is known, and this consumer to it; `uncommitted`: of the
        partitions where more could be committed, what is.
        """
        waits: list[tuple[bool, object, float, str]] = [
            (not coordinator, "coordinator", self._limit, "no broker answers for the group"),
            (not member, "member", self._limit + JOIN_SECONDS, "this worker is no member of the group"),
        ]
        waits += [(True, (tp, at), self._limit, f"nothing can be committed on {tp}") for tp, at in uncommitted.items()]
        self._forget_but(key for holds, key, _, _ in waits if holds)
        for holds, key, limit, what in waits:
            if holds and now - self._since.setdefault(key, now) > limit:
                return f"{what}, for {limit:.0f} s now"
        return None

    def _forget_but(self, keys: Iterable[object]) -> None:
        self._since = {key: self._since[key] for key in keys if key in self._since}
