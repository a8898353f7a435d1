"""Pollers at a constant rate: final pages in every form, new, kept, ready and unchanged, and the two pages that change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from loadtests.arrivals import Offer, offer
from loadtests.caller import Answer, Caller
from loadtests.ground import Ground
from loadtests.histogram import Histogram
from loadtests.outcome import Figure, Latency
from loadtests.scenario import Tell

FORMS: Mapping[str, str] = {
    "jsonld": "application/ld+json",
    "turtle": "text/turtle",
    "ntriples": "application/n-triples",
    "ndjson": "application/x-ndjson",
    "geojson": "application/geo+json",
    "csv": "text/csv",
}
# Clients that poll: so many requests at most are in hand at once.
POLLERS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """One phase: how many answers came with which processor time of the server, and how long they took.

    `refused` is how many arrivals failed or could not be begun in time, `why` what the first failure said.
    """

    form: str
    phase: str
    answers: int
    server: float
    latency: Latency
    refused: int = 0
    why: str = ""

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for an answer."""
        return self.server / max(1, self.answers) * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often a second pages are asked for that are rendered first, that are kept, and that are ready."""

    new: float
    kept: float
    ready: float


class Pollers:
    """Asks one platform; what was found goes into `found`."""

    def __init__(self, ground: Ground, tell: Tell, rates: Rates) -> None:
        self._ground = ground
        self._tell = tell
        self._rates = rates
        self._leaves = [f"/{ground.stream}/log/0/{number}" for number in range(ground.leaves)]
        self.found: list[Polled] = []

    async def run(self, seconds: float) -> None:
        """Poll final pages in every form, so many seconds a phase, then the pages that change.

        Raises:
            RuntimeError: an answer was not the one that is due.

        """
        self._ground.serve()
        tags = {}
        for form in FORMS:
            tags[form] = await self._once(form, "new", seconds, self._rates.new)
            await self._ready(form, tags[form], seconds)
        self._ground.serve()
        for form in FORMS:
            await self._once(form, "kept", seconds, self._rates.kept, expected=tags[form])
        await self._open(seconds)

    async def _once(
        self, form: str, phase: str, seconds: float, rate: float, *, expected: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Ask for each of some leaves once; return the tags by path, which have to be the `expected` ones."""
        paths = (list(expected) if expected else self._leaves)[: max(1, round(rate * seconds))]
        tags: dict[str, str] = {}

        async def ask(caller: Caller, number: int) -> None:
            path = paths[number]
            answer = _due(await caller.get(path), 200, path)
            tags[path] = answer.etag
            if expected is not None and expected.get(path, answer.etag) != answer.etag:
                raise RuntimeError(f"{path} came with another tag than before")

        await self._phase(form, phase, ask, Offer(rate=rate, seconds=len(paths) / rate, width=POLLERS))
        return tags

    async def _ready(self, form: str, tags: Mapping[str, str], seconds: float) -> None:
        """Ask for the same leaves again and again, first for the bytes, then on the condition that they changed."""
        paths = list(tags)

        async def ask(caller: Caller, number: int) -> None:
            path = paths[number % len(paths)]
            _due(await caller.get(path), 200, path)

        async def condition(caller: Caller, number: int) -> None:
            path = paths[number % len(paths)]
            _due(await caller.get(path, {"If-None-Match": tags[path]}), 304, path)

        wanted = Offer(rate=self._rates.ready, seconds=seconds, width=POLLERS)
        await self._phase(form, "ready", ask, wanted)
        await self._phase(form, "unchanged", condition, wanted)

    async def _open(self, seconds: float) -> None:
        """Poll the root and the open leaf, as a client does that has everything, without and with conditions."""
        paths = [f"/{self._ground.stream}/log", f"/{self._ground.stream}/log/0/{self._ground.leaves}"]
        tags: dict[str, str] = {}

        async def ask(caller: Caller, number: int) -> None:
            path = paths[number % 2]
            tags[path] = _due(await caller.get(path), 200, path).etag

        async def condition(caller: Caller, number: int) -> None:
            path = paths[number % 2]
            _due(await caller.get(path, {"If-None-Match": tags[path]}), 304, path)

        wanted = Offer(rate=self._rates.kept, seconds=seconds, width=POLLERS)
        await self._phase("jsonld", "open", ask, wanted)
        await self._phase("jsonld", "open unchanged", condition, wanted)

    async def _phase(self, form: str, phase: str, ask: Callable[[Caller, int], Awaitable[None]], wanted: Offer) -> None:
        self._tell(f"pollers, {form}, {phase}")
        times, before = Histogram(), self._ground.spent()
        async with Caller(self._ground.base, {"Accept": FORMS[form]}) as caller:

            async def work(number: int) -> None:
                await ask(caller, number)

            offered = await offer(work, wanted, times)
        self.found.append(
            Polled(
                form=form,
                phase=phase,
                answers=offered.done,
                server=self._ground.spent() - before,
                latency=times.latency(f"{form}, {phase}"),
                refused=offered.failed + offered.given_up,
                why=offered.first_failure,
            )
        )


def _due(answer: Answer, status: int, path: str) -> Answer:
    if answer.status != status:
        raise RuntimeError(f"{path} answered {answer.status}, not {status}")
    return answer


def figures(found: list[Polled]) -> list[Figure]:
    """Say what an answer costs the server in every phase."""
    return [
        Figure(
            row=f"poll-{each.form}-{each.phase.replace(' ', '-')}",
            value=each.cost,
            unit="us",
            note=f"server's processor time for an answer, of {each.answers:,}; {_WHAT[each.phase]}",
        )
        for each in found
    ]


def faults(found: list[Polled]) -> tuple[str, ...]:
    """Say in a sentence for each phase what was not answered."""
    return tuple(
        f"{each.form}, {each.phase}: {each.refused} requests were not answered as they should; {each.why or 'too late'}."
        for each in found
        if each.refused
    )


_WHAT = {
    "new": "final pages that nobody asked for before in this form",
    "kept": "final pages that are kept, nothing in memory",
    "ready": "final pages in memory",
    "unchanged": "final pages in memory, 304",
    "open": "root and open leaf by turns",
    "open unchanged": "root and open leaf by turns, 304",
}
