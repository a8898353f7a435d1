"""The plain forms of views with buckets: pages of members with a way on, from any node through all that is below it."""

from __future__ import annotations

from ldes_server.links import plain_address, walk_links
from ldes_server.log_view import VIEW
from ldes_server.model import Leaf, PageId, Stream
from ldes_server.negotiate import PLAIN, PlainForm
from ldes_server.page_query import is_within
from ldes_server.plain import render_plain
from ldes_server.responses import Ready, Variant, make_kept, make_ready, mutable, pack
from ldes_server.shelf import Missing, Shelf


class PlainViews:
    """Hands out pages of members in plain forms, over a `shelf` whose memories it shares.

    Only pages of members have a body; every other page leads to the first one at or below it. The order of the walk is
    that of `postgres_walks.py`. `within` is the key of the bucket that a walk stays in; empty for the whole view.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def page(self, name: str, page_id: PageId, variant: Variant, within: str) -> Ready | str | Missing:
        """Hand out a page of members, or the address that another page leads to."""
        shelf, stream = self._shelf, self._shelf.streams[name]
        version, gone = await shelf.version(name), shelf.gone(name)
        if await shelf.is_gone(name, page_id):
            return Missing.GONE
        key = (page_id.path(name), "plain", within, variant)
        if (shown := shelf.current.get(key, version)) is not None:
            return shown
        if page_id.level != 0:
            found = await self._start(stream, page_id, variant)
            if isinstance(found, Ready):
                shelf.current.put(key, version, found)
            return found
        kept = await self._kept(name, page_id, variant)
        if kept is None:
            leaf = await shelf.store.leaf(stream, page_id)
            if leaf is None:
                return await shelf.missing(name, page_id)
            onward = leaf.onward.path(name) if leaf.onward else await self._after_older(stream, page_id)
            body = render_plain(leaf.page.members, PLAIN[variant.media], frame=shelf.frames[name])
            if not (leaf.page.final and leaf.settled):
                links = self._links(stream, page_id, variant, onward, within)
                ready = make_ready(body, variant, cache_control=mutable(stream.max_age), extra=links)
                shelf.current.put(key, version, ready)
                return ready
            kept = await self._keep(name, leaf, variant, onward.encode() + b"\n" + pack(body))
        ready = self._final(stream, page_id, variant, kept, within)
        if not within:
            query = f"?format={PLAIN[variant.media].value}" if variant.named else ""
            shelf.keep_ready(name, f"{page_id.path(name)}{query}".encode(), variant, ready, gone=gone)
        return ready

    async def _after_older(self, stream: Stream, page_id: PageId) -> str:
        """Return the path of the history's oldest leaf behind the last page of what is kept of older members."""
        if page_id.view != VIEW:
            return ""
        head = await self._shelf.head(stream.name)
        return PageId(level=0, index=head.first // stream.page_size).path(stream.name)

    async def _start(self, stream: Stream, page_id: PageId, variant: Variant) -> Ready | str | Missing:
        """Return the address of the first page at or below a node; an empty page for a view without members."""
        name, form = stream.name, PLAIN[variant.media]
        first = await self._shelf.store.first_leaf(stream, page_id)
        if first is None:
            return await self._shelf.missing(name, page_id)
        frame = self._shelf.frames[name]
        if first != page_id:
            return plain_address(first, form, frame=frame, within=page_id.bucket.replace("~", ""))
        body = render_plain((), form, frame=frame)
        links = walk_links(page_id, variant.media, onward="", within="", frame=frame)
        return make_ready(body, variant, cache_control=mutable(stream.max_age), extra=links)

    def _final(self, stream: Stream, leaf: PageId, variant: Variant, kept: bytes, within: str) -> Ready:
        onward, _, body = kept.partition(b"\n")
        links = self._links(stream, leaf, variant, onward.decode(), within)
        return make_kept(body, variant, extra=links)

    def _links(
        self, stream: Stream, leaf: PageId, variant: Variant, onward: str, within: str
    ) -> tuple[tuple[bytes, bytes], ...]:
        if not is_within(onward.removeprefix(f"/{stream.name}/{leaf.view}/{leaf.build}/").split("/")[0], within):
            onward = ""
        return walk_links(leaf, variant.media, onward=onward, within=within, frame=self._shelf.frames[stream.name])

    # What is kept is the path of the page behind it, a line feed, and the body as `pack` leaves it.

    async def _kept(self, name: str, leaf: PageId, variant: Variant) -> bytes | None:
        form = PLAIN[variant.media]
        # The lines of NDJSON are the members' own bytes, which no release will ever change: nothing to keep.
        return None if form is PlainForm.NDJSON else await self._shelf.store.kept(name, leaf, form.value)

    async def _keep(self, name: str, leaf: Leaf, variant: Variant, body: bytes) -> bytes:
        form = PLAIN[variant.media]
        if form is PlainForm.NDJSON:
            return body
        return await self._shelf.store.keep(name, leaf.page.id, form.value, body)
