"""Payload to page on one machine: `python -m loadtests.end_to_end --log kafka|postgres --views 1..4`.

Prints how many observations a second the roles sustain from publisher to committed member, beside bare COPY of the
same rows in the same minute, and how old the newest published member is at half that rate.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from loadtests.head import HeadReader
from loadtests.publisher import VIEWS, Publisher, write_pilot
from loadtests.sampling import Sampler
from loadtests.stand import Stand, Wish
from loadtests.timeline import Timeline
from streams.migrate import migrate
from streams.queries import load_queries

STREAM = "load"
# Polls of each source a second, which is the most that a source may be asked.
POLLS = 5
# Rows per COPY of the reference: as many as the writer commits at once.
_ROWS = 2000
_LOOK_SECONDS = 0.02
# What is under way takes a second on an idle machine; a busy one may need a minute and more.
_FIRST_WITHIN_SECONDS = 180.0
QUERIES = load_queries("loadtests", "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run: `sources` that feed the stream, `items` of each payload at full rate, seconds of each phase.

    The sources are asked five times as often as `every` says, which they take in turn, and five times a second at most.
    """

    log: str
    views: int
    sources: int
    items: int
    seconds: float
    together: bool = False
    every: tuple[str, ...] = ("1s",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """What was committed per second, and the processor time each process took per observation, in microseconds.

    `others` is how many cores were taken meanwhile by what is no part of the platform or this driver.
    """

    rate: float
    microseconds: dict[str, float]
    others: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """Rows a second of bare COPY, and the processor time of client and server per row, in microseconds."""

    rate: float
    microseconds: float


class Run:
    """One platform under load, and the driver's own connection to its database.

    While it looks, `timeline` gets how many members are committed a second, and how many that were sent are not yet.
    """

    def __init__(
        self, options: Options, stand: Stand, publisher: Publisher, connection: Any, timeline: Timeline
    ) -> None:
        self._options = options
        self.stand = stand
        self.publisher = publisher
        self.connection = connection
        self.timeline = timeline
        self.folder = stand.folder
        self.committed = 0

    async def look(self) -> None:
        """Learn how much is committed.

        Raises:
            RuntimeError: a process has ended.

        """
        if complaint := self.stand.complaint():
            raise RuntimeError(complaint)
        self.committed = await self.connection.fetchval(QUERIES["committed"], STREAM) or 0
        self.timeline.total("committed", "1/s", self.committed)
        self.timeline.sparse("not yet committed", "count", self.publisher.items - self.committed)
        await asyncio.sleep(_LOOK_SECONDS)

    async def until(self, count: int, *, within: float = _FIRST_WITHIN_SECONDS) -> None:
        """Wait until so many observations are committed."""
        async with asyncio.timeout(within):
            while self.committed < count:
                await self.look()

    async def sustained(self) -> Sustained:
        """Keep a second and a half of work in the pipeline, and count what comes out of it."""
        options, publisher = self._options, self.publisher
        ahead = 2 * options.sources * options.items
        full = publisher.items + ahead
        publisher.wanted = lambda: options.items if publisher.items - self.committed < ahead else 0
        # Caches fill, the first files of the database grow, and an empty pipeline would count as a slow one.
        await self.until(full)
        before, others = self.stand.seconds(), self.stand.others()
        began, first = time.perf_counter(), self.committed
        while (spent := time.perf_counter() - began) < options.seconds:
            await self.look()
        done = self.committed - first
        if not done:
            raise RuntimeError(f"nothing was committed in {options.seconds:.0f} s")
        cost = {name: (after - before[name]) / done * 1e6 for name, after in self.stand.seconds().items()}
        others = max(0.0, (self.stand.others() - others) / spent)
        publisher.wanted = lambda: 0
        await self.until(publisher.items)
        return Sustained(rate=done / spent, microseconds=cost, others=others)

    async def ages(self, rate: float) -> tuple[list[float], list[float]]:
        """Publish at a constant rate; return the seconds from each payload to its page, and the head's ages."""
        options, publisher = self._options, self.publisher
        items = max(1, round(rate / POLLS / options.sources))
        publisher.prepare(options.sources, items)
        first = len(publisher.sent)
        with HeadReader(self.stand.base, STREAM) as reader:
            publisher.wanted = lambda: items
            began = time.perf_counter()
            while time.perf_counter() - began < options.seconds:
                await self.look()
            publisher.wanted = lambda: 0
            await self.until(publisher.items)
            await asyncio.sleep(0.5)
        stamps = [stamp for stamp, _ in publisher.sent[first:]]
        # The first second finds idle caches; it belongs to no steady state.
        steady = stamps[options.sources * POLLS :]
        head = [(when - newest).total_seconds() for when, newest in reader.seen if steady[0] <= newest < steady[-1]]
        return waits(steady, reader.seen), head


async def bare_copy(stand: Stand, connection: Any) -> Copied:
    """Store a hundred thousand finished rows with bare COPY, a commit for each batch."""
    rows = [tuple(row) for row in await connection.fetch(QUERIES["finished"], 50 * _ROWS)]
    for query in ("forget", "bare"):
        await connection.execute(QUERIES[query])
    began, before = time.perf_counter(), time.process_time() + stand.seconds()["database"]
    for start in range(0, len(rows), _ROWS):
        await connection.copy_records_to_table("bare", records=rows[start : start + _ROWS])
    spent = time.process_time() + stand.seconds()["database"] - before
    rate = len(rows) / (time.perf_counter() - began)
    await connection.execute(QUERIES["forget"])
    return Copied(rate=rate, microseconds=spent / len(rows) * 1e6)


def waits(stamps: Sequence[datetime], seen: Sequence[tuple[datetime, datetime]]) -> list[float]:
    """Return for each payload the seconds until the head page showed it or a later one."""
    newest, best = [], None
    for _, shown in seen:
        best = shown if best is None else max(best, shown)
        newest.append(best)
    found = [(stamp, bisect_left(newest, stamp)) for stamp in stamps]
    return [(seen[at][0] - stamp).total_seconds() for stamp, at in found if at < len(seen)]


@asynccontextmanager
async def platform(options: Options, folder: Path, timeline: Timeline | None = None) -> AsyncIterator[Run]:
    """Start database, log and roles in a folder, with a publisher that sends nothing yet; end them after the block.

    With a timeline, what each process takes goes there as well.

    Raises:
        RuntimeError: one of them did not start.

    """
    write_pilot(folder / "pilot", sources=options.sources, views=options.views, every=options.every)
    publisher = Publisher(lambda: 0)
    publisher.prepare(options.sources, options.items)
    # In a thread each start would end with it: the database is bound to the thread that starts it.
    with Stand(Wish(folder=folder, log=options.log, together=options.together)) as stand:
        await migrate(stand.dsn)
        async with publisher.serving() as origin:
            stand.start_roles(folder / "pilot", origin)
            connection = await asyncpg.connect(stand.dsn)
            try:
                with nullcontext() if timeline is None else Sampler(timeline, lambda: stand.pids):
                    yield Run(options, stand, publisher, connection, timeline or Timeline())
            finally:
                await connection.close()


async def run(options: Options, folder: Path) -> None:
    """Run both phases and the reference; print the figures."""
    async with platform(options, folder) as measured:
        await _measure(options, measured)


async def _measure(options: Options, run: Run) -> None:
    sustained = await run.sustained()
    copied = await bare_copy(run.stand, run.connection)
    _say(f"log {options.log}, views {options.views}, {options.sources} sources, payloads of {options.items}")
    _say(f"sustained  {sustained.rate:8,.0f} observations/s from payload to committed")
    _say(f"bare COPY  {copied.rate:8,.0f} rows/s of the same members; ratio {sustained.rate / copied.rate:.2f}")
    costs = ", ".join(f"{name} {cost:.1f}" for name, cost in sustained.microseconds.items())
    total = sum(sustained.microseconds.values())
    _say(f"processor  {total:.1f} us an observation: {costs}")
    _say(f"           {copied.microseconds:.1f} us a row of bare COPY; ratio {copied.microseconds / total:.2f}")
    _say(f"machine    {psutil.cpu_count()} cores, of which {sustained.others:.1f} were busy with other work")
    shown, head = await run.ages(sustained.rate / 2)
    for name, ages in (("payload to page", shown), ("head page", head)):
        if len(ages) < 2:
            raise RuntimeError(f"{name}: nothing was seen")
        p99 = statistics.quantiles(ages, n=100)[98]
        _say(
            f"age at half that rate, {name:15} p50 {statistics.median(ages) * 1000:6.0f} ms   "
            f"p99 {p99 * 1000:6.0f} ms   worst {max(ages) * 1000:6.0f} ms   of {len(ages)}"
        )


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenario; 0 when it ended, 1 when a process of the platform did."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.end_to_end", description=__doc__)
    parser.add_argument("--log", default="postgres", help="postgres, kafka (starts a broker) or kafka://host:port")
    parser.add_argument("--views", type=int, choices=range(1, len(VIEWS) + 2), default=1, help="views of the stream")
    parser.add_argument("--sources", type=int, default=4, help="sources that feed the stream (default 4)")
    parser.add_argument("--items", type=int, default=4000, help="items of a payload at full rate (default 4000)")
    parser.add_argument("--seconds", type=float, default=15, help="seconds of each phase (default 15)")
    parser.add_argument("--together", action="store_true", help="one process for all loops, as `smartflanders up` has")
    found = vars(parser.parse_args(argv))
    try:
        with tempfile.TemporaryDirectory(prefix="smartflanders-load-") as folder:
            asyncio.run(run(Options(**found), Path(folder)))
    except (RuntimeError, TimeoutError) as error:
        print(f"failed: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
