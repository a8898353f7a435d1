"""Members as lines: N-Quads with labels of their own, or JSON-LD, as the page wrote it where that is possible."""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

import orjson
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad, RdfFormat, serialize

from testbed.client.extraction import Member
from testbed.client.graph import Dataset, Node, Term
from testbed.client.terms import RDF, RDF_TYPE, TREE, XSD

_SPACE = re.compile(r"[ \t\r\n]*")
# Nesting of blank nodes: a fraction of what JSON readers take.
_DEEPEST = 32
_MEMBER_KEYS = ("member", "tree:member", TREE + "member")


def nquads(member: Member) -> bytes:
    """Return a member's statements, one a line; blank nodes are told apart from those of every other member."""
    prefix = "m" + hashlib.blake2b(member.iri.encode(), digest_size=8).hexdigest()
    names: dict[BlankNode, BlankNode] = {}

    def named(term: Any) -> Any:
        if not isinstance(term, BlankNode):
            return term
        if term not in names:
            names[term] = BlankNode(f"{prefix}n{len(names)}")
        return names[term]

    quads = [
        Quad(named(quad.subject), quad.predicate, named(quad.object), named(quad.graph_name))
        for quad in member.data.quads
    ]
    return serialize(quads, format=RdfFormat.N_QUADS) or b""


def written_members(body: bytes, base: str) -> Mapping[str, bytes]:
    """Return the members of a JSON-LD page as they are written there, by their IRI.

    Only of a page that is one object with its members nested under `member`: then each is all there. They are the
    bytes of the page, unless those have line breaks, which a line cannot have. Others give nothing.
    """
    try:
        text = body.decode()
        fields = dict(_fields(text, _skip(text, 0)))
    except (ValueError, IndexError, RecursionError):
        return {}
    found: dict[str, bytes] = {}
    # A node beside the one that has the members may say more about them.
    if "@graph" in fields or "@included" in fields:
        return {}
    for key in _MEMBER_KEYS:
        for piece in _elements(text, fields[key]) if key in fields else ():
            member = orjson.loads(piece)
            iri = (
                next((member[name] for name in ("@id", "id") if name in member), None)
                if _whole(member, piece)
                else None
            )
            if isinstance(iri, str):
                line = piece if "\n" not in piece and "\r" not in piece else _compact(member)
                with suppress(ValueError):
                    found[urljoin(base, iri)] = line.encode()
    return found


def _whole(member: object, piece: str) -> bool:
    """Say whether a member needs nothing from elsewhere: a blank node that is named may be described anywhere."""
    return isinstance(member, dict) and '"_:' not in piece


def _compact(member: object) -> str:
    return json.dumps(member, ensure_ascii=False, separators=(",", ":"))


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def _fields(text: str, position: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give the keys of the object that begins here, and from where to where its values are."""
    decoder = json.JSONDecoder()
    if text[position] != "{":
        raise ValueError("not an object")
    position = _skip(text, position + 1)
    while text[position] != "}":
        key, position = decoder.raw_decode(text, position)
        position = _skip(text, _skip(text, position) + 1)
        begin = position
        _, position = decoder.raw_decode(text, position)
        yield str(key), (begin, position)
        position = _skip(text, position)
        position = _skip(text, position + (text[position] == ","))


def _elements(text: str, place: tuple[int, int]) -> Iterator[str]:
    """Give the elements of an array as they are written, or the one value that is there instead."""
    decoder = json.JSONDecoder()
    position, end = place
    if text[position] != "[":
        yield text[position:end]
        return
    position = _skip(text, position + 1)
    while text[position] != "]":
        _, after = decoder.raw_decode(text, position)
        yield text[position:after]
        position = _skip(text, after)
        position = _skip(text, position + (text[position] == ","))


def expanded(member: Member) -> dict[str, Any]:
    """Write a member as one expanded JSON-LD object; blank nodes are nested where they are first met.

    Those that are nested too deep for JSON readers stand beside the member, under `@included`.
    """
    return _Expansion(member.data).member(NamedNode(member.iri))


class _Expansion:
    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._met: dict[Node, str] = {}
        self._deep: deque[BlankNode] = deque()
        counts: dict[object, int] = {}
        for quad in data.quads:
            counts[quad.object] = counts.get(quad.object, 0) + 1
        # Only these need a label: all others are where they are nested.
        inside = [quad for quad in data.quads if not isinstance(quad.graph_name, DefaultGraph)]
        named = {node for quad in inside for node in (quad.graph_name, quad.subject)}
        self._shared = {node for node, count in counts.items() if count > 1 or node in named}

    def member(self, node: NamedNode) -> dict[str, Any]:
        """Write the member itself."""
        said = self._node(node, 0)
        # Writing one may find more of them.
        for deep in iter(lambda: self._deep.popleft() if self._deep else None, None):
            said.setdefault("@included", []).append(self._node(deep, 0))
        return said

    def _node(self, node: Node, depth: int) -> dict[str, Any]:
        """Write a node and, where it names a graph, that graph."""
        self._met.setdefault(node, "")
        said = self._properties(node, self._data.star(node), depth)
        graph = self._data.graph(node)
        if graph:
            by_subject: dict[Any, list[Quad]] = {}
            for quad in graph:
                by_subject.setdefault(quad.subject, []).append(quad)
            said["@graph"] = [
                self._properties(subject, by_subject[subject], None)
                for subject in by_subject
                if isinstance(subject, NamedNode | BlankNode)
            ]
        return said

    def _properties(self, node: Node, quads: list[Quad], depth: int | None) -> dict[str, Any]:
        """Write what is said of a node; `depth` None nests nothing, as in a named graph."""
        said: dict[str, Any] = {}
        if isinstance(node, NamedNode):
            said["@id"] = node.value
        elif node in self._shared or depth is None or self._met.get(node):
            said["@id"] = f"_:{self._label(node)}"
        for quad in quads:
            if quad.predicate.value == RDF_TYPE and isinstance(quad.object, NamedNode):
                said.setdefault("@type", []).append(quad.object.value)
            else:
                said.setdefault(quad.predicate.value, []).append(self._value(quad.object, depth))
        return said

    def _value(self, term: Term, depth: int | None) -> dict[str, Any]:
        if isinstance(term, Literal):
            if term.language:
                return {"@value": term.value, "@language": term.language}
            datatype = term.datatype.value
            return {"@value": term.value} | ({} if datatype == XSD + "string" else {"@type": datatype})
        if isinstance(term, NamedNode):
            return {"@id": term.value}
        if isinstance(term, BlankNode):
            if depth is not None and term not in self._met:
                if depth < _DEEPEST:
                    return self._node(term, depth + 1)
                self._deep.append(term)
            return {"@id": f"_:{self._label(term)}"}
        return {"@value": str(term), "@type": RDF + "Statement"}

    def _label(self, node: BlankNode) -> str:
        labels = self._met
        if not labels.get(node):
            labels[node] = f"b{sum(1 for label in labels.values() if label)}"
        return labels[node]
