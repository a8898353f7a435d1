"""pyld as the oracle, offline, and graphs in a form that compares exactly and fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import orjson
import rdflib
from pyld import jsonld
from rdflib import BNode, Graph, Literal
from rdflib.term import Node

# A member has no base; pyld always takes one, so what it resolved against this one counts as dropped.
_BASE = "http://relative.invalid/"
Canonical = tuple[Any, ...]
_STRING = "http://www.w3.org/2001/XMLSchema#string"


@contextmanager
def exact_literals() -> Iterator[None]:
    """Make rdflib keep lexical forms as they are written, so that 12.4 and 1.24E1 are told apart."""
    before = rdflib.NORMALIZE_LITERALS
    rdflib.NORMALIZE_LITERALS = False
    try:
        yield
    finally:
        rdflib.NORMALIZE_LITERALS = before


def expected(context: Mapping[str, Any], body: bytes) -> Canonical:
    """Return what pyld makes of a body in a context."""
    document = {"@context": dict(context), **orjson.loads(body)}
    dataset = jsonld.to_rdf(document, {"documentLoader": _refuse, "base": _BASE})
    quads = dataset.get("@default", [])
    triples = [tuple(_pyld_term(quad[part]) for part in ("subject", "predicate", "object")) for quad in quads]
    return _canonical([triple for triple in triples if not triple[2][1].startswith(_BASE)])


def actual(data: bytes, syntax: str) -> Canonical:
    """Return the graph that N-Triples (`nt`) or Turtle (`turtle`) holds."""
    graph = Graph().parse(data=data, format=syntax)
    return _canonical([(_rdflib_term(s), _rdflib_term(p), _rdflib_term(o)) for s, p, o in graph])


def _refuse(url: str, options: object) -> NoReturn:
    raise AssertionError(f"a test wanted to fetch {url}")


def _pyld_term(term: Mapping[str, str]) -> Canonical:
    if term["type"] == "blank node":
        return ("blank", term["value"])
    if term["type"] == "IRI":
        return ("iri", term["value"])
    return ("literal", term["value"], term["datatype"], term.get("language"))


def _rdflib_term(term: Node) -> Canonical:
    if isinstance(term, BNode):
        return ("blank", str(term))
    if isinstance(term, Literal):
        datatype = (
            "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString" if term.language else str(term.datatype or _STRING)
        )
        return ("literal", str(term), datatype, term.language)
    return ("iri", str(term))


def _canonical(triples: Iterable[tuple[Canonical, ...]]) -> Canonical:
    """Return a form that two graphs share exactly when they are isomorphic, provided their blank nodes form trees."""
    about: dict[Canonical, set[tuple[Canonical, Canonical]]] = defaultdict(set)
    objects = set()
    for subject, predicate, value in triples:
        about[subject].add((predicate, value))
        objects.add(value)

    def described(node: Canonical) -> Canonical:
        if node[0] != "blank":
            return node
        return ("blank", *sorted(((p, described(o)) for p, o in about.get(node, ())), key=repr))

    tops = [node for node in about if node[0] != "blank" or node not in objects]
    found = [(described(node), p, described(o)) for node in tops for p, o in about[node]]
    return tuple(sorted(found, key=repr))
