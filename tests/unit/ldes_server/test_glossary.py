"""The glossary: what we coined, in every form, at the address of its namespace."""

from __future__ import annotations

import re

import orjson
import pytest
from pyld import jsonld
from rdflib import RDFS, Graph, URIRef

from ldes_server.documents import vocabulary
from ldes_server.responses import Variant
from vocab.vocabulary import Namespace, namespaces

BASE = "https://data.example.org"
DOCUMENTS = vocabulary(BASE, {"sharing-station"})


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_form_says_the_same(name: str) -> None:
    """Turtle, N-Triples and JSON-LD of an address must be the same statements."""
    bodies = DOCUMENTS[name].bodies
    turtle = set(Graph().parse(data=bodies["text/turtle"], format="turtle"))
    lines = str(jsonld.to_rdf(orjson.loads(bodies["application/ld+json"]), {"format": "application/n-quads"}))
    assert turtle == set(Graph().parse(data=bodies["application/n-triples"], format="nt"))
    assert turtle == set(Graph().parse(data=lines, format="nt"))
    assert bodies["text/plain"] == bodies["text/turtle"]


def test_there_is_an_address_for_every_namespace_and_one_for_all() -> None:
    """Each namespace has its own document; the one without a name has what they have together."""
    assert set(DOCUMENTS) == {"", *(space.name for space in namespaces())}
    whole = set(Graph().parse(data=DOCUMENTS[""].bodies["application/n-triples"], format="nt"))
    parts = [set(Graph().parse(data=DOCUMENTS[it.name].bodies["text/turtle"])) for it in namespaces()]
    assert set().union(*parts) == whole


@pytest.mark.parametrize("space", namespaces(), ids=lambda space: space.name)
def test_browsers_find_each_term_behind_the_hash(space: Namespace) -> None:
    """Every term stands on its namespace's page once, under the name behind the #, in Dutch and in English."""
    page = DOCUMENTS[space.name].bodies["text/html"].decode()
    anchors = re.findall(r" id='([^']+)'", page)
    assert sorted(anchors) == sorted(entry.name for entry in space.entries)
    for entry in space.entries:
        assert all(_escaped(text) in page for text in (*entry.label.values(), *entry.text.values()))
    assert not re.findall(r"<(?:script|img|iframe)[^>]*src=|<link[^>]*stylesheet|@import|url\(", page)


def _escaped(text: str) -> str:
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#x27;")
    )


def test_shapes_lead_to_the_models_that_the_site_explains() -> None:
    """The shape of a model that has an address here leads to it, in RDF and on the page; that of another one does not."""
    graph = Graph().parse(data=DOCUMENTS["sharing"].bodies["text/turtle"])
    shape = "https://w3id.org/smartflanders/sharing#StationShape"
    assert (URIRef(shape), RDFS.seeAlso, URIRef(f"{BASE}/models/sharing-station")) in graph
    assert len(list(graph.subject_objects(RDFS.seeAlso))) == 4  # the shape, and those of its parts
    page = DOCUMENTS["sharing"].bodies["text/html"].decode()
    assert f"href='{BASE}/models/sharing-station'" in page
    assert "shared-vehicle'" not in page


def test_an_answer_is_made_once() -> None:
    """Asking again for the same representation gives the very bytes that were made before."""
    document = DOCUMENTS["traffic"]
    first = document.ready(Variant(media="text/turtle", gzip=True))
    assert document.ready(Variant(media="text/turtle", gzip=True)) is first
    assert document.ready(Variant(media="text/turtle")) is not first
    assert document.ready(Variant(media="text/turtle")).body == document.bodies["text/turtle"]
