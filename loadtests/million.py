"""A million members in four views on one machine: `python -m loadtests.million --members 1000000`.

Prints what they take on the disk, how long a bounded client needs to replicate the log over HTTP, and how fast a fifth
view is added, each beside its reference of the same minutes: bare COPY of the rows, SELECT of the bytes, the live rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from ingest.mapping import Mapper, compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from ingest.source import Source
from loadtests.end_to_end import QUERIES, STREAM, bare_copy
from loadtests.processes import ROOT
from loadtests.publisher import VIEWS, payload, stamped, write_pilot
from loadtests.stand import Stand, Wish
from smartflanders.diagnosis import Sizes, size
from smartflanders.examination import Patient, examine
from smartflanders.pilots import load_plan
from streams.migrate import migrate
from streams.postgres_log import PostgresLog
from streams.record import Entry, Payload, Record, members_topic
from streams.settings import load_settings
from vocab.model import load_model

# Each of so many car parks says something every quarter of an hour: a million members are five days.
PARKS = 2000
_EVERY = timedelta(minutes=15)
_START = datetime(2026, 11, 1, tzinfo=UTC)
FIFTH = "by-park"
_FIFTH_VIEW = f"{FIFTH}: {{ by_property: entity }}"
_LOOK_SECONDS = 0.05
# A step of a million members takes minutes on a busy machine.
_STEP_WITHIN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A step: seconds by the clock, processor seconds by process, and how many cores were busy with other work."""

    seconds: float
    processor: dict[str, float]
    others: float

    def rate(self, count: int) -> float:
        """Return how many a second."""
        return count / self.seconds

    def cost(self, count: int) -> float:
        """Return the microseconds of processor time of each, all processes together."""
        return sum(self.processor.values()) / count * 1e6

    def told(self, count: int) -> str:
        """Say both, and what each process took."""
        shares = ", ".join(f"{name} {spent / count * 1e6:.1f}" for name, spent in self.processor.items() if spent)
        rate = f"{self.seconds:7.1f} s, {self.rate(count):9,.0f}/s"
        return f"{rate}; {self.cost(count):6.1f} us of processor each ({shares}); others {self.others:.1f} cores"


