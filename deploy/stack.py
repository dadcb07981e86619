"""The embedded stack of `zhengdian demo`: broker, worker, web with sink, and a sale event played live."""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from deploy.broker import BrokerError, EmbeddedBroker
from deploy.context import say
from deploy.demo_users import HINT, PASSWORD, PEOPLE, write_demo_users
from deploy.errors import CommandError, wrong_use
from deploy.ports import LOOPBACK, PortTakenError, claim_port
from deploy.process import Child, zhengdian
from deploy.sale import sale_around, write_playable
from deploy.supervisor import PartSpec, Supervisor
from replay.generator import SaleConfig

_PARTITIONS: Final = 4  # enough for one worker on a laptop
_READY_SECONDS: Final = 90.0
_SETUP_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 6.0
_TICK_SECONDS: Final = 0.1
_MOST_BROKER_DEATHS: Final = 5
_CHECK_SECONDS: Final = 5.0
_SICK_SECONDS: Final = 30.0
_MARKER: Final = ".zhengdian-demo"
_OWN: Final = ("data", "logs", "sale")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of `zhengdian demo`; its help says what they mean. Times in seconds, `hours` in hours."""

    port: int = 8080
    buyers: int = 4000
    agents: int = 40
    shops: int = 2
    hours: float = 4
    seed: int = 7
    speed: float = 1
    rules: Path | None = None
    data_dir: Path | None = None
    exit_after: float | None = None
    browser: bool = False
    log_level: str = "info"


class _StopAsked(Exception):  # noqa: N818  # not an error
    """Ctrl-C, SIGTERM, SIGHUP, or the time is over."""


class _Signals:
    """Counts what asks for the end, so that nothing is interrupted halfway."""

    def __init__(self) -> None:
        self._asked = 0
        self._deadline: float | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1

    def end_in(self, seconds: float) -> None:
        """Ask for the end at that time from now."""
        self._deadline = time.monotonic() + seconds

    def check(self) -> None:
        """Raises _StopAsked when the end was asked for or the time is over."""
        if self._asked or (self._deadline is not None and time.monotonic() >= self._deadline):
            self._asked = max(self._asked, 1)
            raise _StopAsked

    def asked_again(self) -> bool:
        """Whether somebody is impatient."""
        return self._asked > 1


def run_demo(options: DemoOptions) -> None:
    """Run the demo until Ctrl-C, SIGTERM or `exit_after`; nothing of it is left running.

    Raises CommandError when the port is taken or a part doesn't come up.
    """
    signals = _Signals()
    now_ms = time.time_ns() // 1_000_000
    try:
        sale = sale_around(
            now_ms,
            shops=options.shops,
            agents=options.agents,
            buyers=options.buyers,
            hours=options.hours,
            seed=options.seed,
        )
    except ValueError as error:
        raise wrong_use(f"--{error}") from None
    try:
        port = claim_port(options.port)
    except PortTakenError as error:
        raise CommandError(f"{error} (choose another with --port, or --port 0)") from None
    with _directory(options.data_dir) as directory:
        demo = _Demo(options, port, directory, signals)
        try:
            demo.run(sale, now_ms)
        except _StopAsked:
            say("stopping")
        except CommandError as error:
            raise CommandError(f"{error} (logs: {directory / 'logs'})", error.exit_code) from None
        except BaseException:
            say(f"logs: {directory / 'logs'}")
            raise
        finally:
            demo.stop()
    if options.data_dir is None:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _directory(wanted: Path | None) -> Iterator[Path]:
    """A directory of our own, locked, and emptied of what an earlier demo left. Raises CommandError."""
    with contextlib.ExitStack() as stack:
        try:
            if wanted is None:
                directory = Path(tempfile.mkdtemp(prefix="zhengdian-demo-"))
            else:
                directory = wanted.absolute()
                directory.mkdir(parents=True, exist_ok=True)
                if any(directory.iterdir()) and not (directory / _MARKER).exists():
                    raise wrong_use(f"{wanted}: not empty and not of an earlier demo")
            marker = stack.enter_context((directory / _MARKER).open("w"))
            try:
                fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(f"{wanted}: another demo runs there") from None
            for name in _OWN:
                # the broker forgets everything at its end, so what was made of its records is stale too
                shutil.rmtree(directory / name, ignore_errors=True)
                (directory / name).mkdir()
        except OSError as error:
            raise CommandError(f"{error.filename or wanted}: {error.strerror or error}") from None
        yield directory


class _Demo:
    def __init__(self, options: DemoOptions, port: int, directory: Path, signals: _Signals) -> None:
        self._options = options
        self._port = port
        self._logs = directory / "logs"
        self._sale = directory / "sale"
        self._data = directory / "data"
        self._users = self._data / "users.yaml"
        self._secret = secrets.token_hex(32)  # whoever has signed in stays so when the web part is replaced
        self._signals = signals
        self._broker = EmbeddedBroker(self._logs / "broker.log")
        self._setup: list[Child] = []
        self._parts: Supervisor | None = None

    def run(self, sale: SaleConfig, now_ms: int) -> NoReturn:
        started = time.monotonic()
        self._start_broker()
        write_demo_users(self._users)
        self._prepare(["topics", "create"], meanwhile=lambda: self._write_sale(sale, now_ms))
        self._parts = Supervisor(
            [
                PartSpec("worker", zhengdian("worker")),
                PartSpec("web", zhengdian("web")),
                PartSpec("feed", zhengdian("ingest", str(self._sale), "--live"), ends=True),
            ],
            self._logs,
            self._environment(),
            say,
        )
        self._wait_until_ready(self._parts)
        address = f"http://{LOOPBACK}:{self._port}"
        print(f"Zhengdian runs at {address}", flush=True)
        say(f"started in {time.monotonic() - started:.1f} s; logs in {self._logs}; Ctrl-C stops it")
        say(f"open without signing in; or sign in as {', '.join(PEOPLE)} with the password {PASSWORD}")
        if self._options.exit_after is not None:
            self._signals.end_in(self._options.exit_after)
        if self._options.browser:
            _open_browser(address)
        self._well_at = time.monotonic()
        while True:
            self._turn(self._parts)
            self._check_web(self._parts)

    def stop(self) -> None:
        """End everything, in about 10 s at most; safe to call at any moment."""
        for child in self._setup:
            child.kill()
        if self._parts is not None:
            self._parts.stop(_STOP_SECONDS, self._signals.asked_again)
        self._broker.stop()

    def _turn(self, parts: Supervisor) -> None:
        self._signals.check()
        if self._broker.child.exit_code is not None:
            self._replace_broker(parts)
        parts.tick()
        time.sleep(_TICK_SECONDS)

    def _start_broker(self) -> None:
        try:
            self._broker.start()
        except (BrokerError, PortTakenError) as error:
            raise CommandError(str(error)) from None

    _broker_deaths = 0

    def _replace_broker(self, parts: Supervisor) -> None:
        """It has forgotten everything, so everything starts over; the sale is played again from its beginning."""
        self._broker_deaths += 1
        reason = self._broker.child.why()
        if self._broker_deaths > _MOST_BROKER_DEATHS:
            raise CommandError(f"{reason}; given up after {_MOST_BROKER_DEATHS} restarts")
        say(f"{reason}; starting all parts again")
        parts.kill_all()
        self._start_broker()
        self._prepare(["topics", "create"])

    def _prepare(self, *commands: list[str], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Run commands side by side to their end. Raises CommandError with the last words of one that fails."""
        environment = self._environment()
        self._setup = [
            Child(command[0], zhengdian(*command), self._logs / f"{command[0]}.log", environment)
            for command in commands
        ]
        meanwhile()
        deadline = time.monotonic() + _SETUP_SECONDS
        for child in self._setup:
            while not child.wait(0.05):
                self._signals.check()
                if time.monotonic() > deadline:
                    raise CommandError(f"{child.name} takes longer than {_SETUP_SECONDS:.0f} s")
            if child.exit_code != 0:
                raise CommandError(child.why())
        self._setup = []

    def _write_sale(self, sale: SaleConfig, now_ms: int) -> None:
        count = write_playable(sale, self._sale, now_ms, self._options.speed, self._signals.check)
        say(f"a sale of {sale.hours:g} h with {count} events, {sale.buyers} buyers, {sale.agents} agents")

    def _wait_until_ready(self, parts: Supervisor) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not _healthy(self._port):
            self._turn(parts)
            if len(parts.failures("web")) > 2:
                raise CommandError(f"the web part does not come up: {parts.failures('web')[-1]}")
            if time.monotonic() > deadline:
                raise CommandError(f"the web part does not answer after {_READY_SECONDS:.0f} s")

    _well_at = 0.0
    _check_at = 0.0

    def _check_web(self, parts: Supervisor) -> None:
        """A web part that runs and isn't well for long (its sink has ended, say) is replaced."""
        now = time.monotonic()
        if now < self._check_at:
            return
        if _healthy(self._port):
            self._well_at = now
        elif now - self._well_at > _SICK_SECONDS:
            say("the web part is not well")
            parts.kill("web")
            self._well_at = now
        self._check_at = time.monotonic() + _CHECK_SECONDS

    def _environment(self) -> dict[str, str]:
        """Ours without any ZHENGDIAN_ variable: a demo must never reach the production that they may name."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("ZHENGDIAN_")}
        options = self._options
        own = {
            "KAFKA_BOOTSTRAP": self._broker.bootstrap,
            "PARTITIONS": str(_PARTITIONS),
            "CLICKHOUSE": "embedded",
            "DATA_DIR": str(self._data),
            "WEB_HOST": LOOPBACK,
            "WEB_PORT": str(self._port),
            "WEB_ACCESS": "local",
            "WEB_USERS": str(self._users),
            "WEB_SIGN_IN_HINT": HINT,
            "WEB_SECRET": self._secret,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": options.log_level,
        }
        if options.rules is not None:
            own["RULES"] = str(options.rules.absolute())
        return ours | {f"ZHENGDIAN_{name}": value for name, value in own.items()} | {"PYTHONUNBUFFERED": "1"}


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/healthz", timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _open_browser(address: str) -> None:
    import webbrowser

    try:
        webbrowser.open(address)
    except webbrowser.Error as error:
        say(f"no browser could be opened: {error}")
