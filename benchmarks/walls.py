"""`python -m benchmarks.walls`: many wallboards on a web part that runs, how far behind they are and what it costs.

The web's CPU is its own `process_cpu_seconds_total`, so the web may be anywhere; where it wants a token, give one in
ZHENGDIAN_BENCH_TOKEN (a role that may read the metrics).
"""

import asyncio
import os
import re
import time
from dataclasses import dataclass, field
from typing import Annotated, Final

import aiohttp
import typer

from deploy.context import say

_LAST_EVENT: Final = re.compile(rb'"last_event_ms":(\d+)')
_CPU: Final = re.compile(r"^process_cpu_seconds_total ([\d.e+]+)", re.MULTILINE)
_SETTLE_SECONDS: Final = 5.0


@dataclass(slots=True)
class Viewer:
    """What one open wallboard has seen. `behind` in seconds: before each board, how old the newest event on show was."""

    behind: list[float] = field(default_factory=list)
    boards: int = 0
    size: int = 0


async def _watch(session: aiohttp.ClientSession, viewer: Viewer, until: float) -> None:
    newest = 0
    async with session.get("/api/v1/wall/stream") as stream:
        stream.raise_for_status()
        async for line in stream.content:
            if not (found := _LAST_EVENT.search(line)):
                continue
            now = time.time()
            if newest and until - now > 0:
                viewer.behind.append(now - newest / 1000)
                viewer.boards += 1
                viewer.size += len(line)
            newest = int(found[1])
            if now > until:
                return


async def _cpu_seconds(session: aiohttp.ClientSession) -> float:
    async with session.get("/metrics") as answer:
        answer.raise_for_status()
        found = _CPU.search(await answer.text())
    if found is None:
        raise typer.BadParameter("the web does not tell its CPU time (only Linux has it)")
    return float(found[1])


async def _run(url: str, walls: int, seconds: float) -> None:
    token = os.environ.get("ZHENGDIAN_BENCH_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    # a board is one line, of some ten kilobytes
    async with aiohttp.ClientSession(
        url, headers=headers, connector=connector, timeout=timeout, read_bufsize=2**20, max_line_size=2**20
    ) as session:
        before, began = await _cpu_seconds(session), time.time()
        await asyncio.sleep(_SETTLE_SECONDS)
        idle = (await _cpu_seconds(session) - before) / (time.time() - began)
        viewers = [Viewer() for _ in range(walls)]
        until = time.time() + _SETTLE_SECONDS + seconds
        watching = [asyncio.create_task(_watch(session, viewer, until)) for viewer in viewers]
        await asyncio.sleep(_SETTLE_SECONDS)
        before, began = await _cpu_seconds(session), time.time()
        await asyncio.sleep(seconds - 1)
        busy = (await _cpu_seconds(session) - before) / (time.time() - began)
        await asyncio.gather(*watching)
    behind = sorted(lag for viewer in viewers for lag in viewer.behind)
    worst = sorted(max(viewer.behind, default=float("inf")) for viewer in viewers)
    boards = sum(viewer.boards for viewer in viewers)
    say(
        f"{walls} wallboards for {seconds:.0f} s: {boards / walls / seconds:.2f} boards/s each, {_kb(viewers):.1f} kB a board"
    )
    say(
        f"behind the newest event, seconds: p50 {_at(behind, 0.5):.2f}, p99 {_at(behind, 0.99):.2f}, max {behind[-1]:.2f};"
        f" each wall's worst: median {_at(worst, 0.5):.2f}"
    )
    say(f"CPU of the web: {busy:.2f} cores, of these without any wallboard {idle:.2f}")


def _kb(viewers: list[Viewer]) -> float:
    return sum(viewer.size for viewer in viewers) / max(1, sum(viewer.boards for viewer in viewers)) / 1000


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def main(
    url: Annotated[str, typer.Option(help="the web part")] = "http://127.0.0.1:8080",
    walls: Annotated[int, typer.Option(help="wallboards to open", min=1)] = 200,
    seconds: Annotated[float, typer.Option(help="how long to watch", min=5)] = 30,
) -> None:
    """Open many wallboards and tell how far behind they are."""
    try:
        asyncio.run(_run(url, walls, seconds))
    except aiohttp.ClientError as error:
        say(f"{url}: {error}")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
