"""The DCAT catalogue of the streams."""

from __future__ import annotations

import pytest
from rdflib import DCAT, DCTERMS, RDF, Graph, Literal, URIRef
from rdflib.compare import isomorphic

from ldes_server.catalogue import LDES, SPECIFICATIONS, catalogue
from ldes_server.model import Stream
from ldes_server.negotiate import RDF_TYPES
from tests.conformance.kit import parse, two_streams

BASE = "https://data.example.org"
STREAMS = two_streams()
BODIES = catalogue(STREAMS, BASE)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Parse the catalogue."""
    return parse(BODIES["text/turtle"], "text/turtle", BASE)


def test_catalogue_comes_in_every_form(graph: Graph) -> None:
    """All five media types hold the same catalogue."""
    assert tuple(BODIES) == RDF_TYPES
    assert all(isomorphic(graph, parse(body, media, BASE)) for media, body in BODIES.items())


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_streams_are_datasets(graph: Graph, stream: Stream) -> None:
    """DCAT-01: each stream is a dataset and an event stream, titled in Dutch and English, with publisher and licence."""
    name = URIRef(f"{BASE}/{stream.name}")
    assert set(graph.objects(name, RDF.type)) == {DCAT.Dataset, LDES.EventStream}
    assert graph.value(name, DCTERMS.type) == LDES.EventStream
    for predicate in (DCTERMS.title, DCTERMS.description):
        assert {text.language for text in graph.objects(name, predicate) if isinstance(text, Literal)} == {"nl", "en"}
    assert graph.value(name, DCTERMS.publisher)
    assert graph.value(name, DCTERMS.license)


def test_distributions_lead_to_the_root(graph: Graph) -> None:
    """DCAT-02, DCAT-05, DCAT-07: the root is a download that conforms to both specifications; newest states are another."""
    for stream in STREAMS:
        addresses = {}
        for distribution in graph.objects(URIRef(f"{BASE}/{stream.name}"), DCAT.distribution):
            addresses[str(graph.value(distribution, DCAT.downloadURL))] = distribution
        assert set(addresses) == {f"{BASE}/{stream.name}/log", f"{BASE}/{stream.name}/latest"}
        assert set(graph.objects(addresses[f"{BASE}/{stream.name}/log"], DCTERMS.conformsTo)) == set(SPECIFICATIONS)
