"""Commands of the contract that this version does not have yet: each says so in one line and fails."""

from typing import Annotated

import typer

from deploy.errors import CommandError

app = typer.Typer()


def not_yet(what: str) -> CommandError:
    """The error of something that a later version will have."""
    return CommandError(f"{what} is not there yet in this version")


@app.command()
def archive(
    out: Annotated[str, typer.Argument(metavar="OUT", help="Directory to write to.")],
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="RFC 3339 with an offset.")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="RFC 3339 with an offset.")],
) -> None:
    """A past event out of Kafka or ClickHouse (not there yet)."""
    raise not_yet("archive")


@app.command()
def diff(
    dir_a: Annotated[str, typer.Argument(metavar="DIR_A", help="Outputs of one replay.")],
    dir_b: Annotated[str, typer.Argument(metavar="DIR_B", help="Outputs of the other.")],
) -> None:
    """Compare two replays: which flags, tasks and ranks changed (not there yet)."""
    raise not_yet("diff")


@app.command()
def verify(
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="RFC 3339 with an offset.")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="RFC 3339 with an offset.")],
) -> None:
    """Recompute aggregates from the raw events, compare, exit 1 on drift (not there yet)."""
    raise not_yet("verify")


_dlq = typer.Typer(help="Rejected records (not there yet).")
app.add_typer(_dlq, name="dlq")


@_dlq.command("list")
def dlq_list() -> None:
    """List rejected records (not there yet)."""
    raise not_yet("dlq list")


@_dlq.command("show")
def dlq_show(record: Annotated[str, typer.Argument(help="partition:offset of the record.")]) -> None:
    """Show one rejected record (not there yet)."""
    raise not_yet("dlq show")


@_dlq.command("replay")
def dlq_replay(record: Annotated[str, typer.Argument(help="partition:offset of the record.")]) -> None:
    """Send a mended record again (not there yet)."""
    raise not_yet("dlq replay")
