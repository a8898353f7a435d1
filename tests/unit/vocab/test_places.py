"""Places: where a model's names stand in members, the same for the body's keys and for an RDF client's path."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from rdflib import Graph, Literal, URIRef
from rdflib.term import Node

from vocab.model import load_model, model_names
from vocab.places import Found, Place, Value, places
from vocab.terms import RDF_LANG_STRING, RDF_TYPE, XSD_BOOLEAN, XSD_DOUBLE, XSD_INTEGER, XSD_STRING

PARKING = places(load_model("parking"))


def example(model: str) -> dict[str, Any]:
    """Return the example member of a model."""
    return {key: value for key, value in orjson.loads(load_model(model).example).items() if key != "@context"}


def told(graph: Graph, subject: Node, path: tuple[str, ...]) -> set[Value]:
    """Follow a path as an RDF client does."""
    nodes = [subject]
    for predicate in path:
        nodes = [value for node in nodes for value in graph.objects(node, URIRef(predicate))]
    return {_value(node) for node in nodes}


def _node(value: Value) -> Node:
    """Spell a value as rdflib does, which has its own way with numbers and times."""
    if not value.datatype:
        return URIRef(value.text)
    tagged = value.datatype == RDF_LANG_STRING
    return Literal(value.text, lang="nl") if tagged else Literal(value.text, datatype=URIRef(value.datatype))


def _value(node: Node) -> Value:
    if not isinstance(node, Literal):
        return Value(str(node), "")
    return Value(str(node), str(node.datatype or (RDF_LANG_STRING if node.language else XSD_STRING)))


@pytest.mark.parametrize("model", model_names())
def test_a_place_finds_what_an_rdf_client_finds(model: str) -> None:
    """For every name of every model, the values in the example's body are those on its path in the example's triples."""
    body = example(model)
    text = load_model(model).writer.ntriples(orjson.dumps(body), scope="m").decode()
    graph = Graph().parse(data=text, format="nt")
    found = 0
    for place in places(load_model(model)).values():
        values = {place.read(value) for value in place.find(body)}
        expected = told(graph, URIRef(body["@id"]), place.predicates)
        assert {_value(_node(value)) for value in values if value} == expected
        found += len(values)
    assert found >= 8


def test_names_have_the_shortest_path() -> None:
    """A name written twice is found where the path is shortest; names inside other text have no place."""
    assert PARKING["free_spaces"].keys == (("freeSpaces",),)
    assert PARKING["observed_at"].predicates == ("http://www.w3.org/ns/sosa/resultTime",)
    assert PARKING["facility_type"].predicates == (RDF_TYPE,)
    assert [len(PARKING[name].predicates) for name in ("point", "operator", "entity")] == [2, 2, 1]
    assert "lambert72_x" not in places(load_model("measuring-point"))
    assert not {"point", "entity"} & set(places(load_model("traffic")))


def test_every_key_of_a_predicate_counts() -> None:
    """Two keys that mean one predicate are one path to an RDF client, so both are read (TREE-19)."""
    place = PARKING["operator"]
    assert place.find({"operator": {"label": "a", "name": {"nl": "b"}}}) == (Found("label", "a"), Found("name", "b"))
    assert place.find({"operator": [{"label": ["a", None]}, "urn:x", {"label": {"@id": "urn:y"}}]}) == (
        Found("label", "a"),
        Found("label", "urn:y"),
    )
    assert place.find({"operator": {}}) == place.find({"operator": None}) == place.find({}) == ()


@pytest.mark.parametrize(
    ("name", "found", "value"),
    [
        ("entity", Found("isVersionOf", "sosa:x"), Value("http://www.w3.org/ns/sosa/x", "")),
        ("entity", Found("isVersionOf", "relative"), None),
        ("entity", Found("isVersionOf", "urn:a{b}"), None),
        ("facility_type", Found("@type", "carPark"), Value("http://schema.mobivoc.org/#ParkingGarage", "")),
        ("facility_type", Found("@type", "unheard"), None),
        ("name", Found("name", "Savaan"), Value("Savaan", RDF_LANG_STRING)),
        ("operator", Found("label", "Gent"), Value("Gent", XSD_STRING)),
        ("free_spaces", Found("freeSpaces", 7), Value("7", XSD_INTEGER)),
        ("free_spaces", Found("freeSpaces", 7.5), Value("7.5E0", XSD_INTEGER)),
        ("occupancy", Found("occupancy", 7), Value("7.0E0", XSD_DOUBLE)),
        ("occupancy", Found("occupancy", "7.50"), Value("7.5E0", XSD_DOUBLE)),
        ("occupancy", Found("occupancy", "much"), Value("much", XSD_DOUBLE)),
        ("open_now", Found("openNow", True), Value("true", XSD_BOOLEAN)),
    ],
)
def test_values_are_spelled_as_the_writer_spells_them(name: str, found: Found, value: Value | None) -> None:
    """A value read at a place is the term that the member's triples have; what JSON-LD drops is no value."""
    place: Place = PARKING[name]
    assert place.read(found) == value
