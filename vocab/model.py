"""Model: one reference model, loaded from its folder and checked for agreement of its files.

A model is a folder `vocab/models/<name>/` of five files:

- `context.jsonld`   the JSON-LD context of its members; it always has the terms `generatedAtTime`
  (prov:generatedAtTime, xsd:dateTime) and `sequence` (sf:sequence, xsd:integer) that the log adds at publication;
- `shape.ttl`        the SHACL shape a member conforms to; it also declares the names a source may bind (below);
- `template.jsonld`  the member with slots, filled by `ingest.mapping`;
- `example.jsonld`   a member that validates, with `@context` inline;
- `README.md`        for people: one picture, the table of names, the alignment with other models.

**Names.** A property shape in `shape.ttl` becomes a bindable name by `sf:bind "free_spaces"`, with `sf:kind`
(a `Kind` value), optionally `sf:required true`, `sf:unit` (a UCUM code), `sf:group` (the name of the repeated group
it belongs to); its range comes from sh:minInclusive / sh:maxInclusive, its codes from sh:in (as terms of the
context), its labels and descriptions from sh:name and sh:description in Dutch and English. The same name may be
declared on several property shapes when all of them agree.

**Template.** JSON whose strings hold slots in braces:

- a string that is exactly `"{name}"` becomes the bound value with its JSON type: number, boolean, string; a `Kind.TEXT`
  becomes a language map `{"nl": "…"}`, a `Kind.POINT` the WKT text `POINT (lon lat)`;
- a string with a slot among other text is interpolated, each value percent-encoded as one IRI path segment;
- when an optional name has no value, the key (or array item) that holds its slot is left out;
- an object inside the member is left out whole, with its key, when it has slots of optional names among its own strings
  (not those of objects below it) and none of them has a value: required names and the built-in slots do not keep an
  object alive, so an observation disappears with its result; an object of which nothing but keywords is left after its
  children went is left out as well, and so is an empty array;
- an object in an array with `"@each": "<group>"` is repeated for every item of that group; inside it the names of the
  group and those outside may be used; the same group may be repeated by several such objects;
- `{member}`, `{entity}`, `{observed_at}`, `{received_at}`, `{publisher}`, `{licence}` are always there:
  absolute IRIs, and times as RFC 3339 UTC with milliseconds. The first key of a template is `"@id": "{member}"`.
- `{revision_of}` is there only when the member corrects another one of the same entity and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vocab.context import Writer


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
    `label` and `description` have the keys `nl` and `en`.
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

    `context` is the value of `@context` as compact JSON; `title` and `description` have the keys `nl` and `en`.
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
