"""Errors of the command line: one line on stderr and an exit code (contract §5)."""


class CommandError(Exception):
    """A command can't do what it was asked. `str()` is one line; `exit_code` is 1 for failed, 2 for wrong use."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code


def wrong_use(message: str) -> CommandError:
    """The error of a command that was called the wrong way (exit code 2)."""
    return CommandError(message, exit_code=2)
