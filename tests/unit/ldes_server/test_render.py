"""Rendering: every form of every kind of page says the same, and members keep their bytes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rdflib import URIRef
from rdflib.compare import isomorphic

from ldes_server.hypermedia import describe, nest
from ldes_server.log_view import DATE_TIME
from ldes_server.model import GENERATED_AT, Bound, Page, PageId, Relation, RelationType, Stream
from ldes_server.negotiate import FORMS, Form
from ldes_server.render import (
    END,
    Frame,
    full_body,
    member_iri,
    render_member,
    render_members,
    render_more,
    render_page,
)
from tests.conformance.kit import doubles_by_value, extract, make_members, members_of, parse, two_streams

BASE = "https://data.example.org"
STREAMS = {stream.name: stream for stream in two_streams()}
FRAMES = {name: describe(stream, BASE) for name, stream in STREAMS.items()}


def bound(kind: RelationType, value: str, datatype: str = DATE_TIME) -> Bound:
    """Make a bound on the publication time."""
    return Bound(type=kind, path=(GENERATED_AT,), value=value, datatype=datatype)


RELATION = Relation(
    target=PageId(level=0, index=3),
    bounds=(
        bound(RelationType.GREATER_OR_EQUAL, "2026-11-23T08:00:00.000Z"),
        bound(RelationType.LESS_OR_EQUAL, "2026-11-23T09:00:00.000Z"),
    ),
    remaining=250,
)
ODD = Relation(
    target=PageId(level=0, index=4),
    bounds=(bound(RelationType.CONTAINS, "POINT (3 51)", "http://www.opengis.net/ont/geosparql#wktLiteral"),),
    remaining=0,
)


def pages(stream: Stream) -> dict[str, Page]:
    """Return one page of each kind."""
    members = make_members(stream, range(5), BASE)
    leaf = Page(id=PageId(level=0, index=0), final=True, version=0, members=members)
    return {
        "empty root": Page(id=PageId(), final=False, version=0),
        "root": Page(id=PageId(), final=False, version=7, relations=(RELATION, ODD)),
        "node": Page(id=PageId(level=1, index=2), final=True, version=0, relations=(RELATION,)),
        "full leaf": leaf,
        "open leaf": replace(leaf, final=False, members=members[:1]),
    }


every = pytest.mark.parametrize(
    ("frame", "page"),
    [
        pytest.param(FRAMES[name], page, id=f"{name}, {kind}")
        for name, stream in STREAMS.items()
        for kind, page in pages(stream).items()
    ],
)


@every
def test_all_forms_say_the_same(frame: Frame, page: Page) -> None:
    """HTTP-04: the five media types of a page are the same statements."""
    first, *others = [
        doubles_by_value(parse(render_page(page, form, frame=frame), media, BASE)) for media, form in FORMS.items()
    ]
    assert all(isomorphic(first, other) for other in others)


@every
@pytest.mark.parametrize("form", Form)
def test_rendering_is_a_function(frame: Frame, page: Page, form: Form) -> None:
    """LDES-59: the same page gives the same bytes."""
    assert render_page(page, form, frame=frame) == render_page(page, form, frame=frame)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("form", Form)
def test_a_page_is_its_first_members_and_the_others(name: str, form: Form) -> None:
    """LDES-59: more members between the last one and the end of a page give the page that has them all."""
    frame, members = FRAMES[name], make_members(STREAMS[name], range(5), BASE)
    page = Page(id=PageId(level=0, index=0), final=False, version=5, members=members)
    for count in range(1, 6):
        begun = render_page(replace(page, members=members[:count]), form, frame=frame)
        more = render_more(members[count:], form, frame=frame)
        assert begun.endswith(END[form])
        assert begun[: len(begun) - len(END[form])] + more + END[form] == render_page(page, form, frame=frame)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("media", FORMS)
def test_members_extracted_from_a_page_are_their_bodies(name: str, media: str) -> None:
    """LDES-14: what the algorithm extracts from a page is what the member's own body says."""
    frame, members = FRAMES[name], make_members(STREAMS[name], range(5), BASE)
    page = Page(id=PageId(level=0, index=0), final=True, version=0, members=members)
    graph = parse(render_page(page, FORMS[media], frame=frame), media, BASE)
    assert set(members_of(graph, frame.iri)) == {URIRef(member_iri(member).decode()) for member in members}
    for member in members:
        alone = b'{"@context":%s,%s' % (frame.member_context, full_body(member)[1:])
        expected = parse(alone, "application/ld+json", BASE)
        assert isomorphic(extract(graph, URIRef(member_iri(member).decode())), expected)
        for form_media, form in FORMS.items():
            assert isomorphic(parse(render_member(member, form, frame=frame), form_media, BASE), expected)


