"""The words of bindings for values that stand together, come in two forms or are left out, for the reference pages."""

from __future__ import annotations

from collections.abc import Mapping

_JOIN = "Several values as one text, with `with` between them; none where one of them is missing."
_COORDINATES = (
    "A geometry: WKT, GeoJSON, a list of two numbers, or a text such as `51.05,3.72`. Of what is larger than a point, the "
    "middle of its box. A system that WKT names is obeyed; `crs` names one that it does not."
)
_ORDER = (
    "What comes first in `coordinates` and in `as: wkt`: `lon_lat` or `lat_lon`. Without it longitude, unless WKT names "
    "EPSG 4326."
)
_DEFAULT = (
    "What the publisher means by leaving a value out: a value as it would send it. For times also `received`: when the "
    "payload came."
)
_AS = (
    "`epoch_seconds`, `epoch_milliseconds`, or `epoch_seconds_or_text`: numbers are seconds, other texts times. `wkt`: a "
    "geometry becomes WKT in CRS84, longitude first."
)

# What each word does, and a binding that uses it.
WORDS: Mapping[str, tuple[str, str]] = {
    "as": (_AS, "observed_at: { from: ts, as: epoch_milliseconds }"),
    "join": (_JOIN, "entity: { join: [trip.trip_id, trip.start_date, stop_id] }"),
    "with": ("What stands between the values of `join`; `-` without it.", 'entity: { join: [site, way], with: "/" }'),
    "coordinates": (_COORDINATES, "point: { coordinates: geo_point_2d, order: lat_lon }"),
    "order": (_ORDER, "point: { coordinates: wkt, order: lat_lon }"),
    "default": (_DEFAULT, "free_spaces: { from: free, default: 0 }"),
}
