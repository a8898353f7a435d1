"""The platform under load on one machine: its database, its broker and its roles as processes, and what each costs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from loadtests.processes import ROOT, end, free_port
from loadtests.sampling import busy_seconds, processor_seconds
from smartflanders.embedded import EmbeddedPostgres

_READY_WITHIN_SECONDS = 90.0
_STOP_WITHIN_SECONDS = 15.0


class BrokerError(RuntimeError):
    """Kafka does not start here, for want of Java or of its files, say; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to start: `log` is `postgres`, `kafka` (a broker is started) or `kafka://host:port`.

    With `together` collecting, normalising and writing share one process, as in `smartflanders up`.
    """

    folder: Path
    log: str
    together: bool = False


class Stand:
    """Database, broker and roles on loopback; a context manager that starts and ends them.

    Entering raises `BrokerError` where a broker is wished for and does not start, else what the database raises.

    `base` is the public address of the pages, `dsn` the database's, `folder` that of all files.
    """

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self.folder = wish.folder
        self._stack = ExitStack()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._port = free_port()
        self._log = wish.log
        self.base = f"http://127.0.0.1:{self._port}"
        self.dsn = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            database = stack.enter_context(EmbeddedPostgres(self._wish.folder / "database"))
            self._database = database
            self.dsn = database.dsn
            stack.callback(self._end)
            if self._log == "kafka":
                self._log = "kafka://" + self._start_broker()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start_broker(self) -> str:
        try:
            return self._start("broker", ["-m", "tests.support.broker"], {})
        except RuntimeError as error:
            raise BrokerError(str(error)) from error

    def start_roles(self, pilot: Path, origin: str) -> None:
        """Start serving, then the working roles, each polling five times a second where the file says once."""
        polling = [f"--origin={origin}", "--speed=5"]
        for role in ("serve", *(("write", "normalise", "collect") if not self._wish.together else ("pipeline",))):
            self.start_role(role, pilot, *polling)

    def start_role(self, role: str, pilot: Path, *options: str) -> None:
        """Start one role and wait until it says that it has begun."""
        environ = {
            "SF_DATABASE_URL": self.dsn,
            "SF_LOG": self._log,
            "SF_KAFKA_REPLICATION": "1",
            "SF_BASE_URL": self.base,
            "SF_LOG_LEVEL": "warning",
        }
        arguments = ["-m", "smartflanders.cli", role, f"--pilot={pilot}", *options]
        arguments += [f"--port={self._port}"] if role == "serve" else []
        self._start(role, arguments, environ, says=role != "pipeline")

    def stop_role(self, role: str) -> None:
        """End a role in order; it may be started again, and its processor time is forgotten."""
        self._finish(self._processes.pop(role))

    @property
    def pids(self) -> dict[str, int]:
        """The process of each role that runs, and the database's, by name."""
        assert self._database.pid is not None
        return {name: process.pid for name, process in self._processes.items()} | {"database": self._database.pid}

    def seconds(self) -> dict[str, float]:
        """Return the processor time of each process so far, with its children's."""
        return {name: processor_seconds(pid) for name, pid in self.pids.items()}

    def others(self) -> float:
        """Return the processor time that everything else on the machine took so far, this process left out."""
        return busy_seconds() - sum(self.seconds().values()) - sum(psutil.Process().cpu_times()[:2])

    def complaint(self) -> str | None:
        """Say which process has ended, with its last lines; None while all run."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                said = (self._wish.folder / f"{name}.stderr").read_text("utf-8", "replace")
                return f"{name} ended with status {process.returncode}: {said[-2000:]}"
        return None

    def _start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str], *, says: bool = True) -> str:
        """Start a process and return what stands behind `ready` on its first line."""
        with (self._wish.folder / f"{name}.stderr").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **environ},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._processes[name] = process
        if not says:
            return ""
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready"):
            process.wait(_STOP_WITHIN_SECONDS)
            raise RuntimeError(self.complaint() or f"{name} said {line!r} instead of ready")
        return line.removeprefix("ready").strip()

    def _end(self) -> None:
        """End the processes in the order opposite to their start."""
        for process in reversed(self._processes.values()):
            self._finish(process)

    @staticmethod
    def _finish(process: subprocess.Popen[str]) -> None:
        end(process)
        if process.stdout is not None:
            process.stdout.close()
