"""Geo-queries of NGSI-LD (GS CIM 009, 4.10): the parameters to a box that the index knows, and the exact test; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson

from ldes_server.box import Box
from ldes_server.ngsi_ld.errors import Kind, NgsiProblem, bad
from streams.record import Point

PARAMETERS: Mapping[str, str] = {
    "georel": "near;maxDistance==<metres> or within",
    "geometry": "Point for near, Polygon for within",
    "coordinates": "as in GeoJSON: [3.72,51.05], or [[[3.6,51.0],[3.8,51.0],[3.8,51.1],[3.6,51.0]]]",
    "geoproperty": "location",
}
_NEAR = re.compile(r"near;maxDistance==([0-9]{1,9}(\.[0-9]{1,6})?)", re.ASCII)
_EARTH = 6_371_008.8  # metres, the mean radius
_MOST_CORNERS = 500

_Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where entities must be: in `box` anyhow, and either within `distance` metres of `centre`, or in the `rings`.

    The first ring is the edge of a polygon, the others its holes; pairs are longitude and latitude.
    """

    box: Box
    centre: _Pair | None = None
    distance: float = 0.0
    rings: tuple[tuple[_Pair, ...], ...] = ()

    def holds(self, point: Point | None) -> bool:
        """Whether an entity at this point is meant; one without a point never is."""
        if point is None or not self.box.holds(point):
            return False
        if self.centre is not None:
            return _metres(self.centre, (point.longitude, point.latitude)) <= self.distance
        edge, *holes = self.rings
        here = (point.longitude, point.latitude)
        return _inside(here, edge) and not any(_inside(here, hole) for hole in holes)


def read_place(values: Mapping[str, str], *, geoproperty: str) -> Place | None:
    """Read the geo-query among the parameters; None where there is none.

    Raises:
        NgsiProblem: it is incomplete, of another form, or asks what is not supported; says what is.

    """
    missing = [name for name in ("georel", "geometry", "coordinates") if name not in values]
    if len(missing) == 3:
        return None
    if missing:
        raise bad("a geo-query has georel, geometry and coordinates", f"add {', '.join(missing)}")
    if values.get("geoproperty", geoproperty) != geoproperty:
        raise bad(f"there is no geoproperty {values['geoproperty']!r}", f"leave it out, or write {geoproperty}")
    georel, geometry = values["georel"], values["geometry"]
    coordinates = _coordinates(values["coordinates"])
    if (near := _NEAR.fullmatch(georel)) and geometry == "Point":
        return _near(_pair(coordinates), float(near[1]))
    if georel == "within" and geometry == "Polygon":
        return _within(coordinates)
    supported = "; ".join(f"{name}: {PARAMETERS[name]}" for name in ("georel", "geometry"))
    raise NgsiProblem(
        Kind.OPERATION_NOT_SUPPORTED,
        f"georel={georel[:60]} with geometry={geometry[:60]} is not supported",
        fix=supported,
    )


def _coordinates(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise bad("coordinates is no JSON", f"write coordinates {PARAMETERS['coordinates']}") from error


def _pair(found: Any) -> _Pair:
    if isinstance(found, list) and len(found) in (2, 3) and all(type(each) in (int, float) for each in found):
        longitude, latitude = float(found[0]), float(found[1])
        if -180 <= longitude <= 180 and -90 <= latitude <= 90:
            return longitude, latitude
    raise bad("coordinates must be longitude and latitude in degrees", f"write them {PARAMETERS['coordinates']}")


def _near(centre: _Pair, distance: float) -> Place:
    longitude, latitude = centre
    high = math.degrees(distance / _EARTH)
    south, north = max(-90.0, latitude - high), min(90.0, latitude + high)
    # Nearer the pole than the circle reaches, it holds every longitude.
    reach = math.sin(math.radians(high)) / math.cos(math.radians(latitude)) if high < 90 and abs(latitude) < 90 else 2.0
    if south <= -90 or north >= 90 or reach >= 1:
        box = Box(west=-180, south=south, east=180, north=north)
    else:
        wide = math.degrees(math.asin(reach))
        box = Box(west=_turned(longitude - wide), south=south, east=_turned(longitude + wide), north=north)
    return Place(box=box, centre=centre, distance=distance)


def _turned(longitude: float) -> float:
    return longitude + 360 if longitude < -180 else longitude - 360 if longitude > 180 else longitude


def _within(found: Any) -> Place:
    if not isinstance(found, list) or not found or not all(isinstance(ring, list) for ring in found):
        raise bad("the coordinates of a Polygon are a list of rings", f"write them {PARAMETERS['coordinates']}")
    rings = tuple(tuple(map(_pair, ring)) for ring in found)
    if any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings) or sum(map(len, rings)) > _MOST_CORNERS:
        what = f"each ring has four positions or more, the last one the first again; {_MOST_CORNERS} in all"
        raise bad(what, "close the rings, or simplify the polygon")
    longitudes, latitudes = zip(*rings[0], strict=True)
    box = Box(west=min(longitudes), south=min(latitudes), east=max(longitudes), north=max(latitudes))
    return Place(box=box, rings=rings)


def _metres(one: _Pair, other: _Pair) -> float:
    """Return the distance on the sphere (haversine): half a percent from the ellipsoid at most."""
    west, south, east, north = map(math.radians, (*one, *other))
    half = math.sin((north - south) / 2) ** 2
    half += math.cos(south) * math.cos(north) * math.sin((east - west) / 2) ** 2
    return 2 * _EARTH * math.asin(min(1.0, math.sqrt(half)))


def _inside(here: _Pair, ring: Sequence[_Pair]) -> bool:
    """Whether a point is inside a ring: a ray to the east crosses its sides an odd number of times."""
    x, y = here
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside
