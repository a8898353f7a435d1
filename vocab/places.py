"""Place: where a name of a model stands in a member, as keys of the body and as a path of predicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from vocab.context import read_names
from vocab.lexical import bracket, canonical_double
from vocab.model import Kind, Model
from vocab.names import Names, Term
from vocab.terms import RDF_LANG_STRING, RDF_TYPE, XSD_BOOLEAN, XSD_DOUBLE, XSD_INTEGER, XSD_STRING

Scalar = str | int | float | bool
# What the platform itself fills in: the thing a version is about, and when it was observed.
_BUILT_IN = {"entity": Kind.IRI, "observed_at": Kind.DATETIME}


class Found(NamedTuple):
    """A value as the body has it: the `key` it stands under, and the `raw` JSON value (language maps opened)."""

    key: str
    raw: Scalar


class Value(NamedTuple):
    """A value as RDF has it: the `text` of a literal of `datatype`, or an IRI where `datatype` is empty.

    Texts with a language have the datatype rdf:langString.
    """

    text: str
    datatype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a name stands: `predicates` from the member on, and for each of them the `keys` that mean it.

    Every key of the model's context that means a predicate counts, so `find` sees all values that an RDF client finds
    along the path, not only those that the name was bound to (TREE-19). `kind` is that of the name.
    """

    name: str
    kind: Kind
    predicates: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    terms: Mapping[str, Term]
    names: Names

    def find(self, body: Mapping[str, Any]) -> tuple[Found, ...]:
        """Return all values at this place of a parsed body; IRIs of nodes included, blank nodes left out."""
        node: Any = body
        for keys in self.keys:
            if len(keys) > 1 or type(node) is not dict:
                return tuple(self._search(body))
            node = node.get(keys[0])
        if type(node) is str:
            return (Found(self.keys[-1][0], node),)
        return () if node is None else tuple(self._search(body))

    def read(self, found: Found) -> Value | None:
        """Return a found value as RDF has it, spelled as `vocab.context.Writer` does; None for what it drops.

        An IRI that could stand between angle brackets only with escapes is None, too.
        """
        key, raw = found
        term = self.terms.get(key)
        coercion = term.coercion if term else "@vocab"
        if isinstance(raw, str) and coercion in ("@id", "@vocab"):
            iri = self.names.reference(raw) if coercion == "@id" else self.names.concept(raw)
            return Value(iri, "") if iri and bracket(iri) == f"<{iri}>" else None
        tagged = term is not None and term.coercion is None and (term.by_language or term.language)
        if isinstance(raw, str):
            return Value(raw, RDF_LANG_STRING) if tagged else _text(raw, coercion or XSD_STRING)
        return _number(raw, None if coercion in ("@id", "@vocab") else coercion)

    def _search(self, body: Mapping[str, Any]) -> Iterator[Found]:
        nodes: list[Mapping[str, Any]] = [body]
        for keys in self.keys[:-1]:
            nodes = [child for node in nodes for key in keys for child in _listed(node.get(key)) if type(child) is dict]
        for node in nodes:
            for key in self.keys[-1]:
                term = self.terms.get(key)
                for value in _listed(node.get(key)):
                    yield from _open(key, value, by_language=term is not None and term.by_language)


def places(model: Model) -> dict[str, Place]:
    """Return the place of every name that its model writes as a value of its own.

    Where a name is written at several places, the one with the shortest path counts, and the first of these in the
    template. Names that only stand inside other text have no place.
    """
    names = read_names(orjson.loads(model.context))
    kinds = {**{name: field.kind for name, field in model.fields.items()}, **_BUILT_IN}
    found: dict[str, Place] = {}
    for slot, keys in _slots(model.template, ()):
        if slot in kinds and (slot not in found or len(keys) < len(found[slot].keys)):
            place = _place(slot, keys, kinds[slot], names)
            if place is not None:
                found[slot] = place
    return found


def _slots(template: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(template, dict):
        for key, value in template.items():
            if key != "@each":
                yield from _slots(value, (*keys, key))
    elif isinstance(template, list):
        for value in template:
            yield from _slots(value, keys)
    elif isinstance(template, str) and template.startswith("{") and template.endswith("}"):
        yield template[1:-1], keys


def _place(name: str, keys: tuple[str, ...], kind: Kind, names: Names) -> Place | None:
    predicates: list[str] = []
    spelled: list[tuple[str, ...]] = []
    for key in keys:
        meaning = names.key(key)
        if isinstance(meaning, Term):
            predicates.append(meaning.iri)
            others = (name for name, term in names.terms.items() if term.iri == meaning.iri)
            spelled.append(tuple(dict.fromkeys((key, *others))))
        elif meaning == "@type":
            predicates.append(RDF_TYPE)
            spelled.append((key,))
        else:
            return None
    terms = {key: names.terms[key] for key in spelled[-1] if key in names.terms}
    return Place(name=name, kind=kind, predicates=tuple(predicates), keys=tuple(spelled), terms=terms, names=names)


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [] if value is None else [value]


def _open(key: str, value: Any, *, by_language: bool) -> Iterator[Found]:
    if type(value) is not dict:
        if isinstance(value, Scalar):
            yield Found(key, value)
    elif by_language:
        for texts in value.values():
            yield from (Found(key, text) for text in _listed(texts) if isinstance(text, str))
    elif isinstance(value.get("@id"), str):
        yield Found(key, value["@id"])


def _text(raw: str, datatype: str) -> Value:
    if datatype == XSD_DOUBLE:
        with suppress(ValueError):
            raw = canonical_double(float(raw))
    return Value(raw, datatype)


def _number(raw: float, datatype: str | None) -> Value:
    if isinstance(raw, bool):
        return Value("true" if raw else "false", datatype or XSD_BOOLEAN)
    if datatype == XSD_DOUBLE or not float(raw).is_integer() or abs(raw) >= 1e21:
        return Value(canonical_double(raw), datatype or XSD_DOUBLE)
    return Value(str(int(raw)), datatype or XSD_INTEGER)
