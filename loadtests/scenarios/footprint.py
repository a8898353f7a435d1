"""Footprint: how soon the platform is ready on a data folder that is full already, and what its processes hold."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.outcome import Figure, Outcome
from loadtests.publisher import VIEWS, Publisher, write_pilot
from loadtests.sampling import OtherWork, processor_seconds
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.stand import Stand, Wish
from loadtests.timeline import Timeline
from loadtests.whole import Whole, resident
from streams.migrate import migrate

_ROLES = ("serve", "write", "normalise", "collect")
_PYTHON = ("supervisor", "pipeline", "web")
# Sources of the load and items of each payload: more than the pipeline of one process can do.
_SOURCES, _ITEMS = 4, 4000
_READERS = 8
_FORMS = ("application/ld+json", "text/turtle", "application/n-triples", "text/csv")
_LOOK_SECONDS = 0.25
# What a first start leaves to do (digests, the catalogue's figures) is over when a second of all costs this much.
_QUIET_SECONDS = 0.15


class Footprint:
    """Fills a data folder, starts everything on it several times, and looks at the processes: idle, then under load."""

    name = "footprint"
    summary = "start on a data folder that is full already, and the memory of each process, idle and under full load"
    rows: tuple[str, ...] = ("idle-memory", "load-memory", "ready")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        began, clock = datetime.now(UTC), time.perf_counter()
        timeline = Timeline()
        members = plan.count(20_000, 1_000_000, least=2_000)
        publisher = Publisher(lambda: 0)
        publisher.prepare(_SOURCES, _ITEMS)
        pilot, data = plan.folder / "pilot", plan.folder / "database"
        async with publisher.serving() as origin:
            write_local_pilot(pilot, origin)
            others = OtherWork(dict)
            port, single = await _stock(plan, pilot, members, tell)
            tell("first start, and what it leaves to do")
            async with Whole(data, pilot, port) as whole:
                first = whole.ready
                await _until_quiet(whole, within=plan.phase(20, 300))
            readies = []
            for number in range(plan.count(3, 5, least=1)):
                tell(f"start {number + 1}")
                async with Whole(data, pilot, port) as whole:
                    readies.append(whole.ready)
            async with Whole(data, pilot, port) as whole:
                readies.append(whole.ready)
                idle = await _idle(whole, timeline, seconds=plan.phase(5, 30))
                tell("under load")
                publisher.wanted = lambda: _ITEMS
                async with _reading(whole, members):
                    loaded = await _peak(whole, timeline, seconds=plan.phase(10, 60))
                publisher.wanted = lambda: 0
        return Outcome(
            scenario=self.name,
            began=began,
            seconds=time.perf_counter() - clock,
            others=others.cores(),
            figures=tuple(_figures(members, first, readies, single) + _memories(idle, loaded)),
            series=timeline.series(),
            notes=(
                "Memory is RSS, in which pages that processes share count in full for each of them.",
                "The first start on a folder begins to sign its pages and reads once what its members cover, beside answering.",
                "Nothing was pinned: a start uses all processors.",
            ),
        )


SCENARIO: Scenario = Footprint()


def write_local_pilot(folder: Path, origin: str) -> None:
    """Write a pilot in four views whose sources ask a publisher at `origin`."""
    write_pilot(folder, sources=_SOURCES, views=len(VIEWS) + 1)
    for file in folder.glob("load-*.yaml"):
        text = file.read_text("utf-8")
        file.write_text(text.replace("http://publisher.example.org", origin), "utf-8")


async def _stock(plan: Plan, pilot: Path, members: int, tell: Tell) -> tuple[int, Mapping[str, tuple[float, float]]]:
    """Fill the data folder; return the port of its pages and, of each role alone on it, when it was ready and what it held.

    That is in seconds until it said so, and in MB soon after.
    """
    found = {}
    # In a thread each start would end with it: the database is bound to the thread that starts it.
    with Stand(Wish(folder=plan.folder, log="postgres")) as stand:
        await migrate(stand.dsn)
        stock = Stock(pilot, base_url=stand.base)
        async with PostgresStore(stand.dsn) as store:
            await stock.open(store)
            await stock.fill(store, members, tell)
        for role in _ROLES:
            tell(f"{role} alone")
            before = time.perf_counter()
            stand.start_role(role, pilot)
            ready = time.perf_counter() - before
            await asyncio.sleep(plan.phase(1, 5))
            found[role] = (ready, resident(stand.pids[role]))
            stand.stop_role(role)
    port = urlsplit(stand.base).port
    assert port is not None
    return port, found


async def _until_quiet(whole: Whole, *, within: float) -> None:
    deadline = time.perf_counter() + within
    spent, busy = _spent(whole), True
    while busy and time.perf_counter() < deadline:
        await asyncio.sleep(1)
        now = _spent(whole)
        busy, spent = now - spent > _QUIET_SECONDS, now


def _spent(whole: Whole) -> float:
    return processor_seconds(whole.pids["supervisor"])


async def _idle(whole: Whole, timeline: Timeline, *, seconds: float) -> dict[str, float]:
    """Return what each process holds after so many seconds in which nothing arrived."""
    await _peak(whole, timeline, seconds=seconds)
    return _held(whole)


async def _peak(whole: Whole, timeline: Timeline, *, seconds: float) -> dict[str, float]:
    """Return the most that each process held within so many seconds."""
    deadline, peaks = time.perf_counter() + seconds, dict[str, float]()
    while time.perf_counter() < deadline:
        for name, held in _held(whole).items():
            peaks[name] = max(held, peaks.get(name, 0.0))
            timeline.add(f"memory {name}", "MB", round(held, 1))
        await asyncio.sleep(_LOOK_SECONDS)
    missing = [name for name in _PYTHON if name not in peaks]
    if missing:
        raise RuntimeError(f"{', '.join(missing)} did not live: {whole.complaint()}")
    return peaks


def _held(whole: Whole) -> dict[str, float]:
    return {name: resident(pid) for name, pid in whole.pids.items() if name in _PYTHON}


@asynccontextmanager
async def _reading(whole: Whole, members: int) -> AsyncIterator[None]:
    """Let readers ask for pages all over the history, in all kinds of forms, while the block runs."""
    timeout = aiohttp.ClientTimeout(total=30)
    numbers = count()
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_read(session, whole.base, members // 250, numbers)) for _ in range(_READERS)]
        yield
        for task in tasks:
            task.cancel()


async def _read(session: aiohttp.ClientSession, base: str, leaves: int, numbers: Iterable[int]) -> None:
    for number in numbers:
        # Steps that share no factor with the number of leaves come to all of them, in no order that helps a cache.
        leaf = number * 7919 % max(1, leaves)
        headers = {"Accept": _FORMS[number % len(_FORMS)], "Accept-Encoding": "gzip"}
        async with session.get(f"{base}/load/log/0/{leaf}", headers=headers) as answer:
            await answer.read()
            if answer.status not in (200, 503):
                raise RuntimeError(f"{answer.url} answered {answer.status}")


def _figures(
    members: int, first: float, readies: list[float], single: Mapping[str, tuple[float, float]]
) -> list[Figure]:
    note = f"of {len(readies)} starts of `up`, from the start of the process to its line, {members:,} members in four views"
    figures = [
        Figure(row="ready", value=statistics.median(readies), unit="s", samples=tuple(readies), note=note),
        Figure(row="ready-first", value=first, unit="s", note="the first start after the folder was filled"),
    ]
    for role, (ready, held) in single.items():
        figures.append(Figure(row=f"ready-{role}", value=ready, unit="s", note=f"{role} alone, the database running"))
        figures.append(Figure(row=f"idle-{role}", value=held, unit="MB", note=f"{role} alone, soon after its start"))
    return figures


def _memories(idle: Mapping[str, float], loaded: Mapping[str, float]) -> list[Figure]:
    """Make the two rows, which the largest process decides, and a figure of each process."""
    figures = []
    for row, held in (("idle-memory", idle), ("load-memory", loaded)):
        largest = max(held, key=lambda name: held[name])
        figures.append(Figure(row=row, value=held[largest], unit="MB", note=f"the largest is {largest}"))
        figures += [Figure(row=f"{row}-{name}", value=each, unit="MB") for name, each in held.items()]
    return figures
