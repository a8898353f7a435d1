"""What the writer and the web side need of a store: small protocols, one implementation (postgres_store.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ldes_server.model import Head, Leaf, Page, PageId, Placed, Published, Stream, ViewState, Wanted
from ldes_server.retention import Retention
from ldes_server.selection import Selection
from ldes_server.trail import TrailStore


class MemberSink(Protocol):
    """The writer's side. Raises `StoreError`."""

    async def ensure_stream(self, stream: Stream) -> None:
        """Bring the stream into being, with the geometry of its pages (`page_size`, `fan`).

        Raises `StoreError` (not retriable) when it has pages of another geometry: final pages never change.
        """
        ...

    async def head(self, stream: str) -> Head:
        """Return how far the stream is; a stream nobody wrote to has the empty head."""
        ...

    async def known(self, stream: str, ids: Collection[str]) -> frozenset[str]:
        """Return those of `ids` (member ids as in `Member.id`) that were published already.

        Members that retention deleted are among them for as long as anything may be replayed.
        """
        ...

    async def append(self, stream: str, placed: Placed) -> None:
        """Store members, their places in live views, newest-per-entity, head and log position in one transaction.

        Then wakes the readers. Raises `StoreError` (not retriable) when the stored head is not `placed.base`: somebody
        else writes; and `TwinError`, which is one, when some of the members are `known`.
        """
        ...


class ViewBuilds(Protocol):
    """The builder's side. Raises `StoreError`."""

    async def states(self, stream: str) -> Sequence[ViewState]:
        """Return every build of the stream's views there ever was, oldest first."""
        ...

    async def glance(self, stream: str) -> Sequence[ViewState]:
        """Return what `states` does, as it was at most a second ago: one question for all who look at their streams."""
        ...

    async def reconcile(self, stream: str, declared: Mapping[str, str]) -> None:
        """Begin builds of what is declared (name → text of the definition) and new, retire what is not declared."""
        ...

    async def rebuild(self, stream: str, name: str) -> ViewState | None:
        """Begin to build a live view anew, or go on with that; None when there is no such view."""
        ...

    async def shrink(self, stream: str, name: str) -> None:
        """Begin to build a live view anew with only what its policy keeps, or go on with that; `log` is the history."""
        ...

    async def fill(self, stream: str, build: int, *, limit: int) -> ViewState | None:
        """Place the next members in the build with this id and switch it live after the last one; None: nothing to do.

        Each call is one transaction, before the first of which is decided by the policy of the view what it will hold;
        a build holds exactly those of the first `placed` members that it is to hold.
        """
        ...

    async def expire(self, stream: str, *, grace: timedelta) -> None:
        """Hand out nothing any more of builds that were retired this long ago."""
        ...

    async def sweep(self, stream: str) -> bool:
        """Delete some of what is left of builds that are gone; False when nothing is left."""
        ...


class PageStore(Protocol):
    """The web side's pages. Raises `StoreError`."""

    async def head(self, stream: str) -> Head:
        """Return how far the stream is, as far as this store knows; never less far than it said before."""
        ...

    async def newest_head(self, stream: str) -> Head:
        """Return how far the stream is, asking whoever takes the writes; to be sure before a page is denied."""
        ...

    async def page(self, stream: Stream, page_id: PageId, *, known: Sequence[Published] = ()) -> Page | None:
        """Return the page, or None when there is no such page (yet).

        `known` are the first members of a leaf of the history as they were read before: they need not be read again.
        """
        ...

    async def kept(self, stream: str, page_id: PageId, form: str) -> bytes | None:
        """Return the body kept for a final page in the form (`jsonld`, `turtle`, `ntriples`), or None."""
        ...

    async def kept_from(self, stream: str, page_id: PageId, form: str, count: int) -> Mapping[int, bytes]:
        """Return the bodies that are kept of this final page and the `count` - 1 behind it at its level, by their index."""
        ...

    async def keep(self, stream: str, page_id: PageId, form: str, body: bytes) -> bytes:
        """Keep a final page's body for ever and return the one kept: the first one to arrive wins."""
        ...

    async def views(self, stream: str) -> Sequence[ViewState]:
        """Return every build of the stream's views there ever was, oldest first; it changes with `Head.views`."""
        ...

    async def policies(self, stream: str) -> Mapping[str, Retention]:
        """Return what views keep that do not keep everything, by name, as roots say it; it changes with `Head.views`."""
        ...


