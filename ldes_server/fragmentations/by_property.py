"""ByProperty as a fragmentation: one bucket for each value, behind an EqualToRelation."""

from __future__ import annotations

import re
from base64 import b32encode
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from unicodedata import normalize

from ldes_server.definition import ByProperty
from ldes_server.fragmentations.trails import NONE, ValueFragmentation
from ldes_server.model import Bound, Fragmentation, RelationType, Step, Trail
from vocab.model import Kind
from vocab.places import Found, Place, Value
from vocab.terms import RDF_LANG_STRING, XSD_BOOLEAN, XSD_INTEGER, XSD_STRING

# A value is its own key when it is of the one datatype that its name has, short, and safe in an address.
_READABLE = re.compile(r"[A-Za-z0-9-]{1,40}")
_OWN = {Kind.STRING: XSD_STRING, Kind.INTEGER: XSD_INTEGER, Kind.BOOLEAN: XSD_BOOLEAN}
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
# Keys of buckets that are no values, here and in views nested with this one.
_TAKEN = frozenset({"none", "late"})
# 80 bits: a million values collide with a chance of one in two million million.
_DIGEST = 10


def by_property(view: ByProperty, place: Place) -> Fragmentation:  # noqa: ARG001
    """Send a member to the bucket of each of its values.

    Texts are compared in normal form C (TREE-30). Values that no relation can say (texts with a language, IRIs that
    need escapes, what JSON-LD drops) are in `none`.
    """
    uses = Counter(term.iri for term in place.names.terms.values())
    codes = {term.iri: name for name, term in place.names.terms.items() if uses[term.iri] == 1}

    def trail(key: str, raw: Any) -> Trail:
        value = place.read(Found(key, raw))
        if value is None or value.datatype == RDF_LANG_STRING:
            return NONE
        if value.datatype:
            value = Value(normalize("NFC", value.text), value.datatype)
        bound = Bound(type=RelationType.EQUAL, path=place.predicates, value=value.text, datatype=value.datatype)
        return (Step(key=_key(value, place.kind, codes), bounds=(bound,)),)

    return ValueFragmentation(place, trail)


def _key(value: Value, kind: Kind, codes: Mapping[str, str]) -> str:
    text = value.text if value.datatype else codes.get(value.text, "")
    own = kind is Kind.CODE if not value.datatype else value.datatype == _OWN.get(kind)
    if own and _READABLE.fullmatch(text) and text not in _TAKEN:
        return text
    # `_` is in no key of the readable kind, so the two kinds cannot meet.
    digest = blake2b(f"{value.datatype}\0{value.text}".encode(), digest_size=_DIGEST).digest()
    return f"{_slug(value)}_{b32encode(digest).decode().lower()}"


def _slug(value: Value) -> str:
    """Return what people recognise: the end of an IRI, the start of a text."""
    text = value.text if value.datatype else re.split(r"[/#]", value.text.rstrip("/#"))[-1]
    return _UNSAFE.sub("-", text)[:24].strip("-").lower()
