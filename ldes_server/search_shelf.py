"""The shelf's searches: answers to the forms of views, as pages of links into the views' own pages."""

from __future__ import annotations

from dataclasses import dataclass

from ldes_server.model import PageId, Wanted
from ldes_server.negotiate import PAGE_FORMS
from ldes_server.problems import Problem
from ldes_server.query import Query, read_query
from ldes_server.render import render_page
from ldes_server.responses import Ready, Variant, make_ready, mutable
from ldes_server.shelf import Missing, Shelf
from ldes_server.state_query import FORMAT_FORM


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search: the page that answers it, where to look, and how it was spelled."""

    page_id: PageId
    wanted: Wanted
    query: Query

    @property
    def is_too_wide(self) -> bool:
        """Whether nothing less than the whole view holds all that is asked for."""
        return not self.wanted.whole


class SearchShelf:
    """Hands out what searches find, over a `shelf` whose memories it shares."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def asked(self, name: str, view: str, raw: bytes) -> Asked | None:
        """Return the search that the query of a view's address is; None where it asks for the root itself.

        Raises:
            Problem: 400 for parameters that the view does not have, for some of a form without the others, and for
                values that are not of their form.

        """
        search = await self._shelf.search(name, view) if raw else None
        if search is None:
            return None
        query = read_query(raw, {**search.forms, "format": FORMAT_FORM})
        if not query.values.keys() & search.forms.keys():
            return None
        missing = [each for each in search.forms if each not in query.values]
        if missing or "format" in query.values:
            what = f"{' and '.join(missing)} is missing" if missing else "a search has no plain form"
            forms = "; ".join(f"{each}: {form}" for each, form in search.forms.items())
            raise Problem(400, what, fix=f"a search takes {forms}; a bucket that it finds has ?format=")
        page_id = PageId(view=view, query=query.canonical)
        return Asked(page_id=page_id, wanted=search.wanted(query.values), query=query)

    async def page(self, name: str, asked: Asked, variant: Variant) -> Ready | Missing:
        """Hand out what a search finds."""
        shelf, page_id = self._shelf, asked.page_id
        version = await shelf.version(name)
        key = (page_id.path(name).encode(), variant)
        if (shown := shelf.current.get(key, version)) is not None:
            return shown
        page = await shelf.store.found(shelf.streams[name], page_id, asked.wanted)
        if page is None:
            return await shelf.missing(name, PageId(view=page_id.view))
        body = render_page(page, PAGE_FORMS[variant.media], frame=shelf.frames[name])
        ready = make_ready(body, variant, cache_control=mutable(shelf.streams[name].max_age))
        shelf.current.put(key, version, ready)
        return ready
