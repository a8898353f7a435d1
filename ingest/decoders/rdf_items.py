"""RDF (Turtle, TriG, N-Triples, N-Quads, RDF/XML, JSON-LD) to items: nodes as objects that paths can name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, RdfFormat, parse

from ingest.decoders.items import Break, Item, Spread, Wanted
from ingest.decoders.namespaces import Shortener
from ingest.paths import AROUND, Each
from streams.record import Reason

_FORMATS: Mapping[str, RdfFormat] = {
    "text/turtle": RdfFormat.TURTLE,
    "application/trig": RdfFormat.TRIG,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/n-quads": RdfFormat.N_QUADS,
    "application/rdf+xml": RdfFormat.RDF_XML,
    "application/ld+json": RdfFormat.JSON_LD,
    "application/json": RdfFormat.JSON_LD,
}
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_WHOLE = ("integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger", "unsignedInt")
_REAL = ("decimal", "double", "float")
_BOOLEAN = {"true": True, "1": True, "false": False, "0": False}
# Nodes below one item; a road work of GIPOD has 30. A graph whose nodes all know each other has no end.
_MOST = 2000
_DEEPEST = 12
_EXCERPT = 200
# Bytes in which a document declares its type, if it does.
_PROLOG = 4096
# What only pages of feeds have: a member that points at its feed does not hold the rest of it.
_OF_FEEDS = {"tree:member", "tree:view", "tree:relation"}


class _TooLargeError(ValueError):
    """An item leads to more nodes than an item has."""


def rdf_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield nodes of a graph: `each` names the property whose objects they are (`tree:member[*]`), or their class.

    A node is an object: `@id`, `@type` and its properties under their short names, or their IRIs where no prefix is
    known; one value as it is, more as a list. Numbers and booleans are such, other literals texts; one in a language is
    `{ "@value", "@language" }`. What a property points at is a node again, with all that the document says of it, other
    items and the pages of feeds excepted. `^` is the node that has the property, without it and with the names of what it
    points at; `@graph` is the node of the named graph that an item stands in. A document that breaks is one break, and no items: what comes first in a graph need not be whole.
    """
    if body.lstrip()[:1] == b"<" and b"<!DOCTYPE" in body[:_PROLOG]:
        detail = "the document declares a type (DOCTYPE); entities are not accepted"
        yield Break(reason=Reason.FORBIDDEN, path="$", detail=detail, excerpt=body[:_EXCERPT])
        return
    form = _FORMATS.get(wanted.media_type) or _sniffed(body)
    graph = _Graph(Shortener(wanted.format.prefixes))
    try:
        # Lenient: a literal of a wrong form is refused where it is bound, and the rest of the document is read.
        for quad in parse(body, format=form, base_iri=wanted.format.base or None, lenient=True):
            graph.add(quad)
    except (SyntaxError, ValueError, OSError) as error:
        yield Break(
            reason=Reason.MALFORMED,
            path="$",
            detail=f"the document cannot be read as {form.name}: {error}",
            excerpt=body[:_EXCERPT],
        )
        return
    for each in wanted.each:
        found = graph.nodes(".".join(each.before))
        if found:
            yield from _items(graph, found, each, body)
            return
    if not graph.properties.isdisjoint(_OF_FEEDS | {"tree:viewDescription", "ldes:timestampPath"}):
        return  # a page of a feed without a member
    names = ", ".join(sorted(graph.properties)[:12])
    yield Break(
        reason=Reason.STRUCTURE,
        path="$",
        detail=f"nothing is a {' or '.join(each.text for each in wanted.each)}; found {names or 'no statement'}",
        excerpt=body[:_EXCERPT],
    )


def _items(graph: _Graph, found: list[tuple[_Node, _Node | None]], each: Each, body: bytes) -> Iterator[Item | Break]:
    spread, name = Spread(each, {}), ".".join(each.before)
    items = {node for node, _ in found}
    place = f"$.{name}[*]" + ("" if each.inner else "".join(f".{step}" for step in each.after))
    for index, (node, around) in enumerate(found):
        try:
            value = graph.item(node, around, name, items=items)
        except _TooLargeError as error:
            yield Break(reason=Reason.FORBIDDEN, path=node.value, detail=str(error), excerpt=str(node).encode())
        else:
            yield from spread.items(value, place, index)
    yield from spread.missed(body)


_Node = NamedNode | BlankNode


