"""The vocabulary: divided by namespace, the same in every spelling, compiled from the files as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from pyld import jsonld
from rdflib import RDF, SH, Graph, URIRef

from vocab.errors import ModelError
from vocab.model import load_model, model_names
from vocab.vocabulary import FILE, FOLDER, OURS, Namespace, Sort, compiled, namespaces, recalled, sources
from vocab.vocabulary_files import read_namespaces

_HEAD = """@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix x: <https://w3id.org/smartflanders/x#> .
"""


def test_what_is_compiled_is_what_the_files_say() -> None:
    """The compiled file must say what reading the files anew says, to the byte: else run `make models`."""
    contents = sources()
    read = read_namespaces(contents)
    assert (FOLDER / FILE).read_bytes() == compiled(read, contents)
    assert recalled(contents) == read == namespaces()


def test_changed_files_are_read_anew(tmp_path: Path) -> None:
    """What was compiled of other files, or is broken or missing, must not be used."""
    contents = sources()
    assert recalled({**contents, "ns.ttl": contents["ns.ttl"] + b"\n"}) is None
    assert recalled(contents, tmp_path) is None
    (tmp_path / FILE).write_bytes(b"{")
    assert recalled(contents, tmp_path) is None
    shutil.copy(FOLDER / FILE, tmp_path)
    assert recalled(contents, tmp_path) == namespaces()


@pytest.mark.parametrize("space", namespaces(), ids=lambda space: space.name)
def test_a_namespace_says_the_same_in_three_spellings(space: Namespace) -> None:
    """Turtle, N-Triples and JSON-LD of a namespace must be the same statements, all about terms of that namespace."""
    turtle = Graph().parse(data=space.turtle, format="turtle")
    lines = str(jsonld.to_rdf(orjson.loads(space.jsonld), {"format": "application/n-quads"}))
    assert set(turtle) == set(Graph().parse(data=space.ntriples, format="nt"))
    assert set(turtle) == set(Graph().parse(data=lines, format="nt"))
    assert {str(it).partition("#")[0] + "#" for it in turtle.subjects()} == {space.iri}
    assert {space.iri + entry.name for entry in space.entries} == {str(it) for it in turtle.subjects()} - {space.iri}


def test_together_they_say_what_the_files_say() -> None:
    """No statement of the files may be lost in the division."""
    files = Graph()
    for path in FOLDER.glob("*.ttl"):
        files.parse(path, format="turtle")
    divided = Graph()
    for space in namespaces():
        divided.parse(data=space.ntriples, format="nt")
    assert set(files) <= set(divided)


def test_entries_say_what_people_read() -> None:
    """A concept must be listed with its scheme, labels and definition, a shape with its model, a term with its links."""
    entries = {space.name: {entry.name: entry for entry in space.entries} for space in namespaces()}
    van = entries["traffic"]["van"]
    assert (van.sort, van.about, van.label["en"]) == (Sort.CONCEPT, "VehicleClass", "van")
    assert {"nl", "en"} == set(van.text)
    assert entries["parking"]["Shape"].about == "parking"
    assert ("subclass of", f"{OURS}sharing#Station") in entries["sharing"]["CarStation"].links
    assert entries["ns"]["Timeliness"].sort is Sort.OTHER


@pytest.mark.parametrize("name", model_names())
def test_every_term_of_ours_in_a_model_is_in_its_namespace(name: str) -> None:
    """Whatever IRI of ours a model's shape, example or context leads to must be an entry of the namespace it is in."""
    model = load_model(name)
    shape = Graph().parse(data=model.shape.turtle, format="turtle")
    example = Graph().parse(data=model.writer.ntriples(_body(model.example), scope="m"), format="nt")
    named = {str(node) for graph in (shape, example) for triple in graph for node in triple if isinstance(node, URIRef)}
    known = {space.iri + entry.name for space in namespaces() for entry in space.entries}
    assert {iri for iri in named if iri.startswith(OURS)} - known == set()
    assert (URIRef(model.shape.iri), RDF.type, SH.NodeShape) in shape


def _body(example: bytes) -> bytes:
    return orjson.dumps({key: value for key, value in orjson.loads(example).items() if key != "@context"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x:a rdfs:label 'a'@en .", "the namespace https://w3id.org/smartflanders/x# is not described"),
        ("<https://e.example/a> rdfs:label 'a'@en .", "is no term of ours"),
        ("[] rdfs:label 'a'@en .", "is no term of ours"),
        ("<https://w3id.org/smartflanders/x> rdfs:label 'a'@en .", "is no term of ours"),
    ],
)
def test_foreign_terms_are_refused(text: str, why: str) -> None:
    """A file that describes what is not ours, or a term of a namespace that nothing describes, must be refused."""
    with pytest.raises(ModelError, match=why) as caught:
        read_namespaces({"x.ttl": f"{_HEAD}{text}".encode()})
    assert caught.value.fix
