"""The terms and concepts the platform coins."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from rdflib import RDFS, SKOS, Graph, Literal, URIRef

from vocab import terms
from vocab.context import read_names
from vocab.model import load_model, model_names

_VOCAB = Path(__file__).parents[3] / "vocab"
_REFERENCE = _VOCAB.parents[1] / "shared" / "reference-models" / "oslo-verkeersmetingen"


@pytest.fixture(scope="module")
def coined() -> Graph:
    """The description of everything coined."""
    return Graph().parse(_VOCAB / "ns.ttl", format="turtle")


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
