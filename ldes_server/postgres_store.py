"""The page store on PostgreSQL (asyncpg): all the protocols of store.py in one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from ldes_server.coverage import Coverage, read_coverage
from ldes_server.database import Database, translated, twins
from ldes_server.keys import former, key_of
from ldes_server.log_view import VIEW, leaf
from ldes_server.model import Head, Leaf, Page, PageId, Placed, Published, Stream, ViewState, Wanted
from ldes_server.postgres_builds import Builds
from ldes_server.postgres_keeping import Keeping
from ldes_server.postgres_newest import number_new
from ldes_server.postgres_placing import Placer
from ldes_server.postgres_trails import Trails
from ldes_server.postgres_views import ViewPages
from ldes_server.postgres_walks import Walks
from ldes_server.retention import Retention
from ldes_server.rows import columns_of, copy_members, head_of, published
from ldes_server.selection import Selection
from streams.errors import StoreError
from streams.logs import logger
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "queries")
CHANNEL = "ldes"
# Where a page's other forms have the name of their media type.
DIGEST = "digest"
# Columns are bigint and smallint; an address can name more.
_BIGINT = 2**63 - 1
_SMALLINT = 2**15 - 1
# Members that go in one statement, as arrays: a round trip less counts for more than COPY up to some hundreds.
_FEW = 250
# Bytes of bodies that `after` reads at once, whatever the number of members: some have five million.
_MEGABYTES = 4 * 1024 * 1024

_log = logger(__name__)


class PostgresStore:
    """Streams, members and kept pages in the schema `ldes`; safe with any number of processes on one database.

    An async context manager; nothing happens before it is entered. `base_url` is the public address of the pages it
    keeps: they name absolute IRIs, so another address means other bodies (a writer needs none). `connections` bounds
    the pool; `patience` bounds every wait for a connection, a lock or an answer; `poll` is how often `watch` asks by
    itself, because notifications are lost with their connection.
    """

    def __init__(
        self,
        dsn: str,
        *,
        base_url: str = "",
        connections: int = 8,
        patience: timedelta = timedelta(seconds=30),
        poll: timedelta = timedelta(seconds=5),
    ) -> None:
        self.database = Database(dsn, queries=QUERIES, connections=connections, patience=patience)
        self._base_url = base_url
        self._poll = poll.total_seconds()
        self._placer = Placer()
        # Streams without live views, with what their row says of changes of views: while it says so, they have none.
        self._plain: dict[str, int] = {}
        self._view_pages = ViewPages(self.database)
        self._walks = Walks(self.database)
        self.trails = Trails(self.database)
        statements = {"lock": QUERIES["lock"], "announce": QUERIES["announce"]}
        self.builds = Builds(self.database, self._placer, **statements)
        self.keeping = Keeping(self.database, **statements)

    async def __aenter__(self) -> Self:
        await self.database.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.database.__aexit__(kind, error, trace)

    # The writer's side.

    async def ensure_stream(self, stream: Stream) -> None:
        """Bring the stream into being, with the geometry of its pages.

        Raises `StoreError` (not retriable) when it has pages of another geometry: final pages never change.
        """
        self._placer.learn(stream)
        async with self.database.connection(f"create {stream.name}") as connection:
            await connection.execute(QUERIES["create"], stream.name)
            row = await connection.fetchrow(QUERIES["settle"], stream.name, stream.page_size, stream.fan)
            await connection.execute(QUERIES["mend_places"], stream.name)
        if tuple(row) != (stream.page_size, stream.fan):
            raise StoreError(
                f"its pages hold {row['page_size']} members and its nodes {row['fan']} pages, "
                f"not {stream.page_size} and {stream.fan}",
                where=f"stream {stream.name}",
                fix="set page_size and fan back, or publish under a new stream name",
            )

    async def head(self, stream: str) -> Head:
        """Return how far the stream is; the empty head for a stream nobody wrote to."""
        row = await self.database.row("head", stream)
        return Head() if row is None else head_of(row)

    async def known(self, stream: str, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` that were published already, dropped ones for a while: one lookup for all of them."""
        names = {form(each): each for each in ids for form in (key_of, former)}
        return frozenset(names[row["key"]] for row in await self.database.rows("known", stream, [*names]))

    async def bodies(self, stream: str, ids: Collection[str]) -> Mapping[str, bytes]:
        """Return what is published under those of `ids` that are; for a replay, which compares."""
        rows = await self.database.rows("bodies", stream, [key_of(each) for each in ids])
        return {row["id"]: row["body"] for row in rows}

    async def append(self, stream: str, placed: Placed) -> None:
        """Store members, their places in live views, newest-per-entity, head and log position in one transaction.

        Then wakes the readers.

        Raises `StoreError`, not retriable, when the stored count, time and position are not those of `placed.base`
        (retention may have moved `first` meanwhile), and `TwinError` when a member was published before: the index of
        identities tells while the members are copied, so that nobody has to ask beforehand.
        """
        views = self._plain.get(stream)
        async with self.database.connection(f"append to {stream}") as connection:
            if (
                views is not None
                and len(placed.members) <= _FEW
                and await _append_few(connection, stream, placed, views)
            ):
                return
            async with connection.transaction():
                await self._append_all(connection, stream, placed)

    async def _append_all(self, connection: Any, stream: str, placed: Placed) -> None:
        row = await self._lock(connection, stream)
        _refuse_other_base(stream, stored=head_of(row), base=placed.base)
        if placed.members:
            await copy_members(connection, row["id"], placed.members)
            if row["forgets"]:
                await _refuse_dropped(connection, stream, row["id"], placed)
            if await connection.fetchval(QUERIES["newest"], row["id"], placed.members[0].sequence):
                await number_new(connection, row["id"], placed.members[0].sequence)
            if (
                await self._placer.publish(connection, stream, row["id"], placed.members, placed.bodies)
                or row["forgets"]
            ):
                self._plain.pop(stream, None)
            else:
                self._plain[stream] = row["views"]
        head, news = placed.head, bool(placed.members)
        await connection.execute(QUERIES["advance"], row["id"], head.count, head.published_at, head.position, news)

    # The web side: pages.

    async def newest_head(self, stream: str) -> Head:
        """Return how far the stream is: this is where it is written."""
        return await self.head(stream)

    async def page(self, stream: Stream, page_id: PageId, *, known: Sequence[Published] = ()) -> Page | None:
        """Return the page; None when it is not there yet, or its members are not kept any more.

        Of a leaf whose first members are `known` the others are read, and of these the last one, to be sure.
        """
        if page_id.view != VIEW or page_id.bucket:
            return await self._view_pages.page(stream, page_id)
        if page_id.level == 0:
            return await self._leaf(stream, page_id, known)
        return await self._view_pages.history(stream, page_id)

    async def leaf(self, stream: Stream, page_id: PageId) -> Leaf | None:
        """Return a page of a bucket's members and the one behind it, or None."""
        return await self._walks.leaf(stream, page_id)

    async def first_leaf(self, stream: Stream, page_id: PageId) -> PageId | None:
        """Return the first page of members at or below a root, node or group, itself while there are none, or None."""
        return await self._walks.first_leaf(stream, page_id)

    async def survived(self, stream: Stream, span: range) -> PageId | None:
        """Return the smallest page with all that the history keeps of some older members, or None when it keeps none."""
        return await self._view_pages.survived(stream, span)

    async def found(self, stream: Stream, page_id: PageId, wanted: Wanted) -> Page | None:
        """Return the page of links to where the answer to a search of a view may be, or None."""
        return await self._walks.found(stream, page_id, wanted)

    async def kept(self, stream: str, page_id: PageId, form: str) -> bytes | None:
        """Return the body kept for a final page in this form under this public address, or None."""
        if page_id.level > _SMALLINT or page_id.index > _BIGINT:
            return None
        row = await self.database.row("kept", stream, page_id.place, page_id.level, page_id.index, form, self._base_url)
        return None if row is None else bytes(row["body"])

    async def kept_from(self, stream: str, page_id: PageId, form: str, count: int) -> Mapping[int, bytes]:
        """Return the bodies kept of this final page and of the `count` - 1 behind it at its level, by their index."""
        if page_id.level > _SMALLINT or page_id.index > _BIGINT - count:
            return {}
        place = (page_id.place, page_id.level, page_id.index, page_id.index + count)
        rows = await self.database.rows("kept_from", stream, *place, form, self._base_url)
        return {row["index"]: row["body"] for row in rows}

    async def keep(self, stream: str, page_id: PageId, form: str, body: bytes) -> bytes:
        """Keep a final page's body for ever and return the one kept: the first one to arrive wins."""
        key = (page_id.place, page_id.level, page_id.index, form, self._base_url)
        if await self.database.row("keep", stream, *key, body) is not None:
            return body
        kept = await self.kept(stream, page_id, form)
        if kept is None:
            raise StoreError(
                f"cannot keep {page_id.path(stream)}: no such stream",
                where=f"stream {stream}",
                fix="write a member first: only final pages are kept",
            )
        return kept

    async def views(self, stream: str) -> Sequence[ViewState]:
        """Return every build of the stream's views there ever was, oldest first."""
        return await self._view_pages.states(stream)

    async def policies(self, stream: str) -> Mapping[str, Retention]:
        """Return what those views of the stream keep that do not keep everything, as their roots say it."""
        found = await self.keeping.policies(stream)
        return {name: kept for name, policy in found.items() if (kept := policy.published) is not None}

    # The web side: members and times.

    async def member(self, stream: str, member_id: str) -> Published | None:
        """Return the member with this id, or None."""
        row = await self.database.row("member", stream, key_of(member_id))
        return None if row is None else published(row)

    async def is_dropped(self, stream: str, member_id: str) -> bool:
        """Whether a member with this id was published, and deleted not long ago."""
        return await self.keeping.is_dropped(stream, member_id)

    async def latest(self, stream: str, *, limit: int, deleted: bool = False) -> Sequence[Published]:
        """Return the newest member of each entity, `deleted` ones if asked, newest observation first, at most `limit`."""
        return [published(row) for row in await self.database.rows("latest", stream, limit, deleted)]

    async def states(self, stream: str, selection: Selection, *, limit: int) -> Sequence[Published]:
        """Return the newest members that the selection holds (not its `entity`), in the order of their entities
        compared as UTF-8 bytes, at most `limit`.
        """
        common, box = (selection.after, selection.since, limit), selection.box
        if box is None:
            return [published(row) for row in await self.database.rows("states", stream, *common)]
        degrees = (*(edge for span in box.spans for edge in span), box.south, box.north)
        return [published(row) for row in await self.database.rows("states_within", stream, *common, *degrees)]

    async def latest_of(self, stream: str, entity: str) -> Published | None:
        """Return the newest member of one entity, or None."""
        if "\0" in entity:  # PostgreSQL's text cannot hold it, so no member has it
            return None
        row = await self.database.row("latest_of", stream, entity)
        return None if row is None else published(row)

    async def since(self, stream: str, moment: datetime) -> int | None:
        """Return the first live sequence number published at or after `moment`; None when all are older."""
        row = await self.database.row("since", stream, moment, None)
        return None if row is None or row["low"] == row["count"] else int(row["low"])

    async def after(self, stream: str, sequence: int, *, limit: int) -> Sequence[Published]:
        """Return the members that come next behind a sequence number, in order: at most `limit`, and some megabytes."""
        return [published(row) for row in await self.database.rows("after", stream, sequence, limit, _MEGABYTES)]

    # Digests: one more form of a final page, which no public address changes.

    async def signed(self, stream: str) -> bytes | None:
        """Return the digest of the newest page that has one, or None."""
        row = await self.database.row("signed", stream, DIGEST)
        return None if row is None else bytes(row["body"])

    async def digests(self, stream: str, start: int, *, limit: int) -> Sequence[bytes]:
        """Return the digests there are of the pages `start` to before `start + limit`, in order."""
        if start > _BIGINT - limit:
            return ()
        return [row["body"] for row in await self.database.rows("digests", stream, DIGEST, start, start + limit)]

    async def sign(self, stream: str, index: int, *lines: bytes) -> None:
        """Keep the digests of the pages from `index` on for ever, all or none; one that is there stays."""
        await self.database.row("sign", stream, DIGEST, index, lines)

    async def coverage(self, stream: str) -> Coverage | None:
        """Return what the live members of a stream cover; None when there are none."""
        return await read_coverage(self.database, stream)

    async def watch(
        self,
        on_change: Callable[[str], None],
        *,
        stop: asyncio.Event,
        on_gone: Callable[[str, int], None] = lambda _stream, _gone: None,
    ) -> None:
        """Call `on_change` with the name of every stream that changes, until `stop`.

        Soon after a commit when the connection holds, within two polls otherwise; at times more than once for one
        change. Lost connections are opened again. What exists when it starts is a change, too. `on_gone` is called with
        a stream and the number before which its history is not handed out any more, within two polls.
        """
        seen: dict[str, tuple[int, ...]] = {}

        def tell(row: Any) -> None:
            before = seen.get(row["name"])
            seen[row["name"]] = state = (row["gone"], row["count"], row["first"], row["views"])
            if before is None or before[0] != state[0]:
                on_gone(row["name"], row["gone"])
            if before != state:
                on_change(row["name"])

        while not stop.is_set():
            try:
                with translated("watch"):
                    await self._listen(on_change, tell, stop)
            except StoreError as error:
                if not error.retriable:
                    raise
                _log.warning("watching interrupted", reason=error.what)
                await self._pause(stop)

    async def _listen(self, on_change: Callable[[str], None], tell: Callable[[Any], None], stop: asyncio.Event) -> None:
        connection = await self.database.alone()
        try:
            await connection.add_listener(CHANNEL, lambda *notice: on_change(notice[3]))
            while not stop.is_set():
                for row in await connection.fetch(QUERIES["heads"]):
                    tell(row)
                await self._pause(stop)
        finally:
            # The server may be gone: closing politely must not take longer than being rude.
            connection.terminate()

    async def _pause(self, stop: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self._poll)

    async def _leaf(self, stream: Stream, page_id: PageId, known: Sequence[Published]) -> Page | None:
        start = page_id.index * stream.page_size
        if not 0 <= start <= _BIGINT - stream.page_size:
            return None
        sure = len(known[:-1])
        rows = await self.database.rows("leaf", stream.name, start, start + sure, start + stream.page_size)
        found = [published(row) for row in rows]
        if not known or found[:1] == [known[-1]]:
            return leaf(page_id, [*known[:-1], *found], size=stream.page_size)
        # A database that was put back to an earlier state gives numbers again: nothing of before is known of it.
        return await self._leaf(stream, page_id, ())

    async def _lock(self, connection: Any, stream: str) -> Any:
        row = await connection.fetchrow(QUERIES["lock"], stream)
        if row is None:
            await connection.execute(QUERIES["create"], stream)
            row = await connection.fetchrow(QUERIES["lock"], stream)
        return row


async def _append_few(connection: Any, stream: str, placed: Placed, views: int) -> bool:
    """Append to a stream that has had no live views since its number of changes of views is this; False: it must be asked."""
    base, head = placed.base, placed.head
    ends = (head.count, head.published_at, head.position, base.count, base.published_at, base.position)
    row = await connection.fetchrow(QUERIES["append_few"], stream, *ends, views, *columns_of(placed.members))
    return row is not None


async def _refuse_dropped(connection: Any, stream: str, number: int, placed: Placed) -> None:
    keys = [form(member.id) for member in placed.members for form in (key_of, former)]
    if await connection.fetchval(QUERIES["remembered"], number, keys):
        raise twins(f"append to {stream}")


def _refuse_other_base(stream: str, *, stored: Head, base: Head) -> None:
    if (stored.count, stored.published_at, stored.position) != (base.count, base.published_at, base.position):
        raise StoreError(
            f"the stream is at {stored.count} members and log position {stored.position}, "
            f"this batch was decided at {base.count} and {base.position}",
            where=f"stream {stream}",
            fix="another writer is at work: stop one of them; a restarted writer goes on from the stored position",
        )
