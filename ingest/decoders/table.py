"""The table of decoders: which media type, or which name in a source file, is read by which function."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from importlib import import_module

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.json_items import json_items
from streams.record import Reason

Decoder = Callable[[bytes, Wanted], Iterator[Item | Break]]


def _later(name: str) -> Decoder:
    # Imported when the first document comes: most platforms meet few formats, and their libraries are large.
    def decode_later(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
        module = import_module(f"ingest.decoders.{name}")
        decoder: Decoder = getattr(module, name)
        return decoder(body, wanted)

    return decode_later


_csv_items = _later("csv_items")
_gtfs_items = _later("gtfs_items")
_ndjson_items = _later("ndjson_items")
_senml_items = _later("senml_items")
_rdf_items = _later("rdf_items")
_xml_items = _later("xml_items")

# What a source file may say in `format:`.
FORMATS: Mapping[str, Decoder] = {
    "json": json_items,
    "ndjson": _ndjson_items,
    "xml": _xml_items,
    "csv": _csv_items,
    "gtfs-realtime": _gtfs_items,
    "kiwis": _later("kiwis_items"),
    "senml": _senml_items,
    "rdf": _rdf_items,
}
# A new format is one file here, its name in the table above and its media types in this one.
DECODERS: Mapping[str, Decoder] = {
    "application/json": json_items,
    "text/json": json_items,
    "application/geo+json": json_items,
    "application/x-ndjson": _ndjson_items,
    "application/ndjson": _ndjson_items,
    "application/jsonl": _ndjson_items,
    "application/x-jsonlines": _ndjson_items,
    "application/json-seq": _ndjson_items,
    "application/xml": _xml_items,
    "text/xml": _xml_items,
    "text/csv": _csv_items,
    "application/csv": _csv_items,
    "text/tab-separated-values": _csv_items,
    "application/x-protobuf": _gtfs_items,
    "application/protobuf": _gtfs_items,
    "application/vnd.google.protobuf": _gtfs_items,
    "application/x-google-protobuf": _gtfs_items,
    "application/senml+json": _senml_items,
    "text/turtle": _rdf_items,
    "application/trig": _rdf_items,
    "application/n-triples": _rdf_items,
    "application/n-quads": _rdf_items,
    "application/rdf+xml": _rdf_items,
}
# Those that ask what is known of a document besides its body; the others are spared the copy, a message each.
_ASKING = (_csv_items, _rdf_items, _senml_items)
_SUFFIXES: Mapping[str, Decoder] = {"+json": json_items, "+json-seq": _ndjson_items, "+xml": _xml_items}
# Servers that say text/plain or nothing: the first byte tells.
_SNIFFED: Mapping[bytes, Decoder] = {b"{": json_items, b"[": json_items, b"<": _xml_items}
# A GTFS-Realtime message begins with its header, and that with its version.
_PROTOBUF = re.compile(rb"\n[\x05-\x7f]\n\x03\d\.\d", re.DOTALL)
_BOM = b"\xef\xbb\xbf"


def decode(body: bytes, media_type: str, wanted: Wanted, *, received: datetime | None = None) -> Iterator[Item | Break]:
    """Yield the items of a document of any known media type; what cannot be read becomes one break.

    The source file's `format:` counts more than the media type, which publishers get wrong.
    """
    if wanted.format.member:
        # Imported here: few sources are archives.
        from ingest.decoders.zipped import member_of  # noqa: PLC0415

        found = member_of(body, wanted.format.member)
        if isinstance(found, Break):
            yield found
            return
        body, media_type = found
    media, _, parameters = media_type.partition(";")
    media, is_marked, body = media.strip().lower(), body.startswith(_BOM), body.removeprefix(_BOM)
    start = body[:1000].lstrip()
    if start[:15].lower().startswith((b"<!doctype html", b"<html")):
        yield _break("an HTML page came instead of data: usually an error or maintenance page", body)
        return
    decoder = FORMATS.get(wanted.format.name) or _decoder(media, body, start)
    if not start:
        yield _break("the document is empty", body)
    elif decoder is None:
        yield _break(f"no decoder reads {media or 'a document without media type'}", body)
    elif decoder is _csv_items and start[:1] in _SNIFFED and not wanted.format.columns:
        yield _break("JSON or XML came instead of rows: usually an error in the publisher's own words", body)
    else:
        if decoder in _ASKING:
            charset = "utf-8" if is_marked else _charset(parameters)
            wanted = _completed(wanted, media, charset, received)
        items, only = decoder(body, wanted), wanted.only
        yield from items if only is None else (it for it in items if isinstance(it, Break) or only(it.value, it.root))


def _decoder(media: str, body: bytes, start: bytes) -> Decoder | None:
    found = DECODERS.get(media) or _SUFFIXES.get(f"+{media.rpartition('+')[2]}")
    if found is None and _PROTOBUF.match(body):
        return _gtfs_items
    return found or _SNIFFED.get(start[:1])


def _completed(wanted: Wanted, media: str, charset: str, received: datetime | None) -> Wanted:
    """Add what is known of a document to what the source file says."""
    form = wanted.format
    form = replace(
        form,
        delimiter=form.delimiter or ("\t" if media == "text/tab-separated-values" else ""),
        encoding=form.encoding or charset,
    )
    return replace(wanted, format=form, media_type=media, received=received)


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            try:
                return codecs.lookup(value.strip().strip('"')).name
            except LookupError:
                return ""
    return ""


def _break(detail: str, body: bytes) -> Break:
    return Break(reason=Reason.MALFORMED, path="$", detail=detail, excerpt=body[:200])
