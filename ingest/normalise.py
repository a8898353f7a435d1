"""Raw topic to member topic and rejected topic: a loop around a pure function."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from ingest.conversions import Refused
from ingest.deciding import EXCERPT, Batch, close, fault, in_milliseconds, remember, remove
from ingest.decoders.items import Break, Item
from ingest.decoders.table import decode
from ingest.lookup import Lookups
from ingest.mapping import Facts, Mapper, Tables
from ingest.memory import NEVER, Memory, bounded
from ingest.personal import masked
from ingest.snapshot import Snapshot
from ingest.source import Source
from streams.batches import next_batch
from streams.log import Log
from streams.logs import logger
from streams.metrics import ITEMS, ITEMS_IN, NEWEST_OBSERVED, REJECTIONS
from streams.record import (
    Entry,
    Member,
    Payload,
    Reason,
    Record,
    Rejection,
    members_topic,
    raw_topic,
    rejected_topic,
    state_topic,
)

# Entries asked for at once; small payloads (webhooks) share one checkpoint.
_READ = 100
# Packed bytes normalised at once: a packed MIV minute is 150 KB and becomes 20 MB of members.
_PORTION = 128 * 1024
# Packed bytes that are normalised on the spot: some milliseconds at most, where handing them to a thread and back costs
# as much as a dozen items.
_LITTLE = 1024
_FEW = 100
# Records appended at once: about 10 MB of traffic members.
_CHUNK = 2000
# Seconds between looks for a lookup's first document.
_LOOK_AGAIN = 1.0

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a batch: `items` = members + unchanged + rejections, always; `memory` is what to remember.

    An entity that is gone from a snapshot is an item, too: its absence was told.
    """

    members: Sequence[Member]
    rejections: Sequence[Rejection]
    unchanged: int
    items: int
    memory: Memory


def normalise(entries: Sequence[Entry], mapper: Mapper, memory: Memory, *, tables: Tables | None = None) -> Outcome:
    """Turn raw entries into members and rejections; the same input gives the same bytes, always.

    An item that says what its entity said before at the same time is unchanged; with `publish: changed` so is one
    that says it at another time, until the heartbeat. Same time, other content: a revision, whose id carries its
    digest. Older than the newest of its entity: published under its own time, and the memory stays. With `publish:
    absent` an entity that a payload lacks is deleted (`ingest.deciding.close`). A defect of ours on one item becomes one
    rejection (FAULT), and the others go on.
    """
    snapshot = Snapshot(memory.newest) if mapper.source.publish.deletes else None
    batch = Batch(mapper=mapper, seen=dict(memory.seen), take=remember, snapshot=snapshot)
    items = 0
    for entry in entries:
        items += _payload(entry, batch, tables or {})
    unchanged = items - len(batch.members) - len(batch.rejections)
    return Outcome(
        members=batch.members,
        rejections=batch.rejections,
        unchanged=unchanged,
        items=items,
        memory=Memory(seen=bounded(batch.seen), newest=snapshot.latest if snapshot else NEVER),
    )


def read_items(
    entries: Sequence[Entry], mapper: Mapper, *, tables: Tables
) -> tuple[list[tuple[Facts, datetime]], list[Rejection]]:
    """Read what raw entries say, each item with the time it was received, and what of them is refused."""
    found: list[tuple[Facts, datetime]] = []
    batch = Batch(mapper=mapper, seen={}, take=lambda facts, _, received: found.append((facts, received)))
    for entry in entries:
        _payload(entry, batch, tables)
    return found, batch.rejections


def _payload(entry: Entry, batch: Batch, tables: Tables) -> int:
    """Normalise one payload; return how many items it had, a break of the document counting as one."""
    mapper, items, start = batch.mapper, 0, len(batch.members)
    payload = None
    try:
        payload = Payload.from_record(entry.record)
        received = payload.received_at
        for found in decode(payload.body, payload.media_type, mapper.wanted, received=received):
            items += 1
            if isinstance(found, Break):
                _break(batch, entry.offset, found)
            else:
                take_item(found, batch, tables, entry.offset, received)
    except Exception as error:  # noqa: BLE001 - whatever a decoder did not foresee is kept for replay, not lost
        _break(batch, entry.offset, fault(error, entry.record.value[:EXCERPT]))
        items += 1
    if payload is not None:
        items += close(batch, offset=entry.offset, received=payload.received_at, start=start)
    return items


