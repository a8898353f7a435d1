"""The values that a reference model is made of; vocab/model.py says what they mean and loads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from vocab.context import Writer

MODELS = Path(__file__).parent / "models"


class Kind(Enum):
    """What a bound value is, after conversion."""

    INTEGER = "integer"  # JSON integer, xsd:integer
    DOUBLE = "double"  # JSON number, xsd:double
    BOOLEAN = "boolean"  # JSON boolean
    STRING = "string"  # JSON string
    TEXT = "text"  # language-tagged text, a JSON-LD language map
    DATETIME = "datetime"  # RFC 3339 UTC with milliseconds
    IRI = "iri"  # an absolute IRI
    CODE = "code"  # a term of the context that stands for a concept IRI; one of `Field.codes`
    POINT = "point"  # a place, CRS84


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One name of a model that a source file may bind.

    `unit` is a UCUM code (`km/h`, `%`, `{#}` for a count), None where none applies. `minimum` and `maximum` are
    inclusive. `codes` are the allowed terms of a `Kind.CODE`. `group` names the repeated group the field belongs to.
    `label` and `description` have the keys `nl` and `en`. `personal` says what the value tells of persons: `vehicle` where one vehicle could be
    followed by it, empty where it tells nothing.
    """

    name: str
    kind: Kind
    required: bool
    unit: str | None
    minimum: float | None
    maximum: float | None
    codes: tuple[str, ...]
    group: str | None
    label: Mapping[str, str]
    description: Mapping[str, str]
    personal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A model's SHACL shape in the three spellings pages need; `iri` is its sh:NodeShape."""

    iri: str
    turtle: str
    ntriples: bytes
    jsonld: bytes  # a JSON array of node objects, expanded form


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One reference model. `versioned` models have members with dcterms:isVersionOf; the others are observations.

    `context` is the value of `@context` as compact JSON; `title` and `description` have the keys `nl` and `en`. `themes`
    (EU data themes) and `mobility_themes` (mobilityDCAT-AP) are what a catalogue files it under. `observed_path` is the
    property of a member that says when it was observed; empty where there is none. `personal` is what the identity of an entity tells of persons, as in a Field.
    """

    name: str
    version: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    versioned: bool
    context: bytes
    shape: Shape
    template: Mapping[str, Any]
    example: bytes
    readme: str
    fields: Mapping[str, Field]
    writer: Writer
    themes: tuple[str, ...] = ()
    mobility_themes: tuple[str, ...] = ()
    observed_path: str = ""
    personal: str = ""


def model_names() -> tuple[str, ...]:
    """Return the names of the models there are, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in MODELS.glob("*/shape.ttl")))
