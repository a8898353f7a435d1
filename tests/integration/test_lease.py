"""Leases on a real PostgreSQL: one holder at a time, prompt takeover, and what happens when a session dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from streams.errors import LogError
from streams.lease import Leases
from tests.support.running import ROOT

NAME = "write gent-parking"
# A holder in a process of its own, to be killed or paused.
HOLDER = """
import asyncio, sys
from streams.lease import Leases
from streams.logs import configure

async def main():
    async def work():
        print("held", flush=True)
        await asyncio.sleep(600)
    async with Leases(sys.argv[1]) as leases:
        await leases.hold(sys.argv[2], work, stop=asyncio.Event())

configure({})
asyncio.run(main())
"""


class Work:
    """Work that says when it runs and when it was cancelled."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> None:
        """Run until cancelled."""
        self.running.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@contextmanager
def holder(dsn: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the lease; it is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, dsn, NAME], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


async def end_sessions(dsn: str) -> None:
    """End the sessions that hold leases, as an administrator or a restart does."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'smartflanders lease%'"
        )
    finally:
        await connection.close()


async def test_one_holder_at_a_time(database_url: str) -> None:
    """A second process waits, does not wait for other names, and runs soon after the first has given the lease back."""
    first, second, other, stop = Work(), Work(), Work(), asyncio.Event()
    async with (
        asyncio.timeout(20),
        Leases(database_url) as mine,
        Leases(database_url) as theirs,
        asyncio.TaskGroup() as group,
    ):
        holding = group.create_task(mine.hold(NAME, first, stop=stop))
        await first.running.wait()
        waiting = group.create_task(theirs.hold(NAME, second, stop=stop))
        another = group.create_task(theirs.hold("write other", other, stop=stop))
        await other.running.wait()
        await asyncio.sleep(1.2)
        assert not second.running.is_set()
        holding.cancel()
        began = time.monotonic()
        await second.running.wait()
        assert time.monotonic() - began < 2
        waiting.cancel()
        another.cancel()


async def test_one_process_holds_a_name_once(database_url: str) -> None:
    """The same name asked for twice by one process waits too, though the session could take its lock again."""
    first, second, stop = Work(), Work(), asyncio.Event()
    async with asyncio.timeout(20), Leases(database_url) as leases, asyncio.TaskGroup() as group:
        holding = group.create_task(leases.hold(NAME, first, stop=stop))
        await first.running.wait()
        waiting = group.create_task(leases.hold(NAME, second, stop=stop))
        await asyncio.sleep(0.3)
        assert not second.running.is_set()
        holding.cancel()
        await second.running.wait()
        waiting.cancel()


async def test_a_stop_ends_the_waiting(database_url: str) -> None:
    """Whoever waits for a lease returns at once when told to stop, without having run."""
    first, second, stop = Work(), Work(), asyncio.Event()
    async with (
        asyncio.timeout(20),
        Leases(database_url) as mine,
        Leases(database_url) as theirs,
        asyncio.TaskGroup() as group,
    ):
        holding = group.create_task(mine.hold(NAME, first, stop=asyncio.Event()))
        await first.running.wait()
        waiting = group.create_task(theirs.hold(NAME, second, stop=stop))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        stop.set()
        await waiting
        assert time.monotonic() - began < 0.5
        assert not second.running.is_set()
        holding.cancel()


async def test_a_lost_session_stops_the_work(database_url: str) -> None:
    """When the session dies its work is cancelled, the error says that trying again helps, and trying again does."""
    works = (Work(), Work())
    async with asyncio.timeout(20), Leases(database_url) as leases:
        for work in works:
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(_raised(leases, work))
                await work.running.wait()
                await end_sessions(database_url)
                error = await holding
            assert error is not None
            assert error.retriable
            assert error.where == NAME
            assert work.cancelled


async def _raised(leases: Leases, work: Work) -> LogError | None:
    try:
        await leases.hold(NAME, work, stop=asyncio.Event())
    except LogError as error:
        return error
    return None


async def test_what_the_work_raises_comes_through_and_frees_the_lease(database_url: str) -> None:
    """An error of the work is raised as it is, and the next one gets the lease at once."""

    async def broken() -> None:
        raise KeyError("a defect")

    done = asyncio.Event()

    async def fine() -> None:
        done.set()

    async with asyncio.timeout(20), Leases(database_url) as leases:
        with pytest.raises(KeyError, match="a defect"):
            await leases.hold(NAME, broken, stop=asyncio.Event())
        await leases.hold(NAME, fine, stop=asyncio.Event())
        assert done.is_set()


@pytest.mark.parametrize(("number", "within"), [(signal.SIGKILL, 3), (signal.SIGSTOP, 15)], ids=["killed", "hangs"])
async def test_takeover_from_another_process(database_url: str, number: signal.Signals, within: float) -> None:
    """The lease of a process that is killed is free at once, that of one that hangs after the server's patience."""
    work = Work()
    with holder(database_url) as process:
        async with asyncio.timeout(30), Leases(database_url) as leases, asyncio.TaskGroup() as group:
            waiting = group.create_task(leases.hold(NAME, work, stop=asyncio.Event()))
            await asyncio.sleep(1.5)
            assert not work.running.is_set()
            os.kill(process.pid, number)
            began = time.monotonic()
            await work.running.wait()
            took = time.monotonic() - began
            waiting.cancel()
        assert took < within
        print(f"{number.name}: taken over after {took:.1f} s")


async def test_holding_for_long_keeps_the_session(database_url: str) -> None:
    """Beats keep the server from ending a session that has nothing else to say."""
    work = Work()
    async with asyncio.timeout(30), Leases(database_url) as leases, asyncio.TaskGroup() as group:
        holding = group.create_task(leases.hold(NAME, work, stop=asyncio.Event()))
        await work.running.wait()
        await asyncio.sleep(11)
        assert not holding.done()
        holding.cancel()


async def test_who_keeps_the_session_alive_may_go(database_url: str) -> None:
    """When the work ends whose lease was beating for all, another one beats: the session lives as long as one is held."""
    works = [Work() for _ in range(3)]
    async with asyncio.timeout(40), Leases(database_url) as leases, asyncio.TaskGroup() as group:
        holding = []
        for number, work in enumerate(works):
            holding.append(group.create_task(leases.hold(f"{NAME} {number}", work, stop=asyncio.Event())))
            await work.running.wait()
        for held in holding[:2]:
            held.cancel()
        await asyncio.sleep(11)
        assert not holding[2].done()
        holding[2].cancel()
