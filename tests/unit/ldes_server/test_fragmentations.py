"""Fragmentations: every bound is true of its members, every value is behind bounds it satisfies, keys never meet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import normalize

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdflib import Graph, Literal, URIRef
from rdflib.term import Node

from ldes_server.box import Box
from ldes_server.definition import (
    ByPrefix,
    ByProperty,
    ByTile,
    ByTime,
    Nested,
    ViewDefinition,
    definition_text,
    read_definition,
)
from ldes_server.fragmentations import compile_view
from ldes_server.fragmentations.by_tile import LATITUDE_LIMIT, polygon, tile_at, tile_box
from ldes_server.fragmentations.wkt import OtherReferenceError, box_of
from ldes_server.model import Bound, Published, RelationType, Trail
from streams.errors import ConfigError
from vocab.model import load_model

PARKING = load_model("parking")
EXAMPLE: dict[str, Any] = {key: value for key, value in orjson.loads(PARKING.example).items() if key != "@context"}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = re.compile(r"[A-Za-z0-9_-]+")
CRS84 = "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
LAMBERT = "<http://www.opengis.net/def/crs/EPSG/0/31370>"
unhurried = settings(deadline=None, max_examples=40)

HOURS = ByTime(name="observed_at", levels=("year", "month", "day", "hour"))
DAYS = ByTime(name="observed_at", levels=("month", "day"), lateness=timedelta(hours=1))
TILES = ByTile(name="point", zooms=(2, 8, 14))
VIEWS: tuple[ViewDefinition, ...] = (
    HOURS,
    DAYS,
    TILES,
    ByProperty(name="operator"),
    ByProperty(name="entity"),
    ByProperty(name="facility_type"),
    ByProperty(name="free_spaces"),
    ByPrefix(name="name", length=3),
    Nested(outer=ByProperty(name="entity"), inner=DAYS),
    Nested(outer=DAYS, inner=ByProperty(name="operator")),
    Nested(outer=TILES, inner=ByPrefix(name="name", length=2)),
    Nested(outer=ByPrefix(name="name", length=2), inner=ByProperty(name="operator")),
)


def member(*, published_at: datetime = NOON) -> Published:
    """Make a member; fragmentations read its body, and when it was published."""
    return Published(
        sequence=0, published_at=published_at, id="m", entity="e", observed_at=NOON, point=None, body=b"{}"
    )


def trails(view: ViewDefinition, body: Mapping[str, Any], *, published_at: datetime = NOON) -> tuple[Trail, ...]:
    """Place a body of the parking model."""
    return compile_view(definition_text(view), PARKING).trails(member(published_at=published_at), body)


def keys(found: tuple[Trail, ...]) -> list[str]:
    """Name the buckets."""
    return [".".join(step.key for step in trail) for trail in found]


# --- what a client sees ---------------------------------------------------------------------------------------------


def graph_of(body: Mapping[str, Any]) -> tuple[Graph, URIRef]:
    """Read a member as a client does."""
    text = PARKING.writer.ntriples(orjson.dumps(body), scope="m").decode()
    return Graph().parse(data=text, format="nt"), URIRef(str(body["@id"]))


def values(graph: Graph, subject: Node, path: tuple[str, ...]) -> list[Node]:
    """Follow a sequence path."""
    nodes: list[Node] = [subject]
    for predicate in path:
        nodes = [value for node in nodes for value in graph.objects(node, URIRef(predicate))]
    return nodes


def moment(text: str) -> datetime | None:
    """Read an xsd:dateTime with a zone."""
    if not re.fullmatch("[0-9]{4}-[0-9-]{5}T[0-9:]{8}([.][0-9]+)?(Z|[+-][0-9:]{5})", text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def holds(bound: Bound, value: Node) -> bool:
    """Decide a relation as the specification does, sharing no code with the server (TREE-28..38)."""
    text = str(value)
    if bound.type is RelationType.EQUAL:
        if isinstance(value, URIRef):
            return not bound.datatype and text == bound.value
        own = str(value.datatype or "http://www.w3.org/2001/XMLSchema#string") if isinstance(value, Literal) else ""
        return own == bound.datatype and normalize("NFC", text) == normalize("NFC", bound.value)
    if bound.type is RelationType.PREFIX:
        return isinstance(value, Literal) and normalize("NFC", text).startswith(normalize("NFC", bound.value))
    if bound.type is RelationType.CONTAINS:
        return inside(bound.value, text)
    at, limit = moment(text), moment(bound.value)
    assert limit is not None
    return at is not None and (at >= limit if bound.type is RelationType.GREATER_OR_EQUAL else at < limit)


def numbers(wkt: str) -> list[tuple[float, float]]:
    """Read the positions of a WKT."""
    pairs = re.findall(r"([-+\d.eE]+) ([-+\d.eE]+)", wkt.rpartition("> ")[2])
    return [(float(x), float(y)) for x, y in pairs]


def inside(rectangle: str, wkt: str) -> bool:
    """Say whether all of a straight-edged geometry in CRS84 is truly inside an upright rectangle (sfContains)."""
    if LAMBERT in wkt:
        return False
    corners = numbers(rectangle)
    assert len(corners) == 5
    assert corners[0] == corners[4]
    (west, south), (east, north) = corners[0], corners[2]
    return all(west < x < east and south < y < north for x, y in numbers(wkt))


# --- members as bad as they come ------------------------------------------------------------------------------------

ZONES = st.sampled_from(["Z", "+00:00", "+01:00", "-05:30", "+14:00", "-14:00"])
STAMPS = st.one_of(
    st.builds(
        lambda at, zone: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}{zone}",
        st.datetimes(datetime(1990, 1, 1), datetime(2031, 1, 1)),  # noqa: DTZ001 - the zone is drawn apart
        ZONES,
    ),
    st.sampled_from(
        [
            "2026-11-23T12:00:00Z",
            "2026-11-23T11:59:59.9999Z",
            "2026-12-31T23:59:59+00:00",
            "2026-11-23T00:00:00-00:30",
            "2026-11-23T12:00:00",
            "2026-02-30T12:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:00:00Z",
            "2026-11-23 12:00:00Z",
            "20261123T120000Z",
            "2026-11-23T12:00Z",
            "2026-11-23T12:00:0\u0660Z",
            "0999-12-31T23:59:59Z",
            "yesterday",
            "",
        ]
    ),
)
WORDS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["none", "late", "A", "a", "\u00e9", "e\u0301", "\u00c5", "\u212b", "in-x", "8-130-85", "_e9_", "true"]
    ),
)
EDGES = [tile_box(zoom, *tile_at(3.7, 51.05, zoom)) for zoom in (2, 8, 14)]
LONGITUDES = st.one_of(
    st.sampled_from([edge for box in EDGES for edge in (box.west, box.east)] + [-180.0, 180.0, 0.0]),
    st.floats(3.5, 3.9),
    st.floats(-180, 180),
)
LATITUDES = st.one_of(
    st.sampled_from([edge for box in EDGES for edge in (box.south, box.north)] + [-90.0, 90.0, LATITUDE_LIMIT]),
    st.floats(50.9, 51.2),
    st.floats(-90, 90),
)
PLACES = st.builds(lambda x, y: f"{x!r} {y!r}", LONGITUDES, LATITUDES)
SHAPES = st.one_of(
    st.builds("POINT ({})".format, PLACES),
    st.builds("POINT ({})".format, PLACES).map(lambda text: f"{CRS84} {text}"),
    st.builds("LINESTRING ({}, {})".format, PLACES, PLACES),
    st.sampled_from([f"{LAMBERT} POINT (105120.5 197880.25)", "POINT EMPTY", "POINT (200 10)", "somewhere"]),
)
IRIS = st.sampled_from(
    [
        "https://data.example.org/id/parking/savaanstraat",
        "https://elsewhere.example/id/parking/savaanstraat",
        "https://data.example.org/id/parking/SAVAANSTRAAT",
        "urn:uuid:1",
        "https://data.example.org/a{b}",
        "relative",
    ]
)


def sometimes_many(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value, a list of them, or nothing."""
    return st.one_of(one, one, st.lists(one, max_size=3), st.none())


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw members of the parking model in ways that no mapping would write them."""
    empty: dict[str, str] = {}
    texts = st.one_of(st.just(empty), st.dictionaries(st.sampled_from(["nl", "fr"]), WORDS))
    agent = st.fixed_dictionaries({"@type": st.just("Agent")}, optional={"label": WORDS, "name": texts})
    return {
        **EXAMPLE,
        "@type": draw(st.sampled_from(["ParkingFacility", ["ParkingFacility", "carPark"], ["mv:ParkingGarage"]])),
        "isVersionOf": draw(sometimes_many(st.one_of(IRIS, IRIS.map(lambda iri: {"@id": f"https://x.example/{iri}"})))),
        "observedAt": draw(sometimes_many(STAMPS)),
        "name": draw(texts),
        "freeSpaces": draw(sometimes_many(st.one_of(st.integers(-5, 5), st.sampled_from([1.0, 1.5, True, "7", "x"])))),
        "operator": draw(sometimes_many(agent)),
        "geometry": draw(sometimes_many(st.fixed_dictionaries({"wkt": sometimes_many(SHAPES)}))),
    }


BODIES = bodies()
DELAYS = st.sampled_from([timedelta(0), timedelta(hours=2), timedelta(days=3), timedelta(days=-4000), timedelta(4000)])


@unhurried
@given(BODIES, st.sampled_from(VIEWS), DELAYS)
def test_every_bound_is_true_of_the_member(body: dict[str, Any], view: ViewDefinition, delay: timedelta) -> None:
    """Each relation on the way to a member holds for a value that an RDF client finds at its path (TREE-16, TREE-19)."""
    graph, subject = graph_of(body)
    found = trails(view, body, published_at=NOON + delay)
    assert found
    for bound in (bound for trail in found for step in trail for bound in step.bounds):
        assert any(holds(bound, value) for value in values(graph, subject, bound.path)), bound


@unhurried
@given(BODIES, st.sampled_from([view for view in VIEWS if not isinstance(view, Nested)]), DELAYS)
def test_whoever_looks_for_a_value_finds_the_member(
    body: dict[str, Any], view: ViewDefinition, delay: timedelta
) -> None:
    """For each value there is a way whose bounds all hold for it, or one without bounds: pruning loses nothing (TREE-18)."""
    graph, subject = graph_of(body)
    found = trails(view, body, published_at=NOON + delay)
    bounds = [[bound for step in trail for bound in step.bounds] for trail in found]
    paths = {bound.path for trail in bounds for bound in trail}
    for value in (value for path in paths for value in values(graph, subject, path)):
        if isinstance(view, ByTile) and LAMBERT in str(value):
            continue  # a second spelling of a place: nobody may compare it with CRS84 (TREE-38)
        if isinstance(view, ByTime) and moment(str(value)) is None:
            continue  # no time that a query could mean
        if isinstance(view, ByPrefix) and str(value) == "":
            continue  # the empty text has every other value's ways
        assert any(all(holds(bound, value) for bound in trail) for trail in bounds), (value, found)


@unhurried
@given(BODIES, st.sampled_from(VIEWS), DELAYS)
def test_ways_are_safe_and_never_outlive_their_parents(
    body: dict[str, Any], view: ViewDefinition, delay: timedelta
) -> None:
    """Keys are safe in addresses; no child closes after its parent; nobody is put into a bucket that is closed (LDES-35)."""
    found = trails(view, body, published_at=NOON + delay)
    assert len(set(keys(found))) == len(found)
    for trail in found:
        assert trail
        limit = None
        for step in trail:
            assert KEY.fullmatch(step.key)
            if limit is not None:
                assert step.closes_at is not None
                assert step.closes_at <= limit
            limit = step.closes_at
            assert limit is None or limit > NOON + delay


@pytest.mark.parametrize("view", VIEWS, ids=definition_text)
def test_a_key_means_one_bucket(view: ViewDefinition) -> None:
    """Over many members, every key of a view has one way to it, always with the same bounds and closing times."""
    known: dict[str, Trail] = {}
    seen: dict[tuple[Bound, ...], str] = {}
    fragmentation = compile_view(definition_text(view), PARKING)

    @settings(deadline=None, max_examples=20)
    @given(BODIES, DELAYS)
    def check(body: dict[str, Any], delay: timedelta) -> None:
        for trail in fragmentation.trails(member(published_at=NOON + delay), body):
            for end in range(1, len(trail) + 1):
                way = trail[:end]
                key = ".".join(step.key for step in way)
                assert known.setdefault(key, way) == way
                if way[-1].bounds and not isinstance(view, Nested):
                    late = way[0].key == "late"
                    assert seen.setdefault((*way[-1].bounds, *((way[-1].bounds[0],) if late else ())), key) == key

    check()


@unhurried
@given(BODIES, st.sampled_from(VIEWS))
def test_the_same_member_has_the_same_ways_for_ever(body: dict[str, Any], view: ViewDefinition) -> None:
    """What is remembered changes nothing: a second compilation, asked in another order, answers alike."""
    used = compile_view(definition_text(view), PARKING)
    used.trails(member(), EXAMPLE)
    used.trails(member(), body)
    assert used.trails(member(), body) == trails(view, body)


# --- by time --------------------------------------------------------------------------------------------------------


def test_windows_are_half_open_and_named_by_level() -> None:
    """A window holds its first moment and not its last; each level is named by what the one above leaves open."""
    assert keys(trails(HOURS, {"observedAt": "2026-11-23T12:00:00.000Z"})) == ["2026.11.23.12"]
    assert keys(trails(HOURS, {"observedAt": "2026-11-23T11:59:59.999Z"})) == ["2026.11.23.11"]
    assert keys(trails(HOURS, {"observedAt": "2026-11-23T12:30:00+01:00"})) == ["2026.11.23.11"]
    assert keys(trails(DAYS, {"observedAt": "2026-11-23T11:00:00Z"})) == ["2026-11.23"]
    assert keys(trails(ByTime(name="observed_at", levels=("year", "minute")), EXAMPLE)) == ["2026.11-23-20-00"]
    (trail,) = trails(HOURS, {"observedAt": "2026-12-31T23:30:00Z"})
    assert [(step.bounds[0].value, step.bounds[1].value) for step in trail] == [
        ("2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ("2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ("2026-12-31T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ("2026-12-31T23:00:00.000Z", "2027-01-01T00:00:00.000Z"),
    ]
    assert [bound.type for bound in trail[0].bounds] == [RelationType.GREATER_OR_EQUAL, RelationType.LESS]


def test_late_members_go_to_windows_of_their_own() -> None:
    """A window takes members until its lateness is over; from then on they are below `late`, behind true bounds."""
    body = {"observedAt": "2026-11-23T11:20:00.000Z"}
    closing = datetime(2026, 11, 24, 12, tzinfo=UTC)
    (before,) = trails(HOURS, body, published_at=closing - timedelta(milliseconds=1))
    (after,) = trails(HOURS, body, published_at=closing)
    assert before[-1].closes_at == closing
    assert keys((after,)) == ["late.2026-11-23-11"]
    assert (after[0].bounds, after[0].closes_at, after[1].closes_at) == ((), None, None)
    assert after[1].bounds == before[-1].bounds


def test_members_from_the_future_are_ordinary() -> None:
    """A time after the publication has its window like any other."""
    assert keys(trails(DAYS, {"observedAt": "2031-01-01T00:00:00Z"})) == ["2031-01.01"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00",
        "2026-02-30T12:00:00Z",
        "soon",
        "2026-11-23 12:00:00Z",
        "0999-01-01T00:00:00Z",
        "9999-12-31T23:30:00Z",
        7,
        None,
    ],
)
def test_times_no_window_can_hold_are_behind_no_bound(text: object) -> None:
    """Times without zone (TREE-32), outside the calendar or beyond year 9999 are in `none`, whose relation has no bound."""
    for levels in (("year",), ("month", "minute")):
        (trail,) = trails(ByTime(name="observed_at", levels=levels), {"observedAt": text})
        assert keys((trail,)) == ["none"]
        assert trail[0].bounds == ()


# --- by tile --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 20), LONGITUDES, st.floats(-LATITUDE_LIMIT, LATITUDE_LIMIT))
def test_a_tile_truly_contains_its_points(zoom: int, longitude: float, latitude: float) -> None:
    """Whatever is rounded, a point is strictly inside the polygon of its tile, on the tile's edges too (TREE-37)."""
    x, y = tile_at(longitude, latitude, zoom)
    assert inside(polygon(zoom, x, y), f"POINT ({longitude!r} {latitude!r})")
    box = tile_box(zoom, x, y)
    (west, south), _, (east, north), *_ = numbers(polygon(zoom, x, y))
    assert max(box.west - west, box.south - south, east - box.east, north - box.north) < 2.1e-6


