"""The values that the vocabulary is made of; vocab/vocabulary.py loads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

# Every IRI that we coin begins so; what follows, up to the #, is the name of its namespace.
OURS = "https://w3id.org/smartflanders/"


class Sort(Enum):
    """What a term is."""

    SCHEME = "scheme"  # a list of concepts
    CONCEPT = "concept"  # one of a scheme
    CLASS = "class"
    PROPERTY = "property"
    OBSERVED = "observed"  # what can be observed: the object of sosa:observedProperty
    SHAPE = "shape"  # of a reference model, named by `about`
    OTHER = "other"  # individuals of other vocabularies, such as metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One term: its name within the namespace, and what people read of it.

    `label` and `text` (a definition or comment) have the keys `nl` and `en`. `about` is, of a concept, the name of its
    scheme; of a shape, that of its model; else empty. `links` are IRIs it is said to relate to, by a word for how.
    """

    name: str
    sort: Sort
    label: Mapping[str, str]
    text: Mapping[str, str]
    about: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """The terms whose IRIs begin with `iri`: for people as `entries`, for programs in three spellings.

    `jsonld` is a document with a context of prefixes and a `@graph`.
    """

    name: str
    iri: str
    label: Mapping[str, str]
    entries: tuple[Entry, ...]
    turtle: bytes
    ntriples: bytes
    jsonld: bytes
