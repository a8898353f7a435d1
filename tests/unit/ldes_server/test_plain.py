"""Plain forms: what is in the members comes out of NDJSON, GeoJSON and CSV, read by the standard's rules."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldes_server.hypermedia import describe
from ldes_server.links import final_links, link_header, open_links
from ldes_server.model import PageId, Published
from ldes_server.negotiate import PLAIN, PlainForm
from ldes_server.plain import FIXED, render_plain
from ldes_server.render import full_body
from streams.record import Point
from tests.conformance.kit import make_members, two_streams
from tests.support.geojson import faults

BASE = "https://data.example.org"
FRAMES = {stream.name: describe(stream, BASE) for stream in two_streams()}
FRAME = FRAMES["gent-parking"]
MEMBERS = {stream.name: make_members(stream, range(4), BASE) for stream in two_streams()}
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


def member(point: Point | None = None, **changes: Any) -> Published:
    """Make a car park with keys changed."""
    made = MEMBERS["gent-parking"][0]
    body = json.dumps({**json.loads(made.body), **changes}, ensure_ascii=False, separators=(",", ":")).encode()
    return made._replace(point=point, body=body)


def rows(*members: Published) -> list[dict[str, str]]:
    """Write members as CSV and read them as a spreadsheet would."""
    text = render_plain(members, PlainForm.CSV, frame=FRAME).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def features(*members: Published) -> list[dict[str, Any]]:
    """Write members as GeoJSON, hold them against RFC 7946, and return the features."""
    document = json.loads(render_plain(members, PlainForm.GEOJSON, frame=FRAME))
    assert list(faults(document)) == []
    found: list[dict[str, Any]] = document["features"]
    return found


@pytest.mark.parametrize("name", FRAMES)
def test_lines_are_the_members_of_the_page(name: str) -> None:
    """NDJSON is one member per line, the same bytes as in the page, with its time and number."""
    lines = render_plain(MEMBERS[name], PlainForm.NDJSON, frame=FRAMES[name]).split(b"\n")
    assert lines == [*(full_body(each) for each in MEMBERS[name]), b""]
    assert json.loads(lines[3])["sequence"] == 3


def test_a_member_written_over_several_lines_is_one_line() -> None:
    """Line ends between the tokens of a member do not end its line."""
    loose = MEMBERS["gent-parking"][0]._replace(body=b'{"@id":"https://x.example/1",\r\n"name":"a\\nb"}')
    text = render_plain([loose, loose], PlainForm.NDJSON, frame=FRAME).decode()
    assert [json.loads(line)["name"] for line in text.splitlines()] == ["a\nb", "a\nb"]


def test_a_car_park_is_a_row() -> None:
    """The columns come in the stated order: those of every stream, then the names of the model in its own order."""
    place = Point(longitude=3.7234, latitude=51.0489)
    [row] = rows(member(point=place))
    assert tuple(row)[:7] == FIXED
    assert tuple(row)[7:] == FRAME.flat.names
    assert row["id"] == f"{BASE}/gent-parking/members/thing-0/20261123T075000Z"
    assert row["entity"] == f"{BASE}/gent-parking/entities/thing-0"
    assert (row["observed_at"], row["published_at"]) == ("2026-11-23T07:50:00.000Z", "2026-11-23T08:00:00.000Z")
    assert (row["sequence"], row["longitude"], row["latitude"]) == ("0", "3.7234", "51.0489")
    assert (row["facility_type"], row["name"], row["free_spaces"]) == ("carPark", "Savaanstraat", "312")
    assert (row["occupancy"], row["open_now"], row["temporarily_closed"]) == ("41.1", "true", "false")


def test_a_car_park_is_a_feature() -> None:
    """A feature has its IRI, its place with the longitude first, and the columns as properties with their types."""
    [feature] = features(member(point=Point(longitude=3.7234, latitude=51.0489)))
    assert feature["id"] == f"{BASE}/gent-parking/members/thing-0/20261123T075000Z"
    assert feature["geometry"] == {"type": "Point", "coordinates": [3.7234, 51.0489]}
    assert list(feature["properties"])[:4] == ["entity", "observed_at", "published_at", "sequence"]
    assert set(feature["properties"]) <= {*FIXED, *FRAME.flat.names}
    assert (feature["properties"]["free_spaces"], feature["properties"]["open_now"]) == (312, True)


def test_what_a_member_does_not_have_is_left_out() -> None:
    """Without a place the geometry is null and the cells are empty; a name without value is no property."""
    bare = member(operator=None, openingHours=[])
    [feature], [row] = features(bare), rows(bare)
    assert feature["geometry"] is None
    assert {"operator", "opening_times"}.isdisjoint(feature["properties"])
    assert (row["longitude"], row["latitude"], row["operator"], row["opening_times"]) == ("", "", "", "")


def test_no_members_are_a_header_and_an_empty_collection() -> None:
    """The open page before its first member is valid in every form."""
    assert rows() == []
    assert render_plain((), PlainForm.CSV, frame=FRAME).startswith(b"id,entity,observed_at,")
    assert features() == []
    assert render_plain((), PlainForm.NDJSON, frame=FRAME) == b""


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.dictionaries(st.sampled_from(["nl", "en"]), _TEXT, min_size=1), min_size=1, max_size=3))
def test_any_text_survives(texts: list[dict[str, str]]) -> None:
    """Commas, quotes, line ends and control characters come out as they went in, but for a guard against formulas."""
    made = [member(name=text) for text in texts]
    shown = [text.get("nl", text.get("en")) for text in texts]
    assert [row["name"].removeprefix("'") for row in rows(*made)] == [(text or "").removeprefix("'") for text in shown]
    assert [feature["properties"]["name"] for feature in features(*made)] == shown


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+cmd|1", "'+cmd|1"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("+32 9 266", "+32 9 266"),
        ("-1.5", "-1.5"),
        ("'t Zand", "'t Zand"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_formulas_are_text(text: str, cell: str) -> None:
    """A text that a spreadsheet would run gets an apostrophe before it; numbers and other texts stay as they are."""
    assert rows(member(name={"nl": text}))[0]["name"] == cell
    assert features(member(name={"nl": text}))[0]["properties"]["name"] == text


def test_several_values_are_a_list() -> None:
    """Two values under one name are JSON in the cell and an array in the feature."""
    double = member(page=["https://a.example/", "https://b.example/"])
    assert json.loads(rows(double)[0]["url"]) == ["https://a.example/", "https://b.example/"]
    assert features(double)[0]["properties"]["url"] == ["https://a.example/", "https://b.example/"]


def test_lines_end_as_the_standard_says() -> None:
    """RFC 4180: lines end with CR and LF, all have as many cells, and there is no byte order mark (HTTP-28)."""
    body = render_plain(MEMBERS["gent-traffic"], PlainForm.CSV, frame=FRAMES["gent-traffic"])
    assert body.count(b"\r\n") == body.count(b"\n") == 5
    assert not body.startswith(b"\xef\xbb\xbf")
    cells = {len(row) for row in csv.reader(io.StringIO(body.decode(), newline=""), strict=True)}
    assert cells == {len(FIXED) + len(FRAMES["gent-traffic"].flat.names)}


def _relations(headers: tuple[tuple[bytes, bytes], ...]) -> Iterator[str]:
    [(name, value)] = headers
    assert name == b"link"
    yield from (part.split('rel="')[1].split('"')[0] for part in value.decode().split(", <"))


def test_links_say_what_is_true_for_ever() -> None:
    """A final leaf names the next one only; the open one the living one before, first and last; NDJSON its context."""
    first, third = PageId(level=0, index=0), PageId(level=0, index=2)
    for leaf in (first, third):
        assert list(_relations(final_links(leaf, "text/csv", frame=FRAME))) == ["self", "next", "canonical"]
    opened = open_links(third, "application/x-ndjson", first=first, frame=FRAME)
    assert list(_relations(opened)) == [
        *("self", "prev", "first", "last", "canonical"),
        "http://www.w3.org/ns/json-ld#context",
    ]
    # What retention dropped is not led back to.
    oldest = open_links(third, "text/csv", first=third, frame=FRAME)
    assert list(_relations(oldest)) == ["self", "first", "last", "canonical"]
    assert link_header([]) == ()


def test_plain_forms_have_names_of_their_own() -> None:
    """Each plain media type stands for one form whose value is its name in addresses."""
    assert {media: form.value for media, form in PLAIN.items()} == {
        "application/x-ndjson": "ndjson",
        "application/geo+json": "geojson",
        "text/csv": "csv",
    }
