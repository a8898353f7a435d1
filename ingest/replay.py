"""Replay: the raw topic read again with today's mapping, compared with what is published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from ingest.deciding import Batch, in_milliseconds, remember
from ingest.lookup import Lookups
from ingest.mapping import Facts, Mapper
from ingest.memory import NEVER, Memory, Seen, bounded
from ingest.normalise import portions, read_items
from streams.errors import ConfigError, LogError, Problem, SourceError
from streams.identity import member_id
from streams.log import Log
from streams.record import Entry, Member, members_topic, raw_topic
from vocab.versions import FINAL_KEY, OPERATION_KEY, TRANSACTION_KEY, Operation

# The bodies published under some ids; ids that are not published are absent.
Published = Callable[[Collection[str]], Awaitable[Mapping[str, bytes]]]
Items = Sequence[tuple[Facts, datetime]]

# Entries asked for at once.
_READ = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which raw entries to replay: those after the offset `after` up to `until`; those after `warm` are read before,
    to learn what each entity said last, and change nothing.
    """

    warm: int
    after: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a replay did so far: items = members + revisions + unchanged + rejected; `offset` is the last one done."""

    offset: int
    items: int = 0
    members: int = 0
    revisions: int = 0
    rejected: int = 0

    @property
    def unchanged(self) -> int:
        """Items that are published already, or say nothing new."""
        return self.items - self.members - self.revisions - self.rejected

    def plus(self, offset: int, items: int, members: Sequence[Member], rejected: int) -> Tally:
        """Return the sum; a revision is told by the digest behind its time."""
        revisions = sum(not member.id.endswith("Z") for member in members)
        return Tally(
            offset=offset,
            items=self.items + items,
            members=self.members + len(members) - revisions,
            revisions=self.revisions + revisions,
            rejected=self.rejected + rejected,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a portion adds, and what to remember."""

    members: Sequence[Member]
    memory: Memory = field(default_factory=Memory)


def replay_group(source: str) -> str:
    """Name the group under which a replay saves how far it is."""
    return f"replay.{source}"


def candidates(items: Items, stream: str) -> set[str]:
    """Return every id that the items may be published under: as first said, and as a revision."""
    found = set()
    for facts, _ in items:
        found.add(member_id(stream, facts.key, facts.observed_at))
        found.add(member_id(stream, facts.key, facts.observed_at, revision=facts.digest))
    return found


def decide(items: Items, mapper: Mapper, memory: Memory, published: Mapping[str, bytes], *, warm: bool) -> Decided:
    """Decide what items add to what is `published` under their `candidates`; pure.

    Same content under the item's own id: nothing. Other content: a revision, unless that very revision is published.
    Nothing under its id: what the normaliser would do, whose memory is put right by every published member met on the
    way. `warm` only remembers.
    """
    batch = Batch(mapper=mapper, seen=dict(memory.seen), take=remember)
    for facts, received in items:
        own = member_id(mapper.source.stream, facts.key, facts.observed_at)
        held = published.get(own)
        if held is not None:
            _compare(facts, batch, received, own, held)
        elif warm:
            _note(facts, batch)
        else:
            remember(facts, batch, received)
    members = [] if warm else [member for member in batch.members if member.id not in published]
    return Decided(members=members, memory=Memory(seen=bounded(batch.seen)))


def _compare(facts: Facts, batch: Batch, received: datetime, own: str, held: bytes) -> None:
    observed = in_milliseconds(facts.observed_at)
    last = batch.seen.get(facts.key)
    if last is not None and (last.observed, last.digest, last.published) == (observed, facts.digest, observed):
        return
    revised = not _same(batch.mapper.member(facts, received=received).body, held)
    if revised:
        before = own
        if last is not None and last.observed == observed and last.revised:
            stream = batch.mapper.source.stream
            before = member_id(stream, facts.key, facts.observed_at, revision=last.digest)
        revision = batch.mapper.member(facts, received=received, revision=facts.digest, revision_of=before)
        batch.publish(revision, Operation.UPDATE)
    if last is None or observed >= last.observed:
        batch.seen[facts.key] = Seen(observed, facts.digest, observed, revised=revised)


def _note(facts: Facts, batch: Batch) -> None:
    """Remember an item from before the replay that is not published: the heartbeat or the old mapping left it out.

    Without a heartbeat an entity may be silent for longer than raw entries are kept, so it counts as published.
    """
    observed = in_milliseconds(facts.observed_at)
    last = batch.seen.get(facts.key)
    if last is None or observed >= last.observed:
        unknown = observed if batch.mapper.source.publish.heartbeat is None else NEVER
        batch.seen[facts.key] = Seen(observed, facts.digest, last.published if last else unknown, revised=False)


