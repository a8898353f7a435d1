"""The terms and concepts the platform coins."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from rdflib import OWL, RDF, RDFS, SH, SKOS, Graph, Literal, URIRef

from vocab import terms
from vocab.context import read_names
from vocab.model import load_model, model_names

_VOCAB = Path(__file__).parents[3] / "vocab"
_OURS = "https://w3id.org/smartflanders/"
_REFERENCE = _VOCAB.parents[1] / "shared" / "reference-models" / "oslo-verkeersmetingen"


@pytest.fixture(scope="module")
def coined() -> Graph:
    """The description of everything coined."""
    graph = Graph()
    for path in sorted(_VOCAB.glob("*.ttl")):
        graph.parse(path, format="turtle")
    return graph


def _languages(graph: Graph, subject: URIRef) -> set[str | None]:
    labels = [*graph.objects(subject, RDFS.label), *graph.objects(subject, SKOS.prefLabel)]
    return {label.language for label in labels if isinstance(label, Literal)}


def test_coined_terms_are_described(coined: Graph) -> None:
    """Every sf: term that code uses must be described in Dutch and in English."""
    for iri in (terms.SEQUENCE, terms.BIND, terms.KIND, terms.REQUIRED, terms.UNIT, terms.GROUP):
        assert _languages(coined, URIRef(iri)) == {"nl", "en"}


@pytest.mark.parametrize("name", model_names())
def test_coined_concepts_are_described(coined: Graph, name: str) -> None:
    """Every IRI of ours that a context leads to must be described in Dutch and in English."""
    names = read_names(orjson.loads(load_model(name).context))
    ours = {term.iri for term in names.terms.values() if term.iri.startswith("https://w3id.org/smartflanders/")}
    for iri in ours - set(names.prefixes.values()):
        assert _languages(coined, URIRef(iri)) == {"nl", "en"}, iri


@pytest.mark.parametrize("name", model_names())
def test_shapes_name_no_term_of_ours_that_is_not_there(coined: Graph, name: str) -> None:
    """Every IRI of ours that a shape names must be described, but for the shapes themselves."""
    shape = Graph().parse(data=load_model(name).shape.turtle, format="turtle")
    shapes = set(shape.subjects(RDF.type, SH.NodeShape))
    named = {node for triple in shape for node in triple if isinstance(node, URIRef) and node.startswith(_OURS)}
    assert {iri for iri in named - shapes if _languages(coined, iri) != {"nl", "en"}} == set()


def test_concepts_belong_to_one_scheme_and_are_explained(coined: Graph) -> None:
    """Every concept of ours must be in one scheme of its own namespace, both labelled and the concept defined in nl and en."""
    concepts = {it for it in coined.subjects(RDF.type, SKOS.Concept) if isinstance(it, URIRef)}
    assert len(concepts) > 30
    for concept in concepts:
        (scheme,) = coined.objects(concept, SKOS.inScheme)
        assert str(scheme).partition("#")[0] == concept.partition("#")[0]
        assert (scheme, RDF.type, SKOS.ConceptScheme) in coined
        for subject, said in ((scheme, SKOS.prefLabel), (concept, SKOS.prefLabel), (concept, SKOS.definition)):
            texts = [text for text in coined.objects(subject, said) if isinstance(text, Literal)]
            assert sorted(str(text.language) for text in texts) == ["en", "nl"], concept


def test_everything_coined_has_its_namespace_described(coined: Graph) -> None:
    """Whatever is described must lie in a namespace that is described itself, as the page of that namespace."""
    ontologies = set(coined.subjects(RDF.type, OWL.Ontology))
    spaces = {URIRef(str(it).partition("#")[0] + "#") for it in coined.subjects() if isinstance(it, URIRef)}
    assert spaces == ontologies
    assert all(_languages(coined, space) == {"nl", "en"} for space in spaces)


@pytest.mark.parametrize("name", model_names())
def test_no_known_wrong_namespace_is_used(name: str) -> None:
    """The misspelt namespaces of published artefacts must not come back."""
    context = load_model(name).context.decode()
    for wrong in (
        "https://www.w3.org/ns/prov",
        "https://www.w3.org/ns/sosa",
        "https://def.isotc211.org",
        "fixme.com",
        "ns/Verkeersmetingen#",
        "/doc/concept/",
    ):
        assert wrong not in context


def test_concepts_of_the_standard_exist() -> None:
    """Every OSLO concept that a context names must be in the published code lists."""
    if not _REFERENCE.exists():
        pytest.skip("the published code lists are not beside this checkout")
    lists = "".join(path.read_text("latin-1") for path in _REFERENCE.glob("Vkm*.ttl"))
    for name in model_names():
        names = read_names(orjson.loads(load_model(name).context))
        for term in names.terms.values():
            if "/id/concept/Vkm" in term.iri:
                assert f"<{term.iri}>" in lists
