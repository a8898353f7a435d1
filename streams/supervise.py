"""Runs the loops of a process: restarts what may recover, ends with the name of what cannot, stops in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from streams.errors import LogError, SmartFlandersError, StoreError
from streams.logs import bind, logger
from streams.metrics import RESTARTS

_log = logger(__name__)

# A loop. It watches the process's stop event itself: stop reading, finish the batch in hand, commit, return.
Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a failed job rests: `first`, doubled each time up to a limit; a good run of `healthy` starts anew.

    The limit is `most` where a publisher failed, who must not be knocked at for ever, and `own` where our own log or
    store did: everything waits for those, and they are back to work within that time after they came back.
    """

    first: timedelta = timedelta(milliseconds=500)
    most: timedelta = timedelta(seconds=60)
    own: timedelta = timedelta(seconds=5)
    healthy: timedelta = timedelta(seconds=60)

    def pause(self, failures: int, error: Exception | None = None) -> timedelta:
        """Return the rest after this many failures in a row; half of it random, so that jobs do not fail in step."""
        limit = min(self.own, self.most) if isinstance(error, LogError | StoreError) else self.most
        # The exponent is capped where the doubling has passed any sensible limit.
        whole = min(self.first * 2.0 ** min(failures - 1, 30), limit)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing


class JobError(SmartFlandersError):
    """A job ended in a way that a restart cannot mend; its cause is the error itself."""


async def supervise(
    jobs: Mapping[str, Job], *, stop: asyncio.Event, grace: timedelta, backoff: Backoff | None = None
) -> None:
    """Run all jobs, each as a task of that name, until `stop` is set or one fails for good.

    A job that raises a retriable SmartFlandersError is called again after a rest. A job that returns is done; the
    others go on. When `stop` is set the jobs have `grace` to see it and return, then they are cancelled. Any other
    error stops the others in the same way. Returns when every job has ended.

    Raises:
        JobError: a job failed for good; the message names it.

    """
    ended = asyncio.Event()
    failures: list[JobError] = []

    async def run(name: str, job: Job) -> None:
        try:
            await _keep_running(name, job, stop=stop, backoff=backoff or Backoff())
        except JobError as error:
            failures.append(error)
            ended.set()

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(run(name, job), name=name) for name, job in jobs.items()]
        watch = group.create_task(_stop_in_order(running, stop=stop, ended=ended, grace=grace), name="stop in order")
        if running:
            await asyncio.wait(running)
        watch.cancel()
    if failures:
        raise failures[0]


async def _keep_running(name: str, job: Job, *, stop: asyncio.Event, backoff: Backoff) -> None:
    clock = asyncio.get_running_loop().time
    failed = 0
    while not stop.is_set():
        began = clock()
        try:
            with bind(job=name):
                await job()
        except SmartFlandersError as error:
            if not error.retriable:
                raise _final(name, error) from error
            failed = 1 if clock() - began >= backoff.healthy.total_seconds() else failed + 1
            pause = backoff.pause(failed, error)
            RESTARTS.labels(job=name).inc()
            _log.warning("job failed", job=name, error=str(error), again_in=round(pause.total_seconds(), 3))
            await _rest(pause, stop)
        except Exception as error:
            raise _final(name, error) from error
        else:
            return


def _final(name: str, error: Exception) -> JobError:
    if isinstance(error, SmartFlandersError):
        return JobError(f"ended: {error}", where=name, fix=error.fix)
    what = f"ended by a defect: {type(error).__name__}: {error}"
    return JobError(what, where=name, fix="report it with the lines above")


async def _rest(pause: timedelta, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(pause.total_seconds()):
            await stop.wait()


async def _stop_in_order(
    running: list[asyncio.Task[None]], *, stop: asyncio.Event, ended: asyncio.Event, grace: timedelta
) -> None:
    async with asyncio.TaskGroup() as group:
        signals = [group.create_task(event.wait(), name="stop signal") for event in (stop, ended)]
        await asyncio.wait(signals, return_when=asyncio.FIRST_COMPLETED)
        for signal in signals:
            signal.cancel()
    stop.set()
    _, late = await asyncio.wait(running, timeout=grace.total_seconds())
    for task in late:
        _log.warning("job cancelled", job=task.get_name(), after=grace.total_seconds())
        task.cancel()