def _break(batch: Batch, offset: int, problem: Break) -> None:
    batch.reject(offset, problem.path, problem)
    if batch.snapshot is not None:
        batch.snapshot.broken = True


def take_item(item: Item, batch: Batch, tables: Tables, offset: int, received: datetime) -> None:
    """Add what becomes of one item of the raw entry with this offset to its batch; never raises."""
    mapper, snapshot = batch.mapper, batch.snapshot
    try:
        if mapper.gone is not None and mapper.gone(item.value):
            key, observed_at = mapper.locate(item.value, item.root, tables, received)
            if snapshot is not None:
                _see(snapshot, key, observed_at, received)
                remove(key, observed_at, batch, received)
            return
        facts = mapper.facts(item.value, item.root, tables, received)
        if snapshot is not None:
            _see(snapshot, facts.key, facts.observed_at, received)
        batch.take(facts, batch, received)
    except Refused as refused:
        told = item
        if refused.reason is Reason.PRIVACY:
            # Neither the excerpt nor the path, which may name the entity, repeats what must not be told.
            told = item._replace(value=masked(item.value), key="")
        problem = Break(reason=refused.reason, path=refused.path, detail=refused.detail, excerpt=_excerpt(told.value))
        batch.reject(offset, told.below(refused.path), problem)
        _see_refused(item, batch, tables, received)
    except Exception as error:  # noqa: BLE001 - one bad mapping must not cost the other items
        batch.reject(offset, item.path, fault(error, _excerpt(item.value)))
        _see_refused(item, batch, tables, received)


def _see(snapshot: Snapshot, key: str, observed_at: datetime, received: datetime) -> None:
    # A clock that runs ahead must not make all later payloads look old.
    snapshot.saw(key, in_milliseconds(min(observed_at, received)))


def _see_refused(item: Item, batch: Batch, tables: Tables, received: datetime) -> None:
    """Note of whom a refused item is: it is there, whatever is wrong with the rest of what it says."""
    if batch.snapshot is None:
        return
    try:
        batch.snapshot.present.add(batch.mapper.key(item.value, item.root, tables, received))
    except Exception:  # noqa: BLE001 - what is wrong with it was told
        batch.snapshot.nameless += 1


def _excerpt(value: Any) -> bytes:
    try:
        return orjson.dumps(value)[:EXCERPT]
    except TypeError:
        return repr(value).encode("utf-8", "replace")[:EXCERPT]


async def run_normaliser(source: Source, mapper: Mapper, log: Log, *, stop: asyncio.Event) -> None:
    """Normalise the source's raw topic until `stop`, which ends after the portion in hand.

    Members first, then rejections, then the checkpoint (memory and position in one record): a crash anywhere makes
    the same members again, which their identity tells from new ones. Waits, without rejecting anything, while a
    required lookup has no document yet. Raises `LogError`; where it is retriable, calling again goes on.
    """
    offset, memory = await _resume(source, log)
    lookups = Lookups(source.lookups, log)
    batches = log.read(raw_topic(source.name), after=offset, limit=_READ)
    quick = False
    while entries := await next_batch(batches, stop):
        for portion in portions(entries):
            if not await _tables_ready(source, lookups, stop):
                return
            # Small may be well packed, so the items of the portion before are asked, too; and what is remembered is copied.
            if quick and sum(len(entry.record.value) for entry in portion) <= _LITTLE:
                outcome = normalise(portion, mapper, memory, tables=lookups.tables)
            else:
                outcome = await asyncio.to_thread(normalise, portion, mapper, memory, tables=lookups.tables)
            memory = outcome.memory
            quick = outcome.items <= _FEW and len(memory.seen) <= 10 * _FEW
            await _store(source, outcome, log, offset=portion[-1].offset)
            _count(source, outcome)
            if stop.is_set():
                return


