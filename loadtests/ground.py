"""What scenarios of reading stand on: a platform with a filled stream, whose page server has a processor to itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.publisher import write_pilot
from loadtests.sampling import pin, pinned, processor_seconds
from loadtests.scenario import Plan, Tell
from loadtests.stand import Stand, Wish
from streams.migrate import migrate


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The platform: its database and, once `serve` was called, its page server on `plan.server`.

    `count` members are in the stream `stock.stream`. Everything else runs on `plan.generator`.
    """

    plan: Plan
    stand: Stand
    stock: Stock
    pilot: Path
    count: int

    @property
    def base(self) -> str:
        """The address of the pages."""
        return self.stand.base

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return self.stock.stream.name

    @property
    def leaves(self) -> int:
        """How many final leaves the history has."""
        return self.count // self.stock.stream.page_size

    def serve(self) -> None:
        """Begin to answer readers, with nothing in memory: for the second time in a new process."""
        if "serve" in self.stand.pids:
            self.stand.stop_role("serve")
        self.stand.start_role("serve", self.pilot)
        pin(self.stand.pids["serve"], self.plan.server)

    def spent(self) -> float:
        """Return the processor time of the page server so far, to the microsecond."""
        return fine_seconds(self.stand.pids["serve"])

    def database_spent(self) -> float:
        """Return the processor time of the database so far."""
        return processor_seconds(self.stand.pids["database"])


@asynccontextmanager
async def filled(plan: Plan, count: int, tell: Tell, *, views: int = 1) -> AsyncIterator[Ground]:
    """Fill a stream, in so many views, on a platform of its own, and pin this process to `plan.generator` meanwhile."""
    pilot = plan.folder / "pilot"
    write_pilot(pilot, sources=1, views=views)
    with ExitStack() as stack:
        tell("starting")
        stand = stack.enter_context(Stand(Wish(folder=plan.folder, log="postgres")))
        await migrate(stand.dsn)
        stock = Stock(pilot, base_url=stand.base)
        async with PostgresStore(stand.dsn) as store:
            await stock.open(store)
            await stock.fill(store, count, tell)
        stack.enter_context(pinned(plan.generator))
        pin(stand.pids["database"], plan.generator)
        yield Ground(plan=plan, stand=stand, stock=stock, pilot=pilot, count=count)


def fine_seconds(pid: int) -> float:
    """Return the processor time of the threads of one process, in nanoseconds' steps where the kernel tells them."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        spent = [int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks.iterdir()]
    except OSError:
        return processor_seconds(pid)
    return sum(spent) / 1e9
