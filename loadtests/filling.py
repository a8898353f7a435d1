"""Fills a stream with members as fast as the store takes them: the stock that scenarios of reading and growth begin with.

The store, its transaction and the views are the real ones; the members come from the real mapping once for each entity
and get their times by replacement, so that making them costs next to nothing beside storing them. Use it as

    stock = Stock(pilot, base_url=stand.base)              # `pilot`: a folder of write_pilot, with one view or four
    async with PostgresStore(stand.dsn) as store:
        await stock.open(store)                            # the stream and its views, live and empty
        filled = await stock.fill(store, 1_000_000, tell)  # may be called again: it goes on behind what is there

Position and log stay as they are: a writer that is started later goes on with whatever its topic has.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from ingest.source import Source
from ldes_server.building import fill
from ldes_server.definition import definition_text
from ldes_server.model import Head, Placed, Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import BATCH, TICK
from loadtests.publisher import payload, stamped
from loadtests.scenario import Tell
from smartflanders.pilots import load_plan
from streams.record import Entry, Member, Payload, Point, format_time
from vocab.model import load_model

# Each of so many car parks says something every quarter of an hour: a million members are five days.
PARKS = 2000
EVERY = timedelta(minutes=15)
# Long ago: what a publisher sends during the run is newer, and nothing of it has the identity of a member filled in.
START = datetime(2020, 1, 1, tzinfo=UTC)
# So many readings of each car park, by turns: pages of members that differ in nothing but time would compress too well.
_READINGS = 8
_TELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What filling took: members added, seconds by the clock, and processor seconds of this process."""

    members: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        """Members a second by the clock."""
        return self.members / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Mould:
    """A member without its time: `head` of the body up to the time in its IRI, `middle` up to the observed time, `tail`."""

    id: str
    entity: str
    point: Point | None
    head: bytes
    middle: bytes
    tail: bytes


class Stock:
    """Members of the one stream of a load pilot, by their numbers: member N is of car park N modulo `entities`.

    `base_url` is the public address of the pages.
    """

    def __init__(self, pilot: Path, *, base_url: str, entities: int = PARKS) -> None:
        plan = load_plan([pilot])
        (self.stream,) = plan.streams
        self._moulds = moulds(plan.sources[0], base_url=base_url, entities=entities)
        self._entities = entities

    async def open(self, store: PostgresStore) -> None:
        """Bring the stream and its views into being, so that what is filled in is placed in all of them at once."""
        await open_stream(self.stream, store)

    async def fill(
        self, store: PostgresStore, count: int, tell: Tell = lambda _: None, *, batch: int = BATCH
    ) -> Filled:
        """Add so many members, `batch` in a transaction; `tell` hears about it every second.

        Raises:
            StoreError: somebody else writes, or the store fails.

        """
        head = await store.head(self.stream.name)
        first, end = head.count, head.count + count
        began, spent = time.perf_counter(), time.process_time()
        told = began
        while head.count < end:
            placed = self.placed(head, min(batch, end - head.count), now=datetime.now(UTC))
            await store.append(self.stream.name, placed)
            head = placed.head
            if (now := time.perf_counter()) - told > _TELL_SECONDS:
                told = now
                tell(f"filling {head.count:,} of {end:,}, {(head.count - first) / (now - began):,.0f}/s")
        seconds = time.perf_counter() - began
        return Filled(members=count, seconds=seconds, processor=time.process_time() - spent)

    def placed(self, head: Head, count: int, *, now: datetime) -> Placed:
        """Make the next members behind a head as the writer would publish them at `now`."""
        clock = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if head.published_at is not None:
            clock = max(clock, head.published_at)
        made: list[Published] = []
        while len(made) < count:
            sequence = head.count + len(made)
            # Siblings must not meet: the first member of a leaf is later than the last one of the leaf before.
            size = self.stream.page_size
            clock += TICK if sequence % size == 0 else timedelta()
            made += self._members(range(sequence, min(sequence - sequence % size + size, head.count + count)), clock)
        after = replace(head, count=head.count + count, published_at=clock)
        return Placed(base=head, head=after, members=tuple(made))

    def _members(self, sequences: range, published_at: datetime) -> Iterator[Published]:
        """Make members of one leaf."""
        at = -1
        for sequence in sequences:
            turn, entity = divmod(sequence, self._entities)
            if turn != at:
                at, observed_at = turn, START + turn * EVERY
                stamp, text = f"{observed_at:%Y%m%dT%H%M%SZ}", format_time(observed_at).encode()
                packed, parks = stamp.encode(), self._moulds[turn % _READINGS]
            mould = parks[entity]
            body = b"%s%s%s%s%s" % (mould.head, packed, mould.middle, text, mould.tail)
            yield Published(sequence, published_at, mould.id + stamp, mould.entity, observed_at, mould.point, body)


async def open_stream(stream: Stream, store: PostgresStore) -> None:
    """Bring a stream and its views into being, as `write` does at its start, and wait until the views are live."""
    await store.ensure_stream(stream)
    declared = {name: definition_text(definition) for name, definition in stream.views.items()}
    await store.builds.reconcile(stream.name, declared)
    stop = asyncio.Event()
    for build in await store.builds.states(stream.name):
        await fill(stream.name, build, store.builds, stop=stop, progress=lambda _: None)


def moulds(source: Source, *, base_url: str, entities: int) -> list[list[Mould]]:
    """Map every reading of every car park once, and cut the members where their times stand.

    Raises:
        ValueError: members are not laid out as this needs: the time last in the IRI, the observed time behind it.

    """
    mapper = compile_mapping(source, load_model(source.model), base_url=base_url)
    found = []
    for reading in range(_READINGS):
        body = stamped(_varied(payload(0, entities), reading), START)
        heard = Payload(source=source.name, received_at=START, media_type="application/json", body=body)
        members = normalise([Entry(0, START, heard.to_record())], mapper, Memory()).members
        found.append([_cut(member) for member in members])
    return found


def _varied(prepared: bytes, reading: int) -> bytes:
    """Give every car park of a payload other numbers."""
    document = json.loads(prepared)
    for number, item in enumerate(document["items"]):
        item["free"] = (item["free"] + reading * (97 + number % 13)) % item["total"]
        item["taken"] = round(100 - item["free"] / 8, 1)
    return json.dumps(document).encode()


def _cut(member: Member) -> Mould:
    stamp, text = f"{START:%Y%m%dT%H%M%SZ}", format_time(START).encode()
    head, found, rest = member.body.partition(stamp.encode())
    middle, found_too, tail = rest.partition(text)
    if not (found and found_too and member.id.endswith(stamp)) or stamp.encode() in tail or text in tail:
        raise ValueError(f"no member to make others of: {member.body.decode()}")
    return Mould(
        id=member.id.removesuffix(stamp), entity=member.entity, point=member.point, head=head, middle=middle, tail=tail
    )
