"""Names: what a compiled context knows about the keys and values of a member."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vocab.errors import MemberError
from vocab.lexical import is_absolute

_KEYWORD = re.compile(r"@[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A property: its IRI and how its values are read.

    `coercion` is `@id`, `@vocab`, a datatype IRI or None; `language` (lower case) is that of plain strings;
    `by_language` says that an object is a language map.
    """

    iri: str
    coercion: str | None
    language: str | None
    by_language: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The terms, prefixes, keyword aliases and default language (lower case) of one context."""

    terms: Mapping[str, Term]
    prefixes: Mapping[str, str]
    aliases: Mapping[str, str]
    language: str | None

    def key(self, key: str) -> Term | str | None:
        """Return what a key means: a term, `@id`, `@type`, or None for a key that JSON-LD drops.

        Raises:
            MemberError: the key is a keyword that members do not use.

        """
        if term := self.terms.get(key):
            return term
        keyword = self.aliases.get(key, key)
        if keyword in ("@id", "@type"):
            return keyword
        if _KEYWORD.fullmatch(keyword):
            raise MemberError(f"members do not use {keyword}")
        iri = self.reference(key) if ":" in key else None
        return Term(iri=iri, coercion=None, language=self.language, by_language=False) if iri else None

    def reference(self, text: str) -> str | None:
        """Return the absolute IRI that `text` stands for where an IRI is expected; None if it is not absolute.

        Raises:
            MemberError: it is a blank node label.

        """
        prefix, colon, local = text.partition(":")
        if prefix == "_" and colon:
            raise MemberError(f"members do not name blank nodes: {text!r}")
        if colon and not local.startswith("//") and prefix in self.prefixes:
            text = self.prefixes[prefix] + local
        return text if is_absolute(text) else None

    def concept(self, text: str) -> str | None:
        """Return the absolute IRI that `text` stands for where a term is expected; None if there is none."""
        term = self.terms.get(text)
        return term.iri if term else self.reference(text)
