"""The shelf: hands out pages, members and newest states as ready answers, reading the store as little as possible."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from ldes_server.hypermedia import describe
from ldes_server.log_view import LogView
from ldes_server.model import Head, Page, PageId, Published, Stream
from ldes_server.negotiate import FORMS, PAGE_FORMS, Form
from ldes_server.render import Frame, render_member, render_members, render_page
from ldes_server.responses import FOR_EVER, Ready, ReadyCache, Variant, make_ready, mutable
from ldes_server.store import MemberStore, PageStore
from streams.metrics import PAGE_SECONDS

# How old what we know of a head may get when nobody tells us of changes: well within one polling interval (HTTP-09).
HEAD_MAX_AGE = timedelta(seconds=1)
# The newest states we show at once; more entities than that belong in several streams.
LATEST_LIMIT = 10_000
# 64 MB: about 5,000 compressed pages of 250 members, a few hundred uncompressed.
CACHE_BYTES = 64 * 1024 * 1024


class Store(PageStore, MemberStore, Protocol):
    """What the web side needs of a store."""


class Missing(Enum):
    """Why there is nothing to hand out."""

    NEVER = 404  # there is no such page (yet)
    GONE = 410  # there was one, and retention dropped what it held (HTTP-14)


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
        self.cache = ReadyCache(CACHE_BYTES) if cache is None else cache
        self._clock = clock
        self._heads: dict[str, _Known] = {}
        # (stream, what, variant) -> (the version it shows, the answer): as bounded as its keys.
        self._current: dict[tuple[str, str, Variant], tuple[tuple[int, int], Ready]] = {}

    def changed(self, stream: str) -> None:
        """Forget how far a stream was."""
        self._heads.pop(stream, None)

    async def head(self, stream: str, *, fresh: bool = False) -> Head:
        """Return how far the stream is, as of now (`fresh`) or of at most `HEAD_MAX_AGE` ago."""
        known = self._heads.get(stream)
        now = self._clock()
        if known is None or fresh or now - known.read_at > HEAD_MAX_AGE.total_seconds():
            known = _Known(head=await self.store.head(stream), read_at=now)
            self._heads[stream] = known
        return known.head

    async def page(self, name: str, page_id: PageId, variant: Variant) -> Ready | Missing:
        """Hand out a page in one representation."""
        path = page_id.path(name).encode()
        if (ready := self.cache.get(path, variant.media, variant.gzip)) is not None:
            return ready
        stream = self.streams[name]
        view = _view(stream, await self.head(name))
        if not view.exists(page_id):
            # Another process may have published and linked it since: never deny what was linked (TREE-22).
            known = _Known(head=await self.store.newest_head(name), read_at=self._clock())
            self._heads[name] = known
            view = _view(stream, known.head)
            if not view.exists(page_id):
                return Missing.NEVER
        if view.is_final(page_id):
            return await self._final(stream, page_id, variant)
        what = "root" if page_id.is_root else "open"
        version = (view.count, view.first)
        if (shown := self._current.get((name, what, variant))) is not None and shown[0] == version:
            return shown[1]
        started = self._clock()
        page = await self.store.page(stream, page_id)
        if page is None:
            return Missing.GONE
        if page.final:
            # It filled up between the two reads: it must never go out once as mutable and once as final.
            return await self._final(stream, page_id, variant, page=page)
        body = render_page(page, PAGE_FORMS[variant.media], frame=self.frames[name])
        ready = make_ready(body, variant, cache_control=mutable(stream.max_age))
        self._current[name, what, variant] = (version, ready)
        PAGE_SECONDS.labels("rendered").observe(self._clock() - started)
        return ready

    async def member(self, name: str, member_id: str, variant: Variant) -> Ready | None:
        """Hand out one member; `member_id` as in `Member.id`, the path below the public address."""
        path = f"/{member_id}".encode()
        if (ready := self.cache.get(path, variant.media, variant.gzip)) is not None:
            return ready
        member = await self.store.member(name, member_id)
        if member is None:
            return None
        body = render_member(member, FORMS[variant.media], frame=self.frames[name])
        ready = make_ready(body, variant, cache_control=FOR_EVER)
        self.cache.put(path, variant, ready)
        return ready

    async def latest(self, name: str, variant: Variant) -> Ready:
        """Hand out the newest member of each entity."""
        head = await self.head(name)
        version = (head.count, head.first)
        if (shown := self._current.get((name, "latest", variant))) is not None and shown[0] == version:
            return shown[1]
        members = await self.newest(name, limit=LATEST_LIMIT)
        body = render_members(members, FORMS[variant.media], frame=self.frames[name])
        ready = make_ready(body, variant, cache_control=mutable(self.streams[name].max_age))
        self._current[name, "latest", variant] = (version, ready)
        return ready

    async def newest(self, name: str, *, limit: int) -> Sequence[Published]:
        """Return the newest member of each entity, at most `limit`."""
        return await self.store.latest(name, limit=limit)

    async def _final(
        self, stream: Stream, page_id: PageId, variant: Variant, *, page: Page | None = None
    ) -> Ready | Missing:
        started, outcome = self._clock(), "kept"
        form = PAGE_FORMS[variant.media]
        body = await self.store.kept(stream.name, page_id, form.value)
        if body is None:
            outcome = "rendered"
            page = page or await self.store.page(stream, page_id)
            if page is None:
                return Missing.GONE
            body = await self._keep(page, form, self.frames[stream.name])
        ready = make_ready(body, variant, cache_control=FOR_EVER)
        self.cache.put(page_id.path(stream.name).encode(), variant, ready)
        PAGE_SECONDS.labels(outcome).observe(self._clock() - started)
        return ready

    async def _keep(self, page: Page, form: Form, frame: Frame) -> bytes:
        # The first body kept wins, so all processes and all later releases answer the same bytes (LDES-59).
        body = render_page(page, form, frame=frame)
        return await self.store.keep(frame.stream, page.id, form.value, body)


def _view(stream: Stream, head: Head) -> LogView:
    return LogView(
        size=stream.page_size, fan=stream.fan, count=head.count, first=head.first, path=stream.timestamp_path
    )