def test_a_straddling_geometry_stays_at_the_smallest_tile_that_contains_it() -> None:
    """A line over an edge of a deep tile is a member of the tile above; one over an edge of all of them is in `none`."""
    deep, edge = EDGES[2], EDGES[1]
    middle = f"{(deep.south + deep.north) / 2!r}"
    (within,) = trails(TILES, {"geometry": {"wkt": f"POINT ({deep.west!r} {deep.north!r})"}})
    (across,) = trails(TILES, {"geometry": {"wkt": f"LINESTRING (3.7 {middle}, {deep.east!r} {middle})"}})
    assert len(within) == 3
    assert across == within[:2]
    (far,) = trails(TILES, {"geometry": {"wkt": f"LINESTRING (3.7 51.05, {edge.east!r} 51.05)"}})
    assert far == within[:1]
    assert keys(trails(TILES, {"geometry": {"wkt": "LINESTRING (-10 51, 10 51)"}})) == ["none"]


def test_geometries_beyond_the_projection_are_behind_no_bound() -> None:
    """The poles are on no tile; members without geometry and in another reference system are as unlimited (TREE-38)."""
    for wkt in (
        "POINT (4 85.06)",
        "POINT (4 -90)",
        "POINT EMPTY",
        f"{LAMBERT} POINT (1 2)",
        "CIRCULARSTRING (0 0, 1 1, 2 0)",
    ):
        assert keys(trails(TILES, {"geometry": {"wkt": wkt}})) == ["none"]
    assert keys(trails(TILES, {"geometry": {"wkt": [f"{LAMBERT} POINT (1 2)", "POINT (3.7 51.05)"]}})) == [
        "2-2-1.8-130-85.14-8360-5481"
    ]


