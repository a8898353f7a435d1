"""Open-loop load: work comes due at a constant rate, and each time is counted from when it was due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loadtests.histogram import Histogram

# Does the work of one arrival, by its number from 0; an error that it raises counts as a failure.
Work = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is to come due: `rate` a second for so many seconds, at most `width` of it in hand at once.

    When all are in hand the next arrival waits, and its waiting counts. What could not be begun `patience` seconds after
    the last came due is given up.
    """

    rate: float
    seconds: float
    width: int
    patience: float = 10.0

    @property
    def count(self) -> int:
        """How many come due."""
        return max(1, round(self.rate * self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What became of an offer: `done` + `failed` + `given_up` = all that came due.

    `seconds` go from the first due time to the last end; `late` is how many seconds after its due time the latest was
    begun. `first_failure` is what the first failure said.
    """

    done: int
    failed: int
    given_up: int
    seconds: float
    late: float
    first_failure: str = ""

    @property
    def rate(self) -> float:
        """How many were done a second."""
        return self.done / self.seconds if self.seconds else 0.0


class Arrivals:
    """One offer, carried out by `width` loops that take the arrivals in turn.

    A loop sleeps until its arrival is due, does the work and counts from the due time to the end: a server that stalls
    for a second makes everything that came due in that second late, as it would for people. The event loop wakes up to a
    millisecond late, which counts as well: times below that say little.
    """

    def __init__(self, offer: Offer, work: Work, times: Histogram) -> None:
        self._offer = offer
        self._work = work
        self._times = times
        self._next = self._done = self._failed = self._given_up = 0
        self._late = 0.0
        self._first_failure = ""

    async def run(self) -> Offered:
        """Offer everything; ends when the last arrival is done or given up."""
        self._began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(min(self._offer.width, self._offer.count)):
                group.create_task(self._take(), name=f"arrivals {number}")
        return Offered(
            done=self._done,
            failed=self._failed,
            given_up=self._given_up,
            seconds=time.perf_counter() - self._began,
            late=self._late,
            first_failure=self._first_failure,
        )

    async def _take(self) -> None:
        offer = self._offer
        while self._next < offer.count:
            number = self._next
            self._next += 1
            due = self._began + number / offer.rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            began = time.perf_counter()
            if began > self._began + offer.seconds + offer.patience:
                self._given_up += 1
                continue
            self._late = max(self._late, began - due)
            await self._one(number, due)

    async def _one(self, number: int, due: float) -> None:
        try:
            await self._work(number)
        except Exception as error:  # noqa: BLE001 - whatever a request fails with is a failed request
            self._failed += 1
            self._first_failure = self._first_failure or repr(error)
        else:
            self._done += 1
            self._times.add(time.perf_counter() - due)


async def offer(work: Work, wanted: Offer, times: Histogram) -> Offered:
    """Let work come due as an offer says; every time from due to done goes into `times`, in seconds."""
    return await Arrivals(wanted, work, times).run()
