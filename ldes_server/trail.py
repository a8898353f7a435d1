"""Trail: the history of some entities, read from a stream in bounded steps, whatever its length.

Members stand in the order of publication, and no index knows their entities: such an index would make every member dearer
to publish, for questions few ask. So a trail is searched in blocks of members, the newest first unless asked otherwise.
Blocks whose extent (coverage.py) lies outside the wanted times are passed over. A step reads some blocks at most; where
it stops before the end it says from where to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from ldes_server.coverage import BLOCK
from ldes_server.model import Head, Published

# Blocks of members that a step reads at most: 131,072 members, a fifth of a second when none of them matches.
MOST_BLOCKS = 16
# The same for all steps of one request.
MOST_OF_REQUEST = 8 * MOST_BLOCKS
# Blocks whose extents a step looks at, at most: 33 million members.
_MOST_EXTENTS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Which members of a stream are wanted: of some `entities` (none: all of them), observed from `low` to `high`.

    Times are UTC and belong to the span; None leaves its end open. `newest_first` is the order of publication, reversed.
    A step reads `most_blocks` blocks.
    """

    entities: tuple[str, ...] = ()
    low: datetime | None = None
    high: datetime | None = None
    newest_first: bool = True
    most_blocks: int = MOST_BLOCKS


class Step(NamedTuple):
    """What a step found, in the order of the trail, and the sequence number to go on from; None at the end.

    Going down, that number itself is not read again; going up, it is the next one to be read. `blocks` were read for it.
    """

    members: Sequence[Published]
    onward: int | None
    blocks: int = 0


class TrailStore(Protocol):
    """Who can tell of entities and their history. Raises `StoreError`."""

    async def newest_of(self, streams: Sequence[str], entities: Sequence[str]) -> Sequence[tuple[str, Published]]:
        """Return the newest members of some entities, deletions too, with the names of their streams."""
        ...

    async def entities(self, stream: str, *, placed: bool = False) -> int:
        """Return how many entities of a stream are not deleted; only `placed` ones, that have a point, if asked."""
        ...

    async def blocks(self, stream: str, span: range, trail: Trail, *, limit: int) -> Sequence[int]:
        """Return the blocks among `span` that may hold what is wanted, in the order of the trail, at most `limit`."""
        ...

    async def trail(self, stream: str, span: range, trail: Trail, *, limit: int) -> Sequence[Published]:
        """Return the members with numbers in `span` that are wanted, in the order of the trail, at most `limit`."""
        ...


async def step(store: TrailStore, stream: str, trail: Trail, bounds: range, *, limit: int) -> Step:
    """Read the next members of a trail among the sequence numbers `bounds`: at most `limit`, from as many blocks as it says."""
    if not bounds or limit <= 0:
        return Step((), None)
    found: list[Published] = []
    blocks, rest = await _blocks(store, stream, trail, bounds)
    for read, block in enumerate(blocks, 1):
        span = range(max(bounds.start, block * BLOCK), min(bounds.stop, (block + 1) * BLOCK))
        found += await store.trail(stream, span, trail, limit=limit - len(found))
        if len(found) == limit:
            last = found[-1].sequence
            onward = last if trail.newest_first else last + 1
            ended = onward <= bounds.start if trail.newest_first else onward >= bounds.stop
            return Step(found, None if ended else onward, read)
    return Step(found, rest, len(blocks))


async def _blocks(store: TrailStore, stream: str, trail: Trail, bounds: range) -> tuple[Sequence[int], int | None]:
    """Return the blocks that a step reads, and the sequence number that is left to go on from, None for none."""
    most = trail.most_blocks
    first, stop = bounds.start // BLOCK, (bounds.stop - 1) // BLOCK + 1
    if trail.newest_first:
        looked = range(max(first, stop - _MOST_EXTENTS), stop)
        rest = looked.start * BLOCK if looked.start > first else None
    else:
        looked = range(first, min(stop, first + _MOST_EXTENTS))
        rest = looked.stop * BLOCK if looked.stop < stop else None
    if trail.low is None and trail.high is None:
        ordered: Sequence[int] = looked[::-1] if trail.newest_first else looked
        blocks = ordered[: most + 1]
    else:
        blocks = await store.blocks(stream, looked, trail, limit=most + 1)
    if len(blocks) <= most:
        return blocks, rest
    # One more than is read says where the next step begins.
    left = (blocks[most] + 1) * BLOCK if trail.newest_first else blocks[most] * BLOCK
    return blocks[:most], left


def bounds_of(head: Head, *, newest_first: bool, onward: int | None = None) -> range:
    """Return the sequence numbers that are left of a stream's history, from where an earlier step stopped."""
    if onward is None:
        return range(head.first, head.count)
    return range(head.first, min(onward, head.count)) if newest_first else range(max(onward, head.first), head.count)