@pytest.mark.parametrize(
    ("wkt", "box"),
    [
        ("POINT (3.7 51)", (3.7, 51, 3.7, 51)),
        ("point z(3.7 51 7)", (3.7, 51, 3.7, 51)),
        (f"{CRS84}POINT(3 51)", (3, 51, 3, 51)),
        ("POLYGON ((1 2, 3 2, 3 4, 1 2), (2 2.5, 2 3, 2.5 3, 2 2.5))", (1, 2, 3, 4)),
        ("MULTIPOINT ((1 2), (-3 4e0))", (-3, 2, 1, 4)),
        ("GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (5 6, 7 .5))", (1, 0.5, 7, 6)),
        ("POINT (181 0)", None),
        ("POINT (1)", None),
        ("POINT (1 2", (1, 2, 1, 2)),
        ("POINT (1 2; 3 4)", None),
        ("POINT (NaN 2)", None),
        ('{"type":"Point","coordinates":[3,51]}', None),
    ],
)
def test_the_box_of_a_geometry(wkt: str, box: tuple[float, ...] | None) -> None:
    """All straight-edged WKT types have a box around all their positions; what is no WKT has none (TREE-36)."""
    west, south, east, north = box or (0, 0, 0, 0)
    assert box_of(wkt) == (Box(west=west, south=south, east=east, north=north) if box else None)


