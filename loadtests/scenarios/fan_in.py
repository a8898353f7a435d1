"""Two hundred sources at different cadence on one machine: everything is published, and nobody waits for the others."""

from __future__ import annotations

import asyncio
import statistics
import time

from loadtests.end_to_end import STREAM, Options, Run, platform, waits
from loadtests.gathering import Gathering
from loadtests.head import HeadReader
from loadtests.histogram import Histogram
from loadtests.ledger import balance
from loadtests.outcome import Figure, Outcome
from loadtests.scenario import Plan, Scenario, Tell

# Sources take these in turn, and are asked five times as often: between five times a second and once in twelve.
CADENCES = ("1s", "2s", "5s", "10s", "30s", "60s")
_SOURCES, _FEW_SOURCES = 200, 24
# As many items as a middling publisher has.
_ITEMS = 10
_WITHIN_SECONDS = 120.0


class FanIn:
    """Every source has news whenever it is asked; what each process takes, how late pages are, and the ledger at the end."""

    name = "fan-in"
    summary = "200 sources asked between five times a second and once in twelve: ledger, lag, processor of each process"
    rows: tuple[str, ...] = ()

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        found = Gathering(self.name, plan, tell)
        sources = plan.count(_SOURCES, _SOURCES, least=_FEW_SOURCES)
        seconds = plan.phase(15, 120)
        options = Options(log=plan.log, views=1, sources=sources, items=_ITEMS, seconds=seconds, every=CADENCES)
        tell("starting")
        async with platform(options, plan.folder, found.timeline) as run:
            await _all_asked(run, sources)
            tell(f"{sources} sources, {seconds:.0f} s")
            with HeadReader(run.stand.base, STREAM) as reader:
                await _publish(found, run, seconds)
                tell("until all is published")
                await run.until(run.publisher.items, within=_WITHIN_SECONDS)
                await asyncio.sleep(0.5)
            times = Histogram()
            for waited in waits([stamp for stamp, _ in run.publisher.sent], reader.seen):
                times.add(waited)
            found.latencies.append(times.latency("payload to head page"))
            tell("ledger")
            lost = await balance(run)
        found.figures.insert(0, Figure(row="fan-in lost", value=lost.wrong, unit="count", note=lost.told()))
        return found.outcome()


async def _all_asked(run: Run, sources: int) -> None:
    """Wait until the collector has reached every source once; they are told that there is no news yet."""
    async with asyncio.timeout(_WITHIN_SECONDS):
        while len(run.publisher.asked) < sources:
            await run.look()


async def _publish(found: Gathering, run: Run, seconds: float) -> None:
    """Let every source have news for so long, and note the rate, the lag and what it costs."""
    publisher = run.publisher
    before, began, lags = run.stand.seconds(), time.perf_counter(), []
    publisher.wanted = lambda: _ITEMS
    while time.perf_counter() - began < seconds:
        await run.look()
        lags.append(publisher.items - run.committed)
    passed = time.perf_counter() - began
    cores = {name: (after - before[name]) / passed for name, after in run.stand.seconds().items()}
    publisher.wanted = lambda: 0
    payloads = f"{len(publisher.sent) / passed:,.0f} payloads of {_ITEMS} items a second"
    found.figures += [
        Figure(row="fan-in committed", value=run.committed / passed, unit="1/s", note=f"members; {payloads}"),
        Figure(row="fan-in lag p50", value=statistics.median(lags), unit="count", note="members not yet committed"),
        Figure(row="fan-in lag worst", value=max(lags), unit="count", note="members not yet committed"),
        Figure(
            row="fan-in processor",
            value=sum(cores.values()),
            unit="cores",
            note=", ".join(f"{name} {share:.2f}" for name, share in cores.items()),
        ),
    ]


SCENARIO: Scenario = FanIn()