class Meter:
    """Measures the block it is entered for; `measured` is there afterwards."""

    measured: Measured

    def __init__(self, stand: Stand) -> None:
        self._stand = stand

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Measure; only the processes that live at both ends count."""
        before, others, began = self._stand.seconds(), self._stand.others(), time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        after = self._stand.seconds()
        self.measured = Measured(
            seconds=seconds,
            processor={name: spent - before.get(name, 0.0) for name, spent in after.items()},
            others=max(0.0, (self._stand.others() - others) / seconds),
        )


class Steps:
    """The steps, in order, over one database; `count` members, in the pilot's four views."""

    def __init__(self, count: int, folder: Path, stand: Stand, connection: Any) -> None:
        self._count = count
        self._folder = folder
        self._stand = stand
        self._connection = connection
        self._pilot, self._wider = folder / "pilot", folder / "wider"
        write_pilot(self._pilot, sources=1, views=len(VIEWS) + 1)
        write_pilot(self._wider, sources=1, views=len(VIEWS) + 1, more=[_FIFTH_VIEW])
        self._plan = load_plan([self._pilot])

    async def declare(self) -> None:
        """Bring the stream and its views into being, empty, so that the writer fills all of them."""
        self._stand.start_role("write", self._pilot)
        await self._until("live", lambda rows: len(rows) == len(VIEWS))
        self._stand.stop_role("write")

    async def append(self) -> Measured:
        """Put members on the topic, made by the real mapping, for the writer to find."""
        (source,) = self._plan.sources
        mapper = compile_mapping(source, load_model(source.model), base_url=self._stand.base)
        meter = Meter(self._stand)
        async with PostgresLog(self._stand.dsn) as log, meter():
            for records in batches(source, mapper, self._count):
                await log.append(members_topic(STREAM), records)
        return meter.measured

    async def publish(self, *, behind: int = 0) -> tuple[Measured, int]:
        """Let the writer publish all of it in four views, `behind` so many members that are there already.

        Returns what it took from the first batch on, and how many members came behind that: its start is no part of it.
        """
        self._stand.start_role("write", self._pilot)
        meter, end = Meter(self._stand), behind + self._count
        await self._until("committed", lambda rows: rows[0]["count"] > behind)
        first = await self._connection.fetchval(QUERIES["committed"], STREAM)
        async with meter():
            await self._until("committed", lambda rows: rows[0]["count"] >= end)
        self._stand.stop_role("write")
        return meter.measured, max(1, end - first)

    async def select(self) -> tuple[Measured, int]:
        """Read the bytes of all members, the bare way; return their number of bytes, too."""
        meter, read = Meter(self._stand), 0
        async with meter(), self._connection.transaction():
            async for row in self._connection.cursor(QUERIES["bodies"], STREAM, self._count, prefetch=2000):
                read += len(row["body"])
        return meter.measured, read

    async def sizes(self) -> Sizes:
        """Ask the doctor what the stream takes on the disk.

        Raises:
            RuntimeError: it cannot tell, since the code was changed beneath the run.

        """
        folder = self._folder / "database"
        patient = Patient(plan=self._plan, settings=load_settings({}), dsn=self._stand.dsn, folder=folder)
        facts = await examine(patient)
        found = [each.sizes for each in facts.streams if each.name == STREAM]
        if not found:
            raise RuntimeError(f"the doctor does not know the stream: {[problem.what for problem in facts.problems]}")
        return found[0]

    async def replicate(self, view: str) -> tuple[Measured, dict[str, Any]]:
        """Let a client in a process of its own read a view to its end, and check that it has every member.

        Raises:
            RuntimeError: it has not.

        """
        command = [sys.executable, "-m", "loadtests.crawler", f"{self._stand.base}/{STREAM}/{view}"]
        meter = Meter(self._stand)
        async with meter():
            client = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            said, errors = await client.communicate()
        if client.returncode != 0:
            raise RuntimeError(errors.decode()[-2000:])
        found: dict[str, Any] = json.loads(said)
        if not found["dense"] or found["distinct"] != self._count:
            raise RuntimeError(f"{view}: {found['distinct']} of {self._count} members were found")
        return meter.measured, found

    async def add_view(self) -> Measured:
        """Declare a fifth view and start the writer again, as a person does; wait until readers find it."""
        self._stand.start_role("write", self._wider)
        meter = Meter(self._stand)
        async with meter():
            await self._until("live", lambda rows: len(rows) == len(VIEWS) + 1)
        self._stand.stop_role("write")
        return meter.measured

    def serve(self) -> None:
        """Begin to answer readers, of the fifth view as well once it is there."""
        self._stand.start_role("serve", self._wider)

    async def _until(self, query: str, holds: Callable[[Sequence[Any]], bool]) -> None:
        async with asyncio.timeout(_STEP_WITHIN_SECONDS):
            while not holds(await self._connection.fetch(QUERIES[query], STREAM)):
                if complaint := self._stand.complaint():
                    raise RuntimeError(complaint)
                await asyncio.sleep(_LOOK_SECONDS)