def test_another_reference_system_is_told_apart() -> None:
    """Positions in metres are never read as degrees (TREE-38)."""
    with pytest.raises(OtherReferenceError):
        box_of(f"{LAMBERT} POINT (1 2)")


# --- by property and prefix -----------------------------------------------------------------------------------------


def by_operator(*names: Any) -> list[str]:
    """Name the buckets of operators."""
    return keys(trails(ByProperty(name="operator"), {"operator": [{"label": name} for name in names]}))


def test_short_safe_values_are_their_own_keys() -> None:
    """Values people can read in an address stay readable; the others end in 80 bits of a hash that nothing shares."""
    assert by_operator("Interparking") == ["Interparking"]
    spaced, none = by_operator("Stad Gent", "none")
    assert re.fullmatch(r"stad-gent_[a-z2-7]{16}", spaced)
    assert re.fullmatch(r"none_[a-z2-7]{16}", none)
    assert by_operator("A", "a", "A") == ["A", "a"]
    assert len(set(by_operator("a/b", "a-b", "a b", "A B", "a_b", ""))) == 6
    assert keys(trails(ByProperty(name="free_spaces"), {"freeSpaces": [1, True, 1.5]}))[0] == "1"
    assert len(trails(ByProperty(name="free_spaces"), {"freeSpaces": [1, True, 1.5]})) == 3
    assert keys(trails(ByProperty(name="facility_type"), EXAMPLE)) == ["ParkingFacility", "carPark"]
    assert keys(trails(ByProperty(name="facility_type"), {"@type": "mv:ParkingGarage"})) == ["carPark"]


