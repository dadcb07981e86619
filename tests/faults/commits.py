"""How far groups have committed, as the broker has it."""

import time

from kafka import KafkaAdminClient

from schemas.settings import Settings
from schemas.topics import WORKER_TOPICS
from sinks.batch import Position
from sinks.kafka import PASSING_ERRORS, client_options, sink_group, worker_group
from sinks.progress import Committed


def committed(settings: Settings, group: str) -> dict[Position, int]:
    """What a group has committed in the workers' topics."""
    asking = Committed(settings, group)
    positions = [(topic, number) for topic in WORKER_TOPICS for number in range(settings.partitions)]
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                return asking(positions)
            except PASSING_ERRORS:  # nobody leads the group yet
                assert time.monotonic() < deadline, f"the broker does not tell what {group} has committed"
                time.sleep(0.2)
    finally:
        asking.close()


def sink_committed(settings: Settings) -> dict[Position, int]:
    """The same of the sinks."""
    return committed(settings, sink_group(settings))


def read_by_replay(settings: Settings) -> int:
    """How many records the workers of a replay through the stack have committed; 0 before there is one."""
    admin = KafkaAdminClient(**client_options(settings))
    try:
        prefixes = {name.partition(".")[0] + "." for name in admin.list_topics() if name.startswith("replay-")}
    finally:
        admin.close()
    replays = [settings.model_copy(update={"topic_prefix": prefix}) for prefix in prefixes]
    return sum(sum(committed(replay, worker_group(replay)).values()) for replay in replays)
