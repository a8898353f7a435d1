"""The shelf's newest states: one of each entity, selected by entity, place and time, in any form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ldes_server.links import context_link, link_header
from ldes_server.model import Published
from ldes_server.negotiate import FORMS, PLAIN, PlainForm
from ldes_server.plain import render_plain
from ldes_server.problems import Problem
from ldes_server.render import Frame, member_iri, render_members
from ldes_server.responses import Headers, Ready, Variant, make_ready, mutable
from ldes_server.selection import Selection
from ldes_server.shelf import Shelf
from ldes_server.state_query import query_of
from streams.record import format_time

# The states in one answer; where there are more, a link leads on.
LATEST_LIMIT = 10_000


class LatestShelf:
    """Hands out the newest states over a `shelf` whose memories it shares, at most `limit` at once.

    What was made is kept until members come: per selection and representation, in bounded memory.
    """

    def __init__(self, shelf: Shelf, *, limit: int = LATEST_LIMIT) -> None:
        self._shelf = shelf
        self._limit = limit

    async def latest(self, name: str, selection: Selection, variant: Variant) -> Ready:
        """Hand out the newest states that are selected, in the order of their entities.

        Raises:
            Problem: 410 where the one entity that is asked for is deleted.

        """
        head = await self._shelf.head(name)
        key, version = (name, selection, variant), (head.count, head.first)
        if (shown := self._shelf.current.get(key, version)) is not None:
            return shown
        members, more = await self._members(name, selection)
        plain, frame = PLAIN.get(variant.media), self._shelf.frames[name]
        body = (
            render_plain(members, plain, frame=frame)
            if plain
            else render_members(members, FORMS[variant.media], frame=frame)
        )
        behind = replace(selection, after=members[-1].entity) if more else None
        ready = make_ready(
            body,
            variant,
            cache_control=mutable(self._shelf.streams[name].max_age),
            extra=_links(selection, plain, behind, frame),
        )
        self._shelf.current.put(key, version, ready)
        return ready

    async def _members(self, name: str, selection: Selection) -> tuple[Sequence[Published], bool]:
        store = self._shelf.store
        if selection.entity is not None:
            found = await store.latest_of(name, selection.entity)
            if found is not None and found.deleted:
                raise _gone(found)
            return ([found] if found is not None and selection.holds(found) else []), False
        members = await store.states(name, selection, limit=self._limit + 1)
        return members[: self._limit], len(members) > self._limit


def _gone(deletion: Published) -> Problem:
    what = f"{deletion.entity} is deleted, as of {format_time(deletion.observed_at)}"
    return Problem(410, what, fix=f"its deletion is the member {member_iri(deletion).decode()}")


def _links(selection: Selection, plain: PlainForm | None, behind: Selection | None, frame: Frame) -> Headers:
    """Return the links of an answer; an RDF answer that shows everything needs none."""
    name = plain.value if plain else None

    def address(which: Selection, name: str | None) -> str:
        query = query_of(which, name)
        return f"{frame.iri}/latest" + (f"?{query}" if query else "")

    links = []
    if plain:
        links += [("self", address(selection, name)), ("canonical", address(selection, None))]
    if selection.after:
        links.append(("first", address(replace(selection, after=""), name)))
    if behind is not None:
        links.append(("next", address(behind, name)))
    return link_header(links, context_link(plain, frame=frame) if plain else ())
