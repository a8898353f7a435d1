"""The whole platform as people start it, `smartflanders up`, watched from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from loadtests.processes import ROOT
from loadtests.sampling import family

_READY_WITHIN_SECONDS = 120.0
_STOP_WITHIN_SECONDS = 20.0


class Whole:
    """`smartflanders up` on a data folder, with a pilot, at a port; an async context manager that starts and ends it.

    `ready` is how many seconds passed from the start of the process to its line `ready`.
    """

    ready: float

    def __init__(self, data: Path, pilot: Path, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self._port = port
        self._data = data
        self._pilot = pilot

    async def __aenter__(self) -> Self:
        arguments = [f"--data={self._data}", f"--pilot={self._pilot}", f"--port={self._port}"]
        errors = (self._data.parent / "up.stderr").open("w")
        began = time.perf_counter()
        with errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "smartflanders.cli", "up", *arguments),
                cwd=ROOT,
                env={**os.environ, "SF_LOG_LEVEL": "warning"},
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        try:
            await asyncio.wait_for(self._until_ready(), _READY_WITHIN_SECONDS)
        except BaseException:
            await self._end()
            raise
        self.ready = time.perf_counter() - began
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def pids(self) -> dict[str, int]:
        """The processes by name: `supervisor`, `pipeline`, `web`, and `database` with all below it."""
        found = {"supervisor": self._process.pid}
        for process in family(self._process.pid)[1:]:
            try:
                name = role_of(process.cmdline())
            except psutil.Error:
                continue
            if name is not None:
                found[name] = process.pid
        return found

    def complaint(self) -> str:
        """Return the last of what it said on standard error."""
        return (self._data.parent / "up.stderr").read_text("utf-8", "replace")[-2000:]

    async def _until_ready(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(b"ready "):
                return
        raise RuntimeError(f"up ended before it was ready: {self.complaint()}")

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.communicate(), _STOP_WITHIN_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def role_of(command: list[str]) -> str | None:
    """Name a process of ours by its command; None for what belongs to another one."""
    if "smartflanders.cli" in command:
        return command[command.index("smartflanders.cli") + 1]
    return "database" if command and command[0].endswith("/postgres") and "-D" in command else None


def resident(pid: int) -> float:
    """Return what a process holds in memory (RSS), in MB: pages shared with others count in full; 0 when it is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0
