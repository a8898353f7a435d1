"""ByPrefix as a fragmentation: one tree level for each of the first characters of a text."""

from __future__ import annotations

from typing import Any
from unicodedata import normalize

from ldes_server.definition import ByPrefix
from ldes_server.fragmentations.trails import NONE, ValueFragmentation
from ldes_server.model import Bound, Fragmentation, RelationType, Step, Trail
from vocab.places import Found, Place
from vocab.terms import RDF_LANG_STRING, XSD_STRING


def by_prefix(view: ByPrefix, place: Place) -> Fragmentation:
    """Send a member to the longest listed prefix that its text has; a shorter text stays at the shorter prefix.

    Prefixes are cut by code point from the text in normal form C, upper and lower case apart (TREE-30, TREE-35), with
    or without a language. Members without a text, and empty texts, go to `none`.
    """

    def trail(key: str, raw: Any) -> Trail:
        value = place.read(Found(key, raw))
        if value is None or value.datatype not in (XSD_STRING, RDF_LANG_STRING):
            return NONE
        text = normalize("NFC", value.text)[: view.length]
        return tuple(_step(text[: end + 1], place.predicates) for end in range(len(text))) or NONE

    return ValueFragmentation(place, trail)


def _step(prefix: str, path: tuple[str, ...]) -> Step:
    bound = Bound(type=RelationType.PREFIX, path=path, value=prefix, datatype=XSD_STRING)
    return Step(key=_safe(prefix[-1]), bounds=(bound,))


def _safe(character: str) -> str:
    """Spell a character for an address: itself, or its code point between underscores."""
    plain = character.isascii() and (character.isalnum() or character == "-")
    return character if plain else f"_{ord(character):x}_"
