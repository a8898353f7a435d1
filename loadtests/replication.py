"""Full copies of a stored history, by one client and by several at once, beside nginx with the same bytes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loadtests.ground import Ground, fine_seconds
from loadtests.nginx import Nginx
from loadtests.outcome import Figure
from loadtests.processes import replicate
from loadtests.scenario import Tell
from loadtests.tools import ToolUnavailableError

# What one client has in hand at once.
CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What copying took: pages of all clients together, seconds by the clock, and the server's processor time.

    `client` is the processor time of the clients, `members` how many the first copy of each had, `wire` its bytes.
    """

    pages: int
    seconds: float
    server: float
    client: float
    members: int = 0
    wire: int = 0

    @property
    def rate(self) -> float:
        """Pages a second by the clock."""
        return self.pages / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for a page."""
        return self.server / self.pages * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Everything that was copied: pages rendered meanwhile, pages kept in the store, and pages ready in memory.

    `ready` and `listed` are rounds by turns, ours and nginx's; `crowds` has the same for so many clients at once.
    """

    new: Copied
    kept: Copied
    ready: list[Copied] = field(default_factory=list)
    listed: list[Copied] = field(default_factory=list)
    crowds: dict[int, Copied] = field(default_factory=dict)
    without: str = ""


async def copy_all(ground: Ground, tell: Tell, *, rounds: int, crowds: Sequence[int]) -> Copies:
    """Copy the history in all these ways; every first copy of a client is proven to be complete.

    Raises:
        RuntimeError: a copy was not complete, or a client failed.

    """
    seconds = ground.plan.phase(1.0, 5.0)
    ground.serve()
    tell("replicating, pages rendered for the first time")
    new = await _ours(ground, 1, 0.0)
    ground.serve()
    tell("replicating, pages kept")
    folder = ground.plan.folder / "nginx"
    kept = await _ours(ground, 1, 0.0, keep=folder)
    copies = Copies(new=new, kept=kept)
    for number in range(rounds):
        tell(f"replicating, pages ready, round {number + 1} of {rounds}")
        copies.ready.append(await _ours(ground, 1, seconds))
        try:
            copies.listed.append(await _listed(ground, folder, kept.pages, seconds))
        except ToolUnavailableError as error:
            copies = Copies(new=new, kept=kept, ready=copies.ready, without=str(error))
    for clients in crowds:
        tell(f"{clients} clients replicating at once")
        copies.crowds[clients] = await _ours(ground, clients, seconds)
    return copies


async def _ours(ground: Ground, clients: int, seconds: float, *, keep: Path | None = None) -> Copied:
    """Let so many clients copy the history; each proves its first copy."""
    command = [f"{ground.base}/{ground.stream}/log", f"--seconds={seconds}", *([f"--keep={keep}"] if keep else [])]
    found = await _clients(ground, command, ground.spent, clients=clients)
    if found.members != clients * ground.count:
        raise RuntimeError(f"{clients} clients found {found.members:,} members, of {ground.count:,} each")
    return found


async def _listed(ground: Ground, folder: Path, pages: int, seconds: float) -> Copied:
    """Let the same client fetch and read the same bytes from nginx, all addresses known.

    It reads them there too because its pace decides what an answer costs: a server that is asked faster than it answers
    finds several questions whenever it looks, one that is asked slower wakes up for each.
    """
    with Nginx(folder, cpu=ground.plan.server) as nginx:
        command = [nginx.base, f"--list={pages}"]
        # Once before the clock runs: nginx opens each file at its first request.
        await _clients(ground, command, lambda: 0.0)
        return await _clients(ground, [*command, f"--seconds={seconds}"], partial(fine_seconds, nginx.pid))


async def _clients(ground: Ground, arguments: Sequence[str], spent: Callable[[], float], *, clients: int = 1) -> Copied:
    """Run clients as processes of their own, and add up what they say; `spent` tells the server's processor time.

    Raises:
        RuntimeError: one failed, or its copy had a gap.

    """
    fixed = (f"--connections={CONNECTIONS}", f"--cpu={ground.plan.generator}")
    before, began = spent(), time.perf_counter()
    said = await asyncio.gather(*(replicate(*arguments, *fixed) for _ in range(clients)))
    server, passed = spent() - before, time.perf_counter() - began
    if any(not each.get("dense", True) or each.get("members") != each.get("distinct") for each in said):
        raise RuntimeError(f"a copy has gaps or members twice: {said}")
    return Copied(
        pages=sum(each["pages"] for each in said),
        # One tells its own time; of several the first starts while the last one does not yet, so the clock is ours.
        seconds=said[0]["seconds"] if clients == 1 else passed,
        server=server,
        client=sum(each["processor"] for each in said),
        members=sum(each.get("members", 0) for each in said),
        wire=sum(each.get("wire", 0) for each in said),
    )


def figures(copies: Copies) -> list[Figure]:
    """Say what copying cost us, as ratios to nginx where it was there."""
    costs = tuple(each.cost for each in copies.ready)
    ready = Figure(
        row="replicate-ready-cost",
        value=statistics.median(costs),
        unit="us",
        samples=costs,
        note="server's processor time for a page: ready in memory",
    )
    crowds = [
        Figure(
            row=f"replicate-by-{clients}",
            value=ready.value / crowd.cost,
            unit="ratio",
            note=f"{clients} clients at once, pages per processor second of the server, of one client's",
        )
        for clients, crowd in copies.crowds.items()
    ]
    new = _cost("replicate-new-cost", copies.new, "rendered for the first time")
    kept = _cost("replicate-kept-cost", copies.kept, "kept in the store, nothing in memory")
    return [*(_ratios(copies) if copies.listed else ()), new, kept, ready, *crowds]


def _ratios(copies: Copies) -> list[Figure]:
    reference = statistics.median(each.cost for each in copies.listed)
    pairs = list(zip(copies.ready, copies.listed, strict=True))
    by_processor = "pages per processor second of the server"
    ours, theirs = copies.ready[0], copies.listed[0]
    clock = (
        f"pages ready in memory, by the clock; the client takes {ours.client / ours.pages * 1e6:.0f} us of its own for a "
        f"page of ours, and {theirs.client / theirs.pages * 1e6:.0f} for one of nginx, whose links it does not follow"
    )
    kept, new = reference / copies.kept.cost, reference / copies.new.cost
    return [
        _median("replicate", tuple(b.cost / a.cost for a, b in pairs), f"{by_processor}, ready in memory"),
        _median("replicate-clock", tuple(a.rate / b.rate for a, b in pairs), clock),
        Figure(row="replicate-kept", value=kept, unit="ratio", note=f"{by_processor}, kept in the store"),
        Figure(row="replicate-new", value=new, unit="ratio", note=f"{by_processor}, rendered for the first time"),
    ]


def _median(row: str, samples: tuple[float, ...], note: str) -> Figure:
    return Figure(row=row, value=statistics.median(samples), unit="ratio", samples=samples, note=note)


def _cost(row: str, copied: Copied, what: str) -> Figure:
    note = f"server's processor time for a page: {what}; {copied.rate:,.0f} pages a second"
    return Figure(row=row, value=copied.cost, unit="us", note=note)
