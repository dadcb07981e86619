"""A wallboard in a process of its own, since NiceGUI and chDB are one to a process."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_SECONDS = 60


class Wall:
    """A running wallboard."""

    def __init__(self, data_dir: Path, *options: str, port: int = 0, **settings: str) -> None:
        """`settings`: of ZHENGDIAN_, in lower case. Reports are off: one on the hour lies over the wall, whatever is tested."""
        settings = {"web_reports": "false"} | settings
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            port = free.getsockname()[1]
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self._log = data_dir.with_suffix(".log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("wall_server.py")), str(data_dir), str(port), *options],
                stdin=subprocess.PIPE,
                stderr=log,
                stdout=log,
                text=True,
                # NiceGUI behaves otherwise when it thinks that it is under test itself
                env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NICEGUI_"))}
                | {f"ZHENGDIAN_{name.upper()}": value for name, value in settings.items()},
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(self.address + "/sign-in", timeout=2):
                    return
            except urllib.error.HTTPError:
                return  # where people sign in it asks who it is
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(f"no wallboard: {self._log.read_text()[-2000:]}") from None
                time.sleep(0.1)

    def tell(self, line: str) -> None:
        """Send one line to the server's stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
