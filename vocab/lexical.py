"""The spelling of terms in N-Triples and Turtle: strings, IRIs and canonical doubles."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

_Key = TypeVar("_Key")

# Canonical N-Triples (RDF 1.2, section 3.1): these by name, the other control characters by number, nothing else.
_NAMED = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_MUST_ESCAPE = re.compile(r'[\x00-\x1f\x7f"\\]')
_NOT_IN_IRI = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")
# What nearly every IRI looks like: no prefix to expand, nothing to escape.
_PLAIN = re.compile(r"https?://[!#-;=?-\[\]_a-z~]*")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
_LOCAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _by_number(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04X}"


def escape(text: str) -> str:
    """Return `text` as it stands between the quotes of a literal, in N-Triples and in Turtle alike."""
    return _MUST_ESCAPE.sub(lambda found: _NAMED.get(found[0]) or _by_number(found), text)


def bracket(iri: str) -> str:
    """Return `iri` in angle brackets; what the grammar does not allow inside them is escaped by number."""
    return f"<{_NOT_IN_IRI.sub(_by_number, iri)}>"


def is_absolute(iri: str) -> bool:
    """Whether `iri` has a scheme and no white space: what JSON-LD keeps when it becomes RDF."""
    return _ABSOLUTE.fullmatch(iri) is not None


def is_plain(iri: str) -> bool:
    """Whether `iri` is absolute as it stands and safe between angle brackets: the fast answer for common IRIs."""
    return _PLAIN.fullmatch(iri) is not None


def is_iri(text: str) -> bool:
    """Whether `text` is absolute and stands between angle brackets as it is, without any escaping."""
    return is_plain(text) or (is_absolute(text) and _NOT_IN_IRI.search(text) is None)


def is_language(tag: str) -> bool:
    """Whether `tag` has the form of a language tag (BCP 47), which both grammars demand after the `@`."""
    return _LANGUAGE.fullmatch(tag) is not None


def is_prefix(name: str) -> bool:
    """Whether `name` can stand before the colon of a prefixed name without any escaping."""
    return _PREFIX.fullmatch(name) is not None


def is_local(name: str) -> bool:
    """Whether `name` can stand after the colon of a prefixed name without any escaping."""
    return _LOCAL.fullmatch(name) is not None


def canonical_double(value: float) -> str:
    """Return the canonical lexical form of an xsd:double: `1.24E1` (JSON-LD 1.1 API, section 8.6).

    Sixteen significant digits, not the shortest form that reads back the same: the standard fixes them.
    """
    mantissa, _, exponent = f"{value:.15E}".partition("E")
    if not exponent:  # a text that reads as an infinity or as no number at all
        return mantissa
    whole, _, fraction = mantissa.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}E{int(exponent)}"


class Memo(dict[_Key, str]):
    """A bounded memory of spellings: what is not in it is made once, and a full one starts anew.

    Starting anew keeps a lookup one dictionary access; the values that repeat (sensors, codes, speeds) are back after
    a few members.
    """

    def __init__(self, make: Callable[[_Key], str], *, size: int = 4096) -> None:
        super().__init__()
        self._make = make
        self._size = size

    def __missing__(self, key: _Key) -> str:
        if len(self) >= self._size:
            self.clear()
        text = self[key] = self._make(key)
        return text
