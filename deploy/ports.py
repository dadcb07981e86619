"""TCP ports on loopback."""

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"


class PortTakenError(OSError):
    """Somebody else listens on the port; `str()` is one line."""


def claim_port(port: int, host: str = LOOPBACK) -> int:
    """The port itself when it is free, a free one for 0. Raises PortTakenError when it can't be bound.

    The port is given back at once, so another program could still take it before it is used.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as servers do: a port with connections in TIME_WAIT is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PortTakenError(f"port {port} on {host} can't be used: {reason}") from None
        return int(probe.getsockname()[1])


def answers(port: int, host: str = LOOPBACK, timeout: float = 0.2) -> bool:
    """Whether something accepts connections there, within `timeout` seconds."""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False
