"""The command that compares two results."""

import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.errors import CommandError, wrong_use

if TYPE_CHECKING:
    from replay.diff.model import Diff

app = typer.Typer()

_PIPE_COLUMNS = 200
_EXIT_CODE = "Exit 1 when the results differ; windows within --tolerance and in_sale_event alone do not count."


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    HTML = "html"


class _Lang(StrEnum):
    ZH = "zh"
    EN = "en"


@app.command()
def diff(
    dir_a: Annotated[Path, typer.Argument(metavar="DIR_A", help="Outputs of one replay: what was.")],
    dir_b: Annotated[Path, typer.Argument(metavar="DIR_B", help="Outputs of the other: what would be.")],
    output: Annotated[
        _Format, typer.Option("--format", help="table: for a terminal; json: everything; html: a report.")
    ] = _Format.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write json or html there, not to stdout.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="SHARE", help="Window times and rates may differ by this share: 0.01 is 1 %.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Rows of each table in the terminal.")] = 20,
    lang: Annotated[_Lang, typer.Option(help="Language of the html report.")] = _Lang.ZH,
    show_buyers: Annotated[
        bool, typer.Option("--show-buyers", help="Buyer ids unmasked in table and html; json always has them.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help=_EXIT_CODE)] = False,
) -> int:
    """Compare two replays: which flags, tasks, ranks and figures changed."""
    if not 0 <= tolerance < 1:
        raise wrong_use(f"--tolerance must be at least 0 and below 1, not {tolerance:g}")
    if out is not None and output is _Format.TABLE:
        raise wrong_use("--out needs --format json or html")
    if out is not None and out.is_dir():
        raise wrong_use(f"--out: {out} is a directory")
    from replay.diff.compare import compare
    from replay.diff.read import NoResultError, ResultError

    try:
        found = compare(dir_a, dir_b, tolerance)
    except NoResultError as error:
        raise wrong_use(str(error)) from None
    except ResultError as error:
        raise CommandError(str(error)) from None
    if output is _Format.TABLE:
        _print_table(found, limit, show_buyers)
    else:
        _write(_document(found, output, lang, show_buyers), out)
    return 1 if exit_code and found.differs else 0


def _print_table(found: "Diff", limit: int, show_buyers: bool) -> None:
    from replay.diff.table import TablePrinter, TerminalConsole

    console = TerminalConsole(highlight=False, emoji=False)
    if not console.is_terminal:
        console = TerminalConsole(highlight=False, emoji=False, width=_PIPE_COLUMNS)
    TablePrinter(console, limit, show_buyers).print(found)


def _document(found: "Diff", output: _Format, lang: _Lang, show_buyers: bool) -> bytes:
    if output is _Format.HTML:
        from replay.diff.report import as_html

        return as_html(found, lang.value, show_buyers=show_buyers).encode("utf-8", "replace")
    import orjson

    from replay.diff.as_json import as_json

    return orjson.dumps(as_json(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _write(document: bytes, out: Path | None) -> None:
    """The file appears whole or not at all."""
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(document)
        return
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        temporary.write_bytes(document)
        temporary.replace(out)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CommandError(f"{out}: {error.strerror or error}") from None
