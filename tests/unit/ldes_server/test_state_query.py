"""The query of the newest states: values to a selection, a selection to its one address, and every refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldes_server.box import Box
from ldes_server.model import Published
from ldes_server.problems import Problem
from ldes_server.selection import Selection
from ldes_server.state_query import media_of, query_of, selection_of
from streams.record import Point

_IRIS = st.from_regex(r"https://example\.org/[a-zé%&=#+?,:/]{0,12}", fullmatch=True)
_LONGITUDE = st.floats(-180, 180).map(lambda value: round(value, 6) + 0.0)
_LATITUDE = st.floats(-90, 90).map(lambda value: round(value, 6) + 0.0)
_BOXES = st.builds(
    lambda west, east, edges: Box(west=west, south=min(edges), east=east, north=max(edges)),
    _LONGITUDE,
    _LONGITUDE,
    st.tuples(_LATITUDE, _LATITUDE),
)
SELECTIONS = st.builds(
    Selection,
    entity=st.none() | _IRIS,
    box=st.none() | _BOXES,
    since=st.none() | st.datetimes(timezones=st.just(UTC)),
    after=st.just("") | _IRIS,
)
MEMBER = Published(
    sequence=0,
    published_at=datetime(2026, 11, 23, tzinfo=UTC),
    id="a",
    entity="https://example.org/b",
    observed_at=datetime(2026, 11, 23, tzinfo=UTC),
    point=Point(longitude=3.7, latitude=51.0),
    body=b"{}",
)


@given(selection=SELECTIONS)
def test_a_selection_survives_its_address(selection: Selection) -> None:
    """What a link of ours names is read back as the same selection."""
    query = query_of(selection, "csv")
    assert query.isascii()
    values = dict(parse_qsl(query, keep_blank_values=True))
    assert selection_of(values) == selection
    assert media_of(values) == "text/csv"


def test_everything_has_no_query() -> None:
    """Who asks for everything in the negotiated form has the plain address."""
    assert query_of(Selection(), None) == ""
    assert selection_of({}) == Selection()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("entity", ""),
        ("entity", "no-iri"),
        ("entity", "https://example.org/\x00"),
        ("after", "https://example.org/" + "x" * 3000),
        ("bbox", ""),
        ("bbox", "1,2,3"),
        ("bbox", "1,2,3,x"),
        ("bbox", "1,2,3,nan"),
        ("bbox", "3,52,4,51"),
        ("bbox", "181,50,4,51"),
        ("bbox", "3,51,4,91"),
        ("since", ""),
        ("since", "yesterday"),
        ("since", "2026-11-23"),
        ("since", "2026-11-23T20:00:00"),
        ("format", "xml"),
        ("format", ""),
    ],
)
def test_values_without_their_form_are_refused(name: str, value: str) -> None:
    """400 with the name of the parameter and the form of its values."""
    read = media_of if name == "format" else selection_of
    with pytest.raises(Problem) as refused:
        read({name: value})
    assert refused.value.status == 400
    assert refused.value.what.startswith(f"{name}=")
    assert refused.value.fix.startswith(f"write {name} as ")


def test_unescaped_plus_signs_are_understood() -> None:
    """A plus sign in an IRI or a zone that arrives as a space is a plus sign."""
    assert selection_of({"entity": "https://example.org/a b"}).entity == "https://example.org/a+b"
    found = selection_of({"since": "2026-11-23T21:00:00 01:00"}).since
    assert found == datetime(2026, 11, 23, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, True),
        ({"entity": "https://example.org/b"}, True),
        ({"entity": "https://example.org/c"}, False),
        ({"box": Box(west=3.7, south=51.0, east=3.7, north=51.0)}, True),
        ({"box": Box(west=3.8, south=50.0, east=4.0, north=52.0)}, False),
        ({"box": Box(west=170.0, south=50.0, east=4.0, north=52.0)}, True),
        ({"box": Box(west=170.0, south=50.0, east=3.0, north=52.0)}, False),
        ({"since": datetime(2026, 11, 23, tzinfo=UTC)}, True),
        ({"since": datetime(2026, 11, 23, 0, 0, 1, tzinfo=UTC)}, False),
        ({"after": "https://example.org/a"}, True),
        ({"after": "https://example.org/b"}, False),
    ],
)
def test_what_a_selection_holds(change: dict[str, object], held: bool) -> None:
    """Edges of boxes and moments belong to them; a box with its west east of its east crosses the date line."""
    selection = replace(Selection(), **change)  # type: ignore[arg-type]
    assert selection.holds(MEMBER) is held


def test_nowhere_is_in_no_box() -> None:
    """A member without a place is in no box, not even the whole world."""
    world = Box(west=-180, south=-90, east=180, north=90)
    assert world.holds(MEMBER.point)
    assert not Selection(box=world).holds(MEMBER._replace(point=None))
