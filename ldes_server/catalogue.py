"""The DCAT-AP catalogue of all streams, built once from their descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rdflib import DCAT, DCTERMS, FOAF, RDF, XSD, Graph, Literal, Namespace, URIRef

from ldes_server.model import Stream
from ldes_server.negotiate import FORMS, Form

LDES = Namespace("https://w3id.org/ldes#")
SPECIFICATIONS = (URIRef("https://w3id.org/ldes/specification"), URIRef("https://w3id.org/tree/specification"))
MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"

TITLE = {"nl": "Sensordata van Vlaamse steden", "en": "Sensor data of Flemish cities"}
DESCRIPTION = {
    "nl": "Metingen van Vlaamse steden als Linked Data Event Streams: volledig te kopiëren en live te volgen.",
    "en": "Measurements of Flemish cities as Linked Data Event Streams: to copy completely and to follow live.",
}
_FORMATS = {Form.JSONLD: "json-ld", Form.TURTLE: "turtle", Form.NTRIPLES: "nt"}


def catalogue(streams: Sequence[Stream], base_url: str) -> Mapping[str, bytes]:
    """Return the catalogue in every RDF media type; `base_url` is the public address without a slash at the end."""
    graph = _graph(streams, base_url)
    forms = {form: graph.serialize(format=name, encoding="utf-8", auto_compact=True) for form, name in _FORMATS.items()}
    return {media: forms[form] for media, form in FORMS.items()}


def _graph(streams: Sequence[Stream], base: str) -> Graph:
    graph = Graph()
    for prefix, namespace in (("dcat", DCAT), ("dcterms", DCTERMS), ("ldes", LDES), ("foaf", FOAF)):
        graph.bind(prefix, namespace)
    site = URIRef(f"{base}/#catalogue")
    graph.add((site, RDF.type, DCAT.Catalog))
    _texts(graph, site, title=TITLE, description=DESCRIPTION)
    graph.add((site, FOAF.homepage, URIRef(f"{base}/")))
    for stream in streams:
        graph.add((site, DCAT.dataset, URIRef(f"{base}/{stream.name}")))
        graph.add((site, DCTERMS.publisher, URIRef(stream.publisher_iri)))
        _dataset(graph, stream, base)
    return graph


def _dataset(graph: Graph, stream: Stream, base: str) -> None:
    dataset = URIRef(f"{base}/{stream.name}")
    publisher = URIRef(stream.publisher_iri)
    for kind in (DCAT.Dataset, LDES.EventStream):
        graph.add((dataset, RDF.type, kind))
    graph.add((dataset, DCTERMS.type, LDES.EventStream))
    _texts(graph, dataset, title=stream.title, description=stream.description)
    graph.add((dataset, DCTERMS.identifier, Literal(str(dataset), datatype=XSD.anyURI)))
    graph.add((dataset, DCTERMS.publisher, publisher))
    graph.add((publisher, RDF.type, FOAF.Agent))
    graph.add((publisher, FOAF.name, Literal(stream.publisher_name)))
    graph.add((dataset, DCTERMS.license, URIRef(stream.licence)))
    graph.add((dataset, DCTERMS.conformsTo, URIRef(stream.model.shape.iri)))
    graph.add((dataset, DCAT.landingPage, URIRef(f"{base}/")))
    root = _distribution(graph, stream, f"{base}/{stream.name}/log")
    for specification in SPECIFICATIONS:
        graph.add((root, DCTERMS.conformsTo, specification))
    _distribution(graph, stream, f"{base}/{stream.name}/latest")


def _distribution(graph: Graph, stream: Stream, address: str) -> URIRef:
    # A fragment of its own: the root page must not be described as anything but a page by other documents.
    node = URIRef(f"{address}#distribution")
    what = address.rsplit("/", 1)[1]
    titles = {
        "log": {"nl": "volledige geschiedenis en vervolg", "en": "complete history and what follows"},
        "latest": {"nl": "nieuwste stand per object", "en": "newest state per object"},
    }[what]
    dataset = URIRef(address.rsplit("/", 1)[0])
    graph.add((dataset, DCAT.distribution, node))
    graph.add((node, RDF.type, DCAT.Distribution))
    _texts(graph, node, title=titles, description={})
    graph.add((node, DCAT.accessURL, URIRef(address)))
    graph.add((node, DCAT.downloadURL, URIRef(address)))
    graph.add((node, DCTERMS.license, URIRef(stream.licence)))
    for media in FORMS:
        graph.add((node, DCAT.mediaType, URIRef(MEDIA_TYPES + media)))
    return node


def _texts(graph: Graph, subject: URIRef, *, title: Mapping[str, str], description: Mapping[str, str]) -> None:
    for predicate, texts in ((DCTERMS.title, title), (DCTERMS.description, description)):
        for language, text in texts.items():
            graph.add((subject, predicate, Literal(text, lang=language)))
