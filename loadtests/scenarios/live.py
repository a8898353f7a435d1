"""Live listeners: thousands of connections that hear every member, against a bare loop that writes the same bytes."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtests.ground import filled
from loadtests.listening import Listened, affordable, ours, reference
from loadtests.outcome import Figure, Outcome
from loadtests.sampling import MB, OtherWork, Sampler
from loadtests.scenario import Plan, Tell
from loadtests.timeline import Timeline

LISTENERS = 2000


class Live:
    """2,000 listeners who get ten members a second each, published one by one through the store."""

    name = "live"
    summary = "2,000 live listeners, ten members a second each, against a bare loop of writes"
    rows = ("live-cores", "live-p99", "live-gaps")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once; where files are limited there are fewer listeners, and a note says so."""
        began, timeline = datetime.now(UTC), Timeline()
        wanted = plan.count(LISTENERS, LISTENERS, least=50)
        listeners, seconds = affordable(wanted), plan.phase(6.0, 30.0)
        async with filled(plan, 300, tell) as ground:
            ground.serve()
            others = OtherWork(lambda: ground.stand.pids)
            with Sampler(timeline, lambda: ground.stand.pids):
                tell(f"{listeners:,} listeners to a bare loop")
                bare = await reference(ground, "bare", listeners, seconds)
                tell(f"{listeners:,} listeners to us")
                found = await ours(ground, listeners, seconds)
            busy = others.cores()
        notes = []
        if listeners < wanted:
            notes.append(f"files are limited to {listeners:,} listeners here, not {wanted:,}; cores are for so many.")
        return Outcome(
            scenario=self.name,
            began=began,
            seconds=timeline.seconds,
            others=busy,
            figures=figures(found, bare),
            series=timeline.series(),
            latencies=(found.times.latency("publication to receipt"), bare.times.latency("bare loop to receipt")),
            notes=tuple(notes),
        )


def figures(found: Listened, bare: Listened) -> tuple[Figure, ...]:
    """Say what listeners cost us, beside the bare loop of the same minute."""
    each = f"{found.cost:.1f} us an event; the bare loop {bare.cost:.1f}"
    return (
        Figure(row="live-cores", value=found.cores, unit="cores", note=f"{found.listeners:,} listeners; {each}"),
        Figure(row="live-p99", value=found.times.at(99), unit="ms", note=f"{found.heard:,} events heard"),
        Figure(row="live-gaps", value=found.gaps, unit="count", note="numbers out of order, unheard, connections lost"),
        Figure(row="live-of-bare", value=bare.cost / found.cost, unit="ratio", note="events per processor second"),
        Figure(row="live-memory", value=found.memory / MB, unit="MB", note=f"{found.each / 1000:.1f} kB a listener"),
    )


SCENARIO = Live()