@pytest.mark.parametrize("name", STREAMS)
def test_several_members_say_what_a_page_says(name: str) -> None:
    """The newest states are the same in all forms, none included."""
    frame = FRAMES[name]
    for count in (0, 4):
        members = make_members(STREAMS[name], range(count), BASE)
        first, *others = [
            parse(render_members(members, form, frame=frame), media, BASE) for media, form in FORMS.items()
        ]
        assert all(isomorphic(first, other) for other in others)
        assert len(members_of(first, frame.iri)) == count


def test_only_the_root_has_a_view() -> None:
    """TREE-06: the key `view` is there on every page, the property tree:view on the root only."""
    frame = FRAMES["gent-parking"]
    for kind, page in pages(STREAMS["gent-parking"]).items():
        body = render_page(page, Form.JSONLD, frame=frame)
        assert json.loads(body)["view"]["@id"] == BASE + page.id.path("gent-parking")
        viewed = (None, URIRef("https://w3id.org/tree#view"), None) in parse(body, "application/ld+json", BASE)
        assert viewed == ("root" in kind)


def test_splicing_keeps_the_body() -> None:
    """A member's own bytes are untouched; the log's two facts follow them."""
    (member,) = make_members(STREAMS["gent-traffic"], [41], BASE)
    body = full_body(member)
    assert body.startswith(member.body[:-1])
    assert body.endswith(b',"generatedAtTime":"2026-11-23T08:00:02.000Z","sequence":41}')
    json.loads(body)


def test_nesting_keeps_every_node() -> None:
    """A flat shape becomes a tree; nodes met twice are named, and what the top does not reach is kept."""
    flat = [
        {"@id": "_:b", "p": [{"@value": 1}]},
        {"@id": "top", "q": [{"@id": "_:b"}, {"@id": "_:b"}], "r": [{"@list": [{"@id": "_:c"}]}]},
        {"@id": "_:c", "p": [{"@value": 2}]},
        {"@id": "_:lost", "p": [{"@value": 3}]},
    ]
    assert nest(flat, "top") == {
        "@id": "top",
        "q": [{"@id": "_:b", "p": [{"@value": 1}]}, {"@id": "_:b"}],
        "r": [{"@list": [{"@id": "_:c", "p": [{"@value": 2}]}]}],
        "@included": [{"@id": "_:lost", "p": [{"@value": 3}]}],
    }


@pytest.mark.parametrize("form", [Form.TURTLE, Form.NTRIPLES])
def test_a_member_that_only_json_can_express_costs_no_page(form: Form) -> None:
    """Where somebody else's record uses what RDF forms here do not express, its link and stamp stay, and the others."""
    stream = two_streams()[0]
    first, second = make_members(stream, range(2), BASE)
    foreign = first.body[:-1] + b',"@type":[{"@value":7}]}'
    page = Page(id=PageId(level=0, index=0), final=False, version=2, members=(first._replace(body=foreign), second))
    frame = FRAMES[stream.name]
    text = render_page(page, form, frame=frame)
    plain = render_page(replace(page, members=(first, second)), form, frame=frame)
    assert render_member(second, form, frame=frame).splitlines()[-1] in text
    for member in (first, second):
        assert b"member> <" + member_iri(member) + b"> ." in text
    assert len(text) < len(plain)
    assert b"generatedAtTime" in render_member(first._replace(body=foreign), form, frame=frame)
