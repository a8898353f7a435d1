"""A burst of ten times the rate: nothing may be lost, and the lag of before must come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from loadtests.end_to_end import POLLS, STREAM, Options, Run, platform, waits
from loadtests.gathering import Gathering
from loadtests.head import HeadReader
from loadtests.histogram import Histogram
from loadtests.ledger import balance
from loadtests.outcome import Figure, Outcome
from loadtests.scenario import Plan, Scenario, Tell

FACTOR = 10
# The burst comes at so many times what the platform sustains, so that a backlog is sure to grow.
_OVER = 1.5
_SOURCES, _ITEMS, _FEW = 4, 4000, 200
# The lag is back when it stays where it was for so long: it goes up and down with every payload.
_STAYS_SECONDS = 2.0
# Given up after so many times the length of the burst, and a minute for a busy machine.
_PATIENCE, _MORE_SECONDS = 20, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of constant rate: when it began and ended (UTC), and the greatest lag seen in it."""

    name: str
    began: datetime
    ended: datetime
    worst: int


class Watch:
    """Tells when a lag is back at `limit` or below for good; called with the seconds and the lag of every look."""

    def __init__(self, limit: int, stays: float = _STAYS_SECONDS) -> None:
        self._limit = limit
        self._stays = stays
        self._low_since: float | None = None
        self.back: float | None = None

    def __call__(self, seconds: float, lag: int) -> bool:
        """Take a look; whether it has been back for long enough."""
        if lag > self._limit:
            self._low_since = None
        elif self._low_since is None:
            self._low_since = seconds
        if self._low_since is not None and seconds - self._low_since >= self._stays:
            self.back = self._low_since
        return self.back is not None


class Burst:
    """Steady, then ten times that, then steady again until the lag is what it was."""

    name = "burst"
    summary = "a steady rate, ten times that for a minute (short form: 10 s), then how soon the lag of before is back"
    rows: tuple[str, ...] = ("burst-lost", "burst-steady")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        found = Gathering(self.name, plan, tell)
        items = plan.count(_ITEMS, _ITEMS, least=_FEW)
        options = Options(log=plan.log, views=1, sources=_SOURCES, items=items, seconds=plan.phase(4, 15))
        tell("starting")
        async with platform(options, plan.folder, found.timeline) as run:
            tell("what it sustains")
            most = (await run.sustained()).rate
            await _Storm(found, run, most * _OVER / FACTOR).run()
            tell("ledger")
            lost = await balance(run)
        found.figures.insert(0, Figure(row="burst-lost", value=lost.wrong, unit="count", note=lost.told()))
        found.figures.append(Figure(row="sustained before", value=most, unit="1/s", note="members committed"))
        found.notes.append(f"The burst came at {_OVER} times what the platform had sustained just before.")
        return found.outcome()


class _Storm:
    """The three phases over one platform, at a steady rate in members a second."""

    def __init__(self, found: Gathering, run: Run, steady: float) -> None:
        self._found = found
        self._run = run
        self._steady = steady
        self._length = found.plan.phase(10, 60)
        self._patience = self._length * _PATIENCE + _MORE_SECONDS

    async def run(self) -> None:
        """Run them, drain, and note what they show."""
        with HeadReader(self._run.stand.base, STREAM) as reader:
            before = await self._phase("before", self._steady, self._found.plan.phase(5, 60))
            burst = await self._phase("burst", self._steady * FACTOR, self._length)
            watch = Watch(before.worst)
            after = await self._phase("after", self._steady, self._patience, watch)
            self._run.publisher.wanted = lambda: 0
            await self._run.until(self._run.publisher.items, within=self._patience)
            await asyncio.sleep(0.5)
        for phase in (before, burst, after):
            self._show(phase, reader)
        self._judge(watch, before)

    async def _phase(
        self, name: str, rate: float, seconds: float, ends: Callable[[float, int], bool] = lambda _seconds, _lag: False
    ) -> Phase:
        """Publish at a rate for so long, or until a look says that it ends."""
        publisher = self._run.publisher
        items = max(1, round(rate / POLLS / _SOURCES))
        publisher.prepare(_SOURCES, items)
        publisher.wanted = lambda: items
        began, clock, worst, passed = datetime.now(UTC), time.perf_counter(), 0, 0.0
        while passed < seconds:
            await self._run.look()
            passed, lag = time.perf_counter() - clock, publisher.items - self._run.committed
            worst = max(worst, lag)
            self._found.tell(f"{name}: {rate:,.0f}/s, {lag:,} not yet committed")
            if ends(passed, lag):
                break
        return Phase(name=name, began=began, ended=datetime.now(UTC), worst=worst)

    def _show(self, phase: Phase, reader: HeadReader) -> None:
        stamps = [stamp for stamp, _ in self._run.publisher.sent if phase.began <= stamp < phase.ended]
        times = Histogram()
        for seconds in waits(stamps, reader.seen):
            times.add(seconds)
        self._found.latencies.append(times.latency(f"payload to head page, {phase.name}"))
        note = "members sent and not yet committed, at worst"
        self._found.figures.append(Figure(row=f"lag {phase.name}", value=phase.worst, unit="count", note=note))

    def _judge(self, watch: Watch, before: Phase) -> None:
        if watch.back is None:
            self._found.notes.append(
                f"burst-steady has no figure: in {self._patience:.0f} s after the burst the lag was never back at the "
                f"{before.worst:,} members of before."
            )
            return
        note = f"{watch.back:.1f} s after a burst of {self._length:.0f} s no more than {before.worst:,} members lagged"
        figure = Figure(row="burst-steady", value=watch.back / self._length, unit="ratio", note=note)
        self._found.figures.insert(0, figure)


SCENARIO: Scenario = Burst()
