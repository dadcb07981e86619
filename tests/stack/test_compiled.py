"""`make compile`: the compiled core is the core. Same bytes out, and the core's own tests pass with it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures.required import absent

from deploy.compiling import ROOT, build_copy, compiled, has_compiler, stale

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CORE_TESTS = ("test_partition.py", "test_conversations.py", "test_contract_examples.py", "test_contract_oracle.py")
FLUSHES = """
import hashlib, random, sys
from pathlib import Path
import orjson
from processors import partition
from processors.partition import Incoming, Partition
from processors.ruleset import default_book
from replay.files import read_lines
from schemas.topics import TOPIC_OF_TYPE

assert partition.__file__.endswith(sys.argv[2]), partition.__file__
records = []
for number, line in enumerate(read_lines(Path(sys.argv[1]))):
    event = orjson.loads(line.raw)
    topic = TOPIC_OF_TYPE[event["type"]]
    if topic != "reference":
        key = f"{event['data']['shop_id']}|{event['data']['buyer_id']}".encode()
        records.append(Incoming(topic, 0, number, key, line.raw, None))
random.Random(7).shuffle(records)  # late facts, which take other ways through the core
core = Partition(0, default_book(), writer=b"w", horizon_ms=2**60)
digest, written = hashlib.sha256(), 0
for start in range(0, len(records), 3000):
    core.apply(records[start:start + 3000])
    core.apply(records[start:start + 50])
    flush = core.flush()
    written += len(flush.state) + len(flush.outputs)
    digest.update(repr(flush).encode())
print(written, digest.hexdigest())
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, with the core compiled."""
    place = tmp_path_factory.mktemp("compiled")
    if not has_compiler():
        absent("compiler", "no C compiler, or no Python.h")
    build_copy(place)
    shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    assert len(compiled(place)) > 10
    return place


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # the order within a flush goes by sets here and there
    environment = os.environ | {"PYTHONPATH": f"{place}{os.pathsep}{place / 'tests'}", "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_compiled_and_interpreted_core_write_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    from replay.generator import SaleConfig, write_sale

    sale = tmp_path / "sale"
    write_sale(SaleConfig(buyers=600), sale)
    plain = tmp_path / "plain"
    for name in ("schemas", "processors", "replay", "sinks"):
        shutil.copytree(ROOT / name, plain / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    machine = run(tree, "-c", FLUSHES, str(sale), ".so" if os.name == "posix" else ".pyd")
    source = run(plain, "-c", FLUSHES, str(sale), ".py")
    assert machine.returncode == source.returncode == 0, machine.stderr + source.stderr
    assert int(source.stdout.split()[0]) > 2000
    assert machine.stdout == source.stdout


def test_the_core_s_tests_pass_compiled(tree: Path) -> None:
    tests = [f"tests/unit/{name}" for name in CORE_TESTS]
    done = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not stack and not slow", *tests)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "passed" in done.stdout


def test_a_source_newer_than_the_compiled_core_stops_the_command_line(tree: Path) -> None:
    assert stale(tree) is None
    source = tree / "schemas" / "types.py"
    before = source.stat()
    try:
        os.utime(source, (time.time() + 60, time.time() + 60))
        done = run(tree, "-m", "deploy.cli", "schemas", "export", str(tree / "exported"))
        assert done.returncode == 1
        assert "schemas/types.py is newer than the compiled core: make compile, or make interpret" in done.stderr
        assert not (tree / "exported").exists()
    finally:
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_compiled_is_never_stale(tmp_path: Path) -> None:
    (tmp_path / "processors").mkdir()
    (tmp_path / "processors" / "rounds.py").touch()
    assert stale(tmp_path) is None
