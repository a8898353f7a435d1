"""A store that reads from a replica of PostgreSQL and writes to its primary, whatever the replica lags behind.

The rule: nothing is denied, and nothing goes back. What the replica does not have is asked at the primary: a page, a
member or an entity before a 404 or 410, and a page that is behind the newest head this store ever told. So a reader
who got a relation, from whichever process, always gets the page. How far the replica lags only shows in how fresh
roots and newest states are; the more it lags, the more of what is new is read at the primary. Behind a load balancer
one process may show the open leaf with fewer members than another did: it says itself that it will change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ldes_server.coverage import Coverage
from ldes_server.model import Head, Leaf, Page, PageId, Published, Stream, ViewState, Wanted
from ldes_server.retention import Retention
from ldes_server.selection import Selection
from ldes_server.serve import WatchedStore
from ldes_server.trail import Trail, TrailStore


class ReplicaStore:
    """The web side's store over one `primary` and one `replica`, both entered by the caller.

    With the primary away, everything that the replica has is served; what would have to be asked or kept there is
    `StoreError`, retriable. `replica` must be one server, not an address that leads to one of several.
    """

    def __init__(self, primary: WatchedStore, replica: WatchedStore) -> None:
        self._primary = primary
        self._replica = replica
        self._told: dict[str, Head] = {}
        self.trails = _Trails(primary.trails, replica.trails)

    async def head(self, stream: str) -> Head:
        """Return how far the replica is, or what was told before where that is further."""
        return self._tell(stream, await self._replica.head(stream))

    async def newest_head(self, stream: str) -> Head:
        """Return how far the primary is."""
        return self._tell(stream, await self._primary.head(stream))

    async def page(self, stream: Stream, page_id: PageId, *, known: Sequence[Published] = ()) -> Page | None:
        """Return the page of the replica, or the primary's where that one lacks it or is behind what was told."""
        page = await self._replica.page(stream, page_id, known=known)
        if page is None or (not page.final and page.version < self._least(stream.name, page_id)):
            if page_id.is_root:
                # What it links must be shown as it says, so from here on nothing older is.
                await self.newest_head(stream.name)
            return await self._primary.page(stream, page_id, known=known)
        return page

    async def leaf(self, stream: Stream, page_id: PageId) -> Leaf | None:
        """Return a page of members of the replica, or the primary's where that one lacks it or is behind what was told."""
        leaf = await self._replica.leaf(stream, page_id)
        if leaf is None or (not leaf.page.final and leaf.page.version < self._least(stream.name, page_id)):
            return await self._primary.leaf(stream, page_id)
        return leaf

    async def first_leaf(self, stream: Stream, page_id: PageId) -> PageId | None:
        """Return the first page below a node, as the primary knows where the replica has no such node, or no page."""
        found = await self._replica.first_leaf(stream, page_id)
        return await self._primary.first_leaf(stream, page_id) if found in (None, page_id) else found

    async def survived(self, stream: Stream, span: range) -> PageId | None:
        """Return where older members are that are kept, as the primary knows."""
        return await self._primary.survived(stream, span)

    async def found(self, stream: Stream, page_id: PageId, wanted: Wanted) -> Page | None:
        """Return what a search finds in the replica, or in the primary where that one is behind what was told."""
        page = await self._replica.found(stream, page_id, wanted)
        if page is None or page.version < self._least(stream.name, page_id):
            return await self._primary.found(stream, page_id, wanted)
        return page

    async def views(self, stream: str) -> Sequence[ViewState]:
        """Return the builds that the replica knows; pages of newer ones are found at the primary."""
        return await self._replica.views(stream)

    async def policies(self, stream: str) -> Mapping[str, Retention]:
        """Return what the views keep, as far as the replica knows."""
        return await self._replica.policies(stream)

    async def kept(self, stream: str, page_id: PageId, form: str) -> bytes | None:
        """Return the body that the replica has kept; what only the primary has comes out of `keep`."""
        return await self._replica.kept(stream, page_id, form)

    async def kept_from(self, stream: str, page_id: PageId, form: str, count: int) -> Mapping[int, bytes]:
        """Return the bodies that the replica has kept of a page and those behind it."""
        return await self._replica.kept_from(stream, page_id, form, count)

    async def keep(self, stream: str, page_id: PageId, form: str, body: bytes) -> bytes:
        """Keep a body at the primary and return the one kept there."""
        return await self._primary.keep(stream, page_id, form, body)

    async def member(self, stream: str, member_id: str) -> Published | None:
        """Return the member, from the primary where the replica lacks it."""
        return await self._replica.member(stream, member_id) or await self._primary.member(stream, member_id)

    async def is_dropped(self, stream: str, member_id: str) -> bool:
        """Whether a member was deleted not long ago, as the primary knows."""
        return await self._primary.is_dropped(stream, member_id)

    async def latest(self, stream: str, *, limit: int, deleted: bool = False) -> Sequence[Published]:
        """Return the newest member of each entity, from the primary while the replica is behind what was told."""
        return await (await self._current(stream)).latest(stream, limit=limit, deleted=deleted)

    async def states(self, stream: str, selection: Selection, *, limit: int) -> Sequence[Published]:
        """Return the newest members selected, from the primary while the replica is behind what was told."""
        return await (await self._current(stream)).states(stream, selection, limit=limit)

    async def latest_of(self, stream: str, entity: str) -> Published | None:
        """Return the newest member of an entity, from the primary where the replica has none."""
        return await self._replica.latest_of(stream, entity) or await self._primary.latest_of(stream, entity)

    async def since(self, stream: str, moment: datetime) -> int | None:
        """Return the first sequence number published at or after `moment`, as the primary knows where none is here."""
        found = await self._replica.since(stream, moment)
        return await self._primary.since(stream, moment) if found is None else found

    async def after(self, stream: str, sequence: int, *, limit: int) -> Sequence[Published]:
        """Return the members that come next, from the primary where the replica has none."""
        found = await self._replica.after(stream, sequence, limit=limit)
        return found or await self._primary.after(stream, sequence, limit=limit)

    async def signed(self, stream: str) -> bytes | None:
        """Return the newest digest that the replica has, or the primary's where it has none."""
        return await self._replica.signed(stream) or await self._primary.signed(stream)

    async def digests(self, stream: str, start: int, *, limit: int) -> Sequence[bytes]:
        """Return digests of the replica, or of the primary where it has none of these pages."""
        found = await self._replica.digests(stream, start, limit=limit)
        return found or await self._primary.digests(stream, start, limit=limit)

    async def sign(self, stream: str, index: int, *lines: bytes) -> None:
        """Keep a digest at the primary."""
        await self._primary.sign(stream, index, *lines)

    async def coverage(self, stream: str) -> Coverage | None:
        """Return what the live members cover, from the primary: finding out writes down what full blocks cover."""
        return await self._primary.coverage(stream)

    async def watch(
        self,
        on_change: Callable[[str], None],
        *,
        stop: asyncio.Event,
        on_gone: Callable[[str, int], None] = lambda _stream, _gone: None,
    ) -> None:
        """Watch the primary: a replica passes no notifications on."""

        def gone_there(stream: str, gone: int) -> None:
            # From here on no root of the replica is shown that may still link what is gone.
            self._tell(stream, Head(count=gone, first=gone, gone=gone))
            on_gone(stream, gone)

        await self._primary.watch(on_change, stop=stop, on_gone=gone_there)

    async def _current(self, stream: str) -> WatchedStore:
        told = self._told.get(stream, Head())
        behind = (await self._replica.head(stream)).count < told.count
        return self._primary if behind else self._replica

    def _tell(self, stream: str, head: Head) -> Head:
        told = self._told.get(stream, Head())
        newest = head if head.count >= told.count else told
        first, gone = max(head.first, told.first), max(head.gone, told.gone)
        self._told[stream] = newest = replace(newest, first=first, gone=gone, views=max(head.views, told.views))
        return newest

    def _least(self, stream: str, page_id: PageId) -> int:
        """Return the version that a page which may still change must have (log_view.py makes them)."""
        told = self._told.get(stream, Head())
        return told.count + told.first if page_id.is_root else told.count


class _Trails:
    """Entities and their history as the replica knows them; what it does not have is asked at the primary."""

    def __init__(self, primary: TrailStore, replica: TrailStore) -> None:
        self._primary = primary
        self._replica = replica

    async def newest_of(self, streams: Sequence[str], entities: Sequence[str]) -> Sequence[tuple[str, Published]]:
        """Return the newest members of some entities, from the primary where the replica lacks one."""
        found = await self._replica.newest_of(streams, entities)
        if {member.entity for _, member in found} >= set(entities):
            return found
        return await self._primary.newest_of(streams, entities)

    async def entities(self, stream: str, *, placed: bool = False) -> int:
        """Return how many entities the replica has."""
        return await self._replica.entities(stream, placed=placed)

    async def blocks(self, stream: str, span: range, trail: Trail, *, limit: int) -> Sequence[int]:
        """Return the blocks that may hold what is wanted, as the replica knows."""
        return await self._replica.blocks(stream, span, trail, limit=limit)

    async def trail(self, stream: str, span: range, trail: Trail, *, limit: int) -> Sequence[Published]:
        """Return the members that the replica has; how far it lags only shows in how fresh they are."""
        return await self._replica.trail(stream, span, trail, limit=limit)
