"""Child processes, the supervisor and the embedded broker: nothing outlives its parent, what dies comes back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.broker import BrokerError, EmbeddedBroker
from deploy.ports import PortTakenError, answers, claim_port
from deploy.process import Child, last_line
from deploy.supervisor import PartSpec, Supervisor

PYTHON = sys.executable
SLEEP = [PYTHON, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    PYTHON,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def until(condition: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_child_says_why_it_ended(tmp_path: Path) -> None:
    child = Child(
        "part", [PYTHON, "-c", "print('first'); print('the reason'); print(); raise SystemExit(3)"], tmp_path / "log"
    )
    assert child.wait(10)
    assert child.why() == "part ended with exit code 3: the reason"
    killed = Child("part", SLEEP, tmp_path / "other")
    killed.kill()
    assert killed.why() == "part was killed by SIGKILL"
    assert last_line(tmp_path / "none") == ""


def test_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = Child("part", STUBBORN, tmp_path / "log")
    assert until(lambda: last_line(child.log) == "up")
    began = time.monotonic()
    child.stop(0.3)
    assert child.exit_code == -signal.SIGKILL
    assert time.monotonic() - began < 5


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from deploy.process import Child\n"
        f"child = Child('part', [sys.executable, '-c', 'import time; time.sleep(60)'], Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([PYTHON, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert until(lambda: not alive(pid))


def test_supervisor_starts_again_with_growing_delay_and_stops_all(tmp_path: Path) -> None:
    said: list[str] = []
    now = [0.0]
    parts = Supervisor(
        [PartSpec("good", SLEEP), PartSpec("bad", [PYTHON, "-c", "print('no luck'); raise SystemExit(1)"])],
        tmp_path,
        dict(os.environ),
        said.append,
        clock=lambda: now[0],
    )
    try:
        delays = []
        for _ in range(3):
            count = len(said)

            def ticked(count: int = count) -> bool:
                parts.tick()
                return len(said) > count

            assert until(ticked)
            delays.append(float(said[-1].rpartition(" in ")[2].removesuffix(" s")))
            now[0] += 100
        assert delays == [0.5, 1.0, 2.0]
        assert said[0] == "bad ended with exit code 1: no luck; starting it again in 0.5 s"
        assert len(parts.failures("bad")) == 3
        assert parts.failures("good") == []
        good = parts.pids()["good"]
        os.kill(good, signal.SIGKILL)
        assert until(lambda: (parts.tick(), parts.failures("good"))[1])
        now[0] += 100
        parts.tick()
        assert parts.pids()["good"] != good
    finally:
        pids = parts.pids()
        parts.stop(5)
    assert parts.pids() == {}
    assert not any(alive(pid) for pid in pids.values())


def test_part_that_ends_well_is_not_started_again(tmp_path: Path) -> None:
    parts = Supervisor([PartSpec("feed", [PYTHON, "-c", ""], ends=True)], tmp_path, dict(os.environ), lambda _: None)
    parts.tick()
    assert until(lambda: (parts.tick(), not parts.pids())[1])
    for _ in range(3):
        parts.tick()
    assert parts.pids() == {}
    assert parts.failures("feed") == []


def test_command_that_does_not_exist_is_a_failure_not_a_crash(tmp_path: Path) -> None:
    parts = Supervisor([PartSpec("part", ["/no/such/command"])], tmp_path, {}, lambda _: None)
    parts.tick()
    assert "can't be started" in parts.failures("part")[0]


def test_stop_kills_the_stubborn_and_hurry_shortens_the_wait(tmp_path: Path) -> None:
    said: list[str] = []
    parts = Supervisor([PartSpec("part", STUBBORN)], tmp_path, dict(os.environ), said.append)
    parts.tick()
    assert until(lambda: last_line(tmp_path / "part.log") == "up")
    began = time.monotonic()
    parts.stop(30, hurry=lambda: time.monotonic() - began > 0.2)
    assert time.monotonic() - began < 5
    assert said == ["part did not stop in time and was killed"]


def test_claimed_ports() -> None:
    port = claim_port(0)
    assert claim_port(port) == port
    assert not answers(port)
    with pytest.raises(PortTakenError, match="port 70000"):
        claim_port(70000)


@pytest.mark.stack
def test_broker_starts_stops_and_comes_back_on_its_port(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "log")
    with pytest.raises(BrokerError, match="not been started"):
        _ = broker.child
    with broker:
        first = broker.bootstrap
        port = int(first.partition(":")[2])
        assert first.startswith("127.0.0.1:")
        assert answers(port)
        with pytest.raises(PortTakenError, match=f"port {port}"):
            EmbeddedBroker(tmp_path / "other", port).start()
        broker.kill()
        assert not answers(port)
        broker.start()
        assert broker.bootstrap == first
        pid = broker.child.pid
    assert not alive(pid)


@pytest.mark.stack
def test_broker_that_can_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/false")
    with pytest.raises(BrokerError, match="does not start: broker ended with exit code 1"):
        EmbeddedBroker(tmp_path / "log").start()
    monkeypatch.setenv("CALF_TANSU_BIN", "/no/such")
    with pytest.raises(BrokerError, match="no broker for this platform"):
        EmbeddedBroker(tmp_path / "log").start()
