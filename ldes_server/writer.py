"""From member topic to store: decides a batch's places (pure) and stores it in one transaction (loop)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from ldes_server.gathering import Gathered, Gathering, tied
from ldes_server.model import Head, Placed, Published, Stream
from ldes_server.store import MemberSink
from streams.batches import next_batch
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
from streams.record import Entry, Member, members_topic
from vocab.lexical import is_iri
from vocab.versions import FINAL_KEY, TRANSACTION_KEY

# At most this many members in one transaction: 2,000 reach 0.9 of the rate of 10,000 and hold the stream's lock for
# 20 ms instead of 100; when less is there, less is taken, so a quiet stream waits for nobody.
BATCH = 2000
# The finest step that survives on the wire (streams.record.format_time).
TICK = timedelta(milliseconds=1)
# What a page or the writer itself adds, or a page says once for all members; a member that brings its own would say it
# twice (LDES-30).
RESERVED = frozenset({"generatedAtTime", "sequence", "@context", TRANSACTION_KEY, FINAL_KEY})
# Ids and entities are keys of b-trees, whose entries end at 2,700 bytes; real addresses end long before.
LONGEST_ADDRESS = 2000

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
    fresh: list[tuple[Entry, Member]] = []
    bodies: list[Mapping[str, Any]] = []
    for entry in entries:
        found = _member(entry)
        if found is None:
            foreign.append(entry.offset)
        elif found[0].id not in seen:
            member, body = found
            seen.add(member.id)
            fresh.append((entry, member))
            bodies.append(body)
        elif found[0].id in known:
            void.add(found[0].transaction)
    if stream.transactions:
        fresh = list(_tie(fresh, frozenset(void)))
    members = tuple(_publish(zip(fresh, bodies, strict=True), head, stream))
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
        bodies=bodies,
    )


def _tie(fresh: Sequence[tuple[Entry, Member]], void: frozenset[str]) -> Iterator[tuple[Entry, Member]]:
    """Let members say what they belong together with: only here it is known which of them is the last new one."""
    words = tied([member.transaction for _, member in fresh], void)
    for (entry, member), word in zip(fresh, words, strict=True):
        yield entry, member._replace(body=b"%s%s}" % (member.body[:-1], word)) if word else member


def _member(entry: Entry) -> tuple[Member, Mapping[str, Any]] | None:
    """Unpack a member and its body; None for what a page could never show, however it came into the topic."""
    try:
        member = Member.from_record(entry.record)
        body = orjson.loads(member.body)
    except (ValueError, KeyError, OverflowError):
        return None
    if not RESERVED.isdisjoint(body) or not _is_named(member.body, body["@id"]):
        return None
    named = _is_address(member.id) and _is_address(member.entity) and len(member.transaction) <= LONGEST_ADDRESS
    return (member, body) if named else None


def _is_named(packed: bytes, iri: object) -> bool:
    # Pages take the IRI from the start of the body as it stands, and put it between angle brackets.
    return isinstance(iri, str) and is_iri(iri) and packed.startswith(b'{"@id":"%s"' % iri.encode())


def _is_address(text: str) -> bool:
    # PostgreSQL's text holds every character but NUL.
    return 0 < len(text.encode()) <= LONGEST_ADDRESS and "\0" not in text


def _publish(
    fresh: Iterable[tuple[tuple[Entry, Member], Mapping[str, Any]]], head: Head, stream: Stream
) -> Iterator[Published]:
    clock = head.published_at
    for sequence, ((entry, member), body) in enumerate(fresh, head.count):
        clock = _tick(clock, entry.at, opens_leaf=sequence % stream.page_size == 0)
        yield Published(
            sequence=sequence,
            published_at=clock,
            id=member.id,
            entity=member.entity,
            observed_at=member.observed_at,
            point=member.point,
            body=member.body,
            deleted=stream.deletes(body),
        )


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
    batches = log.read(members_topic(stream.name), after=head.position, limit=BATCH)
    while entries := await next_batch(batches, stop):
        start = time.perf_counter()
        gathered = gathering.add(entries) if gathering else Gathered(ready=entries, position=entries[-1].offset)
        if not gathered.ready:
            continue
        known = await sink.known(stream.name, claimed(gathered.ready))
        placed = place(gathered.ready, stream, head=head, known=known, position=gathered.position)
        await sink.append(stream.name, placed)
        head = placed.head
        _count(stream.name, placed, seconds=time.perf_counter() - start)


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
