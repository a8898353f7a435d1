"""Compact: a node of an RDF graph to a member, a JSON-LD object in a model's own context, and nothing lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any

import orjson
from pyoxigraph import BlankNode, Literal, NamedNode

from vocab.errors import MemberError
from vocab.names import Names, Term
from vocab.terms import RDF_TYPE, XSD_BOOLEAN, XSD_DOUBLE, XSD_INTEGER, XSD_STRING

_NATIVE = {XSD_INTEGER, XSD_BOOLEAN, XSD_DOUBLE}
# Integers that JSON readers keep exactly: 64 bits.
_LARGEST = 2**63
# Deeper than any model's template; a chain of nodes without end is no member.
_DEEPEST = 50


Node = NamedNode | BlankNode
# Subject -> its statements, as predicate and object; no other shape of a graph is needed to walk down it.
Graph = Mapping[Node, Sequence[tuple[str, Any]]]


class Compactor:
    """Makes members from the nodes of a graph, with the terms of one context.

    Literals of the graph have valid lexical forms (`vocab.submission` sees to it).

    What the context has no term for keeps its full IRI as key where JSON-LD can say it so (plain strings, numbers,
    booleans, IRIs, nodes), and is refused where it cannot (other datatypes and languages). The same statements make the
    same bytes, in whatever order and with whatever blank node labels they came.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._terms: dict[str, list[tuple[str, Term]]] = {}
        for name, term in names.terms.items():
            self._terms.setdefault(term.iri, []).append((name, term))
        self._order = {name: place for place, name in enumerate(names.terms)}

    def member(self, graph: Graph, node: NamedNode, *, apart: Collection[Node] = ()) -> dict[str, Any]:
        """Make the member `node`, with every node that hangs below it; those in `apart` are only named.

        Raises:
            MemberError: a value that the context cannot say, a blank node that is used twice, a chain too deep.

        """
        return _Walk(self, graph, frozenset(apart)).node(node, 0)

    def types(self, graph: Graph, node: Node) -> list[str]:
        """Return the types of a node as terms of the context where it has them, in a fixed order."""
        found = sorted(value.value for predicate, value in graph.get(node, ()) if predicate == RDF_TYPE)
        return [self.concept(iri) for iri in found]

    def concept(self, iri: str) -> str:
        """Return the term that stands for a concept, else its IRI."""
        return next((name for name, _ in self._terms.get(iri, ())), iri)

    def ordered(self, values: dict[str, Any]) -> dict[str, Any]:
        """Sort the keys of a node as the context lists them; full IRIs come last."""
        last = len(self._order)
        return dict(sorted(values.items(), key=lambda item: (self._order.get(item[0], last), item[0])))

    def literal(self, predicate: str, value: Literal) -> tuple[str, Any]:
        """Return the key and the JSON value that say this literal.

        Raises:
            MemberError: the context cannot say it.

        """
        known = sorted(self._terms.get(predicate, ()), key=lambda each: each[1].by_language)
        for name, term in (*known, (predicate, self._plain(predicate))):
            if (said := _said(term, value)) is not None:
                return name, said
        kind = f"language {value.language}" if value.language else f"datatype {value.datatype.value}"
        raise MemberError(f"the model has no term for <{predicate}> with {kind}: leave it out, or extend the model")

    def link(self, predicate: str, iri: str) -> tuple[str, Any]:
        """Return the key and the JSON value that refer to an IRI."""
        known = self._terms.get(predicate, ())
        for name, term in known:
            if term.coercion == "@vocab":
                return name, self.concept(iri)
        for name, term in known:
            if term.coercion == "@id":
                return name, iri
        return self.key(predicate), {"@id": iri}

    def key(self, predicate: str) -> str:
        """Return the key under which a node of its own stands."""
        fit = [(term.coercion not in ("@id", "@vocab"), name) for name, term in self._open(predicate)]
        return min(fit)[1] if fit else predicate

    def _open(self, predicate: str) -> list[tuple[str, Term]]:
        return [(name, term) for name, term in self._terms.get(predicate, ()) if not term.by_language]

    def _plain(self, predicate: str) -> Term:
        return Term(iri=predicate, coercion=None, language=self._names.language, by_language=False)


