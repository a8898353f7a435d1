"""The shelf: hands out pages, members and newest states as ready answers, reading the store as little as possible."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Protocol

from ldes_server.ahead import Ahead
from ldes_server.current import Current
from ldes_server.fragmentations.kept import BUCKET
from ldes_server.growing import OpenPages
from ldes_server.hypermedia import describe
from ldes_server.log_view import ROOT, VIEW, LogView
from ldes_server.model import ROOT_GROUPS, Head, Page, PageId, Published, Stream
from ldes_server.negotiate import FORMS, PAGE_FORMS, Form
from ldes_server.render import Frame, render_member, render_page
from ldes_server.responses import (
    FOR_EVER,
    Ready,
    ReadyCache,
    Variant,
    is_packed,
    make_kept,
    make_ready,
    mutable,
    pack,
)
from ldes_server.searches import Search
from ldes_server.shown import Edition, Shown
from ldes_server.standing import Standing, read_standing
from ldes_server.store import History, Ledger, MemberStore, PageStore, Timeline, Told, Walk
from ldes_server.together import Together
from ldes_server.turns import Turns
from streams.errors import StoreError
from streams.metrics import PAGE_SECONDS

# How old what we know of a head may get when nobody tells us of changes: well within one polling interval (HTTP-09).
HEAD_MAX_AGE = timedelta(seconds=1)
# How long a page may still be shown after a change while its next version is made: milliseconds, unless the store is slow.
SHOWN_STALE = timedelta(milliseconds=500)
# 64 MB: about 5,000 compressed pages of 250 members, a few hundred uncompressed.
CACHE_BYTES = 64 * 1024 * 1024

# What the answers to what may change depend on.
_Version = tuple[int, int, int]


class Store(PageStore, Walk, MemberStore, Timeline, History, Ledger, Told, Protocol):
    """What the web side needs of a store."""


class Missing(Enum):
    """Why there is nothing to hand out."""

    NEVER = 404  # there is no such page (yet)
    GONE = 410  # there was one, and retention dropped what it held, or a newer build of its view took over (HTTP-14)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    head: Head
    read_at: float


class Shelf:
    """Everything the web side hands out of the store.

    Final pages and members go into `cache`, where the fast lane finds them; what changes is kept once per version and
    representation. `changed` is to be called when a stream got members; without it news is seen after `HEAD_MAX_AGE`.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        store: Store,
        *,
        base_url: str,
        cache: ReadyCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.streams = {stream.name: stream for stream in streams}
        self.frames = {stream.name: describe(stream, base_url) for stream in streams}
        self.store = store
        self._base_url = base_url
        self.cache = ReadyCache(CACHE_BYTES) if cache is None else cache
        self._clock = clock
        self._heads: dict[str, _Known] = {}
        self._changes: Counter[str] = Counter()
        self._views: dict[str, Standing] = {}
        self._gone: dict[str, int] = {}
        self.current = Current()
        self.shown = Shown()
        # Told of a stream that changed while a page of it was made.
        self.late: Callable[[str], None] = lambda _: None
        self._heads_read: Together[Head] = Together()
        self._made: Together[Ready | Missing] = Together()
        self._open_pages = OpenPages()
        self._copies = Turns()
        self._ahead = Ahead()

    def changed(self, stream: str) -> None:
        """Forget how far a stream was, and what was current."""
        self._changes[stream] += 1
        self._heads.pop(stream, None)
        self.shown.fade(stream, until=self._clock() + SHOWN_STALE.total_seconds())

    def forget_before(self, stream: str, gone: int) -> None:
        """Hand out nothing any more of the history before a number: retention dropped it (`Head.gone`)."""
        if gone > self.gone(stream):
            self._gone[stream] = gone
            self.shown.drop(stream)
            # At most once a grace period, so the few answers that are made again do not count.
            self.cache.forget(f"/{stream}/{VIEW}/".encode())
            self.cache.forget(f"/{stream}/members/".encode())

    def gone(self, stream: str) -> int:
        """Return the number before which the stream's history is not handed out any more."""
        return self._gone.get(stream, 0)

    def keep_ready(self, stream: str, path: bytes, variant: Variant, ready: Ready, *, gone: int) -> None:
        """Keep an answer where the fast lane finds it, unless something has gone since `gone` was asked for."""
        if self.gone(stream) == gone:
            self.cache.put(path, variant, ready)

    def show(self, stream: str, page_id: PageId, variant: Variant, ready: Ready, *, head: Head) -> Ready:
        """Put an answer that shows the stream as of `head` where the fast lane finds it, for as long as that is right."""
        known, version = self._heads.get(stream), _version(head)
        if known is not None and _version(known.head) == version:
            until = known.read_at + HEAD_MAX_AGE.total_seconds()
        else:
            # It changed while this was made: no worse than what is shown while the next version is made.
            until = self._clock() + SHOWN_STALE.total_seconds()
            self.late(stream)
        self.shown.put(stream, page_id, variant, Edition(ready, version, until))
        return ready

    def expect(self, stream: str, page_id: PageId, variant: Variant) -> None:
        """Keep a page shown through changes, for a moment, though nobody has asked for it yet."""
        self.shown.expect(stream, page_id, variant, until=self._clock() + 2 * SHOWN_STALE.total_seconds())

    async def head(self, stream: str, *, fresh: bool = False) -> Head:
        """Return how far the stream is, as of now (`fresh`) or of at most `HEAD_MAX_AGE` ago."""
        known = None if fresh else self._heads.get(stream)
        if known is not None and self._clock() - known.read_at <= HEAD_MAX_AGE.total_seconds():
            return known.head
        return await self._heads_read.make((stream, False), partial(self._read_head, stream, self.store.head))

    async def newest_head(self, name: str) -> Head:
        """Return how far the stream is, as whoever takes the writes says; to be sure before a page is denied."""
        return await self._heads_read.make((name, True), partial(self._read_head, name, self.store.newest_head))

    async def _read_head(self, stream: str, read: Callable[[str], Awaitable[Head]]) -> Head:
        read_at, changes = self._clock(), self._changes[stream]
        head = await read(stream)
        view = _view(self.streams[stream], head)
        for page_id, variant in self.shown.pages(stream):
            # Whoever was answered by this head must not be shown a page as open that it closed; of buckets who knows.
            if not page_id.is_root and (page_id.view != VIEW or page_id.bucket or view.is_final(page_id)):
                if page_id.view == VIEW and not page_id.bucket:
                    # Its readers see it open until it is ready as it stays: otherwise each of them would wait for that.
                    with suppress(StoreError):  # where it cannot be kept just now, whoever asks for it is told so
                        await self._final(self.streams[stream], page_id, variant)
                self.shown.forget(stream, page_id, variant)
        if self._changes[stream] == changes:
            # Otherwise it may be of before the change that was told meanwhile.
            self._heads[stream] = _Known(head=head, read_at=read_at)
        self.forget_before(stream, head.gone)
        return head

    async def page(self, name: str, page_id: PageId, variant: Variant) -> Ready | Missing:
        """Hand out a page in one representation."""
        path = page_id.path(name).encode()
        if (ready := self.cache.get(path, variant.media, variant.gzip)) is not None:
            return ready
        stream = self.streams[name]
        if page_id.view != VIEW or page_id.bucket:
            return await self._view_page(stream, page_id, variant)
        head = await self.head(name)
        view = _view(stream, head)
        if not view.exists(page_id):
            # Another process may have published and linked it since: never deny what was linked (TREE-22).
            head = await self.newest_head(name)
            view = _view(stream, head)
            if not view.exists(page_id):
                return Missing.NEVER
        if view.begins_before(page_id, self.gone(name)):
            return Missing.GONE
        if view.is_final(page_id):
            return await self._made.make((path, variant), partial(self._final, stream, page_id, variant))
        key = (name, "root" if page_id.is_root else "open", variant)
        if (shown := self.current.get(key, _version(head))) is not None:
            return self.show(name, page_id, variant, shown, head=head)
        return await self._made.make((path, variant), partial(self._newest, stream, page_id, variant))

    async def _newest(self, stream: Stream, page_id: PageId, variant: Variant) -> Ready | Missing:
        """Make a page of the chronological view that may change, as of now, and show it."""
        head = await self.head(stream.name)
        key = (stream.name, "root" if page_id.is_root else "open", variant)
        found = self.current.get(key, _version(head)) or await self._open(stream, page_id, variant, head)
        return found if isinstance(found, Missing) else self.show(stream.name, page_id, variant, found, head=head)

    async def _open(self, stream: Stream, page_id: PageId, variant: Variant, head: Head) -> Ready | Missing:
        """Make it and keep it for its version."""
        started = self._clock()
        page = await self.store.page(stream, page_id, known=self._open_pages.known(stream.name, page_id))
        if page is None:
            return Missing.GONE
        if page.final:
            # It filled up between the two reads: it must never go out once as mutable and once as final.
            return await self._final(stream, page_id, variant, page=page)
        control = mutable(stream.max_age)
        if page_id.is_root:
            frame = (await self._views_at(stream, head)).frame
            body = render_page(page, PAGE_FORMS[variant.media], frame=frame)
            ready = self._open_pages.root(stream.name, body, variant, cache_control=control)
        else:
            self._open_pages.keep(stream.name, page)
            frame = self.frames[stream.name]
            ready = self._open_pages.leaf(stream.name, page, variant, frame=frame, cache_control=control)
        self.current.put((stream.name, "root" if page_id.is_root else "open", variant), _version(head), ready)
        PAGE_SECONDS.labels("rendered").observe(self._clock() - started)
        return ready

    async def _view_page(self, stream: Stream, page_id: PageId, variant: Variant) -> Ready | Missing:
        """Hand out a page of a view with buckets: what exists and what is final only the store knows."""
        head = await self.head(stream.name)
        if await self.is_gone(stream.name, page_id):
            return Missing.GONE
        path = page_id.path(stream.name).encode()
        if (shown := self.current.get((path, variant), _version(head))) is not None:
            return self.show(stream.name, page_id, variant, shown, head=head)
        return await self._made.make((path, variant), partial(self._newest_of_view, stream, page_id, variant))

    async def _newest_of_view(self, stream: Stream, page_id: PageId, variant: Variant) -> Ready | Missing:
        """Make a page of a view with buckets as of now, and show it."""
        head = await self.head(stream.name)
        kept = self.current.get((page_id.path(stream.name).encode(), variant), _version(head))
        found = kept or await self._make_view_page(stream, page_id, variant, head)
        return found if isinstance(found, Missing) else self.show(stream.name, page_id, variant, found, head=head)

    async def _make_view_page(self, stream: Stream, page_id: PageId, variant: Variant, head: Head) -> Ready | Missing:
        views = await self._views_at(stream, head)
        path = page_id.path(stream.name).encode()
        started, form = self._clock(), PAGE_FORMS[variant.media]
        # Only final pages are kept, so one lookup answers them.
        if not page_id.is_root and (ready := await self._kept(stream.name, page_id, variant)) is not None:
            return ready
        page = await self.store.page(stream, page_id)
        if page is None:
            return await self.missing(stream.name, page_id)
        if page.final:
            return await self._final(stream, page_id, variant, page=page)
        ready = make_ready(render_page(page, form, frame=views.frame), variant, cache_control=mutable(stream.max_age))
        self.current.put((path, variant), _version(head), ready)
        PAGE_SECONDS.labels("rendered").observe(self._clock() - started)
        return ready

    async def version(self, name: str) -> _Version:
        """Return what answers that may change depend on, as of at most `HEAD_MAX_AGE` ago."""
        return _version(await self.head(name))

    async def is_gone(self, name: str, page_id: PageId) -> bool:
        """Whether there was such a page of a view, and readers had their time to finish with it."""
        views = await self._views_at(self.streams[name], await self.head(name))
        return not page_id.is_root and views.gone(page_id)

    async def missing(self, name: str, page_id: PageId) -> Missing:
        """Say why the store has no such page of a view."""
        views = await self._views_at(self.streams[name], await self.head(name, fresh=True))
        return Missing.GONE if views.gone(page_id) else Missing.NEVER

    async def moved(self, name: str, page_id: PageId) -> PageId | None:
        """Return where all is that is kept of a page that has gone; None where nothing is, or the view is another now.

        What is left of several pages stands together on new ones: in the history, what it keeps of older members, in the
        other views a build with less in it. So who was led to an old page is led on (HTTP-16).
        """
        stream, head = self.streams[name], await self.head(name)
        if page_id.view == VIEW and not page_id.bucket:
            span = _view(stream, head).span(page_id)
            # Some of an inner node may live where it always was: that, too, is reached from the root.
            return ROOT if span.stop > head.first else await self.store.survived(stream, span)
        states = (await self._views_at(stream, head)).states
        old = states.get((page_id.view, page_id.build))
        live = next((it for it in states.values() if (it.name, it.state) == (page_id.view, "live")), None)
        if old is None or live is None or live.definition != old.definition:
            return None
        if page_id.view == VIEW or page_id.bucket == ROOT_GROUPS:
            return PageId(view=page_id.view)
        # Where a member belongs follows from its view's definition, so it is in the bucket of the same key.
        node = PageId(view=page_id.view, build=live.build, bucket=page_id.bucket)
        return None if await self.store.first_leaf(stream, node) is None else node

    async def search(self, name: str, view: str) -> Search | None:
        """Return what a view can be asked for, or None."""
        return (await self._views_at(self.streams[name], await self.head(name))).searches.get(view)

    async def views(self, name: str) -> Sequence[str]:
        """Return the names of the views that have a root now, the chronological one first."""
        return (await self._views_at(self.streams[name], await self.head(name))).frame.views

    async def _views_at(self, stream: Stream, head: Head) -> Standing:
        """Return what readers find of the views, read again whenever the head says that it changed."""
        known = self._views.get(stream.name)
        if known is None or known.version != head.views:
            before, known = known, await read_standing(stream, self.store, head.views, base_url=self._base_url)
            self._views[stream.name] = known
            for view, build in (before.readable() if before else set()) - known.readable():
                self.cache.forget(f"/{stream.name}/{view}/{build}/".encode())
        return known

    async def has_older(self, name: str) -> bool:
        """Whether the history has members of before its oldest leaf, which it kept for their version."""
        return await self.first_older(name) is not None

    async def first_older(self, name: str) -> PageId | None:
        """Return the first page of the members of before the history's oldest leaf; None where there are none."""
        states = (await self._views_at(self.streams[name], await self.head(name))).states.values()
        kept = (each for each in states if each.name == VIEW and each.state == "live" and each.buckets > 1)
        return next((PageId(build=each.build, bucket=BUCKET, level=0) for each in kept), None)

    async def member(self, name: str, member_id: str, variant: Variant) -> Ready | Missing:
        """Hand out one member; `member_id` as in `Member.id`, the path below the public address."""
        path = f"/{member_id}".encode()
        if (ready := self.cache.get(path, variant.media, variant.gzip)) is not None:
            return ready
        gone = self.gone(name)
        member = await self.store.member(name, member_id)
        if member is None:
            return Missing.GONE if await self.store.is_dropped(name, member_id) else Missing.NEVER
        body = render_member(member, FORMS[variant.media], frame=self.frames[name])
        ready = make_ready(body, variant, cache_control=FOR_EVER)
        self.keep_ready(name, path, variant, ready, gone=gone)
        return ready

    async def newest(self, name: str, *, limit: int) -> Sequence[Published]:
        """Return the newest member of each entity, at most `limit`."""
        return await self.store.latest(name, limit=limit)

    async def _final(
        self, stream: Stream, page_id: PageId, variant: Variant, *, page: Page | None = None
    ) -> Ready | Missing:
        if (known := await self._kept(stream.name, page_id, variant)) is not None:
            return known
        started, gone = self._clock(), self.gone(stream.name)
        page = page or await self.store.page(stream, page_id, known=self._open_pages.known(stream.name, page_id))
        if page is None:
            return Missing.GONE
        body = await self._keep(page, PAGE_FORMS[variant.media], self.frames[stream.name])
        PAGE_SECONDS.labels("rendered").observe(self._clock() - started)
        ready = make_kept(body, variant)
        self.keep_ready(stream.name, page_id.path(stream.name).encode(), variant, ready, gone=gone)
        return ready

    async def _kept(self, name: str, page_id: PageId, variant: Variant) -> Ready | None:
        """Return the answer for a final page that is kept; where a copy goes on, the leaves behind it are made ready too."""
        if page_id.level != 0 or not variant.gzip:
            return await self._read_kept(name, page_id, variant, count=1)
        copied = (name, page_id.place, variant)
        if not self._ahead.is_near(copied, page_id.index):
            return await self._read_kept(name, page_id, variant, count=len(self._ahead.span(copied, page_id.index)))
        async with self._copies.of(copied):
            # Whoever had the turn before may have made it ready.
            known = self.cache.get(page_id.path(name).encode(), variant.media, variant.gzip)
            count = 0 if known else len(self._ahead.span(copied, page_id.index))
            return known or await self._read_kept(name, page_id, variant, count=count)

    async def _read_kept(self, name: str, page_id: PageId, variant: Variant, *, count: int) -> Ready | None:
        started, gone, found = self._clock(), self.gone(name), None
        for index, body in (await self.store.kept_from(name, page_id, PAGE_FORMS[variant.media].value, count)).items():
            asked = index == page_id.index
            if asked or is_packed(body):  # to compress what nobody asked for would keep others waiting
                ready = make_kept(body, variant)
                self.keep_ready(name, replace(page_id, index=index).path(name).encode(), variant, ready, gone=gone)
                found = ready if asked else found
        if found is not None:
            PAGE_SECONDS.labels("kept").observe(self._clock() - started)
        return found

    async def _keep(self, page: Page, form: Form, frame: Frame) -> bytes:
        # The first body kept wins, so all processes and all later releases answer the same bytes (LDES-59).
        body = pack(render_page(page, form, frame=frame))
        return await self.store.keep(frame.stream, page.id, form.value, body)


def _version(head: Head) -> _Version:
    return head.count, head.first, head.views


def _view(stream: Stream, head: Head) -> LogView:
    return LogView(
        size=stream.page_size, fan=stream.fan, count=head.count, first=head.first, path=stream.timestamp_path
    )
