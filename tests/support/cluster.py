"""The platform as it runs on several machines: two real processes of each role, a simulated city, log and database."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

import asyncpg
import psutil
from prometheus_client.parser import text_string_to_metric_families

from smartflanders.roles import ROLES
from streams.lease import lease_key
from tests.support import crawl, ledger
from tests.support.account import Account
from tests.support.running import ROOT, free_port

# By the promise of the roles (README): the second process has the work of the first within this many seconds.
TAKEOVER = 15.0
WORKERS = tuple(ROLES)
EVERYBODY = (*ROLES, "serve")
SOURCES = ("gent-garages", "gent-park-and-ride", "miv-configuratie", "miv-verkeersdata")
STREAMS = ("gent-parking", "miv-meetpunten", "miv-verkeer")
LOOPS: Mapping[str, Sequence[str]] = {
    "collect": [f"collect {name}" for name in SOURCES],
    "normalise": [f"normalise {name}" for name in SOURCES],
    "write": [f"{loop} {name}" for name in STREAMS for loop in ("write", "expire")],
}
# Ten seconds are promised; a machine that does much else may take longer.
_STOP_WITHIN = 45.0
# Seconds in which a process of ours starts on a quiet machine.
_START = 1.2
# What a server that dies in the middle of an answer looks like.
BROKEN = (OSError, http.client.HTTPException, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """The simulated city: `speed` times real time, asked `asked` times as often as the sources say."""

    lanes: int = 40
    speed: float = 60
    asked: float = 60
    seed: int = 7

    def arguments(self) -> list[str]:
        """Return what the simulator must be told."""
        return [f"--lanes={self.lanes}", f"--speed={self.speed}", f"--seed={self.seed}"]


class Started:
    """A verb of ours as a process; `ready` waits for its ready line."""

    def __init__(self, folder: Path, *arguments: str, environ: Mapping[str, str]) -> None:
        self.errors = folder / f"{arguments[0]}-{time.monotonic_ns()}.stderr"
        with self.errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "smartflanders.cli", *arguments],
                cwd=ROOT,
                env={**os.environ, **environ},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.pid = self._process.pid

    def ready(self) -> str:
        """Return what the process says when it has begun."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready"), f"status {self._process.wait(5)}: {self.errors.read_text()}"
        return line.removeprefix("ready ").strip()

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def stop(self) -> int:
        """End it in order and return its status."""
        assert self._process.stdout is not None
        if self._process.poll() is None:
            self._process.terminate()
        self._process.stdout.close()
        try:
            return self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def status(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._process.poll()

    def memory(self) -> float:
        """Return the megabytes it holds; 0 when it has ended."""
        with suppress(psutil.NoSuchProcess):
            return float(psutil.Process(self.pid).memory_info().rss) / 2**20
        return 0.0


@dataclass(slots=True)
class Doors:
    """The addresses at which the feeds are served: what one process does not answer another one is asked for."""

    ports: Sequence[int]
    denied: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The public address, which every IRI begins with."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def fetch(self, url: str, accept: str = "application/ld+json") -> tuple[bytes, dict[str, str]]:
        """Fetch a page from whoever answers; a page that is denied (404, 410) is written down."""
        failure: Exception | None = None
        for port in self.ports:
            try:
                return crawl.fetch(url.replace(self.base, f"http://127.0.0.1:{port}"), accept)
            except BROKEN as error:
                failure = error
                if isinstance(error, HTTPError):
                    if error.code in (404, 410):
                        self.denied.append(url)
                    error.close()
        assert failure is not None
        raise failure

    def members(self, stream: str) -> list[dict[str, Any]]:
        """Replicate a whole feed; of each member what is compared."""
        return crawl.members(f"{self.base}/{stream}/log", fetch=self.fetch, keep=ledger.slim)

    def newest(self, stream: str) -> str:
        """Return the observed time of the newest member that a reader of the root finds; empty when there is none."""
        root = json.loads(self.fetch(f"{self.base}/{stream}/log")[0])
        for node in reversed(dict.fromkeys(relation["node"] for relation in root["view"].get("relation", []))):
            page = json.loads(self.fetch(node)[0])
            if page.get("member"):
                return max(str(member["observedAt"]) for member in page["member"])
        return ""


class Cluster:
    """Processes of each role and of `serve`, a simulated city with its ledger, and the database at `dsn`."""

    def __init__(
        self,
        folder: Path,
        dsn: str,
        *,
        city: City | None = None,
        environ: Mapping[str, str] | None = None,
        loops: Mapping[str, Sequence[str]] = LOOPS,
    ) -> None:
        self.folder = folder
        self.dsn = dsn
        self.loops = loops
        self.doors = Doors(ports=(free_port(), free_port()))
        self.base = self.doors.base
        self.account = Account(file=folder / "ledger.ndjson")
        self.roles: dict[str, list[Started]] = {name: [] for name in EVERYBODY}
        self.members = self.doors.members
        self._options = city or City()
        self.lanes = self._options.lanes
        self._environ = {
            "SF_DATABASE_URL": dsn,
            "SF_BASE_URL": self.base,
            "SF_LOG_LEVEL": "debug",
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            **(environ or {}),
        }

    def __enter__(self) -> Self:
        (self.folder / "metrics").mkdir()
        told = f"--ledger={self.account.file}"
        self.city = Started(self.folder, "simulate", *self._options.arguments(), told, environ={})
        try:
            self.origin = self.city.ready().rstrip("/")
            starting = [self.launch(name) for name in WORKERS for _ in range(2)]
            starting += [self.launch("serve", f"--port={port}") for port in self.doors.ports]
            for process in starting:
                process.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for process in (self.city, *(each for role in self.roles.values() for each in role)):
                stack.callback(process.stop)

    def launch(self, name: str, *arguments: str) -> Started:
        """Start one more process of a role, and do not wait for it."""
        asked = f"--speed={self._options.asked}"
        process = Started(self.folder, name, f"--origin={self.origin}", asked, *arguments, environ=self._environ)
        self.roles[name].append(process)
        return process

    def add(self, name: str, *arguments: str) -> Started:
        """Start one more process of a role."""
        process = self.launch(name, *arguments)
        process.ready()
        return process

    def kill(self, name: str, victim: Started) -> Started:
        """Kill a process of a role and start another one in its place, not waiting for it."""
        place = self.roles[name].index(victim)
        victim.kill()
        del self.roles[name][place]
        port = [f"--port={self.doors.ports[place]}"] if name == "serve" else []
        process = self.launch(name, *port)
        self.roles[name].remove(process)
        self.roles[name].insert(place, process)
        return process

    def holders(self, name: str) -> dict[str, int]:
        """Return which process holds each of a role's loops."""
        held = asyncio.run(_held(self.dsn))
        return {loop: held[lease_key(loop)] for loop in self.loops[name] if lease_key(loop) in held}

    def is_whole(self) -> bool:
        """Whether every loop of every role is held."""
        return all(len(self.holders(name)) == len(self.loops[name]) for name in WORKERS)

    def busiest(self, name: str) -> Started:
        """Return the process that holds most of a role's loops."""
        held = Counter(self.holders(name).values()) if name in self.loops else Counter()
        return max(self.roles[name], key=lambda process: held[process.pid])

    def kill_holder(self, name: str) -> float:
        """Kill who works most for a role; return the seconds until the other one holds every loop."""
        victim = self.busiest(name)
        (other,) = (process for process in self.roles[name] if process is not victim)
        began = time.monotonic()
        victim.kill()
        self.roles[name].remove(victim)
        until(lambda: Counter(self.holders(name).values()) == {other.pid: len(self.loops[name])}, within=TAKEOVER)
        return time.monotonic() - began

    def ended(self) -> list[str]:
        """Return what was said by processes that ended though nobody told them to."""
        return [
            f"{name} ended with status {process.status()}: {process.errors.read_text()[-2000:]}"
            for name, processes in self.roles.items()
            for process in processes
            if process.status() is not None
        ]

    def metric(self, name: str, **labels: str) -> float:
        """Return a number that the processes of all roles have counted together, living and dead; 0 for none."""
        text = self.doors.fetch(f"{self.base}/metrics", "text/plain")[0].decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0

    def said(self, words: str) -> int:
        """Count in what the living processes of the roles said."""
        return sum(each.errors.read_text().count(words) for role in self.roles.values() for each in role)

    def grows(self, *, within: float = TAKEOVER) -> float:
        """Return the seconds until something is published that was told after now."""
        began = time.monotonic()
        told = self.account.read().newest("miv-verkeersdata")

        def published() -> bool:
            with suppress(*BROKEN):
                return self.doors.newest("miv-verkeer") > told
            return False

        try:
            until(published, within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.complaint()}") from error
        return time.monotonic() - began

    def complaint(self) -> str:
        """Say of each process whether it runs, and what it said last."""
        processes = {"city": [self.city], **self.roles}
        return "\n".join(
            f"{name} {each.pid}: status {each.status()}\n    "
            + "\n    ".join(each.errors.read_text().splitlines()[-8:])
            for name, those in processes.items()
            for each in those
        )

    def settle(self) -> None:
        """Silence the city and wait until everything that was collected is published."""
        self.city.kill()
        before = None
        while (now := [len(self.members(stream)) for stream in STREAMS]) != before:
            before = now
            time.sleep(4)


async def _held(dsn: str) -> dict[int, int]:
    connection = await asyncpg.connect(dsn, timeout=5, command_timeout=5)
    try:
        rows = await connection.fetch(
            "SELECT (classid::bigint << 32) | objid::bigint AS key, application_name AS name FROM pg_locks"
            " JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
            " AND datname = current_database() AND application_name LIKE 'smartflanders lease %'"
        )
    finally:
        await connection.close()
    return {row["key"]: int(row["name"].rpartition(" ")[2]) for row in rows}


def slowness() -> float:
    """Say how many times longer than on a quiet machine a process of ours takes to start, here and now."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "smartflanders.cli", "--version"], cwd=ROOT, check=True, capture_output=True)
    return max(1.0, (time.monotonic() - began) / _START)


def until(condition: Callable[[], bool], *, within: float, what: str = "something") -> None:
    """Wait for something that must come; `within` counts on a quiet machine, a busy one has as much longer as it is slow."""
    began, slow = time.monotonic(), 1.0
    while not condition():
        if time.monotonic() - began > within * slow:
            slow = max(slow, slowness())
            assert time.monotonic() - began < within * slow, f"waited {within:g} s x {slow:.1f} in vain for {what}"
        time.sleep(0.1)
