"""The query of the newest states, and the format that an address may name: text to values and back; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ldes_server.box import Box
from ldes_server.negotiate import FORMATS
from ldes_server.problems import Problem
from ldes_server.query import PLACE_FORM, TIME_FORM, WITHIN_FORM, read_moment
from ldes_server.searches import TileSearch, TimeSearch
from ldes_server.selection import Selection

_LISTED = ", ".join(FORMATS)
FORMAT_FORM = f"one of {_LISTED}; the RDF forms are asked for by the Accept header"
_IRI_FORM = "an absolute IRI, percent-encoded"
_BOX_FORM = "west,south,east,north in degrees, as in 3.6,51.0,3.8,51.1"
# The parameters of /latest in their one order, each with the form of its values.
PARAMETERS: Mapping[str, str] = {
    "entity": _IRI_FORM,
    "bbox": _BOX_FORM,
    "since": TIME_FORM,
    "after": _IRI_FORM,
    "format": FORMAT_FORM,
}
_DEGREES = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,12})?", re.ASCII)
_LONGEST_IRI = 2_000


# What may be asked of which address.
ASKED: Mapping[str, Mapping[str, str]] = {
    "/{stream}": {"since": PLACE_FORM, "at": TIME_FORM, "format": FORMAT_FORM},
    "/{stream}/live": {"since": PLACE_FORM},
    "/{stream}/log": {"format": FORMAT_FORM},
    "/{stream}/log/{level}/{index}": {"format": FORMAT_FORM},
    "/{stream}/latest": PARAMETERS,
    "/{stream}/{view}": {**TimeSearch.forms, **TileSearch.forms, "format": FORMAT_FORM},
    "/{stream}/{view}/{build}/{bucket}": {"format": FORMAT_FORM},
    "/{stream}/{view}/{build}/{bucket}/group/{level}/{index}": {"format": FORMAT_FORM},
    "/{stream}/{view}/{build}/{bucket}/{level}/{index}": {"within": WITHIN_FORM, "format": FORMAT_FORM},
}


def openapi_of(address: str) -> Mapping[str, Any]:
    """Return what OpenAPI says of the query of an address: its parameters with their forms."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": form}
            for name, form in ASKED.get(address, {}).items()
        ]
    }


def media_of(values: Mapping[str, str]) -> str | None:
    """Return the media type that the parameter `format` names; None without it.

    Raises:
        Problem: 400 where it names none of ours.

    """
    name = values.get("format")
    if name is not None and name not in FORMATS:
        raise _malformed("format", name)
    return FORMATS[name] if name else None


def selection_of(values: Mapping[str, str]) -> Selection:
    """Return what the parameters of /latest select.

    Raises:
        Problem: 400 where a value does not have its form; names the parameter.

    """
    return Selection(
        entity=_iri("entity", values["entity"]) if "entity" in values else None,
        box=_box(values["bbox"]) if "bbox" in values else None,
        since=read_moment("since", values["since"]) if "since" in values else None,
        after=_iri("after", values["after"]) if "after" in values else "",
    )


def query_of(selection: Selection, name: str | None) -> str:
    """Return the canonical query of a selection and of the format `name`; empty where everything is asked for."""
    box, since = selection.box, selection.since
    values: dict[str, str | None] = {
        "entity": selection.entity,
        "bbox": ",".join(map(_number, (box.west, box.south, box.east, box.north))) if box else None,
        "since": since.isoformat().replace("+00:00", "Z") if since else None,
        "after": selection.after or None,
        "format": name,
    }
    return "&".join(f"{key}={quote(value, safe='/:,')}" for key, value in values.items() if value is not None)


def _iri(name: str, text: str) -> str:
    # An IRI has no spaces: what looks like one was a plus sign that nobody escaped.
    iri = text.replace(" ", "+")
    if ":" not in iri or len(iri) > _LONGEST_IRI or not iri.isprintable():
        raise _malformed(name, text)
    return iri


def _box(text: str) -> Box:
    # A plus sign that nobody escaped arrives as a space.
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 4 and all(_DEGREES.fullmatch(part) for part in parts):
        west, south, east, north = map(float, parts)
        if -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90:
            return Box(west=west, south=south, east=east, north=north)
    raise _malformed("bbox", text)


def _number(value: float) -> str:
    # Exact for what was read: three digits before the point and twelve behind it are fifteen.
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _malformed(name: str, text: str) -> Problem:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    near = [f"format={each}" for each in FORMATS] if name == "format" else ()
    return Problem(400, f"{name}={shown} is not of its form", fix=f"write {name} as {PARAMETERS[name]}", near=near)
