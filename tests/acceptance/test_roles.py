"""The roles as processes of their own, two of each: `kill -9` of whoever works, takeover, nothing lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil
import pytest

from smartflanders.embedded import EmbeddedPostgres
from smartflanders.roles import ROLES
from streams.lease import lease_key
from tests.conftest import database_of
from tests.support import crawl, ledger
from tests.support.running import ROOT, free_port

TAKEOVER = 15.0
CITY = ("--lanes", "40", "--speed", "60", "--seed", "7")
SPEED = "--speed=60"
SOURCES = ("gent-garages", "gent-park-and-ride", "miv-configuratie", "miv-verkeersdata")
STREAMS = ("gent-parking", "miv-meetpunten", "miv-verkeer")
LOOPS: Mapping[str, Sequence[str]] = {
    "collect": [f"collect {name}" for name in SOURCES],
    "normalise": [f"normalise {name}" for name in SOURCES],
    "write": [f"{loop} {name}" for name in STREAMS for loop in ("write", "expire")],
}


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
        assert line.startswith("ready"), self.errors.read_text()
        return line.removeprefix("ready ").strip()

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """End it in order and return its status."""
        assert self._process.stdout is not None
        if self._process.poll() is None:
            self._process.terminate()
        self._process.stdout.close()
        return self._process.wait(15)


class Cluster:
    """Two processes of each role and of `serve`, a simulated city, and a database."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        self.dsn = dsn
        self.told = folder / "ledger.ndjson"
        self.ports = (free_port(), free_port())
        self.base = f"http://127.0.0.1:{self.ports[0]}"
        self.roles: dict[str, list[Started]] = {name: [] for name in (*ROLES, "serve")}
        self._environ = {"SF_DATABASE_URL": dsn, "SF_BASE_URL": self.base, "SF_LOG_LEVEL": "debug"}

    def __enter__(self) -> Self:
        self.city = Started(self.folder, "simulate", *CITY, "--ledger", str(self.told), environ={})
        self.origin = self.city.ready().rstrip("/")
        for name in ROLES:
            for _ in range(2):
                self.add(name)
        for port in self.ports:
            self.add("serve", f"--port={port}")
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for process in (self.city, *(each for role in self.roles.values() for each in role)):
                stack.callback(process.stop)

    def add(self, name: str, *arguments: str) -> None:
        """Start one more process of a role."""
        process = Started(self.folder, name, f"--origin={self.origin}", SPEED, *arguments, environ=self._environ)
        self.roles[name].append(process)
        process.ready()

    def holders(self, name: str) -> dict[str, int]:
        """Return which process holds each of a role's loops."""
        held = asyncio.run(_held(self.dsn))
        return {loop: held[lease_key(loop)] for loop in LOOPS[name] if lease_key(loop) in held}

    def kill_holder(self, name: str) -> float:
        """Kill who works most for a role; return the seconds until the other one holds every loop."""
        (busiest, _), *_ = Counter(self.holders(name).values()).most_common()
        (victim,) = (process for process in self.roles[name] if process.pid == busiest)
        (other,) = (process for process in self.roles[name] if process.pid != busiest)
        began = time.monotonic()
        victim.kill()
        victim.stop()
        self.roles[name].remove(victim)
        until(lambda: Counter(self.holders(name).values()) == {other.pid: len(LOOPS[name])}, within=TAKEOVER)
        return time.monotonic() - began

    def members(self, stream: str) -> list[dict[str, Any]]:
        """Read a whole feed."""
        return crawl.members(f"{self.base}/{stream}/log")

    def grows(self) -> float:
        """Return the seconds until a fast stream has news."""
        began, count = time.monotonic(), len(self.members("miv-verkeer"))
        until(lambda: len(self.members("miv-verkeer")) > count, within=TAKEOVER)
        return time.monotonic() - began

    def settle(self) -> None:
        """Silence the city and wait until everything that was collected is published."""
        self.city.kill()
        before = None
        while (now := [len(self.members(stream)) for stream in STREAMS]) != before:
            before = now
            time.sleep(4)


async def _held(dsn: str) -> dict[int, int]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT (classid::bigint << 32) | objid::bigint AS key, application_name AS name FROM pg_locks"
            " JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
            " AND datname = current_database() AND application_name LIKE 'smartflanders lease %'"
        )
    finally:
        await connection.close()
    return {row["key"]: int(row["name"].rpartition(" ")[2]) for row in rows}


def until(condition: Callable[[], bool], *, within: float) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


Fact = tuple[str, str]