def _same(body: bytes, held: bytes) -> bool:
    """Whether two bodies say the same, in whatever order; their place among versions aside, which is the log's."""
    return body == held or _said(body) == _said(held)


def _said(body: bytes) -> Mapping[str, object]:
    said: dict[str, object] = orjson.loads(body)
    for key in (OPERATION_KEY, TRANSACTION_KEY, FINAL_KEY):
        said.pop(key, None)
    return said


async def window_since(mapper: Mapper, log: Log, since: datetime, *, done: int, resume: int) -> Window:
    """Return the window of the entries that came at or after `since`, or after `resume` where that is later.

    It ends with `done`, the last offset the normaliser is done with: the rest it does itself, with today's mapping.
    """
    topic, publish = raw_topic(mapper.source.name), mapper.source.publish
    after = max(await _before(log, topic, since), resume)
    warm = after
    if publish.changed:
        first = await _next(log, topic, after) if after < done else None
        # Twice the heartbeat, since it counts in the publisher's time and entries in ours.
        wait = publish.heartbeat
        warm = -1 if wait is None else after if first is None else await _before(log, topic, first.at - 2 * wait)
    return Window(warm=min(warm, after), after=after, until=done)


async def replay(mapper: Mapper, log: Log, published: Published, window: Window) -> AsyncIterator[Tally]:
    """Replay a window, portion by portion; yields after each, when its members are in the log and its position saved.

    Stopping to iterate leaves the position where it is; a finished replay forgets it. Rejections are counted only:
    the normaliser has told them.

    Raises:
        ConfigError: the stream was published under another public address.
        SourceError: a required lookup has no document.
        LogError, StoreError: the log or the store did not answer.

    """
    source = mapper.source
    lookups = Lookups(source.lookups, log)
    if missing := await lookups.refresh():
        fix = f"collect {', '.join(missing)} first"
        raise SourceError("a lookup has no document", where=source.name, fix=fix)
    memory, tally = Memory(), Tally(offset=window.warm)
    async for entries in _entries(log, raw_topic(source.name), window):
        items, rejections = await asyncio.to_thread(read_items, entries, mapper, tables=lookups.tables)
        held = await published(candidates(items, source.stream))
        _require_same_address(mapper, held)
        offset, warm = entries[-1].offset, entries[-1].offset <= window.after
        decided = await asyncio.to_thread(decide, items, mapper, memory, held, warm=warm)
        memory = decided.memory
        if warm:
            tally = Tally(offset=offset)
        else:
            await log.append(members_topic(source.stream), [member.to_record() for member in decided.members])
            await log.commit(replay_group(source.name), raw_topic(source.name), offset)
            tally = tally.plus(offset, len(items) + len(rejections), decided.members, len(rejections))
        yield tally
    await log.commit(replay_group(source.name), raw_topic(source.name), -1)


async def _entries(log: Log, topic: str, window: Window) -> AsyncIterator[Sequence[Entry]]:
    """Yield the portions of a window; none of them lies across its beginning."""
    for after, until in ((window.warm, window.after), (window.after, window.until)):
        if after >= until:
            continue
        async for batch in log.read(topic, after=after, limit=_READ):
            for portion in portions([entry for entry in batch if entry.offset <= until]):
                yield portion
            if batch[-1].offset >= until:
                break


def _require_same_address(mapper: Mapper, held: Mapping[str, bytes]) -> None:
    """Refuse to take every member for changed because its address is."""
    for name, body in held.items():
        address = str(orjson.loads(body)["@id"])
        if address != f"{mapper.base_url}/{name}":
            published = address.removesuffix(f"/{name}")
            what = f"is {mapper.base_url}, and {mapper.source.stream} was published under {published}"
            fix = f"set SF_BASE_URL={published}"
            raise ConfigError([Problem(where="SF_BASE_URL", what=what, fix=fix)], where="the environment")
        return


async def _before(log: Log, topic: str, moment: datetime) -> int:
    """Return the offset after which the entries from `moment` on begin, by halving; -1 for all of them."""
    newest = await log.last(topic)
    if newest is None or newest.at < moment:
        return -1 if newest is None else newest.offset
    low, high = -1, newest.offset - 1
    while low < high:
        middle = (low + high) // 2
        if (await _next(log, topic, middle)).at >= moment:
            high = middle
        else:
            low = middle + 1
    return low


async def _next(log: Log, topic: str, after: int) -> Entry:
    async for entries in log.read(topic, after=after, limit=1):
        return entries[0]
    raise LogError("ended while it was read", where=topic, fix="none needed: try again", retriable=True)