def test_equal_texts_in_two_spellings_share_a_bucket() -> None:
    """Texts compare by canonical equivalence (TREE-30), IRIs by what they stand for."""
    assert len(by_operator("caf\u00e9", "cafe\u0301")) == 1
    entity = ByProperty(name="entity")
    (one,) = trails(entity, {"isVersionOf": "parking:x"})
    assert trails(entity, {"isVersionOf": {"@id": one[0].bounds[0].value}}) == (one,)
    assert (one[0].bounds[0].datatype, one[0].bounds[0].type) == ("", RelationType.EQUAL)


def test_values_no_relation_can_say_are_behind_no_bound() -> None:
    """A text with a language, and an IRI that needs escapes, are in `none` as well as the member's other values."""
    body = {"operator": [{"name": {"nl": "Stad"}}, {"label": "Gent"}]}
    assert keys(trails(ByProperty(name="operator"), body)) == ["none", "Gent"]
    both = {"operator": {"label": "Gent", "name": {"nl": "Stad"}}}
    assert keys(trails(ByProperty(name="operator"), both)) == ["Gent", "none"]
    assert keys(trails(ByProperty(name="entity"), {"isVersionOf": "https://x.example/{a}"})) == ["none"]
    assert keys(trails(ByProperty(name="operator"), {})) == ["none"]


