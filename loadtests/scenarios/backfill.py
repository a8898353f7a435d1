"""Backfill: how fast a view that is added is filled with what is stored, beside the rate at which it was published."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import asyncpg

from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.million import FIFTH, Measured, Steps
from loadtests.outcome import Figure, Outcome
from loadtests.publisher import VIEWS
from loadtests.sampling import OtherWork
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.stand import Stand, Wish
from streams.migrate import migrate


class Backfill:
    """Publishes in four views with the real writer, adds a fifth view to all there is, and compares the two rates."""

    name = "backfill"
    summary = "a fifth view added to ten million stored members, against the rate of publishing in four"
    rows: tuple[str, ...] = ("backfill",)

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        began, clock, others = datetime.now(UTC), time.perf_counter(), OtherWork(dict)
        # What the writer publishes is enough for its rate; the rest of the stock is stored in the same views faster.
        stocked = plan.count(0, 9_900_000, least=2_000)
        live = plan.count(30_000, 100_000, least=6_000)
        with Stand(Wish(folder=plan.folder, log="postgres")) as stand:
            await migrate(stand.dsn)
            connection = await asyncpg.connect(stand.dsn)
            try:
                steps = Steps(live, plan.folder, stand, connection)
                await steps.declare()
                if stocked:
                    stock = Stock(plan.folder / "pilot", base_url=stand.base)
                    async with PostgresStore(stand.dsn) as store:
                        await stock.open(store)
                        await stock.fill(store, stocked, tell)
                tell("to the log")
                await steps.append()
                tell(f"publishing {live:,} in {len(VIEWS) + 1} views")
                published, counted = await steps.publish(behind=stocked)
                tell(f"adding a view to {stocked + live:,}")
                added = await steps.add_view()
            finally:
                await connection.close()
        return Outcome(
            scenario=self.name,
            began=began,
            seconds=time.perf_counter() - clock,
            others=others.cores(),
            figures=figures_of(published, counted, added, stocked + live),
            notes=(
                "Adding begins with the writer's start, as a person meets it; publishing is counted from its first batch.",
            ),
        )


def figures_of(published: Measured, counted: int, added: Measured, count: int) -> tuple[Figure, ...]:
    """Compare what adding a view to `count` members took with what publishing `counted` of them did."""
    rates = (
        f"{FIFTH} added to {count:,} members, {added.rate(count):,.0f}/s, against {published.rate(counted):,.0f}/s live"
    )
    by_processor = published.cost(counted) / added.cost(count)
    return (
        Figure(row="backfill", value=added.rate(count) / published.rate(counted), unit="ratio", note=rates),
        Figure(row="backfill-processor", value=by_processor, unit="ratio", note="the same by processor time"),
        Figure(row="backfill-cost", value=added.cost(count), unit="us", note=added.told(count)),
        Figure(row="live-cost", value=published.cost(counted), unit="us", note=published.told(counted)),
    )


SCENARIO: Scenario = Backfill()
