"""Deciding: what an item, or its absence, is to its entity: news, a revision, a late word, a deletion; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import orjson

from ingest.decoders.items import Break
from ingest.mapping import Facts, Mapper
from ingest.memory import NEVER, Seen
from ingest.personal import is_of_another_day
from ingest.snapshot import Snapshot
from ingest.source import Publish
from streams.identity import member_id, transaction_id
from streams.record import Member, Reason, Rejection
from vocab.versions import OPERATION_KEY, Operation

# The most members that belong together: the writer keeps them in memory until the last one is there.
LARGEST_TRANSACTION = 10_000
# As many bytes as a rejection keeps.
EXCERPT = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The outcome in the making; `take` decides what becomes of each item that could be read.

    `snapshot` sees what each payload holds, where absences or items may delete; `apart` has the places among `members`
    of those that belong to no transaction.
    """

    mapper: Mapper
    seen: dict[str, Seen]
    take: Callable[[Facts, Batch, datetime], None]
    snapshot: Snapshot | None = None
    members: list[Member] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    apart: set[int] = field(default_factory=set)

    def publish(self, member: Member, operation: Operation) -> None:
        """Add a member; it says what it does to its entity where the source wants that."""
        if self.mapper.source.publish.operations:
            body = b'%s,"%s":"%s"}' % (member.body[:-1], OPERATION_KEY.encode(), operation.value.encode())
            member = member._replace(body=body)
        self.members.append(member)

    def reject(self, offset: int, path: str, problem: Break) -> None:
        """Add a refusal of something in the raw entry with this offset."""
        self.rejections.append(
            Rejection(
                source=self.mapper.source.name,
                offset=offset,
                path=path,
                reason=problem.reason,
                detail=problem.detail,
                excerpt=problem.excerpt[:EXCERPT],
            )
        )


@lru_cache(maxsize=4096)
def in_milliseconds(moment: datetime) -> int:
    """Return a time as memories have it; remembered, because the items of a payload share a few."""
    return (moment - _EPOCH) // _MILLISECOND


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + milliseconds * _MILLISECOND


def remember(facts: Facts, batch: Batch, received: datetime) -> None:
    """Decide what an item is to its entity, publish it if it is news, and remember it."""
    key, observed_at, _, _, digest, _ = facts
    observed, last = in_milliseconds(observed_at), batch.seen.get(key)
    if last is None:
        batch.publish(batch.mapper.member(facts, received=received), Operation.CREATE)
        batch.seen[key] = Seen(observed, digest, observed, False)
    elif observed > last.observed:
        published = last.published
        if _is_news(facts, observed, last, batch.mapper.source.publish):
            batch.publish(batch.mapper.member(facts, received=received), _operation(last))
            published = observed
        batch.seen[key] = Seen(observed, digest, published, False)
    elif last.deleted and batch.snapshot is not None:
        # Back with an old time, or a word from before the deletion: the end of the payload tells (`close`).
        batch.snapshot.back.append((facts, received))
    elif observed == last.observed:
        if digest != last.digest:
            batch.seen[key] = _revise(facts, last, batch, received)
    else:
        _late(facts, last, batch, received)


def _operation(last: Seen) -> Operation:
    """Return what a new version of an entity does to it: what is not there, or not any more, is created (LDES-56)."""
    there = not last.deleted and last.published != NEVER
    return Operation.UPDATE if there else Operation.CREATE


def _is_news(facts: Facts, observed: int, last: Seen, publish: Publish) -> bool:
    if not publish.changed or facts.digest != last.digest or last.published == NEVER or last.deleted:
        return True
    return publish.heartbeat is not None and observed - last.published >= publish.heartbeat // _MILLISECOND


def _revise(facts: Facts, last: Seen, batch: Batch, received: datetime) -> Seen:
    mapper = batch.mapper
    if last.published != last.observed:
        # What it corrects was never published: it is the first member of its time.
        batch.publish(mapper.member(facts, received=received), _operation(last))
        return Seen(last.observed, facts.digest, last.observed, revised=False)
    before = member_id(
        mapper.source.stream, facts.key, facts.observed_at, revision=last.digest if last.revised else b""
    )
    revision = mapper.member(facts, received=received, revision=facts.digest, revision_of=before)
    batch.publish(revision, Operation.UPDATE)
    return Seen(last.observed, facts.digest, last.observed, revised=True)


