"""A whole document as one value, for finding out where its lists are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.table import decode
from ingest.paths import parse_each
from streams.record import Reason

# The lists of formats that are no trees: lines and rows, the entities of a feed, the members of a stream in RDF.
_LISTS = ("[*]", "entity[*]", "tree:member[*]")


class Whole(NamedTuple):
    """A document: `value` is what the paths of lists begin at, `root` what those with `$.` begin at."""

    value: Any
    root: Mapping[str, Any]


def whole(body: bytes, media_type: str) -> Whole | Break:
    """Return a document as a value: JSON as it is, XML as an object of its root element, others as a list of items.

    A break is what cannot be read. A list of items other than `[*]` is an object with its first key.
    """
    start = body[:1000].lstrip()[:1]
    if start == b"<" and not start.startswith(b"<!") and "turtle" not in media_type:
        # Imported here: most samples are no XML.
        from ingest.decoders.xml_items import xml_document  # noqa: PLC0415

        found = xml_document(body)
        return found if isinstance(found, Break) else Whole(found, _inside(found))
    if start in (b"{", b"[") and "senml" not in media_type:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
        else:
            return Whole(value, value if isinstance(value, dict) else {})
    return _items(body, media_type)


def _inside(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is inside the root element: its attributes and children, which paths from the root begin with."""
    (inner,) = document.values()
    return inner if isinstance(inner, dict) else {}


def _items(body: bytes, media_type: str) -> Whole | Break:
    first: Break | None = None
    for text in _LISTS:
        each = parse_each(text)
        found = list(decode(body, media_type, Wanted(each=(each,))))
        items = [it.value for it in found if isinstance(it, Item)]
        if items:
            root: Mapping[str, Any] = next(it.root for it in found if isinstance(it, Item))
            return Whole({each.before[0]: items} if each.before else items, root)
        first = first or next((it for it in found if isinstance(it, Break)), None)
    return first or Break(reason=Reason.STRUCTURE, path="$", detail="the document has no items", excerpt=body[:200])
