"""The files of the vocabulary, read with RDF libraries and divided by namespace; vocab/vocabulary.py says what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson
from pyld import jsonld
from rdflib import DCTERMS, OWL, RDF, RDFS, SH, SKOS, SOSA, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from vocab.errors import ModelError
from vocab.vocabulary_values import OURS, Entry, Sort
from vocab.vocabulary_values import Namespace as Coined

# The first type that a term has says what it is.
_SORTS: tuple[tuple[URIRef, Sort], ...] = (
    (SKOS.ConceptScheme, Sort.SCHEME),
    (SKOS.Concept, Sort.CONCEPT),
    (OWL.Class, Sort.CLASS),
    (RDF.Property, Sort.PROPERTY),
    (SOSA.ObservableProperty, Sort.OBSERVED),
    (SH.NodeShape, Sort.SHAPE),
)
# How a term relates to others, in the words of the page; not what it is, and not which scheme it is in.
_LINKS: tuple[tuple[URIRef, str], ...] = (
    (RDFS.subClassOf, "subclass of"),
    (RDFS.subPropertyOf, "subproperty of"),
    (RDFS.range, "range"),
    (SKOS.broader, "broader"),
    (SKOS.exactMatch, "same as"),
    (SKOS.closeMatch, "close to"),
    (RDFS.isDefinedBy, "defined by"),
)
_PREFIXES = {
    "dcterms": str(DCTERMS),
    "owl": str(OWL),
    "rdf": str(RDF),
    "rdfs": str(RDFS),
    "sh": str(SH),
    "skos": str(SKOS),
    "sosa": str(SOSA),
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def read_namespaces(contents: Mapping[str, bytes]) -> tuple[Coined, ...]:
    """Read the files and divide what they say by namespace, in alphabetical order.

    Of a model's shape its IRI is a term of the namespace; what the shape says stands with the model.

    Raises:
        ModelError: a term is outside our namespaces, or its namespace is not described.

    """
    graph, models = Graph(), {}
    for name, content in contents.items():
        if "/" not in name:
            graph.parse(data=content, format="turtle")
            continue
        shapes = Graph().parse(data=content, format="turtle")
        for shape in shapes.subjects(RDF.type, SH.NodeShape):
            models[shape] = name.split("/")[1]
            graph.add((shape, RDF.type, SH.NodeShape))
            for label in shapes.objects(shape, RDFS.label):
                graph.add((shape, RDFS.label, label))
    spaces: dict[str, set[URIRef]] = {}
    for subject in set(graph.subjects()):
        spaces.setdefault(_space(subject), set()).add(URIRef(str(subject)))
    return tuple(_coined(graph, space, spaces[space], models) for space in sorted(spaces))


def _space(subject: Node) -> str:
    iri, mark, _ = str(subject).partition("#")
    if not isinstance(subject, URIRef) or not iri.startswith(OURS) or not mark:
        fix = f"give it an IRI that begins with {OURS}<name>#"
        raise ModelError(f"{subject} is no term of ours", where="vocab/*.ttl", fix=fix)
    return iri + mark


def _coined(graph: Graph, space: str, subjects: set[URIRef], models: Mapping[Node, str]) -> Coined:
    root = URIRef(space)
    if (root, RDF.type, OWL.Ontology) not in graph:
        fix = f'write <{space}> a owl:Ontology ; rdfs:label "…"@nl , "…"@en .'
        raise ModelError(f"the namespace {space} is not described", where="vocab/*.ttl", fix=fix)
    # In the order of their lines, so that the same files come to the same bytes.
    own = Graph(bind_namespaces="none")
    for triple in sorted(triple for subject in subjects for triple in graph.triples((subject, None, None))):
        own.add(triple)
    name = space.removeprefix(OURS).removesuffix("#")
    for prefix, iri in {**_PREFIXES, **_others(graph, own)}.items():
        own.bind(prefix, Namespace(iri))
    lines = own.serialize(format="nt").splitlines()
    ntriples = "".join(f"{line}\n" for line in sorted(lines) if line)
    return Coined(
        name=name,
        iri=space,
        label=_texts(own, root, RDFS.label),
        entries=tuple(_entries(own, root, models)),
        turtle=own.serialize(format="turtle").encode(),
        ntriples=ntriples.encode(),
        jsonld=_jsonld(ntriples, {prefix: str(iri) for prefix, iri in own.namespaces()}),
    )


def _others(graph: Graph, own: Graph) -> dict[str, str]:
    """Return the prefixes of the files that these statements use."""
    used = {str(node) for triple in own for node in triple if isinstance(node, URIRef)}
    bound = {prefix: str(iri) for prefix, iri in graph.namespaces()}
    return {
        prefix: iri
        for prefix, iri in sorted(bound.items())
        if prefix and prefix not in _PREFIXES and any(each.startswith(iri) for each in used)
    }


def _jsonld(ntriples: str, prefixes: Mapping[str, str]) -> bytes:
    expanded = jsonld.from_rdf(ntriples, {"format": "application/n-quads"})
    document = jsonld.compact(expanded, dict(sorted(prefixes.items())), {"graph": True})
    return orjson.dumps(document)


def _entries(graph: Graph, root: URIRef, models: Mapping[Node, str]) -> Iterator[Entry]:
    """Describe the terms: schemes with their concepts behind them, then the others by sort and name."""
    order = list(Sort)
    found = [_entry(graph, subject, models) for subject in set(graph.subjects()) if subject != root]
    yield from sorted(found, key=lambda entry: (order.index(entry.sort), entry.about, entry.name))


def _entry(graph: Graph, subject: Node, models: Mapping[Node, str]) -> Entry:
    sort = next((sort for kind, sort in _SORTS if (subject, RDF.type, kind) in graph), Sort.OTHER)
    scheme = graph.value(subject, SKOS.inScheme)
    return Entry(
        name=str(subject).partition("#")[2],
        sort=sort,
        label=_texts(graph, subject, RDFS.label) or _texts(graph, subject, SKOS.prefLabel),
        text=_texts(graph, subject, SKOS.definition) or _texts(graph, subject, RDFS.comment),
        about=models.get(subject, "") or str(scheme or "").partition("#")[2],
        links=tuple(
            (word, str(target))
            for relation, word in _LINKS
            for target in sorted(graph.objects(subject, relation), key=str)
        ),
    )


def _texts(graph: Graph, subject: Node, predicate: URIRef) -> dict[str, str]:
    texts = [text for text in graph.objects(subject, predicate) if isinstance(text, Literal)]
    return {str(text.language): str(text) for text in sorted(texts, key=lambda text: str(text.language))}