class _Graph:
    """The statements of a document by subject, and what is said of a node as an object."""

    def __init__(self, shortener: Shortener) -> None:
        self._short = shortener.short
        # By subject and property the values, in their order and each once.
        self._said: dict[Any, dict[str, dict[Any, None]]] = {}
        self._graphs: dict[Any, Any] = {}
        self._outer: dict[Any, dict[str, Any]] = {}
        self.properties: set[str] = set()

    def add(self, quad: Any) -> None:
        """Take a statement; the same one in two graphs counts once."""
        name = self._short(quad.predicate.value)
        self.properties.add(name)
        self._said.setdefault(quad.subject, {}).setdefault(name, {})[quad.object] = None
        if not isinstance(quad.graph_name, DefaultGraph):
            self._graphs.setdefault(quad.subject, quad.graph_name)

    def nodes(self, name: str) -> list[tuple[_Node, _Node | None]]:
        """List what is wanted, each once, in the document's order: objects of a property with their subject, or a class."""
        found: dict[_Node, _Node | None] = {}
        name = self._short(name)
        for subject, said in self._said.items():
            for value in said.get(name, ()):
                if isinstance(value, NamedNode | BlankNode):
                    found.setdefault(value, subject)
        if not found:
            for subject, said in self._said.items():
                if any(self._short(it.value) == name for it in said.get("rdf:type", ()) if isinstance(it, NamedNode)):
                    found[subject] = None
        return list(found.items())

    def item(self, node: _Node, around: _Node | None, name: str, *, items: set[_Node]) -> dict[str, Any]:
        """Return what the document says of an item.

        Raises:
            _TooLargeError: that is more than an item has.

        """
        self._left = _MOST
        self._apart = items
        value = self._object(node, (node,))
        if around is not None:
            value[AROUND] = self._around(around, name)
        graph = self._graphs.get(node) or self._graphs.get(around)
        if graph is not None:
            value["@graph"] = self._object(graph, (node, graph))
        return value

    def _around(self, node: _Node, name: str) -> dict[str, Any]:
        """Return what is said of the node that has items, once for all of them."""
        if node not in self._outer:
            said = {key: values for key, values in self._said[node].items() if key != name}
            found = self._described(node, said, None)
            self._outer[node] = found
        return self._outer[node]

    def _object(self, node: _Node, trail: tuple[_Node, ...]) -> dict[str, Any]:
        return self._described(node, self._said.get(node, {}), trail)

    def _described(
        self, node: _Node, said: Mapping[str, Iterable[Any]], trail: tuple[_Node, ...] | None
    ) -> dict[str, Any]:
        """Write a node, and with a trail to it the nodes that it points at; without one their names."""
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError(f"more than {_MOST} nodes hang on one item")
        found = _named(node)
        for name, values in said.items():
            if name == "rdf:type":
                types = [self._short(it.value) for it in values if isinstance(it, NamedNode)]
                found["@type"] = types[0] if len(types) == 1 else types
                continue
            written = [self._value(it, trail) for it in values]
            found[name] = written[0] if len(written) == 1 else written
        return found

    def _value(self, value: Any, trail: tuple[_Node, ...] | None) -> Any:
        if isinstance(value, Literal):
            return _literal(value)
        said = self._said.get(value)
        if trail is None or said is None or value in trail or value in self._apart or len(trail) > _DEEPEST:
            return _named(value)
        if not _OF_FEEDS.isdisjoint(said):
            return _named(value)
        return self._object(value, (*trail, value))


def _named(node: _Node) -> dict[str, Any]:
    """Begin an object; a blank node has no name, because a reader would give it another one each time."""
    return {"@id": node.value} if isinstance(node, NamedNode) else {}


def _literal(value: Literal) -> Any:
    """Turn a literal into the value it stands for; its text where it is none of its type."""
    if value.language:
        return {"@value": value.value, "@language": value.language}
    kind = value.datatype.value.removeprefix(_XSD)
    try:
        if kind in _WHOLE:
            return int(value.value)
        if kind in _REAL:
            return float(value.value)
    except ValueError:
        return value.value
    return _BOOLEAN.get(value.value, value.value) if kind == "boolean" else value.value


def _sniffed(body: bytes) -> RdfFormat:
    """Tell what a server without a media type sends: JSON-LD begins with a bracket, TriG reads all the others."""
    return RdfFormat.JSON_LD if body.lstrip()[:1] in (b"{", b"[") else RdfFormat.TRIG
