"""Pages over HTTP from the real page server, beside nginx with the same bodies, and the newest leaf while members arrive."""

from __future__ import annotations

import statistics

from ldes_server.postgres_store import PostgresStore
from loadtests.chasing import chase, chase_newest
from loadtests.duel import Duel, Question, ask, opened
from loadtests.gathering import Gathering
from loadtests.ground import Ground, filled
from loadtests.outcome import Figure, Outcome
from loadtests.sampling import MB, Sampler, memory
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.tools import ToolUnavailableError

# Members a second while the newest leaf is read.
RATE = 1000
# A full inner node of 32 leaves, some leaves behind it, and an open one.
_LEAVES, _BEYOND = 40, 10


class Pages:
    """10,000 members in the chronological view: final leaf, inner node, answers that nothing has changed, open leaf."""

    name = "pages"
    summary = "single pages from the page server and from nginx by turns, per processor second, and the newest leaf"
    rows: tuple[str, ...] = (
        "page-final",
        "page-node",
        "unchanged-final",
        "unchanged-open",
        "page-p99",
        "serve-memory",
        "page-open",
    )

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once; nginx and wrk are fetched where they are not installed, else a note says what is missing."""
        found = Gathering(self.name, plan, tell)
        async with filled(plan, _LEAVES * 250 + _BEYOND, tell) as ground:
            ground.serve()
            with Sampler(found.timeline, lambda: ground.stand.pids):
                rounds = plan.count(3, 7, least=1)
                try:
                    await self._duel(ground, found, rounds)
                    found.figures += await _newest(ground, found, rounds)
                    found.figures.append(_memory(ground))
                except ToolUnavailableError as error:
                    there = {figure.row for figure in found.figures}
                    lacking = [row for row in self.rows if row not in there]
                    found.notes.append(f"There is no figure for {', '.join(lacking)}: {error}.")
        return found.outcome()

    async def _duel(self, ground: Ground, found: Gathering, rounds: int) -> None:
        leaf, node = f"/{ground.stream}/log/0/3", f"/{ground.stream}/log/1/0"
        newest = f"/{ground.stream}/log/0/{ground.leaves}"
        pages = {path: await ask(ground, path) for path in (leaf, node, newest)}
        sizes = {path: f"{len(answer.body):,} B of gzip" for path, answer in pages.items()}
        final = Question(row="page-final", what=f"final leaf of 250 members, {sizes[leaf]}", path=leaf)
        questions = (
            final,
            Question(row="page-node", what=f"final inner node, {sizes[node]}", path=node),
            Question(row="unchanged-final", what="304 on the final leaf", path=leaf, held=True),
            Question(row="unchanged-open", what="304 on the open leaf", path=newest, held=True),
        )
        with opened(ground, pages, seconds=max(1, round(found.plan.phase(1, 3)))) as duel:
            for number in range(rounds):
                for question in questions:
                    found.tell(f"round {number + 1} of {rounds}: {question.what}")
                    await duel.fight(question)
            _report(duel, final, found)


def _report(duel: Duel, final: Question, found: Gathering) -> None:
    found.figures += duel.figures()
    found.figures += duel.late(final, "page-p99")


def _memory(ground: Ground) -> Figure:
    return Figure(
        row="serve-memory",
        value=memory(ground.stand.pids["serve"]) / MB,
        unit="MB",
        note="of the page server behind the volleys, the few pages in its cache included",
    )


async def _newest(ground: Ground, found: Gathering, rounds: int) -> list[Figure]:
    """Read a final leaf and the newest one by turns, the latter while members arrive."""
    seconds = max(1, round(found.plan.phase(2, 4)))
    ratios, costs, rates = [], [], []
    async with PostgresStore(ground.stand.dsn) as store:
        for number in range(rounds):
            found.tell(f"round {number + 1} of {rounds}: the newest leaf while {RATE:,} members arrive a second")
            final = await chase(ground, f"/{ground.stream}/log/0/3", seconds=seconds)
            newest = await chase_newest(ground, store, rate=RATE, seconds=seconds)
            ratios.append(final.cost / newest.cost)
            costs.append(newest.cost)
            rates.append(newest.arrived)
    note = f"answers per processor second, of our own final leaf; {statistics.median(rates):,.0f} members a second came"
    return [
        Figure(row="page-open", value=statistics.median(ratios), unit="ratio", samples=tuple(ratios), note=note),
        Figure(
            row="page-open-cost",
            value=statistics.median(costs),
            unit="us",
            samples=tuple(costs),
            note="server's processor time for an answer with the newest leaf, making each version of it included",
        ),
    ]


SCENARIO: Scenario = Pages()
