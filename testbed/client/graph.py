"""A parsed page as a dataset that can be asked: statements by subject, by object, and by graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad, Triple

Term = NamedNode | BlankNode | Literal | Triple
Node = NamedNode | BlankNode
_DEFAULT = DefaultGraph()


class Dataset:
    """Statements in the order in which they were read."""

    def __init__(self, quads: Iterable[Quad]) -> None:
        self.quads = tuple(quads)
        self._by_subject: dict[object, list[Quad]] = defaultdict(list)
        for quad in self.quads:
            self._by_subject[quad.subject].append(quad)
        # Made when they are asked for.
        self._by_graph: dict[object, list[Quad]] | None = None
        self._by_object: dict[object, list[Quad]] | None = None

    def star(self, node: Node) -> list[Quad]:
        """Return what the default graph says of a node."""
        return [quad for quad in self._by_subject.get(node, ()) if quad.graph_name == _DEFAULT]

    def graph(self, name: Node) -> list[Quad]:
        """Return the statements of a named graph."""
        if self._by_graph is None:
            self._by_graph = defaultdict(list)
            for quad in self.quads:
                if quad.graph_name != _DEFAULT:
                    self._by_graph[quad.graph_name].append(quad)
        return self._by_graph.get(name, [])

    def objects(self, subject: Term, predicate: str) -> list[Term]:
        """Return the values of a property, in any graph, each once."""
        found = (quad.object for quad in self._by_subject.get(subject, ()) if quad.predicate.value == predicate)
        return list(dict.fromkeys(found))

    def subjects(self, predicate: str, value: Term) -> list[Node]:
        """Return who has this value at a property, in any graph, each once."""
        if self._by_object is None:
            self._by_object = defaultdict(list)
            for quad in self.quads:
                self._by_object[quad.object].append(quad)
        found = (quad.subject for quad in self._by_object.get(value, ()) if quad.predicate.value == predicate)
        return list(dict.fromkeys(node for node in found if not isinstance(node, Triple)))

    def statements(self, subject: Term) -> Iterator[Quad]:
        """Give everything said of a node, in any graph."""
        return iter(self._by_subject.get(subject, ()))
