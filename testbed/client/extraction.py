"""The member extraction algorithm of LDES 1.0, section 3.4: which statements of a page belong to a member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyoxigraph import BlankNode, NamedNode, Quad

from testbed.client.graph import Dataset, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a page and the statements that are its own."""

    iri: str
    data: Dataset


def extract(page: Dataset, iri: str) -> Member:
    """Extract a member from a page that is fully parsed (LDES-14, CLI-10).

    Those are (a) what the default graph says of it, (b) all of the graph that it names, and (c) the same for every
    blank node met as an object, also one that names a graph. No blank node is processed twice, no other graph and no
    IRI is followed.
    """
    return Member(iri=iri, data=Dataset(dict.fromkeys(_statements(page, NamedNode(iri)))))


def _statements(page: Dataset, start: NamedNode) -> Iterator[Quad]:
    todo: list[Node] = [start]
    met: set[Node] = {start}
    while todo:
        node = todo.pop()
        below: list[Node] = []
        for quad in (*page.star(node), *page.graph(node)):
            yield quad
            value = quad.object
            if isinstance(value, BlankNode) and value not in met:
                met.add(value)
                below.append(value)
        # Depth first, in the order of the page.
        todo += reversed(below)
