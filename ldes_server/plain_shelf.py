"""The shelf's plain forms: leaves of the history as NDJSON, GeoJSON and CSV, and the way from any page to a leaf.

Views with buckets have theirs in plain_views.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from ldes_server.links import final_links, open_links, plain_address
from ldes_server.log_view import VIEW, LogView
from ldes_server.model import Head, PageId, Published, Stream
from ldes_server.negotiate import PLAIN, QUERIED, PlainForm
from ldes_server.plain import render_plain
from ldes_server.plain_views import PlainViews
from ldes_server.responses import Ready, Variant, make_kept, make_ready, mutable, pack
from ldes_server.shelf import Missing, Shelf

_QUERIES = {media: query for query, media in QUERIED.items()}


class PlainShelf:
    """Hands out every view in plain forms, the chronological one itself, over a `shelf` whose memories it shares.

    Only leaves have a body. Root and inner nodes lead to the oldest living leaf below them, and each leaf to the next
    by its Link header, so that a reader who follows links has the whole history. The leaf behind the last member is
    there before its first member is, empty: a final leaf may name it for ever.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._views = PlainViews(shelf)

    async def page(self, name: str, page_id: PageId, variant: Variant, within: str = "") -> Ready | str | Missing:
        """Hand out a leaf, or the address of the leaf that a root or inner node leads to."""
        path = page_id.path(name).encode()
        if variant.named:
            path += b"?" + _QUERIES[variant.media]
        if not within and (ready := self._shelf.cache.get(path, variant.media, variant.gzip)) is not None:
            return ready
        if page_id.view != VIEW or page_id.bucket:
            return await self._views.page(name, page_id, variant, within)
        stream = self._shelf.streams[name]
        view = _view(stream, await self._shelf.head(name))
        if not _exists(view, page_id):
            # Another process may have published it since: never deny what was linked.
            view = _view(stream, await self._shelf.newest_head(name))
            if not _exists(view, page_id):
                return Missing.NEVER
        if view.begins_before(page_id, self._shelf.gone(name)):
            return Missing.GONE
        if page_id.level != 0:
            # What is kept of older members is read first: its last page leads on to the oldest leaf.
            older = await self._shelf.first_older(name) if page_id.is_root else None
            first = older or _first_leaf(view, page_id)
            frame = self._shelf.frames[name]
            return plain_address(first, PLAIN[variant.media], frame=frame) if first else Missing.GONE
        if view.is_final(page_id):
            return await self._final(stream, page_id, variant, path)
        return await self._open(stream, view, page_id, variant)

    async def _final(self, stream: Stream, leaf: PageId, variant: Variant, path: bytes) -> Ready | Missing:
        form, store, frame = PLAIN[variant.media], self._shelf.store, self._shelf.frames[stream.name]
        gone = self._shelf.gone(stream.name)
        # The lines of NDJSON are the members' own bytes, which no release will ever change: nothing to keep.
        body = None if form is PlainForm.NDJSON else await store.kept(stream.name, leaf, form.value)
        if body is None:
            page = await store.page(stream, leaf)
            if page is None:
                return Missing.GONE
            body = pack(render_plain(page.members, form, frame=frame))
            if form is not PlainForm.NDJSON:
                body = await store.keep(stream.name, leaf, form.value, body)
        links = final_links(leaf, variant.media, frame=frame)
        ready = make_kept(body, variant, extra=links)
        self._shelf.keep_ready(stream.name, path, variant, ready, gone=gone)
        return ready

    async def _open(self, stream: Stream, view: LogView, leaf: PageId, variant: Variant) -> Ready | str | Missing:
        key, version = (stream.name, "plain", leaf, variant), (view.count, view.first)
        if (shown := self._shelf.current.get(key, version)) is not None:
            return shown
        members: Sequence[Published] = ()
        if leaf.index * view.size < view.count:
            page = await self._shelf.store.page(stream, leaf)
            if page is None:
                return Missing.GONE
            if page.final:
                # It filled up between the two reads: it must never go out once as mutable and once as final.
                self._shelf.changed(stream.name)
                return await self.page(stream.name, leaf, variant)
            members = page.members
        frame = self._shelf.frames[stream.name]
        body = render_plain(members, PLAIN[variant.media], frame=frame)
        links = open_links(leaf, variant.media, first=view.leaf_of(view.first), frame=frame)
        ready = make_ready(body, variant, cache_control=mutable(stream.max_age), extra=links)
        self._shelf.current.put(key, version, ready)
        return ready


def _view(stream: Stream, head: Head) -> LogView:
    return LogView(size=stream.page_size, fan=stream.fan, count=head.count, first=head.first)


def _exists(view: LogView, page_id: PageId) -> bool:
    return view.exists(page_id) or page_id == view.leaf_of(view.count)


def _first_leaf(view: LogView, page_id: PageId) -> PageId | None:
    """Return the oldest living leaf below a root or inner node; None when retention has passed all of them."""
    oldest = view.first // view.size
    if page_id.is_root:
        return PageId(view=VIEW, level=0, index=oldest)
    span = view.span(page_id)
    first, stop = span.start // view.size, span.stop // view.size
    return PageId(view=VIEW, level=0, index=max(first, oldest)) if oldest < stop else None
