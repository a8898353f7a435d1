"""Supervision: restart what may recover, name what cannot, stop in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from streams.errors import LogError, SourceError, StoreError
from streams.supervise import Backoff, JobError, supervise

GRACE = timedelta(seconds=5)
QUICK = Backoff(first=timedelta(milliseconds=1), most=timedelta(milliseconds=5))


def trouble(*, retriable: bool) -> SourceError:
    """Make an error of ours."""
    return SourceError("no answer", where="gent-garages", fix="wait", retriable=retriable)


async def test_a_job_is_a_task_of_its_name_and_may_end() -> None:
    """Jobs run as tasks that carry their names; when all have returned, so does supervise."""
    names = []

    async def job() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())

    await supervise({"collect": job, "write": job}, stop=asyncio.Event(), grace=GRACE)
    assert sorted(names) == ["collect", "write"]


async def test_a_retriable_error_restarts_that_job_alone() -> None:
    """A job whose outside world fails is called again; its neighbour runs through."""
    calls = {"weak": 0, "strong": 0}
    stop = asyncio.Event()

    async def weak() -> None:
        calls["weak"] += 1
        if calls["weak"] < 4:
            raise trouble(retriable=True)
        stop.set()

    async def strong() -> None:
        calls["strong"] += 1
        await stop.wait()

    await supervise({"weak": weak, "strong": strong}, stop=stop, grace=GRACE, backoff=QUICK)
    assert calls == {"weak": 4, "strong": 1}


@pytest.mark.parametrize("error", [trouble(retriable=False), ZeroDivisionError("oops")], ids=["final", "defect"])
async def test_any_other_error_ends_the_process_with_the_name_of_the_job(error: Exception) -> None:
    """What a restart cannot mend stops the other jobs in order and is raised with the job's name and cause."""
    ended = []
    stop = asyncio.Event()

    async def broken() -> None:
        raise error

    async def other() -> None:
        await stop.wait()
        ended.append("in order")

    with pytest.raises(JobError, match="normalise gent-garages") as caught:
        await supervise({"normalise gent-garages": broken, "other": other}, stop=stop, grace=GRACE)
    assert caught.value.__cause__ is error
    assert caught.value.fix
    assert ended == ["in order"]


async def test_stopping_lets_jobs_finish_and_cancels_the_late_ones() -> None:
    """After `stop` a job has the grace to finish its batch; one that needs longer is cancelled."""
    ended = []
    stop = asyncio.Event()

    async def polite() -> None:
        await stop.wait()
        await asyncio.sleep(0.02)
        ended.append("finished")

    async def deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    asyncio.get_running_loop().call_later(0.02, stop.set)
    await supervise({"polite": polite, "deaf": deaf}, stop=stop, grace=timedelta(seconds=0.2))
    assert ended == ["finished", "cancelled"]


async def test_stopping_does_not_wait_for_a_rest() -> None:
    """A job that rests after a failure ends at once when `stop` is set."""
    stop = asyncio.Event()

    async def failing() -> None:
        raise trouble(retriable=True)

    asyncio.get_running_loop().call_later(0.05, stop.set)
    slow = Backoff(first=timedelta(hours=1), most=timedelta(hours=1))
    async with asyncio.timeout(5):
        await supervise({"failing": failing}, stop=stop, grace=GRACE, backoff=slow)


def test_rests_double_up_to_a_limit() -> None:
    """Rests grow from half of `first` to at most `most`, however many failures there were."""
    backoff = Backoff(first=timedelta(seconds=1), most=timedelta(seconds=60))
    for failures, whole in ((1, 1), (2, 2), (5, 16), (7, 60), (10_000, 60)):
        assert whole / 2 <= backoff.pause(failures).total_seconds() <= whole


def test_our_own_log_and_store_are_asked_again_soon() -> None:
    """However often the database or a broker went away, a job is back within seconds of its return; publishers rest."""
    again = {
        kind: Backoff().pause(20, kind("away", where="x", fix="wait", retriable=True)).total_seconds()
        for kind in (LogError, StoreError, SourceError)
    }
    assert again[LogError] <= 5
    assert again[StoreError] <= 5
    assert again[SourceError] >= 30
