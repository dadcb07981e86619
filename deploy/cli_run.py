"""The parts that run until they are told to stop, and the demo that runs all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.context import load_rules, load_settings, start_logs
from deploy.errors import CommandError
from deploy.ports import PortTakenError, claim_port

app = typer.Typer()

_Rules = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="Ruleset file; default: the packaged one.")
]


@app.command()
def worker(rules: _Rules = None) -> None:
    """Run a worker: facts from Kafka in, flags, tasks, rounds and windows out. Stops cleanly on SIGTERM."""
    settings = load_settings()
    start_logs(settings, "worker")
    book = load_rules(rules or settings.rules)
    from streams.worker import run_worker

    _run_part("worker", lambda: run_worker(settings, book))


@app.command()
def sink() -> None:
    """Run a sink: results from Kafka into ClickHouse. Stops cleanly on SIGTERM."""
    settings = load_settings()
    start_logs(settings, "sink")
    from sinks.process import run_sink

    _run_part("sink", lambda: run_sink(settings))


@app.command()
def web(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port instead of ZHENGDIAN_WEB_PORT; 0: a free one.")
    ] = None,
    with_sink: Annotated[
        bool | None,
        typer.Option(
            "--with-sink/--without-sink", help="Run the sink in this process; default: with embedded ClickHouse."
        ),
    ] = None,
) -> None:
    """Run the web part: API, wallboard, QC desk, call desk. Stops cleanly on SIGTERM."""
    settings = load_settings() if port is None else load_settings(web_port=port)
    start_logs(settings, "web")
    embedded = settings.clickhouse == "embedded"
    if embedded and with_sink is False:
        raise CommandError("embedded ClickHouse lives in one process: web has to run with the sink", exit_code=2)
    # told in one line, before anything starts
    load_rules(settings.rules)
    if ":" not in settings.web_host:
        try:
            claim_port(settings.web_port, settings.web_host)
        except PortTakenError as error:
            raise CommandError(str(error)) from None
    from web.access.users import UsersError
    from web.app import run_web
    from web.reports.robots import RobotsError

    try:
        _run_part("web", lambda: run_web(settings, with_sink=with_sink))
    except (UsersError, RobotsError) as error:
        raise CommandError(str(error)) from None


def _run_part(name: str, run: Callable[[], int]) -> None:
    if code := run():
        raise CommandError(f"{name} failed (see its log)", exit_code=code)


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the web part; 0: a free one.")] = 8080,
    buyers: Annotated[int, typer.Option(min=1, help="Buyers of the generated sale.")] = 4000,
    agents: Annotated[int, typer.Option(min=1, help="Service agents, over all shops.")] = 40,
    shops: Annotated[int, typer.Option(min=1, help="Shops.")] = 2,
    hours: Annotated[
        float, typer.Option(min=0.5, max=48, help="Length of the sale; about half of it lies before now.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="Another number, another sale.")] = 7,
    speed: Annotated[float, typer.Option(min=0.1, max=3600, help="How fast the rest of the sale is played.")] = 1,
    rules: _Rules = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where data and logs live; default: a temporary directory.")
    ] = None,
    exit_after: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop by itself that long after it is up.")
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the address in a browser.")] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Level of the parts' logs.")
    ] = "info",
) -> None:
    """The whole product on the embedded stack, with a generated sale event played live. Ctrl-C stops all of it."""
    from deploy.stack import DemoOptions, run_demo

    if rules is not None:
        load_rules(rules)  # a wrong file is to be told here, not in the log of a part
    run_demo(
        DemoOptions(
            port=port,
            buyers=buyers,
            agents=agents,
            shops=shops,
            hours=hours,
            seed=seed,
            speed=speed,
            rules=rules,
            data_dir=data_dir,
            exit_after=exit_after,
            browser=browser,
            log_level=log_level,
        )
    )
