"""PostgreSQL, which holds the log, the leases and the pages here: killed, paused, and on a full disk."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from random import Random

import psutil
import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.failures.disk import Disk
from tests.failures.poisoning import check, poison_everything
from tests.failures.trial import Form, Trial
from tests.support.cluster import EVERYBODY, WORKERS, Cluster, until
from tests.support.reader import Reader

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """Give the database a small disk of its own, where this machine lets us mount one."""
    with Disk(tmp_path_factory.mktemp("disk") / "data", size=768) as mounted:
        yield mounted


@pytest.fixture(scope="module")
def server(disk: Disk) -> Iterator[EmbeddedPostgres]:
    """Start a PostgreSQL that may be killed, paused and starved."""
    with EmbeddedPostgres(disk.folder / "database", settings={"max_wal_size": "256MB"}) as running:
        yield running


def processes(server: EmbeddedPostgres) -> list[psutil.Process]:
    """Return the server and everything that works below it."""
    assert server.pid is not None
    top = psutil.Process(server.pid)
    return [top, *top.children(recursive=True)]


def test_database_killed(
    on_database: tuple[Cluster, Reader], server: EmbeddedPostgres, form: Form, chance: Random
) -> None:
    """PostgreSQL is killed with SIGKILL 2 times (long: 20) and started again a moment later."""
    with Trial("PostgreSQL killed", *on_database, within=20) as trial:
        for _ in form.rounds(2, 20):
            time.sleep(chance.uniform(0.05, 1))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            trial.kills += 1
            until(lambda: server.poll() is not None, within=10, what="the end of PostgreSQL")
            trial.hold(chance.uniform(0, 2))
            server.start()
            trial.steady()


def test_database_paused(on_database: tuple[Cluster, Reader], server: EmbeddedPostgres, form: Form) -> None:
    """PostgreSQL stands still (SIGSTOP) for 5 s (long: 30 s): everybody waits without growing, then goes on."""
    with Trial("PostgreSQL paused", *on_database, within=40) as trial:
        frozen = processes(server)
        for process in frozen:
            process.suspend()
        try:
            trial.hold(form.of(5, 30), EVERYBODY)
        finally:
            for process in frozen:
                process.resume()
        trial.steady()


def test_disk_full(on_database: tuple[Cluster, Reader], server: EmbeddedPostgres, disk: Disk, form: Form) -> None:
    """The disk of the data folder is full for 6 s (long: 30 s), then has room again: everything goes on."""
    disk.require()
    with Trial("disk full", *on_database, within=40) as trial:
        disk.fill()
        trial.hold(form.of(6, 30), WORKERS)
        ended = server.poll() is not None
        refused = trial.cluster.said("No space left on device")
        disk.free()
        # A server that cannot write its own log stops itself; whoever runs it starts it again.
        server.start()
        trial.steady()
        print(f"\n  {refused} writes refused; PostgreSQL {'had stopped itself' if ended else 'went on by itself'}")
        assert refused


def test_poison_on_database(on_database: tuple[Cluster, Reader], form: Form) -> None:
    """Garbage on every topic in PostgreSQL: counted, and everything goes on."""
    with Trial("poison on each topic, log in PostgreSQL", *on_database, within=30) as trial:
        poison_everything(trial, None)
        check(trial)
