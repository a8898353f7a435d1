"""Writing and reading at once: neither may starve the other, and readers may miss nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from loadtests.end_to_end import POLLS, STREAM, Options, Run, platform, waits
from loadtests.gathering import Gathering
from loadtests.head import HeadReader
from loadtests.histogram import Histogram
from loadtests.outcome import Figure, Outcome
from loadtests.readers import Crowd, Read, reading
from loadtests.scenario import Plan, Scenario, Tell

_SOURCES, _ITEMS, _FEW = 4, 4000, 200
# Every listener hears every member: there are so many listeners that they hear this many events a second together.
_EVENTS = 10_000
_MOST_LISTENERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a phase of writing: members committed a second, the most that lagged, and seconds to the head page."""

    rate: float
    lag: int
    ages: Histogram


class Mixed:
    """Half of the greatest rate alone, readers alone, then both at once."""

    name = "mixed"
    summary = (
        "half the greatest rate of writing, alone and beside pollers, a client that copies on and on, and listeners"
    )
    rows: tuple[str, ...] = ("mixed-ingest", "mixed-faults", "mixed-refused")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        found = Gathering(self.name, plan, tell)
        items = plan.count(_ITEMS, _ITEMS, least=_FEW)
        options = Options(log=plan.log, views=1, sources=_SOURCES, items=items, seconds=plan.phase(5, 15))
        tell("starting")
        async with platform(options, plan.folder, found.timeline) as run:
            tell("what it sustains, and a history to read")
            most = (await run.sustained()).rate
            await _Phases(found, run, most / 2).run()
        found.figures.append(Figure(row="sustained before", value=most, unit="1/s", note="members committed, alone"))
        return found.outcome()


class _Phases:
    """The three phases over one platform, writing at `rate` members a second."""

    def __init__(self, found: Gathering, run: Run, rate: float) -> None:
        self._found = found
        self._run = run
        self._rate = rate
        self._seconds = found.plan.phase(8, 60)
        listeners = max(1, min(_MOST_LISTENERS, round(_EVENTS / rate)))
        self._crowd = Crowd(polls=found.plan.count(50, 200, least=20), copies=1, listeners=listeners)

    async def run(self) -> None:
        """Run them, and note what they show.

        Raises:
            RuntimeError: a reader missed something.

        """
        self._found.tell(f"writing alone, {self._rate:,.0f}/s")
        alone = await self._write()
        self._found.tell("reading alone")
        async with self._reading() as calm:
            pass
        self._found.tell(f"writing {self._rate:,.0f}/s and reading")
        async with self._reading() as busy:
            beside = await self._write()
        self._show(alone, beside)
        self._show_reading(calm, busy)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Read]:
        async with reading(self._run.stand.base, STREAM, self._crowd, self._seconds) as read:
            yield read
            # Whoever has ended is still looked after.
            await self._run.look()
        if read.faults or read.refused:
            why = read.offered.first_failure if read.offered else ""
            self._found.notes.append(
                f"{read.faults} copies or events and {read.refused} polls were not as they should be; {why}."
            )

    async def _write(self) -> Written:
        """Publish at the rate for the length of a phase, then drain."""
        run, publisher = self._run, self._run.publisher
        items = max(1, round(self._rate / POLLS / _SOURCES))
        publisher.prepare(_SOURCES, items)
        first, committed, lag = len(publisher.sent), run.committed, 0
        with HeadReader(run.stand.base, STREAM) as head:
            publisher.wanted = lambda: items
            began = time.perf_counter()
            while (passed := time.perf_counter() - began) < self._seconds:
                await run.look()
                lag = max(lag, publisher.items - run.committed)
            rate = (run.committed - committed) / passed
            publisher.wanted = lambda: 0
            await run.until(publisher.items)
            await asyncio.sleep(0.5)
        ages = Histogram()
        # The first second finds idle caches; it belongs to no steady state.
        for seconds in waits([stamp for stamp, _ in publisher.sent[first + _SOURCES * POLLS :]], head.seen):
            ages.add(seconds)
        return Written(rate=rate, lag=lag, ages=ages)

    def _show(self, alone: Written, beside: Written) -> None:
        asked = f"of {self._rate:,.0f}/s asked for"
        ratio = f"{beside.rate:,.0f} members committed a second beside readers, {alone.rate:,.0f} alone, {asked}"
        self._found.figures += [
            Figure(row="mixed-ingest", value=beside.rate / alone.rate, unit="ratio", note=ratio),
            Figure(
                row="mixed-lag", value=beside.lag, unit="count", note=f"members not yet committed, {alone.lag:,} alone"
            ),
            *(
                Figure(
                    row=f"mixed-age-p{at}",
                    value=beside.ages.at(at),
                    unit="ms",
                    note=f"payload to head page beside readers, {alone.ages.at(at):,.0f} ms alone",
                )
                for at in (50, 99)
            ),
        ]
        self._found.latencies += [
            alone.ages.latency("payload to head page, writing alone"),
            beside.ages.latency("payload to head page, beside readers"),
        ]

    def _show_reading(self, calm: Read, busy: Read) -> None:
        said = f"{self._crowd.polls:.0f} polls a second, {self._crowd.listeners} listeners"
        self._found.figures += [
            Figure(
                row="mixed-page-p99",
                value=busy.times.at(99),
                unit="ms",
                note=f"a page while others write, {calm.times.at(99):.1f} ms while nobody does; {said}",
            ),
            Figure(
                row="mixed-copy",
                value=busy.pages / max(1, calm.pages),
                unit="ratio",
                note=f"pages copied while others write ({busy.pages:,}), of those while nobody does",
            ),
            Figure(row="mixed-faults", value=calm.faults + busy.faults, unit="count", note="gaps, missed, doubled"),
            Figure(row="mixed-refused", value=calm.refused + busy.refused, unit="count", note="failed or given up"),
        ]
        self._found.latencies += [
            calm.times.latency("pages polled, nobody writes"),
            busy.times.latency("pages polled, others write"),
        ]


SCENARIO: Scenario = Mixed()
