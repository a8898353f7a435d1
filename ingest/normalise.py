"""Raw topic to member topic and rejected topic: a loop around a pure function."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ingest.conversions import Refused
from ingest.decoders.items import Break, Item
from ingest.decoders.table import decode
from ingest.identity import member_id
from ingest.lookup import Lookups
from ingest.mapping import Facts, Mapper, Tables
from ingest.memory import NEVER, Memory, Seen, bounded
from ingest.source import Publish, Source
from streams.batches import next_batch
from streams.log import Log
from streams.logs import logger
from streams.metrics import ITEMS, ITEMS_IN, LAG, NEWEST_OBSERVED, REJECTIONS
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
# Records appended at once: about 10 MB of traffic members.
_CHUNK = 2000
# Seconds between looks for a lookup's first document.
_LOOK_AGAIN = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# As many bytes as a rejection keeps.
_EXCERPT = 500

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a batch: `items` = members + unchanged + rejections, always; `memory` is what to remember."""

    members: Sequence[Member]
    rejections: Sequence[Rejection]
    unchanged: int
    items: int
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The outcome in the making; `take` decides what becomes of each item that could be read."""

    mapper: Mapper
    seen: dict[str, Seen]
    take: Callable[[Facts, Batch, datetime], None]
    members: list[Member] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def normalise(entries: Sequence[Entry], mapper: Mapper, memory: Memory, *, tables: Tables | None = None) -> Outcome:
    """Turn raw entries into members and rejections; the same input gives the same bytes, always.

    An item that says what its entity said before at the same time is unchanged; with `publish: changed` so is one
    that says it at another time, until the heartbeat. Same time, other content: a revision, whose id carries its
    digest. Older than the newest of its entity: published under its own time, and the memory stays. A defect of ours
    on one item becomes one rejection (FAULT), and the others go on.
    """
    batch = Batch(mapper=mapper, seen=dict(memory.seen), take=remember)
    items = 0
    for entry in entries:
        items += _payload(entry, batch, tables or {})
    unchanged = items - len(batch.members) - len(batch.rejections)
    return Outcome(
        members=batch.members,
        rejections=batch.rejections,
        unchanged=unchanged,
        items=items,
        memory=Memory(seen=bounded(batch.seen)),
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
    mapper, items = batch.mapper, 0
    try:
        payload = Payload.from_record(entry.record)
        for found in decode(payload.body, payload.media_type, mapper.wanted):
            items += 1
            if isinstance(found, Break):
                _reject(batch, entry.offset, found.path, found)
            else:
                _item(found, batch, tables, entry=entry, received=payload.received_at)
    except Exception as error:  # noqa: BLE001 - whatever a decoder did not foresee is kept for replay, not lost
        fault = _fault(error, entry.record.value[:_EXCERPT])
        _reject(batch, entry.offset, "$", fault)
        items += 1
    return items


def _item(item: Item, batch: Batch, tables: Tables, *, entry: Entry, received: datetime) -> None:
    try:
        facts = batch.mapper.facts(item.value, item.root, tables, received=received)
        batch.take(facts, batch, received)
    except Refused as refused:
        problem = Break(reason=refused.reason, path=refused.path, detail=refused.detail, excerpt=_excerpt(item.value))
        _reject(batch, entry.offset, item.below(refused.path), problem)
    except Exception as error:  # noqa: BLE001 - one bad mapping must not cost the other items
        _reject(batch, entry.offset, item.path, _fault(error, _excerpt(item.value)))


def remember(facts: Facts, batch: Batch, received: datetime) -> None:
    """Decide what an item is to its entity, publish it if it is news, and remember it."""
    mapper, observed = batch.mapper, (facts.observed_at - _EPOCH) // _MILLISECOND
    last = batch.seen.get(facts.key)
    if last is None or observed > last.observed:
        published = NEVER if last is None else last.published
        if last is None or _is_news(facts, observed, last, mapper.source.publish):
            batch.members.append(mapper.member(facts, received=received))
            published = observed
        batch.seen[facts.key] = Seen(observed, facts.digest, published, revised=False)
    elif observed == last.observed:
        if facts.digest != last.digest:
            batch.seen[facts.key] = _revise(facts, last, batch, received)
    elif not (mapper.source.publish.changed and facts.digest == last.digest):
        batch.members.append(mapper.member(facts, received=received))


def _is_news(facts: Facts, observed: int, last: Seen, publish: Publish) -> bool:
    if not publish.changed or facts.digest != last.digest or last.published == NEVER:
        return True
    return publish.heartbeat is not None and observed - last.published >= publish.heartbeat // _MILLISECOND


def _revise(facts: Facts, last: Seen, batch: Batch, received: datetime) -> Seen:
    mapper = batch.mapper
    if last.published != last.observed:
        # What it corrects was never published: it is the first member of its time.
        batch.members.append(mapper.member(facts, received=received))
        return Seen(last.observed, facts.digest, last.observed, revised=False)
    before = member_id(
        mapper.source.stream, facts.key, facts.observed_at, revision=last.digest if last.revised else b""
    )
    batch.members.append(mapper.member(facts, received=received, revision=facts.digest, revision_of=before))
    return Seen(last.observed, facts.digest, last.observed, revised=True)


def _reject(batch: Batch, offset: int, path: str, problem: Break) -> None:
    batch.rejections.append(
        Rejection(
            source=batch.mapper.source.name,
            offset=offset,
            path=path,
            reason=problem.reason,
            detail=problem.detail,
            excerpt=problem.excerpt[:_EXCERPT],
        )
    )


def _fault(error: Exception, excerpt: bytes) -> Break:
    detail = f"our own mapping failed: {type(error).__name__}: {error}"[:500]
    return Break(reason=Reason.FAULT, path="$", detail=detail, excerpt=excerpt)


def _excerpt(value: Any) -> bytes:
    try:
        return orjson.dumps(value)[:_EXCERPT]
    except TypeError:
        return repr(value).encode("utf-8", "replace")[:_EXCERPT]


async def run_normaliser(source: Source, mapper: Mapper, log: Log, *, stop: asyncio.Event) -> None:
    """Normalise the source's raw topic until `stop`, which ends after the portion in hand.

    Members first, then rejections, then the checkpoint (memory and position in one record): a crash anywhere makes
    the same members again, which their identity tells from new ones. Waits, without rejecting anything, while a
    required lookup has no document yet. Raises `LogError`; where it is retriable, calling again goes on.
    """
    offset, memory = await _resume(source, log)
    lookups = Lookups(source.lookups, log)
    batches = log.read(raw_topic(source.name), after=offset, limit=_READ)
    while entries := await next_batch(batches, stop):
        for portion in portions(entries):
            if not await _tables_ready(source, lookups, stop):
                return
            outcome = await asyncio.to_thread(normalise, portion, mapper, memory, tables=lookups.tables)
            memory = outcome.memory
            await _store(source, outcome, log, offset=portion[-1].offset)
            await _count(source, outcome, log, offset=portion[-1].offset)
            if stop.is_set():
                return


async def checkpoint_offset(source: Source, log: Log) -> int:
    """Return the newest raw offset that a restarted normaliser would not read again, -1 for none."""
    return (await _resume(source, log))[0]


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
    for start in range(0, len(outcome.members), _CHUNK):
        records = [member.to_record() for member in outcome.members[start : start + _CHUNK]]
        await log.append(members_topic(source.stream), records)
    for start in range(0, len(outcome.rejections), _CHUNK):
        records = [rejection.to_record() for rejection in outcome.rejections[start : start + _CHUNK]]
        await log.append(rejected_topic(source.name), records)
    await log.append(state_topic(source.name), [_checkpoint(source, outcome.memory, offset=offset)])


def _checkpoint(source: Source, memory: Memory, *, offset: int) -> Record:
    return Record(key=source.name.encode(), value=memory.to_bytes(), headers={"offset": str(offset).encode()})


async def _count(source: Source, outcome: Outcome, log: Log, *, offset: int) -> None:
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
    last = await log.last(raw_topic(name))
    LAG.labels(role="normalise", name=name).set(max(0, last.offset - offset) if last else 0)
    counts = {"items": outcome.items, "members": len(outcome.members), "unchanged": outcome.unchanged}
    _log.debug("normalised", source=name, **counts, rejected=dict(reasons))
