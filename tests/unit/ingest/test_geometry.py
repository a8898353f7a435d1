"""Geometry: what publishers write for places is read whatever its form, order and system, or refused with a reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from ingest.conversions import Refused, Spot
from ingest.geometry import Reference, point_of, wkt_of
from streams.record import Point, Reason
from tests.unit.ingest.documents import sample

SPOT = Spot(name="point", path="place")
PLAIN = Reference()
LATITUDE_FIRST = Reference(swapped=True)
# Two decimals: what is written is what is read, without a discussion of digits.
LONGITUDE = st.integers(-17_999, 17_999).map(lambda it: it / 100)
LATITUDE = st.integers(-8999, 8999).map(lambda it: it / 100)
PLACE = st.tuples(LONGITUDE, LATITUDE)
LINE = st.lists(PLACE, min_size=2, max_size=5)
SHAPES = (
    st.tuples(st.just("Point"), PLACE)
    | st.tuples(st.just("LineString"), LINE)
    | st.tuples(st.just("MultiPoint"), LINE)
    | st.tuples(st.just("Polygon"), st.lists(LINE, min_size=1, max_size=2))
    | st.tuples(st.just("MultiPolygon"), st.lists(st.lists(LINE, min_size=1, max_size=2), min_size=1, max_size=2))
)


def places(coordinates: Any) -> list[tuple[float, float]]:
    """List the places of coordinates of GeoJSON."""
    if isinstance(coordinates[0], float | int):
        return [(coordinates[0], coordinates[1])]
    return [place for inner in coordinates for place in places(inner)]


def written(coordinates: Any) -> str:
    """Write coordinates as WKT, by the shortest way there is."""
    text = json.dumps(coordinates)
    return re.sub(r"\[([^\[\]]*?), ([^\[\]]*?)\]", r"\1 \2", text).replace("[", "(").replace("]", ")")


def wkt(kind: str, coordinates: Any) -> str:
    """Write a geometry as WKT."""
    inner = written(coordinates)
    return f"{kind.upper()} {inner if inner.startswith('(') else f'({inner})'}"


@given(shape=SHAPES)
def test_geojson_and_wkt_are_the_same_geometry(shape: tuple[str, Any]) -> None:
    """A geometry is the same WKT whichever way it came, and its point is the middle of its box."""
    kind, coordinates = shape
    geojson = json.loads(json.dumps({"type": kind, "coordinates": coordinates}))
    text = wkt(kind, geojson["coordinates"])
    assert wkt_of(geojson, SPOT, PLAIN) == wkt_of(text, SPOT, PLAIN)
    found = re.findall(r"(-?[\d.]+) (-?[\d.]+)", wkt_of(text, SPOT, PLAIN))
    assert [(float(x), float(y)) for x, y in found] == places(coordinates)
    xs, ys = zip(*places(coordinates), strict=True)
    middle = Point(longitude=round((min(xs) + max(xs)) / 2, 7), latitude=round((min(ys) + max(ys)) / 2, 7))
    assert point_of(geojson, SPOT, PLAIN) == point_of(text, SPOT, PLAIN) == middle


@given(place=PLACE)
def test_order_says_what_comes_first(place: tuple[float, float]) -> None:
    """Pairs, lists and WKT are the same place in either order."""
    longitude, latitude = place
    expected = Point(longitude=longitude, latitude=latitude)
    values: tuple[Any, ...] = (f"{latitude}, {longitude}", [latitude, longitude], f"POINT ({latitude} {longitude})")
    for value in values:
        assert point_of(value, SPOT, LATITUDE_FIRST) == expected
    values = (f"{longitude} {latitude}", [str(longitude), str(latitude), "NaN"], f"POINT({longitude} {latitude})")
    for value in values:
        assert point_of(value, SPOT, PLAIN) == expected


@given(longitude=st.floats(2.6, 6.3), latitude=st.floats(49.6, 51.4), crs=st.sampled_from([31370, 3812]))
def test_lambert_is_turned_to_degrees(longitude: float, latitude: float, crs: int) -> None:
    """What another library projects to metres comes back as the same degrees, to a centimetre."""
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    iri = f"<http://www.opengis.net/def/crs/EPSG/9.9.1/{crs}>"
    for value, reference in ((f"{iri} POINT ({x} {y})", PLAIN), (f"POINT ({x} {y})", Reference(crs=crs))):
        found = point_of(value, SPOT, reference)
        assert found is not None
        assert (found.longitude, found.latitude) == pytest.approx((longitude, latitude), abs=2e-7)
        assert wkt_of(value, SPOT, reference).startswith("POINT (")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<http://www.opengis.net/def/crs/OGC/1.3/CRS84> POINT (3.72 51.05)", "POINT (3.72 51.05)"),
        ("<http://www.opengis.net/def/crs/EPSG/0/4326> POINT (51.05 3.72)", "POINT (3.72 51.05)"),
        ("SRID=4326;POINT(51.05 3.72)", "POINT (3.72 51.05)"),
        ("POINT Z (3.72 51.05 12.5)", "POINT (3.72 51.05)"),
        ("linestring(3.72 51.05,3.8 51.1)", "LINESTRING (3.72 51.05, 3.8 51.1)"),
        ("POLYGON EMPTY", "POLYGON EMPTY"),
    ],
)
def test_reference_systems_that_wkt_names_are_obeyed(value: str, expected: str) -> None:
    """EPSG 4326 is latitude first, CRS84 longitude first; heights are left out."""
    assert wkt_of(value, SPOT, PLAIN) == expected


def test_an_empty_geometry_is_no_place() -> None:
    """It is neither a point nor a fault."""
    assert point_of("POINT EMPTY", SPOT, PLAIN) is None
    assert point_of([], SPOT, PLAIN) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Veldstraat 1", Reason.TYPE),
        ("POINT (3.72)", Reason.TYPE),
        ("POINT ((3.72 51.05)", Reason.TYPE),
        ("CIRCLE (3.72 51.05)", Reason.TYPE),
        ("POINT (3.72 51.05); DROP", Reason.TYPE),
        ([3.72], Reason.TYPE),
        ([3.72, "x"], Reason.TYPE),
        ([True, False], Reason.TYPE),
        (json.loads("[" * 900 + "3.72, 51.05" + "]" * 900), Reason.TYPE),
        ({"type": "Circle"}, Reason.TYPE),
        ({"type": "Point", "coordinates": "3.72"}, Reason.TYPE),
        (7, Reason.TYPE),
        ("POINT (3.72 1051)", Reason.RANGE),
        ("1e9, 3", Reason.RANGE),
        ("<http://www.opengis.net/def/crs/EPSG/0/31370> POINT (1e300 1e300)", Reason.RANGE),
        ("POLYGON ((" + "1 2, " * 50_000 + "1 2))", Reason.TYPE),
    ],
)
def test_what_is_no_place_is_refused(value: Any, reason: Reason) -> None:
    """Each with the reason that fits, by both conversions."""
    conversions: tuple[Any, ...] = (point_of, wkt_of)
    for convert in conversions:
        with pytest.raises(Refused) as caught:
            convert(value, SPOT, PLAIN)
        if convert is point_of:
            assert caught.value.reason is reason


def test_zones_of_road_works_lie_in_flanders() -> None:
    """The polygons of recorded works, in Lambert 72 with its odd IRI, become degrees that are in Flanders."""
    text = sample("gipod/mobility-hindrance.nq").decode() + sample("gipod/1-relation-3-members.jsonld").decode()
    found = re.findall(r"<http://www.opengis.net/def/crs/EPSG/9.9.1/31370> \w+ [-\d.,() ]+", text)
    assert len(found) >= 2
    for value in found:
        point = point_of(value, SPOT, PLAIN)
        assert point is not None
        assert 2.5 < point.longitude < 6
        assert 50.6 < point.latitude < 51.6
        assert len(wkt_of(value, SPOT, PLAIN).split(",")) == len(value.split(","))