def batches(source: Source, mapper: Mapper, count: int, *, turn: int = 0) -> Iterator[list[Record]]:
    """Yield so many members as records of their topic: all car parks at a time, a quarter of an hour later each time.

    `turn` is the first of the quarters: who calls again goes on behind those of before.
    """
    prepared = payload(0, PARKS)
    for number in range(-(-count // PARKS)):
        moment = _START + (turn + number) * _EVERY
        body = stamped(prepared, moment)
        heard = Payload(source=source.name, received_at=moment, media_type="application/json", body=body)
        members = normalise([Entry(number, moment, heard.to_record())], mapper, Memory()).members
        yield [member.to_record() for member in members[: count - number * PARKS]]


async def run(count: int, folder: Path) -> None:
    """Run every step and print its figures."""
    # In a thread each start would end with it: the database is bound to the thread that starts it.
    with Stand(Wish(folder=folder, log="postgres")) as stand:
        await migrate(stand.dsn)
        connection = await asyncpg.connect(stand.dsn)
        try:
            steps = Steps(count, folder, stand, connection)
            await steps.declare()
            _say(f"members     {count:,} of {PARKS:,} car parks; {psutil.cpu_count()} cores")
            _say(f"to the log  {(await steps.append()).told(count)}")
            live, published = await _publish(steps, count)
            copied = await bare_copy(stand, connection)
            _say(
                f"bare COPY   {copied.rate:,.0f} rows/s, {copied.microseconds:.1f} us of processor a row; published at"
            )
            _say(
                f"            {live.rate(published) / copied.rate:.2f} of it by the clock, {copied.microseconds / live.cost(published):.2f} by processor"
            )
            await _read(steps, count)
            await _widen(steps, count, live, published)
        finally:
            await connection.close()


async def _publish(steps: Steps, count: int) -> tuple[Measured, int]:
    live, published = await steps.publish()
    _say(f"published   {live.told(published)}")
    _say(f"on disk     {_sizes(await steps.sizes(), count)}")
    return live, published


async def _read(steps: Steps, count: int) -> None:
    """Replicate the log twice, pages rendered and pages kept, beside a bare SELECT of the members' bytes."""
    steps.serve()
    for words in ("pages new", "pages kept"):
        selected, size_of_all = await steps.select()
        read, found = await steps.replicate("log")
        _say(f"SELECT      {selected.told(count)}; {size(size_of_all)}")
        _say(f"replicated  {read.told(count)}; log, {words}")
        _say(f"            {_pages(found)}; {selected.seconds / read.seconds:.2f} of the rate of SELECT")
    _say(f"on disk     {_sizes(await steps.sizes(), count)}")


async def _widen(steps: Steps, count: int, live: Measured, published: int) -> None:
    """Add a fifth view, and prove it by reading it."""
    before = await steps.sizes()
    added = await steps.add_view()
    after = await steps.sizes()
    by_clock, by_processor = added.rate(count) / live.rate(published), live.cost(published) / added.cost(count)
    _say(f"fifth view  {added.told(count)}; {FIFTH}, {size(after.views - before.views)} on disk")
    _say(f"            {by_clock:.1f} times the live rate by the clock, {by_processor:.1f} by processor")
    read, found = await steps.replicate(FIFTH)
    _say(f"replicated  {read.told(count)}; {FIFTH}, pages new")
    _say(f"            {_pages(found)}")
    _say(f"on disk     {_sizes(await steps.sizes(), count)}")


def _pages(found: Mapping[str, Any]) -> str:
    wire, plain, own = size(found["wire"]), size(found["bytes"]), found["processor"]
    return f"{found['pages']:,} pages, {wire} on the wire ({plain}), {own:.1f} s of the client's processor"


def _sizes(sizes: Sizes, count: int) -> str:
    parts = {
        "members": sizes.members,
        "indexes": sizes.indexes,
        "views": sizes.views,
        "kept pages": sizes.pages,
        "log": sizes.log or 0,
    }
    shares = ", ".join(f"{name} {held / count:.0f} B" for name, held in parts.items())
    return f"{size(sizes.total)}; a member: {shares}"


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenario; 0 when it ended and every copy was complete, else 1."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.million", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--folder", type=Path, help="where to make the data folder, removed afterwards (default: /tmp)")
    asked = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="smartflanders-million-", dir=asked.folder) as folder:
            asyncio.run(run(asked.members, Path(folder)))
    except (RuntimeError, TimeoutError) as error:
        print(f"failed: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
