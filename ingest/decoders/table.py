"""The table of decoders: which media type is read by which function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.json_items import json_items
from streams.record import Reason

Decoder = Callable[[bytes, Wanted], Iterator[Item | Break]]


def _xml_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    # Imported here: most platforms meet no XML.
    from ingest.decoders.xml_items import xml_items  # noqa: PLC0415

    return xml_items(body, wanted)


# A new format is one file here and its media types in this table.
DECODERS: Mapping[str, Decoder] = {
    "application/json": json_items,
    "text/json": json_items,
    "application/geo+json": json_items,
    "application/xml": _xml_items,
    "text/xml": _xml_items,
}
_SUFFIXES: Mapping[str, Decoder] = {"+json": json_items, "+xml": _xml_items}
# Servers that say text/plain or nothing: the first byte tells.
_SNIFFED: Mapping[bytes, Decoder] = {b"{": json_items, b"[": json_items, b"<": _xml_items}
_BOM = b"\xef\xbb\xbf"


def decode(body: bytes, media_type: str, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the items of a document of any known media type; what cannot be read becomes one break."""
    media = media_type.partition(";")[0].strip().lower()
    body = body.removeprefix(_BOM)
    start = body[:1000].lstrip()
    if start[:15].lower().startswith((b"<!doctype html", b"<html")):
        yield _break("an HTML page came instead of data: usually an error or maintenance page", body)
        return
    decoder = DECODERS.get(media) or _SUFFIXES.get(f"+{media.rpartition('+')[2]}") or _SNIFFED.get(start[:1])
    if not start:
        yield _break("the document is empty", body)
    elif decoder is None:
        yield _break(f"no decoder reads {media or 'a document without media type'}", body)
    else:
        yield from decoder(body, wanted)


def _break(detail: str, body: bytes) -> Break:
    return Break(reason=Reason.MALFORMED, path="$", detail=detail, excerpt=body[:200])
