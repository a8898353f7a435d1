"""From payload to committed member to page: how fast with one view, with four and through Kafka, how old, how large."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests.end_to_end import Copied, Options, Run, Sustained, bare_copy, platform
from loadtests.gathering import Gathering
from loadtests.histogram import Histogram
from loadtests.outcome import Figure, Outcome, middle
from loadtests.publisher import VIEWS
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.sizes import stored_bytes
from loadtests.stand import BrokerError

_SOURCES, _ITEMS, _FEW = 4, 4000, 200
# The ages of a phase are looked at in so many parts of it, so that their spread is seen.
_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Rounds of the greatest rate, and of bare COPY after each where it was asked for."""

    sustained: tuple[Sustained, ...]
    copied: tuple[Copied, ...] = ()

    @property
    def rate(self) -> float:
        """The median of the rounds, in members a second."""
        return statistics.median(each.rate for each in self.sustained)


class Write:
    """Three platforms one after the other, on all processors: one view, four views, and one view through Kafka.

    With `log` kafka the first two are left out but for the rate that Kafka is compared with, and ages and bytes are those
    of the platform on Kafka.
    """

    name = "write"
    summary = "payload to committed member to page: rates with 1 and 4 views and through Kafka, age, bytes on disk"
    rows: tuple[str, ...] = ("path", "path-rate", "path-four-views", "path-kafka", "disk", "age-p50", "age-p99")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        found = Gathering(self.name, plan, tell)
        on_kafka = plan.log == "kafka"
        one = _options(plan)
        single = await _Part(found, "one view", one, thorough=not on_kafka).run()
        if not on_kafka:
            four = await _Part(found, "four views", replace(one, views=len(VIEWS) + 1)).run()
            ratios = [each.rate / single.rate for each in four.sustained]
            note = f"{four.rate:,.0f} members/s against {single.rate:,.0f} with one view"
            found.figures.append(middle("path-four-views", "ratio", ratios, note))
        try:
            kafka = await _Part(found, "Kafka", replace(one, log="kafka"), thorough=on_kafka).run()
        except BrokerError as error:
            found.notes.append(f"path-kafka was not measured: {error}")
        else:
            ratios = [each.rate / single.rate for each in kafka.sustained]
            note = f"{kafka.rate:,.0f} members/s against {single.rate:,.0f} with the log in PostgreSQL"
            found.figures.append(middle("path-kafka", "ratio", ratios, note))
        return found.outcome()


class _Part:
    """One platform: rounds of the greatest rate; where it is `thorough` also references, bytes on disk and ages."""

    def __init__(self, found: Gathering, name: str, options: Options, *, thorough: bool = False) -> None:
        self._found = found
        self._name = name
        self._options = options
        self._thorough = thorough

    async def run(self) -> Rounds:
        """Start it, measure, and end it."""
        self._tell("starting")
        folder = self._found.plan.folder / self._name.replace(" ", "-")
        timeline = self._found.timeline
        async with platform(self._options, folder, timeline) as run:
            began = timeline.seconds
            rounds = await self._rounds(run)
            if self._thorough:
                await self._disk(run)
                await self._ages(run, rounds.rate / 2)
        self._found.notes.append(f"{self._name}: second {began:.0f} to {timeline.seconds:.0f} of the charts")
        return rounds

    def _tell(self, words: str) -> None:
        self._found.tell(f"{self._name}: {words}")

    async def _rounds(self, run: Run) -> Rounds:
        count = self._found.plan.count(3 if self._thorough else 2, 5, least=1)
        sustained, copied = [], []
        for number in range(count):
            self._tell(f"greatest rate, round {number + 1} of {count}")
            sustained.append(await run.sustained())
            if self._thorough:
                copied.append(await bare_copy(run.stand, run.connection))
        rounds = Rounds(sustained=tuple(sustained), copied=tuple(copied))
        costs = [sum(each.microseconds.values()) for each in sustained]
        shares = ", ".join(f"{name} {cost:.1f}" for name, cost in sustained[-1].microseconds.items())
        note = f"processor time of a member, all processes; of it in the last round {shares}"
        self._found.figures.append(middle(f"processor, {self._name}", "us", costs, note))
        if self._thorough:
            self._compare(rounds, costs)
        return rounds

    def _compare(self, rounds: Rounds, costs: Sequence[float]) -> None:
        rates = [each.rate for each in rounds.sustained]
        copies = statistics.median(each.rate for each in rounds.copied)
        note = f"of {copies:,.0f} rows/s of COPY right after each round"
        pairs = list(zip(rounds.sustained, rounds.copied, strict=True))
        # The rows name the log in PostgreSQL; on Kafka the same figures are shown without a budget.
        suffix = "" if self._options.log == "postgres" else ", Kafka"
        self._found.figures.extend(
            [
                middle(f"path{suffix}", "ratio", [own.rate / copy.rate for own, copy in pairs], note),
                middle(f"path-rate{suffix}", "1/s", rates, "members committed"),
                middle(
                    f"path by processor{suffix}",
                    "ratio",
                    [copy.microseconds / cost for copy, cost in zip(rounds.copied, costs, strict=True)],
                    "processor time of a row of COPY, client and server, over that of a member",
                ),
            ]
        )

    async def _disk(self, run: Run) -> None:
        self._tell("bytes on disk")
        size, parts = await stored_bytes(run)
        self._found.figures.append(Figure(row="disk", value=size, unit="B", note=parts))

    async def _ages(self, run: Run, rate: float) -> None:
        self._tell(f"age of the newest member at {rate:,.0f}/s")
        shown, head = await run.ages(rate)
        self._found.latencies.append(_histogram(shown).latency("payload to head page"))
        self._found.latencies.append(_histogram(head).latency("age of the newest member, at every look"))
        for what, ages, row in (("at every look", head, "age-p{}"), ("of payloads", shown, "payload to page, p{}")):
            note = f"{what}, {len(ages):,} of them; {rate:,.0f} members/s"
            for percentile in (50, 99):
                parts = tuple(_histogram(part).at(percentile) for part in _parts(ages))
                value = _histogram(ages).at(percentile)
                figure = Figure(row=row.format(percentile), value=value, unit="ms", samples=parts, note=note)
                self._found.figures.append(figure)


def _options(plan: Plan) -> Options:
    items = plan.count(_ITEMS, _ITEMS, least=_FEW)
    return Options(log="postgres", views=1, sources=_SOURCES, items=items, seconds=plan.phase(4, 20))


def _histogram(times: Sequence[float]) -> Histogram:
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    return histogram


def _parts(times: Sequence[float]) -> list[Sequence[float]]:
    size = -(-len(times) // _PARTS)
    return [times[start : start + size] for start in range(0, len(times), size)]


SCENARIO: Scenario = Write()
