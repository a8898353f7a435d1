"""SHACL validation offline: of a model's members, and of any RDF text against any shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import pyshacl
from rdflib import BNode, Graph, Namespace
from rdflib.term import Node

from vocab.context import Writer
from vocab.errors import Finding, ModelError

_SH = Namespace("http://www.w3.org/ns/shacl#")


class Spelled(Protocol):
    """A shape, as far as validation needs it (`vocab.model.Shape`)."""

    @property
    def turtle(self) -> str:
        """The shape in Turtle."""
        ...


class Checkable(Protocol):
    """What can be validated against: `vocab.model.Model`, which itself uses this module and so is not named here."""

    @property
    def shape(self) -> Spelled:
        """The shape of the members."""
        ...

    @property
    def writer(self) -> Writer:
        """The writer of the members."""
        ...


def validate(model: Checkable, bodies: Sequence[bytes]) -> list[Finding]:
    """Validate members, as page-ready JSON-LD bytes, against the shape of their model; no finding: all conform.

    Raises:
        MemberError: a body is no member that the model's context can express.

    """
    written = [model.writer.ntriples(body, scope=f"m{number}") for number, body in enumerate(bodies)]
    return findings(model.shape.turtle, b"".join(written))


@lru_cache(maxsize=32)
def _shape(turtle: str) -> Graph:
    return Graph().parse(data=turtle, format="turtle")


def findings(shape: str, data: bytes) -> list[Finding]:
    """Validate N-Triples against a shape in Turtle; no finding means that the data conforms.

    Raises:
        ModelError: the shape itself is no valid SHACL.

    """
    report = _report(shape, Graph().parse(data=data, format="nt"))
    return _sorted(_finding(report, result) for result in _violations(report))


def findings_by_owner(shape: str, documents: Mapping[str, bytes]) -> dict[str, list[Finding]]:
    """Validate N-Triples, each document under its owner's name, in one go; owners whose data conforms are left out.

    A finding belongs to every owner that says something about its focus node. Blank node labels differ between owners.

    Raises:
        ModelError: the shape itself is no valid SHACL.

    """
    graph = Graph()
    owners: dict[Node, set[str]] = {}
    for owner, data in documents.items():
        own = Graph().parse(data=data, format="nt")
        for triple in own:
            graph.add(triple)
            owners.setdefault(triple[0], set()).add(owner)
    report = _report(shape, graph)
    found: dict[str, list[Finding]] = {}
    for result in _violations(report):
        focus = report.value(result, _SH.focusNode)
        for owner in owners.get(focus, ()) if focus is not None else ():
            found.setdefault(owner, []).append(_finding(report, result))
    return {owner: _sorted(each) for owner, each in found.items()}


def _report(shape: str, graph: Graph) -> Graph:
    try:
        _, report, _ = pyshacl.validate(graph, shacl_graph=_shape(shape), inference="none", advanced=False, js=False)
    except pyshacl.errors.ReportableRuntimeError as error:
        raise ModelError(str(error), where="shape.ttl", fix="write it as SHACL Core") from error
    assert isinstance(report, Graph)
    return report


def _violations(report: Graph) -> Iterator[Node]:
    return report.subjects(_SH.resultSeverity, _SH.Violation)


def _sorted(found: Iterable[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: (finding.focus, finding.path, finding.message, finding.value))


def _finding(report: Graph, result: Node) -> Finding:
    value = report.value(result, _SH.value)
    return Finding(
        focus=_text(report, report.value(result, _SH.focusNode)),
        path=_text(report, report.value(result, _SH.resultPath)),
        message="; ".join(sorted(str(message) for message in report.objects(result, _SH.resultMessage))),
        value="" if value is None else _text(report, value),
    )


def _text(report: Graph, node: Node | None) -> str:
    """Spell a node of the report; a list (a sequence path) as its items."""
    if node is None:
        return ""
    if isinstance(node, BNode):
        items = [str(item) for item in report.items(node)]
        return " / ".join(items) or "[]"
    return str(node)
