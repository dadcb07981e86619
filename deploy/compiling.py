"""`make compile`: the pure core as machine code, by mypyc (https://mypyc.readthedocs.io), from the same source.

Nothing needs it. The `.py` files are the core, run wherever nothing is compiled, and both write the same bytes
(tests/stack/test_compiled.py). Python prefers an extension module to the source beside it, so one that is older than its
source would hide a change: the command line and the tests refuse to run then.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = (
    "admission",
    "buyer",
    "calendar",
    "changes",
    "conversations",
    "derivation",
    "figures",
    "flags",
    "ids",
    "language",
    "leaderboard",
    "ledger",
    "partition",
    "records",
    "reminders",
    "reviews",
    "rounds",
    "sessions",
    "sums",
    "windows",
)
"""of processors/: what an event passes on its way. Not facts.py and state.py: mypyc does not make msgspec structs."""
_PACKAGES: Final = ("schemas", "processors", "sinks", "streams", "replay", "web", "deploy", "benchmarks")
_SUFFIX: Final = str(sysconfig.get_config_var("EXT_SUFFIX"))
_GROUP: Final = "processors.core"
"""names the module that holds the code of all of them: core__mypyc"""


class BuildError(Exception):
    """The core can't be compiled here."""


def build(root: Path = ROOT) -> None:
    """Puts the extension modules beside their sources. Needs mypy, setuptools and a C compiler."""
    from mypyc.build import mypycify
    from setuptools.command.build_ext import build_ext
    from setuptools.dist import Distribution

    remove(root)
    before = Path.cwd()
    os.chdir(root)  # mypyc names modules by their paths from here
    try:
        with tempfile.TemporaryDirectory() as place:
            sources = [f"processors/{name}.py" for name in MODULES]
            extensions = mypycify(sources, opt_level="3", group_name=_GROUP, target_dir=place)
            command = build_ext(Distribution({"name": "zhengdian-core", "ext_modules": extensions}))
            command.build_lib, command.build_temp = str(root), place
            command.ensure_finalized()
            command.run()
    finally:
        os.chdir(before)


def has_compiler() -> bool:
    """Whether C modules for this Python can be made."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return header.exists() and any(map(shutil.which, ("cc", "gcc", "clang")))


def build_copy(place: Path) -> None:
    """Puts the product's packages there, the core compiled: what runs with that in PYTHONPATH runs compiled.

    Raises BuildError when there is neither mypyc nor a C compiler, or they fail.
    """
    if importlib.util.find_spec("mypyc") is None:
        raise BuildError("mypy is not installed: make setup-dev")
    if not has_compiler():
        raise BuildError("no C compiler, or no Python.h (Debian: gcc, libc6-dev and python3-dev)")
    for name in _PACKAGES:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", f"*{_SUFFIX}"))
    shutil.copy(ROOT / "pyproject.toml", place)
    command = [sys.executable, "-m", "deploy.compiling"]
    environment = os.environ | {"PYTHONPATH": str(place)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BuildError(f"mypyc failed: {(done.stdout + done.stderr).strip()[-2000:]}")


def remove(root: Path = ROOT) -> None:
    """Takes the extension modules away."""
    for module in compiled(root):
        module.unlink()


def compiled(root: Path = ROOT) -> list[Path]:
    """The extension modules there are, for this Python."""
    return sorted((root / "processors").glob(f"*{_SUFFIX}"))


def stale(root: Path = ROOT) -> str | None:
    """Why the extension modules must not be used: a source that is newer. None: they may be, or there are none."""
    modules = compiled(root)
    if not modules:
        return None
    built = min(module.stat().st_mtime for module in modules)
    # all of them: constants of the others are compiled in
    for source in sorted([*root.glob("processors/*.py"), *root.glob("schemas/*.py")]):
        if source.stat().st_mtime > built:
            return f"{source.relative_to(root)} is newer than the compiled core: make compile, or make interpret"
    return None


if __name__ == "__main__":
    build()
