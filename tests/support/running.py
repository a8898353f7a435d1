"""Starts `smartflanders up` the way a person does, reads what it prints, and ends or kills it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT.parent / "shared" / "samples"


def free_port() -> int:
    """Find a port that nobody listens on now."""
    return free_ports(1)[0]


class Running:
    """One `smartflanders up`; entering starts it and waits for its ready line."""

    def __init__(
        self, data: Path, *arguments: str, port: int | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.port = port or free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.public = (environ or {}).get("SF_BASE_URL", self.base)
        self.lines: list[str] = []
        self._arguments = arguments
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[str] | None = None
        self._incoming: queue.Queue[str | None] = queue.Queue()

    def start(self, *, within: float = 90) -> None:
        """Start it and wait for the ready line."""
        command = [sys.executable, "-m", "smartflanders.cli", "up", "--data", str(self.data), "--port", str(self.port)]
        log = (self.data.parent / f"{self.data.name}.stderr").open("a")
        with log:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                cwd=ROOT,
                env={**os.environ, **self._environ},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self.wait_for(f"ready {self.public}/", within=within)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._incoming.put(line.rstrip("\n"))
        self._incoming.put(None)

    def wait_for(self, beginning: str, *, within: float) -> str:
        """Wait for a line of standard output that begins so."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._incoming.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                raise AssertionError(f"up ended instead of saying {beginning!r}:\n{self.errors()}")
            self.lines.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError(f"up did not say {beginning!r} within {within} s:\n{self.errors()}")

    def errors(self) -> str:
        """Return the end of standard error."""
        return (self.data.parent / f"{self.data.name}.stderr").read_text("utf-8", "replace")[-4000:]

    @property
    def process(self) -> psutil.Process:
        """The supervisor."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def processes(self) -> Sequence[psutil.Process]:
        """The supervisor and everything below it."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self, *, within: float = 15) -> float:
        """End it with SIGTERM; return the seconds that took."""
        assert self._process is not None
        began = time.monotonic()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(within)
        return time.monotonic() - began

    def status(self) -> int | None:
        """Return the exit status, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def wait(self, *, within: float) -> int:
        """Wait until it has ended."""
        assert self._process is not None
        return self._process.wait(within)

    def get(self, path: str, **headers: str) -> bytes:
        """Fetch one of its addresses."""
        request = urllib.request.Request(
            self.base + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
