"""Compiles a JSON-LD context into a fast, exact JSON-LD -> Turtle / N-Triples writer."""

from __future__ import annotations

from typing import Protocol


class Writer(Protocol):
    """Turns members, as page-ready JSON-LD bytes (without `@context`), into RDF text, exactly as pyld would."""

    @property
    def prefixes(self) -> bytes:
        """The `@prefix` lines that the Turtle of this writer relies on."""
        ...

    def ntriples(self, body: bytes, *, scope: str) -> bytes:
        """Return one statement per line; blank nodes are labelled `_:<scope>n<k>`, so give each member its own scope."""
        ...

    def turtle(self, body: bytes) -> bytes:
        """Return one subject block ending in ` .` and a line feed, blank nodes nested, never labelled."""
        ...
