"""The command line `zhengdian` (contract §5): exit 0 done, 1 failed, 2 wrong use; errors in one line on stderr."""

import faulthandler
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Final

import typer

from deploy import (
    cli_admin,
    cli_archive,
    cli_data,
    cli_diff,
    cli_dlq,
    cli_replay,
    cli_run,
    cli_users,
    cli_verify,
    compiling,
)
from deploy.context import say
from deploy.errors import CommandError

_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
_PIPE_CLOSED: Final = 141  # 128 + SIGPIPE

app = typer.Typer(
    name="zhengdian",
    help="Zhengdian: service-quality audit of chat, orders, payments and reviews.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (cli_run, cli_data, cli_archive, cli_replay, cli_diff, cli_verify, cli_dlq, cli_users, cli_admin):
    app.add_typer(part.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"zhengdian {version('zhengdian')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    global _debug
    _debug = debug
    if why := compiling.stale():
        raise CommandError(why)


_debug = False


def run(args: Sequence[str]) -> int:
    """Run one command and return its exit code. Nothing is raised: an error becomes one line on stderr."""
    global _debug
    _debug = False
    try:
        result = app(args=list(args), prog_name="zhengdian", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (typer.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # the interpreter flushes stdout once more at its end: that must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except Exception as error:
        if _debug:
            traceback.print_exc()
        message, exit_code = _explain(error)
        say(f"zhengdian: {message}")
        return exit_code


def _explain(error: Exception) -> tuple[str, int]:
    """One line and the exit code."""
    if isinstance(error, CommandError):
        return str(error), error.exit_code
    # the command line's own errors: Typer's classes moved between its versions, this pair of attributes did not
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        hint = "" if "--help" in sys.argv else " (see --help)"
        return f"{error.format_message()}{hint}", error.exit_code
    text = str(error).strip()
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__) + " (--debug shows more)", 1


def main() -> None:
    """Entry point of the `zhengdian` script."""
    if sys.stderr is not None:
        faulthandler.enable()  # a crash in C code tells where it was
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
