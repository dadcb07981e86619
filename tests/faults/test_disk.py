"""Full disks: under a worker's local copy of its state, and under the embedded ClickHouse."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from replay.generator import SaleConfig

from .commits import sink_committed
from .feeding import sale
from .system import System


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        path.mkdir()
        self._mount("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))

    def resize(self, megabytes: int) -> None:
        """Make it larger or smaller, mounted."""
        self._mount("mount", "-o", f"remount,size={megabytes}m", str(self.path))

    def fill(self) -> None:
        """Take all room that is left."""
        block = b"\0" * 65536
        with (self.path / "ballast").open("ab", buffering=0) as file:
            try:
                while file.write(block):
                    pass
            except OSError:
                pass

    def make_room(self) -> None:
        """Give it back."""
        (self.path / "ballast").unlink()

    def close(self) -> None:
        """Unmount, even while somebody has a file open."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=False, capture_output=True)

    def _mount(self, *command: str) -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk can't be mounted: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("a small disk can be mounted by root alone")
    small = Disk(tmp_path / "disk", 96)
    yield small
    small.close()


def test_disk_full_under_the_local_state(disk: Disk, new_system: Callable[..., System]) -> None:
    system = new_system()
    for name in ("worker-1", "worker-2"):
        system.add(name, ZHENGDIAN_WORKER_STATE_DIR=str(disk.path / name))
    system.add("sink")
    system.feed(sale(SaleConfig(buyers=400, agents=8, seed=71, duplicates=0.05, disorder=0.2)), seconds=120)
    for name in ("worker-1", "worker-2"):
        system.until(lambda n=name: system.parts[n].logged("partitions_ready") > 0, f"{name} is not ready")
    system.run(1.5)
    disk.fill()
    system.scenario.inject("disk of the local state full")
    system.until(lambda: system.parts["worker-1"].logged("local_copy") > 0, "worker-1 does not notice")
    system.run(1)
    system.kill("worker-1")  # its successors find an old copy, and a disk that is still full
    system.run(4)
    disk.make_room()
    system.run(1)
    system.kill("worker-2")
    system.finish()
    for name in ("worker-1", "worker-2"):
        assert not system.parts[name].died("SIGKILL")  # a copy is no reason to die


def test_disk_full_under_the_embedded_database(disk: Disk, new_system: Callable[..., System]) -> None:
    system = new_system(data_dir=disk.path / "data")
    system.add("worker-1")
    system.add("sink")
    system.feed(sale(SaleConfig(buyers=400, agents=8, seed=72, duplicates=0.05, disorder=0.2)), seconds=150)
    for _ in range(2):
        read = sum(sink_committed(system.settings).values())
        system.until(lambda n=read: sum(sink_committed(system.settings).values()) > n, "the sink does not come forward")
        system.run(1)
        disk.fill()
        system.scenario.inject("disk of ClickHouse full", system.parts["sink"].pid)
        before = troubles(system)
        system.until(lambda n=before: troubles(system) > n, "the sink does not notice")
        system.run(3)
        disk.make_room()
        system.run(2)
    disk.resize(512)
    system.finish()


def troubles(system: System) -> int:
    """How often the sink has waited for ClickHouse, or has ended."""
    part = system.parts["sink"]
    return part.logged("clickhouse_unavailable") + part.logged("sink_stopped") + len(part.ends)
