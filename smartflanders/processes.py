"""Child processes under one supervisor: start in order, restart what dies, stop together."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from streams.errors import ConfigError, Problem, SmartFlandersError
from streams.logs import logger

# prctl(2): the signal a process receives when its parent dies; 1 is PR_SET_PDEATHSIG.
_PR_SET_PDEATHSIG = 1
# A child that dies at once again is restarted ever more slowly, up to this.
_SLOWEST_RESTART = timedelta(seconds=5)
_FIRST_RESTART = timedelta(milliseconds=200)
# A child that lived this long is healthy: its next death starts the back-off anew.
_HEALTHY_AFTER = timedelta(seconds=30)
# After the polite signal a child has this long; then it is killed. All children together stay within the ten
# seconds that stopping the platform may take.
STOP_WITHIN = timedelta(seconds=4)

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process to keep alive: `argv` is asked again at each start, so a restarted child can reuse its old port.

    `ready` is what its first line of standard output must begin with before the next child starts; None when the
    child needs no such moment. Exit status 2 (wrong configuration) is never restarted: it would only fail again.
    """

    name: str
    argv: Callable[[], Sequence[str]]
    environ: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = None
    on_ready: Callable[[str], None] | None = None


def _bound_to_us() -> Callable[[], None] | None:
    """Return what a child calls before it becomes the program: the kernel (Linux) kills it when we die, however we die.

    Without this, `kill -9` of the supervisor would leave children that hold the port and the write lock; done by the
    program itself it would come a second too late, after its imports.
    """
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)

    return bind


def die_with_parent() -> None:
    """Ask the kernel (Linux) to end this process when its parent dies, however it dies."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


class Processes:
    """Runs children until told to stop; `start` returns when the child is ready.

    The first failure for good sets `stop`, so that everything ends in order; `failures` keeps it.
    """

    def __init__(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        self._group = group
        self._stop = stop
        self.failures: list[SmartFlandersError] = []

    async def start(self, child: Child, *, within: timedelta = timedelta(seconds=60)) -> None:
        """Start a child and wait for its ready line, or until told to stop.

        A child that dies before it is ready is started again like any other: the database may be away for a moment.

        Raises:
            SmartFlandersError: it was not ready in time.

        """
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = self._group.create_task(self._guarded(child.name, self._keep_alive(child, ready)), name=child.name)
        if child.ready is None:
            return
        both: set[asyncio.Future[Any]] = {ready, task}
        await asyncio.wait(both, timeout=within.total_seconds(), return_when="FIRST_COMPLETED")
        if not ready.done() and not self._stop.is_set():
            raise SmartFlandersError(
                f"the {child.name} process was not ready within {within.total_seconds():.0f} s",
                where="up",
                fix="read the lines above; run again with SF_LOG_LEVEL=debug for more",
            )

    def keep(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run something else beside the children; when it fails, everything stops."""
        self._group.create_task(self._guarded(name, work), name=name)

    def fail(self, error: SmartFlandersError) -> None:
        """Stop everything because of this."""
        self.failures.append(error)
        self._stop.set()

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Turn a failure into a stop in order; left to the task group it would cancel whoever ends the children."""
        try:
            await work
        except SmartFlandersError as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - a defect of one part must not leave the others running
            what = f"ended by a defect: {type(error).__name__}: {error}"
            self.fail(SmartFlandersError(what, where=name, fix="report it with the lines above"))

    async def _keep_alive(self, child: Child, ready: asyncio.Future[str]) -> None:
        pause = _FIRST_RESTART
        while not self._stop.is_set():
            loop = asyncio.get_running_loop()
            began = loop.time()
            status = await self._run_once(child, ready)
            if self._stop.is_set():
                return
            if status == 2:
                ended = Problem(where=child.name, what="the process ended with status 2", fix="mend what it said above")
                raise ConfigError([ended], where="up")
            pause = _FIRST_RESTART if loop.time() - began > _HEALTHY_AFTER.total_seconds() else pause
            _log.warning("process died", process=child.name, status=status, restart_in=pause.total_seconds())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause.total_seconds())
            pause = min(pause * 2, _SLOWEST_RESTART)

    async def _run_once(self, child: Child, ready: asyncio.Future[str]) -> int:
        process = await asyncio.create_subprocess_exec(
            *child.argv(),
            env={**os.environ, **child.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C reaches the whole foreground group; children wait for the supervisor's word instead.
            start_new_session=True,
            preexec_fn=_bound_to_us(),
        )
        reader = self._group.create_task(_follow(child, process.stdout, ready), name=f"{child.name} output")
        ended = self._group.create_task(process.wait(), name=f"{child.name} end")
        stopped = self._group.create_task(self._stop.wait(), name=f"{child.name} stop")
        try:
            await asyncio.wait([ended, stopped], return_when="FIRST_COMPLETED")
        finally:
            stopped.cancel()
            if not ended.done():
                await _end(process, ended)
            reader.cancel()
        return ended.result()


async def _follow(child: Child, output: asyncio.StreamReader | None, ready: asyncio.Future[str]) -> None:
    """Watch a child's standard output: its ready line is ours, every other line is passed on."""
    assert output is not None
    async for raw in output:
        line = raw.decode("utf-8", "replace").rstrip("\n")
        if child.ready is not None and line.startswith(child.ready):
            if not ready.done():
                ready.set_result(line)
                if child.on_ready is not None:
                    child.on_ready(line)
        else:
            print(line, flush=True)  # noqa: T201 - a child's output is the command's output


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    done, _ = await asyncio.wait({ended}, timeout=STOP_WITHIN.total_seconds())
    if not done:
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait({ended})


@asynccontextmanager
async def processes(stop: asyncio.Event) -> AsyncIterator[Processes]:
    """Open a supervisor; leaving the block sets `stop` and waits until every child has ended.

    Raises:
        SmartFlandersError: what the block or one of the children failed with, first of all.

    """
    async with asyncio.TaskGroup() as group:
        running = Processes(group, stop)
        try:
            yield running
        except SmartFlandersError as error:
            running.fail(error)
        finally:
            stop.set()
    if running.failures:
        raise running.failures[0]
