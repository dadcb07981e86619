"""A part of `zhengdian` under libfaketime, which answers EINVAL to the absolute time that Python's time.sleep waits for.

Run as `clocked.py KIND`.
"""

import select
import sys
import time


def sleep(seconds: float) -> None:
    """time.sleep by another call."""
    select.select([], [], [], seconds)


if __name__ == "__main__":
    time.sleep = sleep  # before anybody imports it by name
    from deploy.cli import run

    sys.exit(run(sys.argv[1:]))
