"""Searches: whatever satisfies a form is in a bucket that its answer leads to, for random places, tiles and times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ldes_server.definition import ByPrefix, ByProperty, ByTile, ByTime, Nested, definition_text
from ldes_server.fragmentations import compile_view
from ldes_server.fragmentations.by_tile import LATITUDE_LIMIT, tile_at
from ldes_server.model import Published, Trail, Wanted
from ldes_server.negotiate import Form
from ldes_server.problems import Problem
from ldes_server.searches import Search, search_of
from vocab.model import load_model

PARKING = load_model("parking")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_ZOOMS = st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True).map(sorted).map(tuple)
_LONGITUDE, _LATITUDE = st.floats(-180, 180), st.floats(-90, 90)
# Some cross a tile's edge, some do not; few are as wide as the world.
_EXTENT = st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 40))


def search(view: Any) -> Search:
    """Return the search of a view."""
    found = search_of(definition_text(view), PARKING)
    assert found is not None
    return found


def trails(view: Any, body: Mapping[str, Any], published_at: datetime = NOON) -> tuple[Trail, ...]:
    """Return where the view puts a member."""
    member = Published(
        sequence=0, published_at=published_at, id="m", entity="e", observed_at=NOON, point=None, body=b"{}"
    )
    return compile_view(definition_text(view), PARKING).trails(member, body)


def leads_to(wanted: Wanted, trail: Trail) -> bool:
    """Whether the bucket of a trail is reached."""
    key = ".".join(step.key for step in trail)
    return key in wanted.own or any(key == each or key.startswith(f"{each}.") for each in wanted.whole)


@given(_ZOOMS, _LONGITUDE, _LATITUDE, _EXTENT, st.integers(0, 24))
@example((8, 11, 14), 3.7250123, 51.0537, 0.0, 10)
@example((8, 11, 14), 3.7250123, 51.0537, 0.0, 16)
@example((8, 11, 14), 3.7250123, 51.0537, 0.1, 3)
@example((14,), 180.0, -85.0, 0.0, 14)
def test_every_geometry_that_meets_a_tile_is_reached(
    zooms: tuple[int, ...], longitude: float, latitude: float, extent: float, zoom: int
) -> None:
    """TREE-43, TREE-45: points, lines over an edge, and those in no tile, from a tile of any zoom that they meet."""
    view = ByTile(name="point", zooms=zooms)
    east, south = min(longitude + extent, 180.0), max(latitude - extent, -90.0)
    wkt = f"LINESTRING ({longitude:.9f} {latitude:.9f}, {east:.9f} {south:.9f})" if extent else None
    body = {"geometry": {"wkt": wkt or f"POINT ({longitude:.9f} {latitude:.9f})"}}
    (trail,) = trails(view, body)
    for lon, lat in ((longitude, latitude), (east, south)):
        at = max(-LATITUDE_LIMIT, min(LATITUDE_LIMIT, float(f"{lat:.9f}")))
        x, y = tile_at(float(f"{lon:.9f}"), at, zoom)
        for asked in (view, Nested(outer=view, inner=ByProperty(name="operator"))):
            wanted = search(asked).wanted({"z": str(zoom), "x": str(x), "y": str(y)})
            (way,) = trails(asked, body)
            assert leads_to(wanted, way) or wanted == Wanted(), (wanted, trail)


@given(_ZOOMS, st.integers(0, 24), st.data())
def test_an_answer_is_no_longer_than_a_page(zooms: tuple[int, ...], zoom: int, data: st.DataObject) -> None:
    """A tile leads to 64 tiles at most, those above them and `none`; each key is that of a tile around or inside it."""
    x, y = (data.draw(st.integers(0, (1 << zoom) - 1)) for _ in range(2))
    wanted = search(ByTile(name="point", zooms=zooms)).wanted({"z": str(zoom), "x": str(x), "y": str(y)})
    assert len(wanted.whole) <= 65
    assert len({*wanted.whole, *wanted.own}) == len(wanted.whole) + len(wanted.own)
    for key in (*wanted.own, *wanted.whole):
        for depth, part in enumerate(key.split(".") if key != "none" else ()):
            deep, column, row = map(int, part.split("-"))
            assert deep == zooms[depth]
            up = abs(deep - zoom)
            around = (column, row) == (x >> up, y >> up) if deep <= zoom else (column >> up, row >> up) == (x, y)
            assert around


def test_a_member_without_a_place_is_always_reached() -> None:
    """TREE-45: what has no geometry may be anywhere, and so has what is in another reference system only."""
    view = ByTile(name="point", zooms=(8, 14))
    wanted = search(view).wanted({"z": "14", "x": "8361", "y": "5481"})
    assert wanted == Wanted(own=("8-130-85",), whole=("8-130-85.14-8361-5481", "none"))
    for geometry in (None, {"wkt": "<http://www.opengis.net/def/crs/EPSG/0/31370> POINT (104000 193000)"}):
        assert all(leads_to(wanted, trail) for trail in trails(view, {"geometry": geometry} if geometry else {}))


_LEVELS = st.sampled_from([("year",), ("day", "hour"), ("year", "month", "day"), ("minute",), ("month", "hour")])
_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001 - the zone is drawn, too


@given(_LEVELS, _TIMES, st.integers(-14 * 60, 14 * 60), st.integers(-5, 5))
@example(("day", "hour"), datetime(2026, 11, 23, 23, 30), -90, 5)  # noqa: DTZ001
def test_every_member_of_a_time_is_reached(levels: tuple[str, ...], naive: datetime, offset: int, days: int) -> None:
    """TREE-44, TREE-45: in time or late, in any zone or with none, at any level, nested or not."""
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset)))
    view = ByTime(name="observed_at", levels=levels, lateness=timedelta(hours=1))
    text = moment.isoformat()
    try:
        published_at = moment.astimezone(UTC) + timedelta(days=days)
    except OverflowError:
        published_at = NOON
    for asked in (view, Nested(outer=view, inner=ByPrefix(name="operator", length=2))):
        wanted = search(asked).wanted({"at": text})
        assert "none" in wanted.whole
        for said in (text, naive.isoformat()):
            # Without a zone it is 28 hours wide (TREE-32): such members are in no window.
            assert all(leads_to(wanted, trail) for trail in trails(asked, {"observedAt": said}, published_at))


def test_views_by_value_have_no_search() -> None:
    """A view by property or prefix has no form of TREE; one that is nested has the form of its outer part."""
    operator, name = ByProperty(name="operator"), ByPrefix(name="operator", length=2)
    time = ByTime(name="observed_at", levels=("day",))
    for view in (operator, name, Nested(outer=operator, inner=time)):
        assert search_of(definition_text(view), PARKING) is None
    assert search_of(definition_text(Nested(outer=time, inner=operator)), PARKING) is not None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"z": "25", "x": "0", "y": "0"}, "z"),
        ({"z": "-1", "x": "0", "y": "0"}, "z"),
        ({"z": "1.0", "x": "0", "y": "0"}, "z"),
        ({"z": "08", "x": "0", "y": "0"}, "z"),
        ({"z": "", "x": "0", "y": "0"}, "z"),
        ({"z": "8", "x": "256", "y": "0"}, "x"),
        ({"z": "8", "x": "east", "y": "0"}, "x"),
        ({"z": "8", "x": "0", "y": "256"}, "y"),
        ({"z": "8", "x": "0", "y": "9" * 400}, "y"),
        ({"z": "8", "x": "0", "y": "\u0663"}, "y"),
    ],
)
def test_what_is_no_tile_is_refused(values: Mapping[str, str], name: str) -> None:
    """400 that names the parameter and its form."""
    with pytest.raises(Problem) as refused:
        search(ByTile(name="point", zooms=(8,))).wanted(values)
    assert refused.value.status == 400
    assert refused.value.what.startswith(f"{name}=")
    assert f"write {name} as" in refused.value.fix


def test_every_form_of_a_form_says_the_same() -> None:
    """TREE-41, TREE-42: each variable of the template is mapped once, in JSON-LD as in Turtle and N-Triples."""
    for view, names in (
        (ByTile(name="point", zooms=(8,)), "zxy"),
        (ByTime(name="observed_at", levels=("day",)), ["at"]),
    ):
        rendered = search(view).render("https://data.example.org/s/v")
        assert rendered[Form.TURTLE] == rendered[Form.NTRIPLES]
        for name in names:
            assert f"{{{name}}}" in rendered[Form.JSONLD].decode()
            assert rendered[Form.NTRIPLES].count(f'variable> "{name}"'.encode()) == 1
