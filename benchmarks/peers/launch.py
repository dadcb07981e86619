"""Starting what is measured: on a core of its own, away from the broker and from whoever measures."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.process import Child

BROKER_CORE: Final = 0
CLIENT_CORE: Final = 1
_CORES: Final = sorted(os.sched_getaffinity(0))


class PeerError(Exception):
    """A program has failed; one line."""


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """This thread and what it starts inside stay on that core, where there are two; None: on any."""
    before = os.sched_getaffinity(0)
    if core is not None and len(_CORES) > 1:
        os.sched_setaffinity(0, {_CORES[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    name: str, command: Sequence[str], log: Path, env: Mapping[str, str], core: int | None = CLIENT_CORE
) -> Child:
    """A program on that core (None: on any), in the log's directory, with `env` besides our environment without our settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
    with on_core(core):
        return Child(name, command, log, {**inherited, **env})
