"""From the one IRI that a person gives to the root of a view (CLI-01, CLI-02)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urldefrag

from pyoxigraph import NamedNode

from streams.errors import FeedError
from testbed.client.graph import Dataset
from testbed.client.terms import TREE

_VIEW = TREE + "view"


def view_of_page(data: Dataset, names: Sequence[str]) -> str | None:
    """Return the stream whose view the page itself is; `names` are its final address and those that redirected to it.

    Raises:
        FeedError: it is a view of several streams.

    """
    for name in names:
        streams = [node.value for node in data.subjects(_VIEW, NamedNode(name)) if isinstance(node, NamedNode)]
        if len(streams) > 1:
            fix = "give the IRI of the stream you want; tell the publisher that a root has one stream (TREE-03)"
            raise FeedError(f"is a view of several streams: {', '.join(sorted(streams))}", where=names[0], fix=fix)
        if streams:
            return streams[0]
    return None


def linked_view(data: Dataset, given: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the stream that was asked for and the root it names; else the only view that the document speaks of.

    Raises:
        FeedError: it names none, or several.

    """
    said: dict[str, dict[str, None]] = {}
    for quad in data.quads:
        if quad.predicate.value == _VIEW and isinstance(quad.subject, NamedNode) and isinstance(quad.object, NamedNode):
            said.setdefault(quad.subject.value, {})[urldefrag(quad.object.value).url] = None
    asked = [stream for stream in (given, *names) if stream in said]
    for stream in asked[:1] or sorted(said):
        roots = sorted(said[stream])
        if len(roots) > 1 or (not asked and len(said) > 1):
            views = roots if asked else sorted({root for each in said.values() for root in each})
            fix = "give the address of the one you want"
            raise FeedError(f"has several views: {', '.join(views)}", where=given, fix=fix)
        return stream, roots[0]
    fix = "give the IRI of an event stream, or the address of the root of one of its views (CLI-01)"
    raise FeedError("neither is a view nor has one: no tree:view about it", where=given, fix=fix)
