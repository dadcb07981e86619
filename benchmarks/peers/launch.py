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
def on_core(core: int) -> Iterator[None]:
    """This thread and what it starts inside stay on that core, where there are two."""
    before = os.sched_getaffinity(0)
    if len(_CORES) > 1:
        os.sched_setaffinity(0, {_CORES[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(name: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> Child:
    """A program on the clients' core, in the log's directory, with `env` besides our environment without our settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
    with on_core(CLIENT_CORE):
        return Child(name, command, log, {**inherited, **env})
