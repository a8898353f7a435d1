"""Documents that others send, read into members: exactly, or refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import Graph
from rdflib.compare import isomorphic

from tests.unit.vocab.oracle import exact_literals
from vocab.errors import DocumentError, MissingContextError, TooManyError
from vocab.literals import fault_of
from vocab.model import Model, load_model, model_names
from vocab.submission import (
    MOST_MEMBERS,
    MOST_ODD,
    MOST_STATEMENTS,
    MOST_VALUES,
    Candidate,
    read_submission,
    state_to_version,
    validate,
)
from vocab.terms import XSD

PARKING = load_model("parking")
HEAD = """
@prefix mv: <http://schema.mobivoc.org/#> . @prefix dcterms: <http://purl.org/dc/terms/> .
@prefix sosa: <http://www.w3.org/ns/sosa/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix prov: <http://www.w3.org/ns/prov#> .
@prefix tree: <https://w3id.org/tree#> . @prefix e: <https://e.example/> .
"""
GOOD = (
    "e:m a mv:ParkingFacility ; dcterms:isVersionOf e:p ; "
    'sosa:resultTime "2026-11-23T20:00:44+01:00"^^xsd:dateTime ; rdfs:label "P"@nl '
)


def no_context(url: str) -> Mapping[str, Any]:
    """Stand for a machine that has no context at hand."""
    raise MissingContextError(url, "write it into the document")


def read(document: str | bytes, media: str = "text/turtle", model: Model = PARKING) -> list[Candidate]:
    """Read a document about car parks."""
    body = document if isinstance(document, bytes) else (HEAD + document).encode()
    return read_submission(body, media, model, load=no_context)


def example(model: Model) -> bytes:
    """Return a model's example as a member's body."""
    return orjson.dumps({key: value for key, value in orjson.loads(model.example).items() if key != "@context"})


def as_graph(body: bytes, model: Model) -> Graph:
    """Parse a body's statements, literals as they are spelled."""
    with exact_literals():
        return Graph().parse(data=model.writer.ntriples(body, scope="m"), format="nt")


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize(
    "media", ["text/turtle", "application/trig", "application/n-triples", "application/n-quads", "application/ld+json"]
)
def test_every_form_of_an_example_is_its_member(name: str, media: str) -> None:
    """A model's example comes out with the statements it went in with, whatever it was written in, and conforms."""
    model = load_model(name)
    body = example(model)
    forms = {
        "text/turtle": model.writer.prefixes + model.writer.turtle(body),
        "application/n-triples": model.writer.ntriples(body, scope="x"),
        "application/ld+json": model.example,
    }
    forms |= {"application/trig": forms["text/turtle"], "application/n-quads": forms["application/n-triples"]}
    (candidate,) = read(forms[media], media, model)
    assert candidate.faults == ()
    assert candidate.body.startswith(b'{"@id":"')
    assert isomorphic(as_graph(candidate.body, model), as_graph(body, model))
    assert validate(model, [(candidate.iri, candidate.body)]) == {}


@given(st.permutations(range(17)), st.text("abc", min_size=1, max_size=4))
def test_the_same_statements_make_the_same_bytes(order: list[int], scope: str) -> None:
    """Neither the order of statements nor the labels of blank nodes show in a member."""
    body = example(PARKING)
    lines = PARKING.writer.ntriples(body, scope=scope).splitlines()
    mixed = [*(lines[place] for place in order if place < len(lines)), *lines[len(order) :]]
    (candidate,) = read(b"\n".join(mixed) + b"\n", "application/n-triples")
    (plain,) = read(PARKING.writer.ntriples(body, scope="z"), "application/n-triples")
    assert candidate.body == plain.body


def test_many_members_and_their_own_nodes() -> None:
    """Each node of the model's type is a member and takes along what hangs below it; other members are only named."""
    first, second = read(
        GOOD + '; mv:operatedBy [ rdfs:label "A" ] . ' + GOOD.replace("e:m a", "e:n prov:wasRevisionOf e:m ; a") + "."
    )
    assert orjson.loads(first.body)["operator"] == {"label": "A"}
    assert orjson.loads(second.body)["revisionOf"] == "https://e.example/m"


