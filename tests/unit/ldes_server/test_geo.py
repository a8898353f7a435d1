"""Geo-queries: circles and polygons against the geodesy and the geometry of others."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from ldes_server.ngsi_ld.geo import Place, read_place
from streams.record import Point

# The sphere that distances are measured on.
_SPHERE = Geod(a=6_371_008.8, b=6_371_008.8)
_LONGITUDES = st.floats(-180, 180)
_LATITUDES = st.floats(-90, 90)


def _near(longitude: float, latitude: float, metres: float) -> Place:
    values = {
        "georel": f"near;maxDistance=={metres:.3f}",
        "geometry": "Point",
        "coordinates": f"[{longitude!r},{latitude!r}]",
    }
    place = read_place(values, geoproperty="location")
    assert place is not None
    return place


@given(
    centre=st.tuples(_LONGITUDES, _LATITUDES),
    azimuth=st.floats(0, 360),
    distance=st.floats(1, 9_000_000),
    share=st.floats(0, 1.5),
)
def test_a_circle_holds_what_is_near_enough(
    centre: tuple[float, float], azimuth: float, distance: float, share: float
) -> None:
    """A point must be in a circle exactly when it is within the distance on the sphere, also across poles and date line."""
    longitude, latitude, _ = _SPHERE.fwd(*centre, azimuth, distance * share)
    if abs(share - 1) > 1e-6:
        assert _near(*centre, distance).holds(Point(longitude=longitude, latitude=latitude)) is (share < 1)


@given(
    corners=st.lists(st.tuples(_LONGITUDES, _LATITUDES), min_size=3, max_size=8),
    here=st.tuples(_LONGITUDES, _LATITUDES),
)
def test_a_polygon_holds_what_it_winds_around_oddly(
    corners: list[tuple[float, float]], here: tuple[float, float]
) -> None:
    """A point must be in a ring exactly when a ray to the north crosses it an odd number of times, too."""
    ring = [*corners, corners[0]]
    values = {"georel": "within", "geometry": "Polygon", "coordinates": str([[list(each) for each in ring]])}
    place = read_place(values, geoproperty="location")
    assert place is not None
    x, y = here
    crossed, close = False, False
    for (x1, y1), (x2, y2) in pairwise(ring):
        close = close or abs((x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)) < 1e-6
        if (x1 > x) != (x2 > x) and y < (y2 - y1) * (x - x1) / (x2 - x1) + y1:
            crossed = not crossed
    if not close:
        assert place.holds(Point(longitude=x, latitude=y)) is crossed