class _Walk:
    """One way through a graph, from a member down."""

    def __init__(self, compactor: Compactor, graph: Graph, apart: frozenset[Node]) -> None:
        self._compactor = compactor
        self._graph = graph
        self._apart = apart
        self._met: set[Node] = set()

    def node(self, node: Node, depth: int) -> dict[str, Any]:
        """Make the object of a node that was not met before."""
        if depth > _DEEPEST:
            raise MemberError(f"nodes hang more than {_DEEPEST} deep")
        self._met.add(node)
        values: dict[str, Any] = {}
        for predicate, value in sorted(self._graph.get(node, ()), key=str):
            if predicate != RDF_TYPE:
                self._say(values, predicate, value, depth)
        head: dict[str, Any] = {"@id": node.value} if isinstance(node, NamedNode) else {}
        if types := self._compactor.types(self._graph, node):
            head["@type"] = types if len(types) > 1 else types[0]
        return {**head, **self._compactor.ordered({key: _settled(value) for key, value in values.items()})}

    def _say(self, values: dict[str, Any], predicate: str, value: Node | Literal, depth: int) -> None:
        if isinstance(value, Literal):
            _add(values, *self._compactor.literal(predicate, value))
        elif isinstance(value, BlankNode):
            if value in self._met:
                raise MemberError(f"blank node used twice, below <{predicate}>: give it an IRI, or say it once")
            _add(values, self._compactor.key(predicate), self.node(value, depth + 1))
        elif value in self._met or value in self._apart or value not in self._graph:
            _add(values, *self._compactor.link(predicate, value.value))
        else:
            _add(values, self._compactor.key(predicate), self.node(value, depth + 1))


def _settled(value: Any) -> Any:
    """Put what RDF has no order for into one."""
    if isinstance(value, _LanguageMap):
        return {tag: _settled(texts) for tag, texts in sorted(value.items())}
    return sorted(value, key=_order) if isinstance(value, list) else value


def _order(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _add(values: dict[str, Any], key: str, said: Any) -> None:
    if key not in values:
        values[key] = said
    elif isinstance(said, _LanguageMap):
        for tag, text in said.items():
            _add(values[key], tag, text)
    else:
        held = values[key]
        values[key] = [*held, said] if isinstance(held, list) else [held, said]


class _LanguageMap(dict[str, Any]):
    """Texts by language; told from a node by its type while a member is being made."""


def _said(term: Term, value: Literal) -> Any:
    """Return the JSON value that says a literal under a term; None when the term would say something else."""
    text, datatype = value.value, value.datatype.value
    if value.language:
        if term.by_language:
            return _LanguageMap({value.language: text})
        return text if term.coercion is None and term.language == value.language.lower() else None
    if term.by_language:
        return _LanguageMap({"@none": text}) if datatype == XSD_STRING else None
    if term.coercion is None:
        if datatype == XSD_STRING:
            return None if term.language else text
        return _native(text, datatype)
    if term.coercion != datatype:
        return None
    native = float(text) if datatype == XSD_DOUBLE and isfinite(float(text)) else _native(text, datatype)
    return text if native is None else native


def _native(text: str, datatype: str) -> Any:
    """Return the number or boolean that is written exactly so; None when only the string says it exactly."""
    if datatype == XSD_BOOLEAN and text in ("true", "false"):
        return text == "true"
    if datatype == XSD_INTEGER and _is_exact(text):
        return int(text)
    # JSON-LD reads a number without a fraction as an integer.
    if datatype == XSD_DOUBLE and isfinite(float(text)) and not float(text).is_integer():
        return float(text)
    return None


def _is_exact(text: str) -> bool:
    return len(text) <= 20 and str(int(text)) == text and abs(int(text)) < _LARGEST
