"""The files of a reference model, read with RDF libraries and checked for agreement; vocab/model.py says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pyld import jsonld
from rdflib import RDF, RDFS, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from vocab import agreement
from vocab.context import Writer, read_names
from vocab.errors import ModelError
from vocab.model_values import Field, Kind, Model, Shape
from vocab.names import Names
from vocab.terms import (
    BIND,
    DCAT_THEME,
    DCTERMS_IS_VERSION_OF,
    GROUP,
    KIND,
    MOBILITY_THEME,
    OWL_VERSION_INFO,
    PERSONAL,
    REQUIRED,
    SH,
    UNIT,
)

_SH = Namespace(SH)


def read_model(folder: Path) -> Model:
    """Read a model from any folder; the name of the folder is the name of the model.

    Raises:
        ModelError: a file is missing or malformed, or the files do not agree; names every fault.

    """
    try:
        context = orjson.loads((folder / "context.jsonld").read_bytes())["@context"]
        template = orjson.loads((folder / "template.jsonld").read_bytes())
        turtle = (folder / "shape.ttl").read_text("utf-8")
        example = (folder / "example.jsonld").read_bytes()
        readme = (folder / "README.md").read_text("utf-8")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot be read: {error}", where=f"model {folder.name}", fix="see vocab/model.py") from error
    names = read_names(context)
    graph = Graph().parse(data=turtle, format="turtle")
    iri = _node_shape(graph, folder.name)
    versioned = any(term.iri == DCTERMS_IS_VERSION_OF for key, term in names.terms.items() if key in template)
    model = Model(
        name=folder.name,
        version=str(graph.value(iri, URIRef(OWL_VERSION_INFO)) or ""),
        title=_by_language(graph, iri, RDFS.label),
        description=_by_language(graph, iri, RDFS.comment),
        versioned=versioned,
        context=orjson.dumps(context),
        shape=_spell(str(iri), turtle, graph),
        template=template,
        example=example,
        readme=readme,
        fields=_fields(graph, names, turtle),
        writer=Writer(names),
        themes=tuple(sorted(map(str, graph.objects(iri, URIRef(DCAT_THEME))))),
        mobility_themes=tuple(sorted(map(str, graph.objects(iri, URIRef(MOBILITY_THEME))))),
        personal=str(graph.value(iri, URIRef(PERSONAL)) or ""),
        observed_path=next((names.terms[key].iri for key in _observed(template) if key in names.terms), ""),
    )
    _refuse_faults(model, agreement.faults(_parts(model, names)))
    return model


def check_model(model: Model) -> None:
    """Check that the files of a model agree and that its example conforms to its shape.

    Raises:
        ModelError: they do not; names every fault.

    """
    # Imported here: pySHACL takes most of a second, and only checks need it, never a running platform.
    from vocab.check import findings  # noqa: PLC0415

    example = orjson.loads(model.example)
    faults = agreement.faults(_parts(model, read_names(orjson.loads(model.context))))
    if example.pop("@context", None) != orjson.loads(model.context):
        faults.append("example.jsonld has another @context than context.jsonld")
    written = model.writer.ntriples(orjson.dumps(example), scope="m")
    for finding in findings(model.shape.turtle, written):
        faults.append(f"example.jsonld: {finding.focus} {finding.path}: {finding.message}")
    _refuse_faults(model, faults)


def _refuse_faults(model: Model, faults: list[str]) -> None:
    if faults:
        raise ModelError("; ".join(faults), where=f"model {model.name}", fix="make its files agree: vocab/model.py")


def _parts(model: Model, names: Names) -> agreement.Parts:
    return agreement.Parts(
        names=names,
        template=model.template,
        readme=model.readme,
        texts={"title": model.title, "description": model.description},
        fields={
            field.name: agreement.FieldParts(
                codes=field.codes,
                is_code=field.kind is Kind.CODE,
                unit=field.unit,
                group=field.group,
                texts={"sh:name": field.label, "sh:description": field.description},
            )
            for field in model.fields.values()
        },
    )


def _node_shape(graph: Graph, name: str) -> URIRef:
    found = [shape for shape in graph.subjects(_SH.targetClass) if (shape, RDF.type, _SH.NodeShape) in graph]
    if len(found) != 1 or not isinstance(found[0], URIRef):
        fix = "give exactly one sh:NodeShape, with an IRI, a sh:targetClass"
        raise ModelError(f"{len(found)} node shapes have a target", where=f"model {name}: shape.ttl", fix=fix)
    return found[0]


def _observed(template: Mapping[str, Any]) -> list[str]:
    return [key for key, value in template.items() if value == "{observed_at}"]


def _spell(iri: str, turtle: str, graph: Graph) -> Shape:
    """Spell a shape for pages, blank nodes labelled `_:shape<k>` the same way at every start."""
    options = {"algorithm": "URDNA2015", "inputFormat": "application/n-quads", "format": "application/n-quads"}
    canonical = str(jsonld.normalize(graph.serialize(format="nt"), options)).replace("_:c14n", "_:shape")
    return Shape(
        iri=iri,
        turtle=turtle,
        ntriples=canonical.encode(),
        jsonld=orjson.dumps(jsonld.from_rdf(canonical, {"format": "application/n-quads"})),
    )


def _by_language(graph: Graph, subject: Node, predicate: URIRef) -> dict[str, str]:
    texts = [text for text in graph.objects(subject, predicate) if isinstance(text, Literal)]
    return {str(text.language): str(text) for text in sorted(texts, key=lambda text: str(text.language))}


def _fields(graph: Graph, names: Names, turtle: str) -> dict[str, Field]:
    """Read the bindable names, in the order of the file."""
    fields: dict[str, Field] = {}
    for shape, name in graph.subject_objects(URIRef(BIND)):
        field = _field(graph, shape, names)
        if fields.setdefault(str(name), field) != field:
            fix = "declare a name the same way wherever it is declared"
            raise ModelError(f"{name} is declared in two ways", where="shape.ttl", fix=fix)
    return dict(sorted(fields.items(), key=lambda item: turtle.index(f'"{item[0]}"')))


def _field(graph: Graph, shape: Node, names: Names) -> Field:
    def text(predicate: str) -> str | None:
        value = graph.value(shape, URIRef(predicate))
        return None if value is None else str(value)

    def number(predicate: URIRef) -> float | None:
        value = graph.value(shape, predicate)
        return None if value is None else float(str(value))

    name = text(BIND) or ""
    kind = text(KIND) or ""
    if kind not in {known.value for known in Kind}:
        raise ModelError(f"{name} has no kind {kind!r}", where="shape.ttl", fix="see vocab.model.Kind")
    codes = graph.value(shape, _SH["in"])
    return Field(
        name=name,
        kind=Kind(kind),
        required=text(REQUIRED) == "true",
        unit=text(UNIT),
        minimum=number(_SH.minInclusive),
        maximum=number(_SH.maxInclusive),
        codes=tuple(_code(names, str(iri), name) for iri in graph.items(codes)) if codes and kind == "code" else (),
        group=text(GROUP),
        label=_by_language(graph, shape, _SH.name),
        description=_by_language(graph, shape, _SH.description),
        personal=text(PERSONAL) or "",
    )


def _code(names: Names, iri: str, field: str) -> str:
    found = [term for term, meaning in names.terms.items() if meaning.iri == iri]
    if len(found) != 1:
        fix = f"give {iri} exactly one term in context.jsonld"
        raise ModelError(f"a code of {field} has {len(found)} terms", where="shape.ttl", fix=fix)
    return found[0]
