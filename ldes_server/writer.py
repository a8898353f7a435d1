"""From member topic to store: decides a batch's places (pure) and stores it in one transaction (loop)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ldes_server.arrivals import Arrival, read
from ldes_server.gathering import Gathered, Gathering, tied
from ldes_server.model import Head, Placed, Published, Stream
from ldes_server.store import MemberSink
from streams.batches import next_batch
from streams.errors import TwinError
from streams.log import Log
from streams.logs import logger
from streams.metrics import (
    DUPLICATES,
    FOREIGN,
    NEWEST_PUBLISHED,
    PUBLISHED,
    WRITE_MEMBERS,
    WRITE_SECONDS,
)
from streams.record import Entry, members_topic

# At most this many members in one transaction: 2,000 reach 0.9 of the rate of 10,000 and hold the stream's lock for
# 20 ms instead of 100; when less is there, less is taken, so a quiet stream waits for nobody.
BATCH = 2000
# The finest step that survives on the wire (streams.record.format_time).
TICK = timedelta(milliseconds=1)
_new: Any = tuple.__new__
_log = logger(__name__)


def claimed(entries: Iterable[Entry]) -> frozenset[str]:
    """Return the member ids that the entries claim, for a lookup of what is published already."""
    return frozenset(entry.record.headers.get("id", b"").decode(errors="replace") for entry in entries)


def place(
    entries: Sequence[Entry], stream: Stream, *, head: Head, known: Collection[str], position: int | None = None
) -> Placed:
    """Decide what a non-empty batch adds to the stream at `head`; pure.

    `known` are those of the claimed ids that are published. Published identities and repeats inside the batch are
    `duplicates`; records that are no members are `foreign`. The rest is numbered densely from `head.count`. Transactions
    are whole in the batch (gathering.py). `position` is where the log was read to, the last entry if not given.
    """
    seen, void = set(known), set[str]()
    foreign: list[int] = []
    fresh: list[tuple[datetime, Arrival]] = []
    for offset, at, record in entries:
        found = read(record)
        if found is None:
            foreign.append(offset)
        elif found.id not in seen:
            seen.add(found.id)
            fresh.append((at, found))
        elif found.id in known:
            void.add(found.transaction)
    if stream.transactions:
        fresh = list(_tie(fresh, frozenset(void)))
    members = tuple(_publish(fresh, head, stream))
    return Placed(
        base=head,
        head=replace(
            head,
            count=head.count + len(members),
            published_at=members[-1].published_at if members else head.published_at,
            position=entries[-1].offset if position is None else position,
        ),
        members=members,
        duplicates=len(entries) - len(members) - len(foreign),
        foreign=tuple(foreign),
        bodies=[arrival.parsed for _, arrival in fresh],
    )


def _tie(fresh: Sequence[tuple[datetime, Arrival]], void: frozenset[str]) -> Iterator[tuple[datetime, Arrival]]:
    """Let members say what they belong together with: only here it is known which of them is the last new one."""
    words = tied([arrival.transaction for _, arrival in fresh], void)
    for (at, arrival), word in zip(fresh, words, strict=True):
        yield at, arrival._replace(body=b"%s%s}" % (arrival.body[:-1], word)) if word else arrival


def _publish(fresh: Iterable[tuple[datetime, Arrival]], head: Head, stream: Stream) -> Iterator[Published]:
    clock = head.published_at
    for sequence, (at, arrival) in enumerate(fresh, head.count):
        clock = _tick(clock, at, opens_leaf=sequence % stream.page_size == 0)
        name, entity, observed_at, point, _, body, parsed = arrival
        yield _new(Published, (sequence, clock, name, entity, observed_at, point, body, stream.deletes(parsed)))


def _tick(clock: datetime | None, at: datetime, *, opens_leaf: bool) -> datetime:
    """Return the publication time: the log's, unless that would go back (LDES-29) or make siblings meet (TREE-27)."""
    if at.microsecond % 1000:
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    if clock is None:
        return at
    return max(at, clock + TICK if opens_leaf else clock)


async def run_writer(stream: Stream, log: Log, sink: MemberSink, *, stop: asyncio.Event) -> None:
    """Publish the stream's member topic until `stop`, which ends after the batch in hand.

    Starts behind the position saved with the members, so it may be cancelled or killed anywhere and started again.
    Batches take whatever has arrived, at most `BATCH`. Raises `LogError` and `StoreError`; where they are retriable,
    calling again goes on where this call ended.
    """
    await sink.ensure_stream(stream)
    head = await sink.head(stream.name)
    gathering = Gathering() if stream.transactions else None
    # Who begins anew most likely meets what was published before the end; then twins come one after the other.
    suspicious = True
    batches = log.read(members_topic(stream.name), after=head.position, limit=BATCH)
    while entries := await next_batch(batches, stop):
        start = time.perf_counter()
        gathered = gathering.add(entries) if gathering else Gathered(ready=entries, position=entries[-1].offset)
        if not gathered.ready:
            continue
        placed, suspicious = await _publish_batch(gathered, stream, sink, head, suspicious)
        head = placed.head
        _count(stream.name, placed, seconds=time.perf_counter() - start)


async def _publish_batch(
    gathered: Gathered, stream: Stream, sink: MemberSink, head: Head, suspicious: bool
) -> tuple[Placed, bool]:
    """Publish a batch; return it, and whether members of it were published before.

    With `suspicious` this is asked first; without, the sink refuses the batch if it is so, which costs nothing when it
    is not.
    """
    known: Collection[str] = ()
    if suspicious:
        known = await sink.known(stream.name, claimed(gathered.ready))
    placed = place(gathered.ready, stream, head=head, known=known, position=gathered.position)
    try:
        await sink.append(stream.name, placed)
    except TwinError:
        if suspicious:
            raise
        return await _publish_batch(gathered, stream, sink, head, True)
    return placed, bool(known)


def _count(name: str, placed: Placed, *, seconds: float) -> None:
    PUBLISHED.labels(stream=name).inc(len(placed.members))
    DUPLICATES.labels(stream=name).inc(placed.duplicates)
    FOREIGN.labels(stream=name).inc(len(placed.foreign))
    WRITE_MEMBERS.labels(stream=name).observe(len(placed.members))
    WRITE_SECONDS.labels(stream=name).observe(seconds)
    if placed.members:
        NEWEST_PUBLISHED.labels(stream=name).set(placed.members[-1].published_at.timestamp())
    if placed.foreign:
        _log.warning("foreign records skipped", stream=name, count=len(placed.foreign), first=placed.foreign[0])
    _log.debug("batch written", stream=name, members=len(placed.members), duplicates=placed.duplicates)
