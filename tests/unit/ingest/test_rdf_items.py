"""RDF: nodes become objects that paths can name, the same ones in every spelling."""

from __future__ import annotations

from typing import Any

import pytest
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decoders.items import Item
from ingest.paths import dig, parse_path
from streams.record import Reason
from tests.unit.ingest.documents import breaks, read, sample, values

EX = rdflib.Namespace("https://example.org/ns#")
TREE = rdflib.Namespace("https://w3id.org/tree#")
FORMS = {
    "text/turtle": "turtle",
    "application/n-triples": "nt",
    "application/rdf+xml": "xml",
    "application/ld+json": "json-ld",
}
PAGE = b"""
@prefix ex: <https://example.org/ns#> . @prefix tree: <https://w3id.org/tree#> .
@prefix dcterms: <http://purl.org/dc/terms/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<https://example.org/feed> tree:member <https://example.org/7/1>, <https://example.org/8/1> ; dcterms:title "feed" .
<https://example.org/7/1> a ex:Lamp ; dcterms:isVersionOf <https://example.org/7> ; ex:on true ; ex:power 12, 13 ;
  ex:name "Lamp"@nl, "Lampe"@fr ; ex:near <https://example.org/8/1> ; ex:by [ a ex:Post ; ex:height "7.5"^^xsd:double ] ;
  ex:seen "2026-11-01T09:00:00Z"^^xsd:date ; ex:wrong "many"^^xsd:integer .
<https://example.org/8/1> a ex:Lamp ; dcterms:isVersionOf <https://example.org/8> .
<https://example.org/7> ex:street "Veldstraat" ; ex:newest <https://example.org/7/1> .
"""
LIGHTS = b"""
@prefix otl: <https://w3id.org/opentrafficlights#> . @prefix prov: <http://www.w3.org/ns/prov#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
<https://example.org/spat/K648?time=1> prov:generatedAtTime "2019-05-01T07:39:10.000Z"^^xsd:date .
<https://example.org/spat/K648?time=1> {
  <https://example.org/group/1> rdfs:type otl:SignalGroup ; otl:signalState [
    rdfs:type otl:SignalState ; otl:signalPhase <https://w3id.org/opentrafficlights/thesauri/signalphase/3> ] .
  <https://example.org/group/2> otl:signalState [
    otl:signalPhase <https://w3id.org/opentrafficlights/thesauri/signalphase/6> ] . }
"""


def at(value: Any, path: str) -> Any:
    """Follow a path as a source file writes it."""
    return dig(value, parse_path(path).steps)


def test_a_page_becomes_its_members() -> None:
    """Members are objects: short names, plain numbers and booleans, nodes inside, and the feed around them."""
    found = read(PAGE, "tree:member[*]", media_type="text/turtle", prefixes={"ex": str(EX)})
    first, second = values(found)
    assert (first["@id"], first["@type"], second["@id"]) == (
        "https://example.org/7/1",
        "ex:Lamp",
        "https://example.org/8/1",
    )
    assert (first["ex:on"], first["ex:power"], first["ex:by"]) == (
        True,
        [12, 13],
        {"@type": "ex:Post", "ex:height": 7.5},
    )
    assert at(first, "ex:name[@language=fr].@value") == "Lampe"
    assert at(first, "dcterms:isVersionOf.ex:street") == "Veldstraat"
    assert at(first, "ex:seen") == "2026-11-01T09:00:00Z"
    assert at(first, "ex:wrong") == "many"
    assert at(first, "^.dcterms:title") == "feed"
    assert first["ex:near"] == {"@id": "https://example.org/8/1"}
    assert isinstance(found[1], Item)
    assert found[1].below("ex:on") == "$.tree:member[1].ex:on"


def test_names_without_prefix_are_whole() -> None:
    """Where no prefix is known a path names the IRI between < and >, and so does the place of the items."""
    (first, _) = values(read(PAGE, "<https://w3id.org/tree#member>[*]", media_type="text/turtle"))
    assert at(first, "<https://example.org/ns#on>") is True
    assert first["@type"] == "https://example.org/ns#Lamp"


def test_a_class_has_items_too() -> None:
    """Where nothing has the property, nodes of that class are the items."""
    found = read(PAGE, "ex:Lamp[*]", media_type="text/turtle", prefixes={"ex": str(EX)})
    assert [it["@id"] for it in values(found)] == ["https://example.org/7/1", "https://example.org/8/1"]


def test_traffic_lights_have_their_group_around_them_and_the_time_of_their_graph() -> None:
    """A state in a named graph knows the group it is of and what is said of the graph, the wrong rdfs:type included."""
    states = values(read(LIGHTS, "otl:signalState[*]", media_type="application/trig"))
    assert [at(it, "otl:signalPhase.@id")[-1] for it in states] == ["3", "6"]
    assert [at(it, "^.@id")[-1] for it in states] == ["1", "2"]
    assert {at(it, "@graph.prov:generatedAtTime") for it in states} == {"2019-05-01T07:39:10.000Z"}
    assert at(states[0], "rdfs:type.@id") == "https://w3id.org/opentrafficlights#SignalState"


LITERALS = (
    st.booleans().map(rdflib.Literal)
    | st.integers(-(10**9), 10**9).map(rdflib.Literal)
    | st.text("abcé <>\"'&", max_size=6).map(rdflib.Literal)
    | st.sampled_from(["nl", "fr"]).map(lambda tag: rdflib.Literal("x", lang=tag))
)