def read_ledger(file: Path, sources: Sequence[str]) -> tuple[dict[Fact, object], set[Fact]]:
    """Read what the city told of each entity and time, and which of it certainly arrived (its ETag was shown)."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    confirmed = {line["body"] for line in lines if line["kind"] == "confirmed"}
    items = [line for line in lines if line["kind"] == "item" and line["source"] in sources]
    told, arrived = dict[Fact, object](), set[Fact]()
    for item in items:
        values = item["values"]
        fact = (item["entity"], item["observed_at"].replace("+00:00", "Z"))
        told[fact] = sum(values["counts"]) if "counts" in values else values.get("free")
        if item["body"] in confirmed:
            arrived.add(fact)
    return told, arrived


def changes(told: Mapping[Fact, object]) -> set[Fact]:
    """Return the facts that say something else than the one before of their entity."""
    newest: dict[str, object] = {}
    found = set()
    for (entity, time_), value in sorted(told.items(), key=lambda fact: fact[0][1]):
        if entity not in newest or newest[entity] != value:
            found.add((entity, time_))
        newest[entity] = value
    return found


def verify(cluster: Cluster) -> int:
    """Compare the feeds with the ledger; return the number of members."""
    count = 0
    for stream, sources in (("miv-verkeer", SOURCES[3:]), ("gent-parking", SOURCES[:2])):
        told, arrived = read_ledger(cluster.told, sources)
        members = cluster.members(stream)
        assert [member["sequence"] for member in members] == list(range(len(members)))
        assert len({member["@id"] for member in members}) == len(members)
        shown = ledger.shown(members)
        assert len({fact for fact, _ in shown}) == len(shown), "a member is there twice"
        assert {fact: told.get(fact) for fact, _ in shown} == dict(shown), "a member that nobody told"
        due = arrived if stream == "miv-verkeer" else arrived & changes(told)
        assert due
        assert due - dict(shown).keys() == set(), "told and not published"
        count += len(members)
    return count


@pytest.fixture
def cluster(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    """Run everything twice."""
    with Cluster(tmp_path, database_url) as running:
        yield running


@pytest.mark.slow
def test_two_of_each_role_share_and_take_over(cluster: Cluster) -> None:
    """Whoever holds a role's loops is killed, twice per role; the other takes over, and the feeds equal the ledger."""
    until(lambda: all(len(cluster.holders(name)) == len(LOOPS[name]) for name in ROLES), within=20)
    until(lambda: len(cluster.members("miv-verkeer")) > 40, within=30)
    for number in range(2):
        for name in ROLES:
            took = cluster.kill_holder(name)
            assert took < TAKEOVER
            print(f"round {number}, {name}: all {len(LOOPS[name])} loops taken over after {took:.1f} s", end="; ")
            print(f"news after {cluster.grows():.1f} s more")
            cluster.add(name)
    first, second = cluster.roles["serve"]
    page = crawl.fetch(f"{cluster.base}/miv-verkeer/log/0/0")[0]
    first.kill()
    first.stop()
    assert crawl.fetch(f"http://127.0.0.1:{cluster.ports[1]}/miv-verkeer/log/0/0")[0] == page
    cluster.roles["serve"] = [second]
    cluster.add("serve", f"--port={cluster.ports[0]}")
    cluster.settle()
    print(f"{verify(cluster)} members, none lost, none doubled")
    assert all(process.stop() == 0 for role in cluster.roles.values() for process in role)


@pytest.mark.slow
def test_a_role_that_is_stopped_hands_over_at_once(cluster: Cluster) -> None:
    """SIGTERM gives every lease back: the other process has them within seconds."""
    until(lambda: len(cluster.holders("write")) == len(LOOPS["write"]), within=20)
    victim = next(it for it in cluster.roles["write"] if it.pid in cluster.holders("write").values())
    (other,) = (process for process in cluster.roles["write"] if process is not victim)
    assert victim.stop() == 0
    until(lambda: Counter(cluster.holders("write").values()) == {other.pid: len(LOOPS["write"])}, within=4)
    assert not psutil.pid_exists(victim.pid)


def refused(*arguments: str, **environ: str) -> str:
    """Run a verb that must be refused: status 2, with a fix and without a trace."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SF_")}
    done = subprocess.run(
        [sys.executable, "-m", "smartflanders.cli", *arguments],
        cwd=ROOT,
        env={**clean, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "fix: " in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", [*ROLES, "serve"])
def test_a_role_without_its_database_is_refused(verb: str, postgres: EmbeddedPostgres) -> None:
    """No address, nobody at the address, and a database without our schema are each one sentence with its fix."""
    assert "SF_DATABASE_URL: missing" in refused(verb)
    closed = f"postgresql://u:geheim@127.0.0.1:{free_port()}/db"
    said = refused(verb, SF_DATABASE_URL=closed)
    assert "could not" in said
    assert "geheim" not in said
    assert "run `smartflanders migrate`" in refused(verb, SF_DATABASE_URL=database_of(postgres, "postgres"))
