"""The query of an address, read strictly: names that are known, each once, in one order, with values of a stated form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl, quote

from ldes_server.negotiate import FORMATS
from ldes_server.problems import Problem
from ldes_server.selection import Box, Selection
from streams.record import parse_time

# The parameters of /latest in their one order.
LATEST = ("entity", "bbox", "since", "after", "format")
_DEGREES = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,20})?")
_LONGEST = 8_000
_LONGEST_IRI = 2_000
_BOX = "west,south,east,north in degrees, longitudes from -180 to 180: bbox=3.6,51.0,3.8,51.1"
_TIME = "a time with its zone: since=2026-11-23T20:00:00Z"
_IRI = "an absolute IRI, percent-encoded"


def read(query: str, known: Sequence[str]) -> dict[str, str]:
    """Return the parameters by name.

    Raises:
        Problem: 400 where one is unknown or given twice.

    """
    if len(query) > _LONGEST:
        raise Problem(400, "the query is too long", fix=f"at most {_LONGEST} characters")
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            listed = ", ".join(known)
            raise Problem(400, f"there is no parameter {name!r}", fix=f"the parameters here are {listed}", near=known)
        if name in found:
            raise Problem(400, f"{name} is given twice", fix="give it once")
        found[name] = value
    return found


def in_order(query: str, known: Sequence[str]) -> str:
    """Return the query with its parameters in the order of `known`, their spelling untouched (HTTP-33)."""
    pieces = [piece for piece in query.split("&") if piece]
    return "&".join(sorted(pieces, key=lambda piece: known.index(parse_qsl(piece, keep_blank_values=True)[0][0])))


def asked_format(query: str) -> str | None:
    """Return the media type that the query of a page's address names; None where it names none.

    Raises:
        Problem: 400 where the format is none of ours, or something else stands beside it.

    """
    if "format" not in dict(parse_qsl(query, keep_blank_values=True)):
        return None
    return media_of(read(query, ("format",)))


def media_of(parameters: dict[str, str]) -> str | None:
    """Return the media type that the parameter `format` names; None without it.

    Raises:
        Problem: 400 where it names none of ours.

    """
    name = parameters.get("format")
    if name is None:
        return None
    if name not in FORMATS:
        fix = f"format is one of {', '.join(FORMATS)}; the RDF forms are asked for by the Accept header"
        raise Problem(400, f"there is no format {name!r}", fix=fix, near=[f"format={each}" for each in FORMATS])
    return FORMATS[name]


def selection_of(parameters: dict[str, str]) -> Selection:
    """Return what the parameters of /latest select.

    Raises:
        Problem: 400 where a value does not have its form.

    """
    return Selection(
        entity=_iri("entity", parameters.get("entity")),
        box=_box(parameters.get("bbox")),
        since=_time(parameters.get("since")),
        after=_iri("after", parameters.get("after")) or "",
    )


def latest_query(selection: Selection, name: str | None) -> str:
    """Return the canonical query of a selection, and of the format's `name`; empty where everything is asked for."""
    box, since = selection.box, selection.since
    values: dict[str, str | None] = {
        "entity": selection.entity,
        "bbox": ",".join(map(_number, (box.west, box.south, box.east, box.north))) if box else None,
        "since": since.isoformat().replace("+00:00", "Z") if since else None,
        "after": selection.after or None,
        "format": name,
    }
    return "&".join(f"{key}={quote(value, safe='/:,')}" for key, value in values.items() if value is not None)


def _iri(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    # An IRI has no spaces: what looks like one was a plus sign that nobody encoded.
    value = value.replace(" ", "+")
    if ":" not in value or len(value) > _LONGEST_IRI or not value.isprintable():
        raise Problem(400, f"{name}={value[:100]!r} is no IRI", fix=f"{name} is {_IRI}")
    return value


def _time(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_time(value.strip().replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise Problem(400, f"since={value[:100]!r} is no time", fix=f"since is {_TIME}") from error


def _box(value: str | None) -> Box | None:
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if len(parts) == 4 and all(_DEGREES.fullmatch(part) for part in parts):
        west, south, east, north = map(float, parts)
        if -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90:
            return Box(west=west, south=south, east=east, north=north)
    raise Problem(400, f"bbox={value[:100]!r} is no bounding box", fix=f"bbox is {_BOX}")


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
