"""Search forms as pages show them: `tree:search` with an IRI template (TREE-41), rendered once per root; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ldes_server.negotiate import Form
from ldes_server.render import RDF, RDF_TYPE, TREE, XSD

HYDRA = "http://www.w3.org/ns/hydra/core#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a template: its name, the property (an IRI) it stands for, and the path of what it is about."""

    name: str
    property: str
    path: tuple[str, ...] = ()


def render_form(root: str, template: str, variables: Sequence[Variable]) -> Mapping[Form, bytes]:
    """Render the form of a root; every variable is required."""
    lines = b"".join(_lines(root, template, variables))
    words = {
        "@type": "IriTemplate",
        "template": template,
        "variableRepresentation": f"{HYDRA}BasicRepresentation",
        "mapping": _listed([_mapping(each) for each in variables]),
    }
    return {Form.JSONLD: b'"search":%s,' % orjson.dumps(words), Form.TURTLE: lines, Form.NTRIPLES: lines}


def _mapping(variable: Variable) -> dict[str, Any]:
    words = {"@type": "IriTemplateMapping", "variable": variable.name, "property": variable.property}
    path = variable.path
    about = {"path": path[0] if len(path) == 1 else {"@list": list(path)}} if path else {}
    return {**words, **about, "required": True}


def _listed(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _lines(root: str, template: str, variables: Sequence[Variable]) -> Iterator[bytes]:
    """Write statements that are Turtle and N-Triples alike."""
    yield _statement(f"<{root}>", f"{TREE}search", "_:search")
    yield _statement("_:search", RDF_TYPE, f"<{HYDRA}IriTemplate>")
    # JSON's string escapes are a subset of those of N-Triples.
    yield _statement("_:search", f"{HYDRA}template", orjson.dumps(template).decode())
    yield _statement("_:search", f"{HYDRA}variableRepresentation", f"<{HYDRA}BasicRepresentation>")
    for variable in variables:
        node = f"_:search{variable.name}"
        yield _statement("_:search", f"{HYDRA}mapping", node)
        yield _statement(node, RDF_TYPE, f"<{HYDRA}IriTemplateMapping>")
        yield _statement(node, f"{HYDRA}variable", f'"{variable.name}"')
        yield _statement(node, f"{HYDRA}property", f"<{variable.property}>")
        yield from _path(node, variable.path)
        yield _statement(node, f"{HYDRA}required", f'"true"^^<{XSD}boolean>')


def _path(node: str, path: Sequence[str]) -> Iterator[bytes]:
    steps = [f"{node}path{number}" for number in range(len(path))]
    if len(path) == 1:
        yield _statement(node, f"{TREE}path", f"<{path[0]}>")
    elif path:
        yield _statement(node, f"{TREE}path", steps[0])
        for here, predicate, after in zip(steps, path, (*steps[1:], f"<{RDF}nil>"), strict=True):
            yield _statement(here, f"{RDF}first", f"<{predicate}>")
            yield _statement(here, f"{RDF}rest", after)


def _statement(subject: str, predicate: str, target: str) -> bytes:
    return f"{subject} <{predicate}> {target} .\n".encode()
