"""Open-loop load: what comes due, what it waits for, and what becomes of failures."""

from __future__ import annotations

import asyncio

import pytest

from loadtests.arrivals import Offer, offer
from loadtests.histogram import Histogram


async def test_everything_that_comes_due_is_done_once_and_in_time() -> None:
    """A hundred arrivals in half a second are each done once, no sooner than the last is due."""
    seen: list[int] = []
    times = Histogram()

    async def work(number: int) -> None:
        seen.append(number)

    found = await offer(work, Offer(rate=200, seconds=0.5, width=10), times)
    assert sorted(seen) == list(range(100))
    assert (found.done, found.failed, found.given_up, times.count) == (100, 0, 0, 100)
    assert found.seconds >= 99 / 200


async def test_a_stall_makes_everything_late_that_came_due_in_it() -> None:
    """One worker that stalls for 0.4 s at the first of 40 arrivals in 0.4 s: the waiting of the others counts.

    A loop that waits for each answer before the next request would have found one slow request and 39 fast ones.
    """
    times = Histogram()

    async def work(number: int) -> None:
        if number == 0:
            await asyncio.sleep(0.4)

    found = await offer(work, Offer(rate=100, seconds=0.4, width=1), times)
    assert found.done == 40
    # Arrival n was due at 10n ms and could not begin before 400: the median waited 200 ms at least.
    assert times.at(50) >= 190
    assert found.late >= 0.38


async def test_failures_are_counted_and_the_first_is_told() -> None:
    """A request that fails is no time and no end: the others go on."""
    times = Histogram()

    async def work(number: int) -> None:
        if number % 2:
            raise OSError(f"no answer to {number}")

    found = await offer(work, Offer(rate=1000, seconds=0.02, width=1), times)
    assert (found.done, found.failed, times.count) == (10, 10, 10)
    assert found.first_failure == "OSError('no answer to 1')"


async def test_what_cannot_be_begun_in_time_is_given_up() -> None:
    """Behind a request that hangs longer than the patience the rest is given up, and counted."""
    times = Histogram()

    async def work(_number: int) -> None:
        await asyncio.sleep(0.3)

    found = await offer(work, Offer(rate=100, seconds=0.1, width=1, patience=0.1), times)
    assert (found.done, found.given_up) == (1, 9)


async def test_an_end_from_outside_is_no_failure() -> None:
    """A run that is cancelled ends at once and does not count it as failed requests."""

    async def work(_number: int) -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await offer(work, Offer(rate=10, seconds=10, width=5), Histogram())