def test_prefixes_go_down_character_by_character() -> None:
    """Each level adds one character, case kept (TREE-30); shorter texts stay higher up; unsafe characters are spelled."""
    view = ByPrefix(name="name", length=3)
    assert keys(trails(view, {"name": {"nl": "Savaan"}})) == ["S.a.v"]
    assert keys(trails(view, {"name": {"nl": "sa", "fr": "sa"}})) == ["s.a"]
    assert keys(trails(view, {"name": {"nl": "é_ "}})) == ["_e9_._5f_._20_"]
    assert keys(trails(view, {"name": {"nl": ""}})) == ["none"]
    (trail,) = trails(view, {"name": {"nl": "Sav"}})
    assert [step.bounds[0].value for step in trail] == ["S", "Sa", "Sav"]


# --- nested, definitions --------------------------------------------------------------------------------------------


def test_a_nested_view_has_every_combination() -> None:
    """Two operators and two days are four buckets; inner buckets of a closing window close with it."""
    body = {
        "operator": [{"label": "A"}, {"label": "B"}],
        "observedAt": ["2026-11-23T11:00:00Z", "2026-11-24T11:00:00Z"],
    }
    assert keys(trails(Nested(outer=ByProperty(name="operator"), inner=DAYS), body)) == [
        "A.2026-11.23",
        "A.2026-11.24",
        "B.2026-11.23",
        "B.2026-11.24",
    ]
    found = trails(Nested(outer=DAYS, inner=ByProperty(name="operator")), body)
    assert keys(found)[:2] == ["2026-11.23.A", "2026-11.23.B"]
    assert found[0][-1].closes_at == found[0][-2].closes_at == datetime(2026, 11, 24, 1, tzinfo=UTC)


def test_inner_keys_never_meet_deeper_outer_ones() -> None:
    """An operator called like a letter of the alphabet is not the prefix of that letter."""
    view = Nested(outer=ByPrefix(name="name", length=2), inner=ByProperty(name="operator"))
    short = trails(view, {"name": {"nl": "S"}, "operator": {"label": "a"}})
    longer = trails(view, {"name": {"nl": "Sa"}, "operator": {"label": "a"}})
    assert keys(short + longer) == ["S.in-a", "S.a.in-a"]


@pytest.mark.parametrize("view", VIEWS, ids=definition_text)
def test_definitions_are_canonical(view: ViewDefinition) -> None:
    """A definition survives its text, and the text is compact JSON with sorted keys, so equal views compare as texts."""
    text = definition_text(view)
    assert read_definition(text) == view
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"by_time":"observed_at"}', '{"by_moon":"x"}', '{"by_tile":"point"}']
)
def test_what_defines_no_view_is_refused(text: str) -> None:
    """A stored definition that cannot be read names what to do, with the configuration errors' exit status."""
    with pytest.raises(ConfigError, match="in the configuration"):
        compile_view(text, PARKING)


def test_names_the_model_lacks_are_refused() -> None:
    """A view by a name that members do not have lists the names they have."""
    with pytest.raises(ConfigError) as caught:
        compile_view(definition_text(ByProperty(name="colour")), PARKING)
    assert "have no 'colour'" in str(caught.value)
    assert "free_spaces" in caught.value.fix
