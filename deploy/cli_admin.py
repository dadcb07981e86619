"""Commands that look after things: migrate, topics, settings, schemas."""

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deploy.context import kafka_failed, load_settings, say, start_logs
from deploy.errors import CommandError, wrong_use

app = typer.Typer()


class _Action(StrEnum):
    STATUS = "status"
    UP = "up"
    DOWN = "down"


@app.command()
def migrate(
    action: Annotated[_Action, typer.Argument(help="Show, apply what is missing, or take back.")] = _Action.STATUS,
    count: Annotated[int, typer.Option(min=1, help="down: how many migrations to take back, with all their data.")] = 1,
) -> None:
    """ClickHouse schema: show its migrations, apply what is missing, take back the last one."""
    settings = load_settings()
    start_logs(settings, "migrate", quiet=True)
    from sinks.database import DatabaseError, DatabaseUnavailableError, open_database
    from sinks.migrate import MigrationError, down, status, up

    try:
        with contextlib.closing(open_database(settings)) as database:
            if action is _Action.UP:
                say(_steps("applied", up(database)))
            elif action is _Action.DOWN:
                say(_steps("taken back", down(database, count)))
            for step in status(database):
                print(f"{step.version:04d} {step.name}: {step.state}")
    except (MigrationError, DatabaseError, DatabaseUnavailableError, OSError) as error:
        raise CommandError(f"ClickHouse: {error}") from error


def _steps(done: str, versions: list[int]) -> str:
    return f"{done}: {', '.join(f'{version:04d}' for version in versions)}" if versions else f"nothing to be {done}"


_topics = typer.Typer(help="Kafka topics.")
app.add_typer(_topics, name="topics")


@_topics.command("create")
def topics_create(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the broker to answer.")] = 30,
) -> None:
    """Create the Kafka topics that are missing, from the schemas. Topics that are there stay as they are."""
    settings = load_settings()
    start_logs(settings, "topics", quiet=True)
    from kafka.errors import KafkaError

    from sinks.kafka import create_topics, wait_for_broker

    try:
        wait_for_broker(settings, wait)
        topics = create_topics(settings)
    except KafkaError as error:
        raise kafka_failed(settings, error) from error
    for name, state in topics.items():
        print(f"{name}: {state}")


@app.command("settings")
def show_settings() -> None:
    """Print every setting: variable, default, current value (secrets hidden) and what it means."""
    from deploy.settings_doc import setting_docs

    for doc in setting_docs(load_settings()):
        print(f"{doc.env}={doc.current}")
        choices = f" [{' | '.join(doc.choices)}]" if doc.choices else ""
        print(f"    {doc.text}{choices}")
        print(f"    default: {doc.default or '(empty)'}")


_schemas = typer.Typer(help="The contract for machines.")
app.add_typer(_schemas, name="schemas")


@_schemas.command("export")
def schemas_export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write to; it is created.")],
) -> None:
    """Write the JSON Schema of every event and output, and the AsyncAPI document of the topics."""
    from schemas.export import export_files

    if directory.exists() and not directory.is_dir():
        raise wrong_use(f"{directory}: not a directory")
    files = export_files()
    try:
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{error.filename or directory}: {error.strerror}") from None
    say(f"{len(files)} files written to {directory}")
