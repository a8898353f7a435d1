"""Geometry: what publishers write for places (WKT, GeoJSON, pairs of numbers) to points and WKT in CRS84."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest import conversions
from ingest.conversions import Spot, shown
from streams.record import Point, Reason

# Characters of one geometry; the longest work in the road that was seen has 6,000.
_LONGEST = 100_000
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"
_PAIR = re.compile(rf"\s*\(?\s*({_NUMBER})\s*[,;\s]\s*({_NUMBER})\s*\)?\s*")
# Coordinates beyond the second are a height, or a measure.
_TUPLE = re.compile(rf"({_NUMBER})\s+({_NUMBER})(?:\s+(?:{_NUMBER}|[nN]a[nN]))*")
_WKT = re.compile(
    r"\s*(?:<[^<>]*?(?P<iri>[A-Za-z0-9]+)>|SRID=(?P<srid>\d+);)?\s*"
    r"(?P<kind>(?:MULTI)?(?:POINT|LINESTRING|POLYGON))\s*(?:Z|M|ZM)?\s*(?P<rest>EMPTY|\([-+\d.,()\seEnNa]*\))\s*",
    re.IGNORECASE,
)
# WKT writes these latitude first where their IRI says so (GeoSPARQL 1.1 section 8.5).
_LATITUDE_FIRST = ("4326", "4258")
# Metres from the origin of the Belgian systems; the country lies within 800,000.
_FARTHEST = 2_000_000
_PROJECTED = ("31370", "3812")
_DEEPEST = 3
# How deep the coordinates of a kind are nested in GeoJSON, and in WKT.
_DEPTHS = {"Point": 0, "LineString": 1, "MultiPoint": 1, "Polygon": 2, "MultiLineString": 2, "MultiPolygon": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """How coordinates are to be read: in which system (EPSG), and whether latitude, or y, comes first.

    None leaves it to the document: a system that WKT names, else WGS 84, longitude first.
    """

    crs: int | None = None
    swapped: bool | None = None


Turn = Callable[[str, str], tuple[float, float]]


def point_of(value: Any, spot: Spot, reference: Reference) -> Point | None:
    """Make a point of a geometry: of a point itself, of anything larger the middle of its box.

    Takes WKT, with or without its reference system, an object of GeoJSON, a list of two numbers, or of such lists, and
    a text such as `51.05, 3.72`. None where it is empty.
    """
    if type(value) is str and (pair := _PAIR.fullmatch(value)):
        places = [_turn(spot, reference, "")(pair[1], pair[2])]
    elif type(value) is str:
        _, rest, turn = _wkt(value, spot, reference)
        places = [turn(found[1], found[2]) for found in _TUPLE.finditer(rest)]
    else:
        turn = _turn(spot, reference, "")
        given = value.get("coordinates") if type(value) is dict else value
        places = [turn(x, y) for x, y in _pairs(given, spot)]
    if not places:
        return None
    west, east = min(it[0] for it in places), max(it[0] for it in places)
    south, north = min(it[1] for it in places), max(it[1] for it in places)
    try:
        if len(places) == 1:
            return Point(longitude=west, latitude=south)
        return Point(longitude=round((west + east) / 2, 7), latitude=round((south + north) / 2, 7))
    except ValueError as error:
        spot.refuse(Reason.RANGE, str(error))


def wkt_of(value: Any, spot: Spot, reference: Reference) -> str:
    """Write a geometry as WKT in CRS84, longitude first, to seven decimals; heights are left out.

    Takes WKT, with or without its reference system, and an object of GeoJSON.
    """
    if type(value) is dict and value.get("type") in _DEPTHS:
        kind, rest = value["type"].upper(), _written(value.get("coordinates"), _DEPTHS[value["type"]], spot)
        turn = _turn(spot, reference, "")
    else:
        kind, rest, turn = _wkt(value, spot, reference)

    def place(found: re.Match[str]) -> str:
        longitude, latitude = turn(found[1], found[2])
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            spot.refuse(Reason.RANGE, f"no place on earth: longitude {longitude}, latitude {latitude}")
        return f"{_short(longitude)} {_short(latitude)}"

    return f"{kind} {_TUPLE.sub(place, rest)}"


def _wkt(value: Any, spot: Spot, reference: Reference) -> tuple[str, str, Turn]:
    if type(value) is not str or len(value) > _LONGEST:
        spot.refuse(Reason.TYPE, f"{shown(value)} is no geometry")
    found = _WKT.fullmatch(value)
    if found is None or not _is_balanced(found["rest"]) or re.search(r"\d", _TUPLE.sub("", found["rest"])):
        spot.refuse(Reason.TYPE, f"{shown(value)} is no geometry that can be read: WKT of points, lines or polygons")
    rest = "" if found["rest"].upper() == "EMPTY" else found["rest"]
    rest = re.sub(r"\s*([(),])\s*", r"\1", rest).replace(",", ", ")
    return found["kind"].upper(), rest or "EMPTY", _turn(spot, reference, found["iri"] or found["srid"] or "")


def _turn(spot: Spot, reference: Reference, named: str) -> Turn:
    """Return the function from two coordinates as they stand to longitude and latitude; `named` is what WKT names."""
    crs = reference.crs or (int(named) if named in _PROJECTED else None)
    swapped = named in _LATITUDE_FIRST if reference.swapped is None else reference.swapped

    def turn(first: str, second: str) -> tuple[float, float]:
        x, y = float(first), float(second)
        if swapped:
            x, y = y, x
        if crs is None:
            return x, y
        longitude, latitude = conversions.transformer(crs).transform(x, y)
        # Far away the projection wraps around and gives places near a pole.
        if max(abs(x), abs(y)) > _FARTHEST or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            spot.refuse(Reason.RANGE, f"x {x:g}, y {y:g} is no place in that projection")
        return round(longitude, 7), round(latitude, 7)

    return turn


def _pairs(value: Any, spot: Spot, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a list of numbers, or of such lists, as deep as geometries go."""
    if type(value) is not list or depth > _DEEPEST:
        spot.refuse(Reason.TYPE, f"{shown(value)} is no pair of coordinates")
    if value and not isinstance(value[0], list):
        if len(value) < 2 or not all(re.fullmatch(_NUMBER, str(it).strip()) for it in value[:2]):
            spot.refuse(Reason.TYPE, f"{shown(value)} is no pair of coordinates")
        yield str(value[0]), str(value[1])
        return
    for inner in value:
        yield from _pairs(inner, spot, depth + 1)


def _written(value: Any, depth: int, spot: Spot) -> str:
    """Write coordinates of GeoJSON as WKT does."""
    if type(value) is not list:
        spot.refuse(Reason.TYPE, f"{shown(value)} is no list of coordinates")
    if depth == 0:
        ((x, y),) = _pairs(value, spot) if value and not isinstance(value[0], list) else [("", "")]
        if not x:
            spot.refuse(Reason.TYPE, f"{shown(value)} is no pair of coordinates")
        return f"({x} {y})"
    inner = [_written(it, depth - 1, spot) for it in value]
    return f"({', '.join(it[1:-1] if depth == 1 else it for it in inner)})" if inner else "EMPTY"


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def _short(value: float) -> str:
    return f"{value:.7f}".rstrip("0").rstrip(".")
