"""Compiles a JSON-LD context into a fast, exact JSON-LD -> Turtle / N-Triples writer.

The part of JSON-LD 1.1 that our contexts need, and nothing else: prefixes, terms, `@type` coercion to `@id`, `@vocab`
or a datatype, `@container` `@set` or `@language`, `@language`, aliases of `@id` and `@type`. A context that asks for
more is refused when it is compiled, with the name of the term.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson

from vocab.emitter import State
from vocab.errors import MemberError, ModelError
from vocab.lexical import bracket, is_absolute, is_language, is_prefix
from vocab.names import Names, Term
from vocab.template import FastEmitter

_DEFINITION_KEYS = {"@id", "@type", "@container", "@language", "@prefix", "@protected"}
_GENERIC_DELIMITERS = (":", "/", "?", "#", "[", "]", "@")
_FIX = "keep to prefixes, terms, @type, @container @set or @language, and @language"


class Writer:
    """Turns members, as page-ready JSON-LD bytes (without `@context`), into RDF text, exactly as pyld would.

    Not expressible, and refused with a `MemberError`: value, list, set, graph, index and reverse objects, blank node
    labels, and a node whose `@id` is not absolute (JSON-LD would silently lose its statements). Integers are exact up
    to 64 bits.
    """

    def __init__(self, names: Names) -> None:
        lines = [f"@prefix {prefix}: {bracket(iri)} .\n" for prefix, iri in names.prefixes.items()]
        self._prefixes = "".join(lines).encode()
        # A body without a backslash has no escaped character in any string, so its strings go out as they came in.
        self._ntriples = {dirty: FastEmitter(names, turtle=False, dirty=dirty) for dirty in (False, True)}
        self._turtle = {dirty: FastEmitter(names, turtle=True, dirty=dirty) for dirty in (False, True)}

    @property
    def prefixes(self) -> bytes:
        """The `@prefix` lines that the Turtle of this writer relies on."""
        return self._prefixes

    def ntriples(self, body: bytes, *, scope: str) -> bytes:
        """Return one statement per line; blank nodes are labelled `_:<scope>n<k>`, so give each member its own scope.

        Raises:
            MemberError: the body is no JSON object, or uses what this writer does not express.

        """
        member = _parse(body)
        labels: Iterator[str] = (f"_:{scope}n{number}" for number in count())
        return _write(self._ntriples[_is_dirty(body)], member, labels).encode()

    def turtle(self, body: bytes) -> bytes:
        """Return one subject block ending in ` .` and a line feed, blank nodes nested, never labelled.

        Nodes inside the member that have an IRI and properties of their own follow as blocks of their own.

        Raises:
            MemberError: the body is no JSON object, or uses what this writer does not express.

        """
        member = _parse(body)
        blocks: list[str] = []
        first = _write(self._turtle[_is_dirty(body)], member, blocks)
        return "".join((first, *blocks)).encode() if blocks else first.encode()


def _is_dirty(body: bytes) -> bool:
    return b"\\" in body or b"\x7f" in body


def _parse(body: bytes) -> dict[str, Any]:
    try:
        member = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MemberError(f"the member is no JSON: {error}") from error
    if type(member) is not dict:
        raise MemberError("a member is one JSON object")
    return member


def _write(emitter: FastEmitter, member: dict[str, Any], state: State) -> str:
    try:
        return emitter.root(member, state)
    except TypeError as error:
        # Types are looked up by their array; what cannot be looked up is an array of other things than strings.
        raise MemberError(f"an @type is a string or an array of strings: {error}") from error


def compile_context(context: Mapping[str, Any]) -> Writer:
    """Compile the value of an `@context` once into a writer.

    Raises:
        ModelError: the context uses a part of JSON-LD that the writer does not support; names the term.

    """
    return Writer(read_names(context))


def read_names(context: Mapping[str, Any]) -> Names:
    """Read the value of an `@context` into the names it defines.

    Raises:
        ModelError: the context uses a part of JSON-LD that the writer does not support; names the term.

    """
    reader = _Reader(context=context)
    language = context.get("@language")
    if language is not None and not (isinstance(language, str) and is_language(language)):
        raise _refuse("@language", "is no language tag")
    if context.get("@version", 1.1) != 1.1:
        raise _refuse("@version", "must be 1.1")
    prefixes = {name: reader.iri(name) for name in context if reader.is_prefix(name)}
    terms: dict[str, Term] = {}
    aliases: dict[str, str] = {}
    for name, definition in context.items():
        if name.startswith("@"):
            if name not in {"@version", "@language", "@protected"}:
                raise _refuse(name, "is a keyword this writer does not support")
        elif definition in ("@id", "@type"):
            aliases[name] = definition
        else:
            terms[name] = reader.term(name, language)
    return Names(terms=terms, prefixes=prefixes, aliases=aliases, language=language.lower() if language else None)


def _refuse(term: str, what: str) -> ModelError:
    return ModelError(f"{term!r} {what}", where="@context", fix=_FIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Resolves the definitions of one context, following prefixes into each other."""

    context: Mapping[str, Any]

    def definition(self, name: str) -> Mapping[str, Any]:
        """Return the definition of a term in its long form."""
        value = self.context[name]
        if isinstance(value, str):
            return {"@id": value}
        if not isinstance(value, Mapping):
            raise _refuse(name, "must be defined by an IRI or an object")
        if unknown := sorted(set(value) - _DEFINITION_KEYS):
            raise _refuse(name, f"uses {unknown[0]}, which this writer does not support")
        return value

    def is_prefix(self, name: str, path: tuple[str, ...] = ()) -> bool:
        """Whether `name` may stand before a colon (JSON-LD 1.1, section 4.1.5: a simple term, or `@prefix`)."""
        value = self.context[name]
        if name.startswith("@") or not is_prefix(name) or value in ("@id", "@type"):
            return False
        if isinstance(value, str):
            return self.iri(name, path).endswith(_GENERIC_DELIMITERS)
        return isinstance(value, Mapping) and value.get("@prefix") is True

    def iri(self, name: str, path: tuple[str, ...] = ()) -> str:
        """Return the absolute IRI a term stands for."""
        if name in path:
            raise _refuse(name, "is defined by itself")
        text = self.definition(name).get("@id", name if ":" in name else None)
        if not isinstance(text, str):
            raise _refuse(name, "has no @id")
        return self.expand(text, name, (*path, name))

    def expand(self, text: str, name: str, path: tuple[str, ...] = ()) -> str:
        """Expand what the definition of `name` refers to: a term, a prefixed name or an absolute IRI."""
        if text in self.context and text != name and not text.startswith("@"):
            return self.iri(text, path)
        prefix, colon, local = text.partition(":")
        if colon and not local.startswith("//") and prefix in self.context and self.is_prefix(prefix, path):
            return self.iri(prefix, path) + local
        if not is_absolute(text):
            raise _refuse(name, f"stands for {text!r}, which is no absolute IRI")
        return text

    def term(self, name: str, language: str | None) -> Term:
        """Compile the definition of one term."""
        definition = self.definition(name)
        coercion = definition.get("@type")
        if coercion is not None and coercion not in ("@id", "@vocab"):
            if not isinstance(coercion, str) or coercion.startswith("@"):
                raise _refuse(name, f"has @type {coercion!r}, which this writer does not support")
            coercion = self.expand(coercion, name)
        container = definition.get("@container")
        if container not in (None, "@set", "@language"):
            raise _refuse(name, f"has @container {container!r}, which this writer does not support")
        own = definition.get("@language", language)
        if own is not None and not (isinstance(own, str) and is_language(own)):
            raise _refuse(name, "has an @language that is no language tag")
        return Term(
            iri=self.iri(name),
            coercion=coercion,
            language=own.lower() if own else None,
            by_language=container == "@language",
        )
