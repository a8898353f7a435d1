"""A store that reads from a replica of PostgreSQL and writes to its primary, whatever the replica lags behind.

The rule: nothing is denied, and nothing goes back. What the replica does not have is asked at the primary: a page, a
member or an entity before a 404 or 410, and a page that is behind the newest head this store ever told. So a reader
who got a relation, from whichever process, always gets the page. How far the replica lags only shows in how fresh
roots and newest states are; the more it lags, the more of what is new is read at the primary. Behind a load balancer
one process may show the open leaf with fewer members than another did: it says itself that it will change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ldes_server.coverage import Coverage
from ldes_server.model import Head, Page, PageId, Published, Stream
from ldes_server.serve import WatchedStore


class ReplicaStore:
    """The web side's store over one `primary` and one `replica`, both entered by the caller.

    With the primary away, everything that the replica has is served; what would have to be asked or kept there is
    `StoreError`, retriable. `replica` must be one server, not an address that leads to one of several.
    """

    def __init__(self, primary: WatchedStore, replica: WatchedStore) -> None:
        self._primary = primary
        self._replica = replica
        self._told: dict[str, Head] = {}

    async def head(self, stream: str) -> Head:
        """Return how far the replica is, or what was told before where that is further."""
        return self._tell(stream, await self._replica.head(stream))

    async def newest_head(self, stream: str) -> Head:
        """Return how far the primary is."""
        return self._tell(stream, await self._primary.head(stream))

    async def page(self, stream: Stream, page_id: PageId) -> Page | None:
        """Return the page of the replica, or the primary's where that one lacks it or is behind what was told."""
        page = await self._replica.page(stream, page_id)
        if page is None or (not page.final and page.version < self._least(stream.name, page_id)):
            return await self._primary.page(stream, page_id)
        return page

    async def kept(self, stream: str, page_id: PageId, form: str) -> bytes | None:
        """Return the body that the replica has kept; what only the primary has comes out of `keep`."""
        return await self._replica.kept(stream, page_id, form)

    async def keep(self, stream: str, page_id: PageId, form: str, body: bytes) -> bytes:
        """Keep a body at the primary and return the one kept there."""
        return await self._primary.keep(stream, page_id, form, body)

    async def member(self, stream: str, member_id: str) -> Published | None:
        """Return the member, from the primary where the replica lacks it."""
        return await self._replica.member(stream, member_id) or await self._primary.member(stream, member_id)

    async def latest(self, stream: str, *, limit: int) -> Sequence[Published]:
        """Return the newest member of each entity, from the primary while the replica is behind what was told."""
        told = self._told.get(stream, Head())
        behind = (await self._replica.head(stream)).count < told.count
        store = self._primary if behind else self._replica
        return await store.latest(stream, limit=limit)

    async def latest_of(self, stream: str, entity: str) -> Published | None:
        """Return the newest member of an entity, from the primary where the replica has none."""
        return await self._replica.latest_of(stream, entity) or await self._primary.latest_of(stream, entity)

    async def coverage(self, stream: str) -> Coverage | None:
        """Return what the live members cover, from the primary: finding out writes down what full blocks cover."""
        return await self._primary.coverage(stream)

    async def watch(self, on_change: Callable[[str], None], *, stop: asyncio.Event) -> None:
        """Watch the primary: a replica passes no notifications on."""
        await self._primary.watch(on_change, stop=stop)

    def _tell(self, stream: str, head: Head) -> Head:
        told = self._told.get(stream, Head())
        if (head.count, head.first) >= (told.count, told.first):
            self._told[stream] = told = head
        return told

    def _least(self, stream: str, page_id: PageId) -> int:
        """Return the version that a page which may still change must have (log_view.py makes them)."""
        told = self._told.get(stream, Head())
        return told.count + told.first if page_id.is_root else told.count
