"""The JSON Schema of source files, for completion and warnings in editors."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.bindings import AS, CRS
from ingest.catalogue_entry import KEYS as ENTRY_KEYS
from ingest.check import fields_of
from ingest.choosing import SCHEMA as ONLY
from ingest.formats import FORMAT
from ingest.personal import Personal
from ingest.privacy import KEYS as PRIVACY_KEYS
from ingest.schema_parts import DURATION, TEXT, Schema, object_of, one_or_more
from ingest.source import KEYS
from ingest.transports import TRANSPORTS
from vocab.authorities import HVD_CATEGORIES, THEMES
from vocab.model import Field, Model

_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9-]*$"}
_IRI: Schema = {"type": "string", "format": "uri", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:"}
_PATH: Schema = {"type": "string", "description": "A path in the item: a.b[0].c, @attribute, $.from.the.root"}
_PATHS: Schema = {"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1}]}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}


def _languages() -> Schema:
    return object_of(dict.fromkeys(("nl", "en", "fr", "de"), TEXT), required=("nl", "en"))


def _binding() -> Schema:
    """Describe the long form of a binding; which words fit which name is checked when the file is loaded."""
    test = object_of({"above": {"type": "number"}, "below": {"type": "number"}, "equals": _SCALAR, "not": _SCALAR})
    words: Schema = {
        "from": _PATHS,
        "constant": _SCALAR,
        "join": {"type": "array", "items": _PATH, "minItems": 1},
        "with": TEXT,
        "coordinates": _PATHS,
        "order": {"enum": ["lon_lat", "lat_lon"]},
        "default": _SCALAR,
        "date": _PATH,
        "time": _PATH,
        "longitude": _PATHS,
        "latitude": _PATHS,
        "x": _PATHS,
        "y": _PATHS,
        "crs": {"enum": list(CRS)},
        "not": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
        "decimal": {"enum": ["comma", "point"]},
        "zone": {"type": "string", "examples": ["Europe/Brussels", "+01:00"]},
        "as": {"enum": list(AS)},
        "plus": DURATION,
        "match": {"type": "string", "format": "regex"},
        "map": {"type": "object", "additionalProperties": _SCALAR},
        "otherwise": {"enum": ["absent"]},
        "when": {"type": "object", "additionalProperties": test},
        "language": TEXT,
        "lookup": TEXT,
        "entity_of": _NAME,
        "json": {"type": "boolean"},
        "unit": {"type": "string", "description": "UCUM code of what the publisher sends, such as m/s"},
        "rotate": {"enum": ["daily", "publisher"], "description": "Ids that cannot be followed for longer than a day"},
    }
    return object_of(words)


def _bound(field: Field) -> Schema:
    described = field.description.get("en") or field.label.get("en") or field.name
    unit = f" In {field.unit}." if field.unit else ""
    return {"anyOf": [_PATHS, {"$ref": "#/$defs/binding"}], "description": f"{described}{unit}"}


def _bind(model: Model) -> Schema:
    fields = fields_of(model)
    plain = {name: _bound(field) for name, field in fields.items() if field.group is None}
    for group in sorted({field.group for field in fields.values() if field.group}):
        inner = {name: field for name, field in fields.items() if field.group == group}
        bind = object_of(
            {name: _bound(field) for name, field in inner.items()},
            required=[name for name, field in inner.items() if field.required],
        )
        plain[group] = object_of({"each": _PATH, "bind": bind}, required=("each", "bind"))
    return object_of(plain, required=[name for name, field in fields.items() if field.required and field.group is None])


def _entry() -> Schema:
    """Describe what a source says for the catalogue."""
    contact = object_of({"name": TEXT, "email": TEXT, "page": _IRI})
    keywords = dict.fromkeys(("nl", "en", "fr", "de"), one_or_more(TEXT))
    return {
        "contact": {"anyOf": [TEXT, contact]},
        "theme": one_or_more({"enum": list(THEMES)}),
        "keywords": object_of(keywords),
        "hvd_category": one_or_more({"enum": list(HVD_CATEGORIES)}),
        "spatial": one_or_more(_IRI),
    }


def _publish() -> Schema:
    """Describe when items become members, and what these say of their place among versions."""
    return object_of(
        {
            "when": {"enum": ["always", "changed"]},
            "heartbeat": DURATION,
            "operations": {"type": "boolean", "description": "Members say Create or Update"},
            "absent": {"enum": ["delete"], "description": "What a payload lacks is deleted"},
            "deleted": object_of({"from": _PATH, "equals": one_or_more(_SCALAR)}, required=("from", "equals")),
            "transaction": {"enum": ["payload"], "description": "The members of a payload belong together"},
        }
    )


def _privacy() -> Schema:
    """Describe what may be published of persons, and the secret that hides the rest."""
    kinds: Schema = {"enum": sorted(kind.value for kind in Personal)}
    allow: Schema = {
        **object_of(
            {"name": TEXT, "path": _PATH, "kind": one_or_more(kinds), "because": TEXT}, required=("kind", "because")
        ),
        "oneOf": [{"required": ["name"]}, {"required": ["path"]}],
    }
    salt: Schema = {"type": "string", "pattern": r"\$\{.+\}"}
    return object_of({"allow": one_or_more(allow), "salt": salt})


def _lookup() -> Schema:
    """Describe a table of another source's newest document."""
    return object_of(
        {
            "source": _NAME,
            "format": FORMAT,
            "each": _PATHS,
            "key": _PATH,
            "by": _PATH,
            "required": {"type": "boolean"},
        },
        required=("source", "each", "key", "by"),
    )


def source_schema(models: Iterable[Model]) -> Schema:
    """Return the JSON Schema (2020-12) of source files; `bind` follows from the model that a file names."""
    models = tuple(models)
    properties: Schema = {
        "source": _NAME,
        "title": _languages(),
        "description": _languages(),
        "publisher": object_of({"name": TEXT, "iri": _IRI}, required=("name", "iri")),
        "licence": _IRI,
        **_entry(),
        **{name: transport.schema for name, transport in TRANSPORTS.items()},
        "sample": TEXT,
        "model": {"enum": [model.name for model in models]},
        "stream": _NAME,
        "format": FORMAT,
        "each": _PATHS,
        "only": one_or_more(ONLY),
        "lookup": {"type": "object", "additionalProperties": _lookup()},
        "bind": {"type": "object"},
        "publish": _publish(),
        "privacy": _privacy(),
    }
    optional = (*ENTRY_KEYS, *TRANSPORTS, "sample", "format", "only", "lookup", "publish", *PRIVACY_KEYS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A source of smartflanders",
        **object_of(properties, required=[key for key in KEYS if key not in optional]),
        "oneOf": [{"required": [name]} for name in TRANSPORTS],
        "allOf": [
            {
                "if": {"properties": {"model": {"const": model.name}}, "required": ["model"]},
                "then": {"properties": {"bind": _bind(model)}},
            }
            for model in models
        ],
        "$defs": {"binding": _binding()},
    }