async def checkpoint_offset(source: Source, log: Log) -> int:
    """Return the newest raw offset that a restarted normaliser would not read again, -1 for none."""
    return (await _resume(source, log))[0]


async def normalised_offset(source: Source, log: Log) -> int:
    """Return what `checkpoint_offset` does without unpacking the memory beside it, for whoever asks every few seconds.

    Other than that it is not told by a damaged memory, which makes a restarted normaliser start over.
    """
    entry = await log.last(state_topic(source.name))
    offset = b"" if entry is None else entry.record.headers.get("offset", b"")
    return int(offset) if offset.isdigit() else -1


async def _resume(source: Source, log: Log) -> tuple[int, Memory]:
    """Return where the last run ended; from the start when there is no checkpoint that can be read."""
    entry = await log.last(state_topic(source.name))
    if entry is None:
        return -1, Memory()
    try:
        return int(entry.record.headers["offset"]), Memory.from_bytes(entry.record.value)
    except (KeyError, ValueError) as error:
        # Doing all raw entries again is safe: members are told apart by identity.
        _log.warning("checkpoint unreadable, starting over", source=source.name, error=str(error))
        return -1, Memory()


def portions(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Split entries into what is normalised at once."""
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        portion.append(entry)
        size += len(entry.record.value)
        if size >= _PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


async def _tables_ready(source: Source, lookups: Lookups, stop: asyncio.Event) -> bool:
    """Wait until every required table has rows; False when stopped before."""
    said = False
    while missing := await lookups.refresh():
        if not said:
            _log.info("waiting for lookup", source=source.name, lookup=", ".join(missing))
            said = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN):
                await stop.wait()
        if stop.is_set():
            return False
    return True


async def _store(source: Source, outcome: Outcome, log: Log, *, offset: int) -> None:
    """Append members, then rejections, then the checkpoint: what is most often little goes together."""
    whole = [
        *_chunks(members_topic(source.stream), [member.to_record() for member in outcome.members]),
        *_chunks(rejected_topic(source.name), [rejection.to_record() for rejection in outcome.rejections]),
    ]
    state = (state_topic(source.name), [_checkpoint(source, outcome.memory, offset=offset)])
    if sum(len(records) for _, records in whole) <= _CHUNK:
        await log.append_together([*whole, state])
        return
    for topic, records in whole:
        await log.append(topic, records)
    await log.append(*state)


def _chunks(topic: str, records: Sequence[Record]) -> Iterator[tuple[str, Sequence[Record]]]:
    for start in range(0, len(records), _CHUNK):
        yield topic, records[start : start + _CHUNK]


def _checkpoint(source: Source, memory: Memory, *, offset: int) -> Record:
    return Record(key=source.name.encode(), value=memory.to_bytes(), headers={"offset": str(offset).encode()})


def _count(source: Source, outcome: Outcome) -> None:
    name = source.name
    ITEMS_IN.labels(source=name).inc(outcome.items)
    ITEMS.labels(source=name, outcome="member").inc(len(outcome.members))
    ITEMS.labels(source=name, outcome="unchanged").inc(outcome.unchanged)
    ITEMS.labels(source=name, outcome="rejected").inc(len(outcome.rejections))
    reasons = Counter(rejection.reason.value for rejection in outcome.rejections)
    for reason, count in reasons.items():
        REJECTIONS.labels(source=name, reason=reason).inc(count)
    if outcome.members:
        newest = max(member.observed_at for member in outcome.members)
        NEWEST_OBSERVED.labels(stream=source.stream).set(newest.timestamp())
    counts = {"items": outcome.items, "members": len(outcome.members), "unchanged": outcome.unchanged}
    _log.debug("normalised", source=name, **counts, rejected=dict(reasons))