def test_what_tree_member_names_is_what_is_taken() -> None:
    """With tree:member the sender says which nodes are members; other nodes of the type belong to none."""
    found = read(f"e:s tree:member e:m . {GOOD} . {GOOD.replace('e:m a', 'e:n a')} .")
    assert [(each.iri[-1], each.faults != ()) for each in found] == [("m", False), ("n", True)]


def test_a_state_becomes_a_version() -> None:
    """A thing without version is told apart, and made one under an IRI of its own; the thing stays what it is of."""
    (state,) = read(GOOD.replace("dcterms:isVersionOf e:p ;", "").replace("e:m a", "e:p a") + ".")
    assert state.is_state
    version = orjson.loads(state_to_version(state.body, "https://e.example/v1", model=PARKING))
    assert (version["@id"], version["isVersionOf"]) == ("https://e.example/v1", "https://e.example/p")
    assert next(iter(version)) == "@id"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (GOOD.replace("e:m a", "[] a") + ".", "a blank node cannot be one"),
        (
            f"{GOOD}; mv:operatedBy _:x . {GOOD.replace('e:m a', 'e:n a')}; mv:operatedBy _:x . _:x rdfs:label 'A' .",
            "shares a blank node",
        ),
        (f"{GOOD}; mv:operatedBy _:x ; mv:capacity _:x . _:x rdfs:label 'A' .", "used twice"),
        (f"{GOOD}; mv:operatedBy _:x . _:x rdfs:seeAlso _:x .", "used twice"),
        (GOOD.replace("2026-11-23T20:00:44+01:00", "2026-02-30T20:00:44Z") + ".", "no xsd:dateTime"),
        (GOOD.replace("2026-11-23T20:00:44+01:00", "23/11/2026") + ".", "no xsd:dateTime"),
        (GOOD.replace("dcterms:isVersionOf e:p", "dcterms:isVersionOf <p>") + ".", "no absolute IRI"),
        (GOOD.replace("e:m a", "<m> a") + ".", "no absolute IRI"),
        (GOOD + '; rdfs:comment "x"^^e:odd .', "no term for <http://www.w3.org/2000/01/rdf-schema#comment>"),
        (GOOD + '; prov:generatedAtTime "2026-11-23T20:00:44Z"^^xsd:dateTime .', "leave it out"),
        (GOOD + '; sosa:resultTime "2026-11-23T20:00:45Z"^^xsd:dateTime .', "exactly one observedAt"),
        (GOOD + "; dcterms:isVersionOf e:q .", "exactly one isVersionOf"),
    ],
)
def test_what_is_no_member_is_refused_with_the_reason(document: str, why: str) -> None:
    """LDES-13..15, LDES-41: the candidate says why it is none, and the document's other members are not touched."""
    other = GOOD.replace("e:m a", "e:other a").replace("e:p", "e:q") + "."
    found = {each.iri: each for each in read(f"{document} {other}")}
    assert found.pop("https://e.example/other").faults == ()
    assert any(why in fault for each in found.values() for fault in each.faults), found


def test_what_hangs_on_no_member_is_named() -> None:
    """Nothing is dropped silently: statements that belong to no member are answered, blank nodes too."""
    found = read(GOOD + '. e:lost rdfs:label "L"@nl . [] rdfs:label "B"@nl .')
    assert [each.iri for each in found if each.faults] == ["https://e.example/lost", "[]"] or [
        each.iri for each in found if each.faults
    ] == ["[]", "https://e.example/lost"]