class Walk(Protocol):
    """From page of members to page of members through a view with buckets. Raises `StoreError`."""

    async def leaf(self, stream: Stream, page_id: PageId) -> Leaf | None:
        """Return a page of a bucket's members and the one behind it, or None when there is no such page (yet).

        The page behind a full one is there before its first member is, empty, so that the full one may name it for ever.
        """
        ...

    async def first_leaf(self, stream: Stream, page_id: PageId) -> PageId | None:
        """Return the first page of members at or below a root, node or group; itself while there are no members.

        None when there is no such node (yet).
        """
        ...

    async def survived(self, stream: Stream, span: range) -> PageId | None:
        """Return the page with all that the history keeps of members it has dropped, those with numbers in a span.

        The smallest such page, the root where none below it has all of them; None when none is kept.
        """
        ...

    async def found(self, stream: Stream, page_id: PageId, wanted: Wanted) -> Page | None:
        """Return the page of links to where the answer to a search of a view may be; None when there is no such view."""
        ...


class MemberStore(Protocol):
    """The web side's single members. Raises `StoreError`."""

    async def member(self, stream: str, member_id: str) -> Published | None:
        """Return the member with this id (as in `Member.id`), or None."""
        ...

    async def is_dropped(self, stream: str, member_id: str) -> bool:
        """Whether a member with this id was published, and deleted not long ago."""
        ...

    async def latest(self, stream: str, *, limit: int, deleted: bool = False) -> Sequence[Published]:
        """Return the newest member of each entity, newest observation first, at most `limit`.

        Entities that are gone only where `deleted` ones are asked for.
        """
        ...

    async def states(self, stream: str, selection: Selection, *, limit: int) -> Sequence[Published]:
        """Return the newest members that the selection holds (not its `entity`), in the order of their entities
        compared as UTF-8 bytes, at most `limit`; entities that are gone have none.
        """
        ...

    async def latest_of(self, stream: str, entity: str) -> Published | None:
        """Return the newest member of one entity (its absolute IRI), which may be its deletion, or None."""
        ...


class Timeline(Protocol):
    """From moments to places in the log (`?since=`, `?at=`). Raises `StoreError`."""

    async def since(self, stream: str, moment: datetime) -> int | None:
        """Return the first live sequence number published at or after `moment`; None when all are older."""
        ...


class History(Protocol):
    """The log itself, read from any place on (`/live`). Raises `StoreError`."""

    async def after(self, stream: str, sequence: int, *, limit: int) -> Sequence[Published]:
        """Return members with higher sequence numbers than this (-1: all) in order: the next ones, at most `limit`.

        Some megabytes of bodies at most, but one member if there is one. No number is left out that the history still
        hands out (`Head.gone`), and none before that is given.
        """
        ...


class Told(Protocol):
    """What is told in the words of other worlds: entities, and their history."""

    @property
    def trails(self) -> TrailStore:
        """Who tells it."""
        ...


class Ledger(Protocol):
    """The digests of closed pages of the log (digests.py makes them). Raises `StoreError`."""

    async def signed(self, stream: str) -> bytes | None:
        """Return the digest of the newest page that has one, or None."""
        ...

    async def digests(self, stream: str, start: int, *, limit: int) -> Sequence[bytes]:
        """Return the digests there are of the pages `start` to before `start + limit`, in order."""
        ...

    async def sign(self, stream: str, index: int, *lines: bytes) -> None:
        """Keep the digests of the pages from `index` on for ever, all or none; one that is there stays."""
        ...
