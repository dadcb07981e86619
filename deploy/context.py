"""What all commands share: settings, logs, rules, words on stderr, progress bars."""

import resource
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.errors import CommandError, wrong_use
from schemas.settings import Settings
from schemas.types import parse_time

if TYPE_CHECKING:
    from processors.ruleset import RulesetBook
    from sinks.database import Database

MAX_SPEED: Final = "max"
_OTHER_FILES: Final = 200
"""that a command may hold beside its input: libraries, sockets, logs"""


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment. Raises CommandError (wrong use) naming the variable that can't be used."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"ZHENGDIAN_{'_'.join(str(part) for part in first['loc']).upper()}"
        raise wrong_use(f"{name}: {first['msg']}") from None


def start_logs(settings: Settings, part: str, *, quiet: bool = False) -> None:
    """Set up logging; `quiet` for commands that end and say themselves how it went."""
    from deploy.logs import setup_logs

    setup_logs(settings, part, quiet=quiet)


def load_rules(path: Path | None) -> "RulesetBook":
    """The ruleset file, or the packaged one for None. Raises CommandError: 2 when it can't be read, 1 when it is wrong."""
    from processors.ruleset import RulesetError, default_book, load_book

    if path is None:
        return default_book()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong_use(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return load_book(text, str(path))
    except RulesetError as error:
        raise CommandError(str(error)) from None


def kafka_failed(settings: Settings, error: Exception) -> CommandError:
    """The error of a command that Kafka let down; it names the brokers."""
    text = str(error) or type(error).__name__
    return CommandError(text if settings.kafka_bootstrap in text else f"Kafka at {settings.kafka_bootstrap}: {text}")


@contextmanager
def open_with_tables(settings: Settings) -> "Iterator[Database]":
    """The settings' database, which must have its tables; where it has not, nothing is created.

    Raises CommandError, and DatabaseError and DatabaseUnavailableError as `open_database` does.
    """
    from sinks import migrate
    from sinks.database import NO_SUCH_DATABASE, DatabaseError, open_database

    def lacking(name: str) -> CommandError:
        return CommandError(f"database {name} has not the tables it needs; run: zhengdian migrate up")

    if settings.clickhouse == "embedded" and not (settings.data_dir / "chdb").exists():
        raise lacking(settings.database)  # opening would create it
    with closing(open_database(settings)) as db:
        try:
            pending = any(step.state == "pending" for step in migrate.status(db))
        except migrate.MigrationError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            if error.code != NO_SUCH_DATABASE:
                raise
            pending = True
        if pending:
            raise lacking(db.name)
        yield db


def say(message: str) -> None:
    """One line on stderr."""
    print(" ".join(message.split()), file=sys.stderr, flush=True)


def progress_bar() -> Progress:
    """A progress bar on stderr; on something that is not a terminal it stays away."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def parse_speed(text: str) -> float | None:
    """The value of --speed: a factor, or None for `max`. Raises CommandError (wrong use)."""
    if text == MAX_SPEED:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0
    if not 0 < speed < float("inf"):
        raise wrong_use(f"--speed must be a number above 0 or max, not {text!r}")
    return speed


def parse_moment(option: str, text: str | None) -> int | None:
    """The value of a time option, ms; None where it was not given. Raises CommandError (wrong use)."""
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise wrong_use(f"{option}: {error}") from None


def make_room_for(files: int) -> None:
    """Let the process hold so many files open side by side. Raises CommandError where that is more than it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files + _OTHER_FILES
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise CommandError(
            f"{files} files would have to be open at the same time, but ulimit -n is {hard}; "
            "raise it, or use --speed max, which reads one after the other"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
