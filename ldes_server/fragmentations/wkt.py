"""The bounding box of a WKT literal in CRS84, the reference system of our members."""

from __future__ import annotations

import re

from ldes_server.box import Box

_REFERENCE = re.compile(r"\s*<([^>]*)>\s*")
_CRS84 = frozenset({"http://www.opengis.net/def/crs/OGC/1.3/CRS84", "https://www.opengis.net/def/crs/OGC/1.3/CRS84"})
# Straight-edged types only: an arc leaves the box of its corners.
_TYPES = re.compile(
    r"\s*(?:MULTI)?(?:POINT|LINESTRING|POLYGON|GEOMETRYCOLLECTION|TRIANGLE|TIN|POLYHEDRALSURFACE)\b[\sZM]*",
    re.IGNORECASE,
)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_POSITION = re.compile(rf"\s*({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER}){{0,2}}\s*", re.ASCII)


class OtherReferenceError(Exception):
    """The geometry is in another reference system than CRS84."""


def box_of(text: str) -> Box | None:
    """Return the box around a geometry; None for an empty one, one off the globe, and what is no such WKT.

    Raises:
        OtherReferenceError: it is in another reference system.

    """
    if reference := _REFERENCE.match(text):
        if reference[1] not in _CRS84:
            raise OtherReferenceError(reference[1])
        text = text[reference.end() :]
    if not _TYPES.match(text):
        return None
    longitudes: list[float] = []
    latitudes: list[float] = []
    for piece in re.split(r"[(),]", text):
        if position := _POSITION.fullmatch(piece):
            longitudes.append(float(position[1]))
            latitudes.append(float(position[2]))
        elif piece.strip() and not _TYPES.fullmatch(piece):
            return None
    if not longitudes:
        return None
    box = Box(west=min(longitudes), south=min(latitudes), east=max(longitudes), north=max(latitudes))
    on_earth = box.west >= -180 and box.east <= 180 and box.south >= -90 and box.north <= 90
    return box if on_earth else None
