"""Places: the box around a WKT literal, and whether it meets the box that somebody asks for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_CRS = re.compile(r"\s*<([^>]*)>\s*(.*)", re.DOTALL)
_LONGITUDE_FIRST = ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/OGC/1.3/CRS84")
_LATITUDE_FIRST = re.compile(r"https?://www\.opengis\.net/def/crs/EPSG/[\d.]*/4326")
_WORD = re.compile(r"\s*[A-Za-z]+[\sA-Za-z]*\(", re.ASCII)
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_PAIR = re.compile(rf"({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER})*\s*(?=[,)])", re.ASCII)
_TUPLE = re.compile(r"[^(),]+(?=[,)])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box in degrees (CRS84); one whose west is greater than its east crosses the 180th meridian."""

    west: float
    south: float
    east: float
    north: float

    def meets(self, other: Box) -> bool:
        """Say whether the two share a point; edges belong to a box."""
        if self.south > other.north or other.south > self.north:
            return False
        return any(a[0] <= b[1] and b[0] <= a[1] for a in self._spans() for b in other._spans())

    def _spans(self) -> tuple[tuple[float, float], ...]:
        if self.west <= self.east:
            return ((self.west, self.east),)
        return ((self.west, 180.0), (-180.0, self.east))


def parse_box(text: str) -> Box:
    """Read `W,S,E,N`.

    Raises:
        ValueError: it is not four numbers of a place on earth.

    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"{text} is no box: write west,south,east,north in degrees, such as 3.6,51.0,3.8,51.1"
        ) from error
    if not (all(-180 <= degree <= 180 for degree in (west, east)) and -90 <= south <= north <= 90):
        raise ValueError(f"{text} is nowhere on earth: longitudes are from -180 to 180, latitudes from -90 to 90")
    return Box(west=west, south=south, east=east, north=north)


def envelope(wkt: str) -> Box | None:
    """Return the box around a geometry; None when it is empty, malformed, or in a system of reference not known here."""
    swap = False
    if match := _CRS.fullmatch(wkt):
        if _LATITUDE_FIRST.fullmatch(match[1]):
            swap = True
        elif match[1] not in _LONGITUDE_FIRST:
            return None
        wkt = match[2]
    if not _WORD.match(wkt):
        return None
    pairs = [(float(a), float(b)) for a, b in _PAIR.findall(wkt)]
    # A tuple that is no pair of numbers makes the whole literal unreadable: its box could be anywhere.
    if not pairs or len(pairs) != len([part for part in _TUPLE.findall(wkt) if part.strip()]):
        return None
    if swap:
        pairs = [(longitude, latitude) for latitude, longitude in pairs]
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    if not all(math.isfinite(number) for number in (*xs, *ys)):
        return None
    return Box(west=min(xs), south=min(ys), east=max(xs), north=max(ys))