def _late(facts: Facts, last: Seen, batch: Batch, received: datetime) -> None:
    """Publish an item under its own time; that is no news of its entity, so it belongs to no transaction."""
    if not (batch.mapper.source.publish.changed and facts.digest == last.digest):
        batch.apart.add(len(batch.members))
        batch.publish(batch.mapper.member(facts, received=received), Operation.UPDATE)


def remove(key: str, observed_at: datetime, batch: Batch, received: datetime) -> None:
    """Publish the deletion of an entity that was there until then; of others there is nothing to say."""
    last = batch.seen.get(key)
    observed = in_milliseconds(observed_at)
    if last is not None and not last.deleted and observed >= last.observed:
        _delete(key, last, observed, batch, received)


def _delete(key: str, last: Seen, observed: int, batch: Batch, received: datetime) -> None:
    # Behind the last version, so that whoever orders versions by their time finds the deletion there, too.
    observed = max(observed, last.observed + 1)
    batch.members.append(batch.mapper.deletion(key, _moment(observed), received=received))
    batch.seen[key] = Seen(observed, last.digest, observed, revised=False, deleted=True)


def close(batch: Batch, *, offset: int, received: datetime, start: int) -> int:
    """End a payload: decide what is back and what is gone, and say what belongs together.

    `start` is the number of members before the payload. Returns how many items that makes besides those of the document:
    each deletion is one, and so is a refusal to believe in many of them.
    """
    publish, items = batch.mapper.source.publish, 0
    if batch.snapshot is not None:
        _bring_back(batch, batch.snapshot)
        if publish.absent:
            items = _miss(batch, batch.snapshot, offset=offset, received=received)
        batch.snapshot.end()
    if publish.transaction:
        source = batch.mapper.source.name
        _tie(batch, transaction_id(source, received, offset), start)
    return items


def _bring_back(batch: Batch, snapshot: Snapshot) -> None:
    for facts, received in snapshot.back:
        last = batch.seen[facts.key]
        if not last.deleted:
            remember(facts, batch, received)
        elif snapshot.is_current:
            # It is there again, whatever its clock says. A moment behind the deletion, because versions are ordered by
            # their times; its own later times follow.
            observed = last.observed + 1
            risen = facts._replace(observed_at=_moment(observed))
            batch.publish(batch.mapper.member(risen, received=received), Operation.CREATE)
            batch.seen[facts.key] = Seen(observed, facts.digest, observed, revised=False)
        else:
            _late(facts, last, batch, received)


def _miss(batch: Batch, snapshot: Snapshot, *, offset: int, received: datetime) -> int:
    """Delete what a payload lacks, unless it is older than another, breaks off, or lacks too much to be believed.

    Keys that are hidden anew each day are all gone when it is over; no doubt about that.
    """
    there = [key for key, seen in batch.seen.items() if not seen.deleted]
    lacking = [key for key in there if key not in snapshot.present]
    if not lacking or snapshot.broken or snapshot.is_older:
        return 0
    over = [key for key in lacking if batch.mapper.rotates and is_of_another_day(key, received)]
    for key in over:
        _delete(key, batch.seen[key], snapshot.newest, batch, received)
    there = [key for key in there if not batch.seen[key].deleted]
    lacking = [key for key in lacking if not batch.seen[key].deleted]
    if not lacking:
        return len(over)
    if doubt := snapshot.doubt(lacking=len(lacking), there=len(there)):
        detail = f"{doubt}, so none of the {len(lacking)} that are absent is deleted"
        excerpt = orjson.dumps([key.encode("utf-8", "replace").decode() for key in lacking])
        batch.reject(offset, "$", Break(reason=Reason.ABSENT, path="$", detail=detail, excerpt=excerpt))
        return 1 + len(over)
    for key in lacking:
        _delete(key, batch.seen[key], snapshot.newest, batch, received)
    return len(lacking) + len(over)


def _tie(batch: Batch, transaction: str, start: int) -> None:
    places = [place for place in range(start, len(batch.members)) if place not in batch.apart]
    if len(places) > LARGEST_TRANSACTION:
        return
    for place in places:
        closes = place == places[-1]
        batch.members[place] = batch.members[place]._replace(transaction=transaction, closes=closes)


def fault(error: Exception, excerpt: bytes) -> Break:
    """Return the break that a defect of ours makes."""
    detail = f"our own mapping failed: {type(error).__name__}: {error}"[:500]
    return Break(reason=Reason.FAULT, path="$", detail=detail, excerpt=excerpt)