@settings(max_examples=40, deadline=None)
@given(
    data=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]), LITERALS | st.integers(0, 3)), max_size=12),
    media_type=st.sampled_from(sorted(FORMS)),
)
def test_every_spelling_gives_what_another_reader_finds(data: list[tuple[int, str, Any]], media_type: str) -> None:
    """Whatever rdflib writes, in each form, the items hold the values that rdflib finds at their nodes."""
    graph = rdflib.Graph()
    nodes = [EX[f"node{number}"] for number in range(4)]
    graph.add((EX.feed, TREE.member, nodes[0]))
    for subject, name, value in data:
        graph.add((nodes[subject], EX[name], nodes[value] if isinstance(value, int) else value))
    body = graph.serialize(format=FORMS[media_type]).encode()
    (item,) = values(read(body, "tree:member[*]", media_type=media_type, name="rdf", prefixes={"ex": str(EX)}))
    for name in ("a", "b"):
        wanted = {_plain(it) for it in graph.objects(nodes[0], EX[name])}
        found = item.get(f"ex:{name}", [])
        assert {_flat(it) for it in (found if isinstance(found, list) else [found])} == wanted


def _plain(value: Any) -> Any:
    if isinstance(value, rdflib.URIRef):
        return ("node", str(value))
    return ("text", str(value), value.language) if value.language else (type(value.toPython()), value.toPython())


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return ("text", value["@value"], value["@language"]) if "@value" in value else ("node", value["@id"])
    return (type(value), value)


@pytest.mark.parametrize(
    ("body", "media_type", "said"),
    [
        (PAGE[:-30], "text/turtle", "cannot be read as"),
        (b'{"@graph": [', "application/ld+json", "cannot be read as"),
        (b"a b c .", "application/n-triples", "cannot be read as"),
        (b"<https://a.example/> <https://b.example/> 1 .", "text/turtle", "found https://b.example/"),
        (b"<html><body>502</body></html>", "text/turtle", "HTML"),
        (b"", "text/turtle", "empty"),
    ],
)
def test_what_cannot_be_read_has_no_items(body: bytes, media_type: str, said: str) -> None:
    """A broken document, one without what is wanted and an error page are one break each, and no half member."""
    found = read(body, "tree:member[*]", media_type=media_type, name="rdf")
    assert values(found) == []
    assert [said in it.detail for it in breaks(found)] == [True]


def test_a_page_without_members_is_no_news() -> None:
    """A node of a feed that only leads on is neither an item nor a fault."""
    body = b"<https://a.example/> <https://w3id.org/tree#relation> [ <https://w3id.org/tree#node> <https://a.example/2> ] ."
    assert read(body, "tree:member[*]", media_type="text/turtle") == []


def test_a_large_page_does_not_hang_on_its_members() -> None:
    """Members know their feed by its name and its own words, not three thousand relations that lead on from its page."""
    relations = "".join(
        f"<https://a.example/page> tree:relation [ tree:node <https://a.example/{it}> ; tree:value {it} ] ."
        for it in range(3000)
    )
    body = (
        "@prefix tree: <https://w3id.org/tree#> . @prefix dcterms: <http://purl.org/dc/terms/> ."
        '<https://a.example/feed> tree:member <https://a.example/m> ; dcterms:title "Feed" ; tree:view <https://a.example/page> .'
        f"<https://a.example/m> dcterms:isPartOf <https://a.example/feed> . {relations}"
    )
    (item,) = values(read(body.encode(), "tree:member[*]", media_type="text/turtle"))
    assert item["^"] == {
        "@id": "https://a.example/feed",
        "dcterms:title": "Feed",
        "tree:view": {"@id": "https://a.example/page"},
    }
    assert item["dcterms:isPartOf"] == {"@id": "https://a.example/feed"}


def test_entities_of_rdf_xml_are_not_accepted() -> None:
    """A document type could make a small document a large one."""
    body = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x "xx">]><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    (only,) = breaks(read(body, "tree:member[*]", media_type="application/rdf+xml"))
    assert only.reason is Reason.FORBIDDEN


def test_a_web_without_end_is_refused() -> None:
    """Nodes that all know each other are cut off at two thousand, with a reason."""
    names = [f"<https://a.example/{number}>" for number in range(12)]
    body = "".join(f"{one} <https://b.example/> {other} ." for one in names for other in names)
    body += f"<https://a.example/feed> <https://w3id.org/tree#member> {names[0]} ."
    (only,) = breaks(read(body.encode(), "tree:member[*]", media_type="text/turtle"))
    assert only.reason is Reason.FORBIDDEN


@pytest.mark.parametrize(
    ("name", "media_type", "each", "count"),
    [
        ("gent-parking-ldes/page1.ttl", "text/turtle", "tree:member[*]", 250),
        ("geomobility-ldes/by-page-1.ttl", "text/turtle", "tree:member[*]", 250),
        ("gipod/1-relation-3-members.jsonld", "application/ld+json", "tree:member[*]", 3),
        ("gipod/mobility-hindrance.ttl", "text/turtle", "mobiliteit:Mobiliteitshinder[*]", 1),
        ("gipod/mobility-hindrance.nq", "application/n-quads", "mobiliteit:Mobiliteitshinder[*]", 1),
    ],
)
def test_recorded_pages_have_their_members(name: str, media_type: str, each: str, count: int) -> None:
    """Recorded pages of real feeds have as many items as members, the same each time, and each is a version of something."""
    body = sample(name)
    found = values(read(body, each, media_type=media_type, name="rdf"))
    assert found == values(read(body, each, media_type=media_type, name="rdf"))
    assert len({it["@id"] for it in found}) == count
    assert all(at(it, "dcterms:isVersionOf.@id") for it in found)
