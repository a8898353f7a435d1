"""The Link header of plain forms: where a reader goes on, since their bodies say nothing but data (RFC 8288); pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ldes_server.model import PageId
from ldes_server.negotiate import PLAIN, PlainForm
from ldes_server.render import Frame
from ldes_server.responses import Headers

# By this relation JSON-LD says where the context of plain JSON is (JSON-LD 1.1, section 6.1).
CONTEXT = "http://www.w3.org/ns/json-ld#context"


def link_header(links: Iterable[tuple[str, str]], extra: Iterable[str] = ()) -> Headers:
    """Return the header for (relation, absolute address) pairs and ready links; none for none."""
    values = [*(f'<{address}>; rel="{relation}"' for relation, address in links), *extra]
    return ((b"link", ", ".join(values).encode("ascii")),) if values else ()


def plain_address(page_id: PageId, form: PlainForm, *, frame: Frame, within: str = "") -> str:
    """Return the absolute address of a page in a plain form; `within` is the bucket that a walk stays in."""
    return frame.base + page_id.path(frame.stream) + _query(form, within)


def _query(form: PlainForm, within: str) -> str:
    return f"?within={within}&format={form.value}" if within else f"?format={form.value}"


def context_link(form: PlainForm, *, frame: Frame) -> tuple[str, ...]:
    """Return the link to the context that gives the lines of NDJSON their meaning; none for the other forms."""
    link = f'<{frame.context_address}>; rel="{CONTEXT}"; type="application/ld+json"'
    return (link,) if form is PlainForm.NDJSON else ()


def final_links(leaf: PageId, media: str, *, frame: Frame) -> Headers:
    """Return the links of a final leaf: what is true of it for ever, so not the leaf before it, which leaves earlier."""
    return _links(leaf, media, [("next", replace(leaf, index=leaf.index + 1))], frame)


def open_links(leaf: PageId, media: str, *, first: PageId, frame: Frame) -> Headers:
    """Return the links of the open leaf: the last one there is, so no `next`; `first` is the oldest that lives."""
    before = [("prev", replace(leaf, index=leaf.index - 1))] if leaf.index > first.index else []
    return _links(leaf, media, [*before, ("first", first), ("last", leaf)], frame)


def walk_links(page_id: PageId, media: str, *, onward: str, within: str, frame: Frame) -> Headers:
    """Return the links of a page of a view: `onward` is the path of the page behind it, empty at the end of the walk.

    `first` is where the walk begins: the root, or the node of the bucket that it stays `within`.
    """
    form = PLAIN[media]
    start = PageId(view=page_id.view, build=page_id.build, bucket=within) if within else PageId(view=page_id.view)
    links = [("self", plain_address(page_id, form, frame=frame, within=within))]
    if page_id.index:
        before = replace(page_id, index=page_id.index - 1)
        links.append(("prev", plain_address(before, form, frame=frame, within=within)))
    if onward:
        links.append(("next", frame.base + onward + _query(form, within)))
    links.append(("first", plain_address(start, form, frame=frame)))
    links.append(("canonical", frame.base + page_id.path(frame.stream)))
    return link_header(links, context_link(form, frame=frame))


def _links(leaf: PageId, media: str, more: list[tuple[str, PageId]], frame: Frame) -> Headers:
    form = PLAIN[media]
    links = [(relation, plain_address(page_id, form, frame=frame)) for relation, page_id in [("self", leaf), *more]]
    links.append(("canonical", frame.base + leaf.path(frame.stream)))
    return link_header(links, context_link(form, frame=frame))
