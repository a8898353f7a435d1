"""Pruning loses nothing: whatever a relation promises, no member that is wanted stands behind one that is skipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from testbed.client.comparison import Verdict, compare, read_value
from testbed.client.description import Description
from testbed.client.geometry import Box, envelope, parse_box
from testbed.client.graph import Dataset, Term
from testbed.client.hypermedia import Relation
from testbed.client.moments import parse_moment
from testbed.client.paths import predicate
from testbed.client.query import Query, Since, Where, Within
from testbed.client.terms import GEO_WKT, XSD, Kind

PATH, TIME, PLACE = predicate("urn:p"), predicate("urn:t"), predicate("urn:wkt")
ABOUT = Description(
    stream="urn:s",
    root="urn:r",
    paths={"timestampPath": TIME},
    single=frozenset({PATH, PLACE}),
    place=PLACE,
)
MEMBER = NamedNode("urn:m")


def member(path: str, value: Term) -> Dataset:
    """Make a member with one value."""
    return Dataset([Quad(MEMBER, NamedNode(path), value)])


NUMBERS = st.one_of(
    st.integers(-3, 3).map(lambda n: Literal(str(n), datatype=NamedNode(XSD + "integer"))),
    st.sampled_from(["-1.0", "0.5", "1.0", "2.50", "3"]).map(lambda t: Literal(t, datatype=NamedNode(XSD + "decimal"))),
    st.sampled_from(["1e0", "0.5", "NaN", "INF", "-0"]).map(lambda t: Literal(t, datatype=NamedNode(XSD + "double"))),
)
WORDS = st.text("aé\u0301bZ", max_size=3)
TEXTS = st.one_of(WORDS.map(Literal), WORDS.map(lambda t: Literal(t, language="nl")))
IRIS = st.sampled_from(["urn:a", "urn:b", "urn:ab", "urn:c"]).map(NamedNode)
MOMENTS = st.builds(
    lambda minutes, zone: Literal(
        (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S") + zone,
        datatype=NamedNode(XSD + "dateTime"),
    ),
    st.integers(-3000, 3000),
    st.sampled_from(["Z", "+01:00", "-14:00"]),
)
# Values of one family, and now and then of another, so that each meets many: every combination is looked at.
FEW = st.one_of(
    *(st.lists(st.one_of(family, family, family, TEXTS), max_size=5) for family in (NUMBERS, IRIS, MOMENTS, TEXTS))
)
COMPARED = [kind for kind in Kind if kind not in (Kind.ANY, Kind.WITHIN)]


@settings(deadline=None)
@given(FEW)
def test_a_value_is_never_behind_a_relation_that_excludes_it(terms: list[Term]) -> None:
    """TREE-16 and CLI-13: a member for which a relation is true and that matches is not pruned by it."""
    for held, kind, bound, wanted in product(terms, COMPARED, terms, terms):
        assert isinstance(wanted, NamedNode | Literal)
        query = Query(conditions=(Where(path=PATH, text=wanted.value),))
        true = compare(kind, read_value(held), read_value(bound)) is Verdict.TRUE
        if true and query.matches("urn:m", member("urn:p", held), ABOUT):
            assert not query.prunes([Relation(node="urn:n", kind=kind, path=PATH, value=bound)], ABOUT)


@settings(deadline=None)
@given(st.lists(MOMENTS, max_size=5))
def test_no_member_since_a_time_is_pruned(moments: list[Literal]) -> None:
    """CLI-13: what was published since a time stands behind no relation that is skipped for it."""
    for held, kind, bound, since in product(moments, COMPARED, moments, moments):
        query = Query(conditions=(Since(moment=parse_moment(since.value)),))
        true = compare(kind, read_value(held), read_value(bound)) is Verdict.TRUE
        if true and query.matches("urn:m", member("urn:t", held), ABOUT):
            assert not query.prunes([Relation(node="urn:n", kind=kind, path=TIME, value=bound)], ABOUT)


DEGREES = st.integers(-4, 4)
BOXES = st.tuples(DEGREES, DEGREES, DEGREES, DEGREES)


@given(st.lists(st.tuples(DEGREES, DEGREES), min_size=1, max_size=9), BOXES, BOXES)
def test_no_place_in_the_box_is_pruned(
    points: list[tuple[int, int]], tile: tuple[int, int, int, int], box: tuple[int, int, int, int]
) -> None:
    """TREE-39: a member of a tile that lies in the wanted box, its edges included, is never skipped."""
    (west, east), (south, north), (low, high) = sorted(tile[::2]), sorted(tile[1::2]), sorted(box[1::2])
    query = Query(conditions=(Within(box=Box(west=box[0], south=low, east=box[2], north=high)),))
    ring = f"POLYGON (({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"
    relation = Relation(node="urn:n", kind=Kind.WITHIN, path=PLACE, value=Literal(ring, datatype=NamedNode(GEO_WKT)))
    for x, y in points:
        place = Literal(f"POINT ({x} {y})", datatype=NamedNode(GEO_WKT))
        matches = query.matches("urn:m", member("urn:wkt", place), ABOUT)
        if west <= x <= east and south <= y <= north and matches:
            assert not query.prunes([relation], ABOUT)


def literal(text: str, kind: str = "string") -> Literal:
    """Make a literal of an XSD type."""
    return Literal(text, datatype=NamedNode(XSD + kind))


@pytest.mark.parametrize(
    ("text", "kind", "bound", "pruned"),
    [
        ("5", Kind.EQUAL, literal("6", "integer"), True),
        ("5.0", Kind.EQUAL, literal("5", "integer"), False),
        ("5", Kind.GREATER, literal("5", "integer"), True),
        ("5", Kind.AT_LEAST, literal("5", "decimal"), False),
        ("abc", Kind.PREFIX, literal("b"), True),
        ("abc", Kind.PREFIX, literal("ab"), False),
        ("abc", Kind.SUFFIX, literal("x"), True),
        ("abc", Kind.SUBSTRING, literal("x"), True),
        ("abc", Kind.LESS, literal("abc"), True),
        ("urn:a", Kind.EQUAL, NamedNode("urn:b"), True),
        ("urn:a", Kind.EQUAL, NamedNode("urn:a"), False),
        ("2026-01-01T00:00:00Z", Kind.LESS, literal("2026-01-01T00:00:00Z", "dateTime"), True),
        # A time without a zone may be either; a word is no number; != excludes its own value only.
        ("2026-01-01T00:00:00Z", Kind.LESS, literal("2026-01-01T00:00:00", "dateTime"), False),
        ("abc", Kind.EQUAL, literal("5", "integer"), False),
        ("5", Kind.NOT_EQUAL, literal("6", "integer"), False),
        ("5", Kind.NOT_EQUAL, literal("5", "integer"), True),
        ("5", Kind.ANY, literal("6", "integer"), False),
        ("5", Kind.EQUAL, literal("6", "gYear"), False),
    ],
)
def test_what_is_pruned(text: str, kind: Kind, bound: Term, pruned: bool) -> None:
    """TREE-40 and section 2.12: only a relation that no equal value can satisfy is skipped."""
    relation = Relation(node="urn:n", kind=kind, path=PATH, value=bound)
    assert Query(conditions=(Where(path=PATH, text=text),)).prunes([relation], ABOUT) is pruned
    elsewhere = Relation(node="urn:n", kind=kind, path=predicate("urn:q"), value=bound)
    assert not Query(conditions=(Where(path=PATH, text=text),)).prunes([elsewhere], ABOUT)


def test_several_values_are_not_pruned() -> None:
    """A2: a path that may have several values gives no reason to skip anything."""
    loose = Description(stream="urn:s", root="urn:r")
    relation = Relation(node="urn:n", kind=Kind.EQUAL, path=PATH, value=literal("6"))
    assert not Query(conditions=(Where(path=PATH, text="5"),)).prunes([relation], loose)


@pytest.mark.parametrize(
    ("wkt", "box"),
    [
        ("POINT (3.7 51)", (3.7, 51, 3.7, 51)),
        ("<http://www.opengis.net/def/crs/OGC/1.3/CRS84> point(3.7 51)", (3.7, 51, 3.7, 51)),
        ("<http://www.opengis.net/def/crs/EPSG/0/4326> POINT (51 3.7)", (3.7, 51, 3.7, 51)),
        ("POINT Z (1 2 3)", (1, 2, 1, 2)),
        ("MULTIPOLYGON (((0 0, 4 0, 4 4, 0 0)), ((5 5, 6 5, 6 6.5, 5 5)))", (0, 0, 6, 6.5)),
        ("LINESTRING (1e1 2, -.5 +3)", (-0.5, 2, 10, 3)),
        ("<http://www.opengis.net/def/crs/EPSG/0/31370> POINT (1 2)", None),
        ("POINT EMPTY", None),
        ("POINT (1)", None),
        ("POINT (a b)", None),
        ("POLYGON ((0 0, 1 x, 1 1, 0 0))", None),
        ("POINT (1e999 2)", None),
        ("51, 3", None),
        ("", None),
    ],
)
def test_boxes_around_places(wkt: str, box: tuple[float, float, float, float] | None) -> None:
    """TREE-36 and TREE-38: the box of any geometry, longitude first; none of what cannot be read for certain."""
    found = envelope(wkt)
    assert (None if found is None else (found.west, found.south, found.east, found.north)) == box


def test_boxes_over_the_180th_meridian() -> None:
    """A box whose west is greater than its east goes the other way round the earth."""
    fiji = parse_box("177,-20,-178,-12")
    assert fiji.meets(parse_box("179,-19,179.5,-18"))
    assert fiji.meets(parse_box("-179,-19,-178.5,-18"))
    assert not fiji.meets(parse_box("0,-19,10,-18"))


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "200,0,201,1", "0,50,1,40", "nan,0,1,1"])
def test_boxes_nowhere_are_refused(text: str) -> None:
    """A box that is none says what to write."""
    with pytest.raises(ValueError, match=r"is no box|nowhere on earth"):
        parse_box(text)