@pytest.mark.parametrize(
    ("document", "media", "why"),
    [
        (b"<a> <b> .", "text/turtle", "not readable"),
        (b"\xff\xfe", "text/turtle", "not readable"),
        (b"{", "application/ld+json", "no JSON"),
        (
            b'{"@context":"https://elsewhere.example/c","@id":"https://e.example/m"}',
            "application/ld+json",
            "not at hand",
        ),
        (
            b'{"@context":{"a":{"@id":"https://e.example/a","@type":7}}, "a":{"@value":{}}}',
            "application/ld+json",
            "JSON-LD",
        ),
        (
            b"<https://e.example/a> <https://e.example/b> <https://e.example/c> <https://e.example/g> .",
            "application/n-quads",
            "named graphs",
        ),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_as_a_whole(document: bytes, media: str, why: str) -> None:
    """The error says what is wrong with it and how to mend it."""
    with pytest.raises(DocumentError, match=why) as caught:
        read(document, media)
    assert caught.value.fix


def test_a_document_may_have_so_many_members_and_no_more() -> None:
    """What would keep the reader busy for minutes is refused before any member is made."""
    lines = (
        f"<https://e.example/{number}> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://schema.mobivoc.org/#ParkingFacility> ."
        for number in range(MOST_MEMBERS + 1)
    )
    with pytest.raises(TooManyError, match="10,001 members"):
        read("\n".join(lines).encode(), "application/n-triples")


def test_a_document_has_bounds_of_its_own() -> None:
    """Statements and values are counted as they are read, whoever they belong to, so that memory is bounded."""
    many = b"".join(b"<e:%d> <e:b> <e:c> .\n" % number for number in range(MOST_STATEMENTS + 1))
    with pytest.raises(TooManyError, match="500,000 statements"):
        read(many, "application/n-triples")
    with pytest.raises(TooManyError, match="300,000 values"):
        read(b"[%s]" % b",".join([b"0"] * (MOST_VALUES + 1)), "application/ld+json")


def test_what_hangs_on_nothing_is_told_so_many_times() -> None:
    """A hundred nodes that belong to no member are named, and the others counted."""
    odd = "".join(f"e:o{number} dcterms:title 'x' ." for number in range(MOST_ODD + 7))
    found = read(f"{GOOD} . {odd}")
    assert len(found) == 1 + MOST_ODD + 1
    assert "7 more nodes belong to no member" in found[-1].faults[0]


def test_each_finding_stands_beside_its_member() -> None:
    """Among many, the shape's findings are told of the members they are about, whatever node they are on."""
    bodies = {f"https://e.example/{number}": example(PARKING) for number in range(7)}
    bodies["https://e.example/3"] = bodies["https://e.example/3"].replace(
        b'"totalCapacity":530', b'"totalCapacity":"x"'
    )
    bodies["https://e.example/5"] = bodies["https://e.example/5"].replace(b'"freeSpaces":312', b'"freeSpaces":-312')
    found = validate(
        PARKING,
        [
            (
                iri,
                body.replace(
                    b"https://data.example.org/gent-parking/members/savaanstraat/20261123T200044Z", iri.encode()
                ),
            )
            for iri, body in bodies.items()
        ],
    )
    assert sorted(found) == ["https://e.example/3", "https://e.example/5"]


@pytest.mark.parametrize(
    ("text", "kind", "valid"),
    [
        ("2026-11-23T20:00:44Z", "dateTime", True),
        ("2026-11-23T20:00:44.123456789+01:00", "dateTime", True),
        ("2026-11-23T20:00:44", "dateTime", True),
        ("2026-11-23 20:00:44Z", "dateTime", False),
        ("2026-13-23T20:00:44Z", "dateTime", False),
        ("2026-11-23T24:00:00Z", "dateTime", False),
        ("2026-11-23T20:00:44+15:00", "dateTime", False),
        ("2026-02-29", "date", False),
        ("2028-02-29", "date", True),
        ("12.0", "integer", False),
        ("+0012", "integer", True),
        ("1e3", "decimal", False),
        ("1e3", "double", True),
        ("INF", "double", True),
        ("inf", "double", False),
        ("yes", "boolean", False),
        ("2026-11-23T20:00Z", "dateTime", False),
        ("2026-11-23T20:00:60Z", "dateTime", False),
        ("2026-11-23", "dateTime", False),
        ("20261123T200044Z", "dateTime", False),
        (" 2026-11-23T20:00:44Z", "dateTime", False),
        ("2026-11-23T20:00:44Z\n", "dateTime", False),
        ("\u0662026-11-23T20:00:44Z", "dateTime", False),
        ("\u0661\u0662", "integer", False),
        ("\u0661.5", "decimal", False),
        ("\u0661e3", "double", False),
    ],
)
def test_lexical_forms(text: str, kind: str, *, valid: bool) -> None:
    """A literal is checked against XML Schema, which RDF libraries do not insist on."""
    assert (fault_of(text, XSD + kind) is None) is valid
