"""Members for who wants no RDF: NDJSON, GeoJSON and CSV; pure.

NDJSON is one member per line, the same bytes as in `member[]` of the JSON-LD page; the context its keys come from is
named by the Link header (links.py). GeoJSON and CSV show the same columns, named after the model (vocab/flat.py):
GeoJSON leaves out what a member does not have, CSV leaves the cell empty.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from ldes_server.model import Published
from ldes_server.negotiate import PlainForm
from ldes_server.render import Frame, full_body
from streams.record import format_time

# The columns every stream has, before those of its model; all but the first and the last two are GeoJSON properties. One
# more is there where members say what they do to their entity.
FIXED = ("id", "entity", "observed_at", "published_at", "sequence", "longitude", "latitude")
OPERATION = "operation"
# What a spreadsheet would run as a formula: text that begins so. A number with a sign is none.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9 .,]*\Z)")
_SUSPECT = frozenset("=@\t\r+-")


def render_plain(members: Sequence[Published], form: PlainForm, *, frame: Frame) -> bytes:
    """Render members in one of the plain forms. The same members give the same bytes, whatever their page."""
    return _FORMS[form](members, frame)


def _ndjson(members: Sequence[Published], _: Frame) -> bytes:
    return b"".join([_line(full_body(member)) for member in members])


def _line(body: bytes) -> bytes:
    # JSON may have line ends between its tokens, never inside a string.
    whole = orjson.dumps(orjson.loads(body)) if b"\n" in body or b"\r" in body else body
    return whole + b"\n"


def _geojson(members: Sequence[Published], frame: Frame) -> bytes:
    features = b",\n".join([orjson.dumps(feature) for feature in _features(members, frame)])
    return b'{"type":"FeatureCollection","features":[%s]}\n' % features


def _features(members: Sequence[Published], frame: Frame) -> Iterator[Mapping[str, Any]]:
    """Make the features (RFC 7946); those of members without a place, as deletions are, have a null geometry."""
    flat = frame.flat
    for member in members:
        body = orjson.loads(member.body)
        point = member.point
        named = {name: value for name, value in zip(flat.names, flat.row(body), strict=True) if value is not None}
        yield {
            "type": "Feature",
            "id": body["@id"],
            "geometry": point and {"type": "Point", "coordinates": [point.longitude, point.latitude]},
            "properties": {
                "entity": member.entity,
                "observed_at": format_time(member.observed_at),
                "published_at": format_time(member.published_at),
                "sequence": member.sequence,
                **{key: body[key] for key in frame.said if key in body},
                **named,
            },
        }


def _csv(members: Sequence[Published], frame: Frame) -> bytes:
    """Write RFC 4180: CRLF, quotes where needed, a point in decimals, `true` and `false`, several values as JSON."""
    flat, text = frame.flat, io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow((*FIXED, *frame.said, *flat.names))
    for member in members:
        body = orjson.loads(member.body)
        point = member.point
        rows.writerow(
            (
                body["@id"],
                member.entity,
                format_time(member.observed_at),
                format_time(member.published_at),
                member.sequence,
                point.longitude if point else None,
                point.latitude if point else None,
                *(body.get(key) for key in frame.said),
                *map(_cell, flat.row(body)),
            )
        )
    return text.getvalue().encode()


def _cell(value: Any) -> object:
    kind = type(value)
    if kind is str:
        return f"'{value}" if value[:1] in _SUSPECT and _FORMULA.match(value) else value
    if kind is bool:
        return "true" if value else "false"
    return orjson.dumps(value).decode() if kind is list else value


_FORMS: Mapping[PlainForm, Callable[[Sequence[Published], Frame], bytes]] = {
    PlainForm.NDJSON: _ndjson,
    PlainForm.GEOJSON: _geojson,
    PlainForm.CSV: _csv,
}
