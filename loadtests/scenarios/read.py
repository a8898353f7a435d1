"""Reading what is stored: full copies by one client and by several, and pollers at a constant rate in every form."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtests import polling, replication
from loadtests.ground import filled
from loadtests.outcome import Outcome
from loadtests.polling import Pollers, Rates
from loadtests.replication import copy_all
from loadtests.sampling import OtherWork, Sampler
from loadtests.scenario import Plan, Tell
from loadtests.timeline import Timeline

# Ten more than fill leaves, so that there is an open one.
_BEYOND = 10


class Read:
    """A million members (short: 50,000) in one view, copied and polled over loopback."""

    name = "read"
    summary = "full copies by one client and several, and pollers in every form, of what is stored"
    rows = ("replicate",)

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once; nginx is the reference of the copies, and where it cannot be had a note says so."""
        began, timeline = datetime.now(UTC), Timeline()
        count = plan.count(50_000, 1_000_000, least=2_000) + _BEYOND
        async with filled(plan, count, tell) as ground:
            others = OtherWork(lambda: ground.stand.pids)
            with Sampler(timeline, lambda: ground.stand.pids):
                crowds = (2,) if plan.seconds is not None else (4, 16) if plan.long else (4,)
                copies = await copy_all(ground, tell, rounds=plan.count(3, 5, least=1), crowds=crowds)
                quick = plan.long and plan.seconds is None
                rates = Rates(new=20, kept=100 if quick else 40, ready=1000 if quick else 200)
                pollers = Pollers(ground, tell, rates)
                await pollers.run(plan.phase(1.0, 10.0))
            busy = others.cores()
        notes = (
            (f"replicate has no figure, since its reference is missing: {copies.without}.",) if copies.without else ()
        )
        return Outcome(
            scenario=self.name,
            began=began,
            seconds=timeline.seconds,
            others=busy,
            figures=(*replication.figures(copies), *polling.figures(pollers.found)),
            series=timeline.series(),
            latencies=tuple(each.latency for each in pollers.found),
            notes=(*notes, *polling.faults(pollers.found)),
        )


SCENARIO = Read()
