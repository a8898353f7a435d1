"""The JSON Schema of source files, for completion and warnings in editors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingest.bindings import CRS, EPOCHS
from ingest.catalogue_entry import KEYS as ENTRY_KEYS
from ingest.check import fields_of
from ingest.personal import Personal
from ingest.privacy import KEYS as PRIVACY_KEYS
from ingest.source import KEYS
from vocab.authorities import HVD_CATEGORIES, THEMES
from vocab.model import Field, Model

Schema = dict[str, Any]

_DURATION: Schema = {"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "examples": ["60s", "15m", "7d"]}
_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9-]*$"}
_IRI: Schema = {"type": "string", "format": "uri", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:"}
_TEXT: Schema = {"type": "string"}
_PATH: Schema = {"type": "string", "description": "A path in the item: a.b[0].c, @attribute, $.from.the.root"}
_PATHS: Schema = {"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1}]}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}


def _object(properties: Schema, *, required: Iterable[str] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _languages() -> Schema:
    return _object(dict.fromkeys(("nl", "en", "fr", "de"), _TEXT), required=("nl", "en"))


def _binding() -> Schema:
    """Describe the long form of a binding; which words fit which name is checked when the file is loaded."""
    test = _object({"above": {"type": "number"}, "below": {"type": "number"}, "equals": _SCALAR, "not": _SCALAR})
    words: Schema = {
        "from": _PATHS,
        "constant": _SCALAR,
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
        "as": {"enum": list(EPOCHS)},
        "plus": _DURATION,
        "match": {"type": "string", "format": "regex"},
        "map": {"type": "object", "additionalProperties": _SCALAR},
        "otherwise": {"enum": ["absent"]},
        "when": {"type": "object", "additionalProperties": test},
        "language": _TEXT,
        "lookup": _TEXT,
        "entity_of": _NAME,
        "json": {"type": "boolean"},
        "unit": {"type": "string", "description": "UCUM code of what the publisher sends, such as m/s"},
        "rotate": {"enum": ["daily", "publisher"], "description": "Ids that cannot be followed for longer than a day"},
    }
    return _object(words)


def _bound(field: Field) -> Schema:
    described = field.description.get("en") or field.label.get("en") or field.name
    unit = f" In {field.unit}." if field.unit else ""
    return {"anyOf": [_PATHS, {"$ref": "#/$defs/binding"}], "description": f"{described}{unit}"}


def _bind(model: Model) -> Schema:
    fields = fields_of(model)
    plain = {name: _bound(field) for name, field in fields.items() if field.group is None}
    for group in sorted({field.group for field in fields.values() if field.group}):
        inner = {name: field for name, field in fields.items() if field.group == group}
        bind = _object(
            {name: _bound(field) for name, field in inner.items()},
            required=[name for name, field in inner.items() if field.required],
        )
        plain[group] = _object({"each": _PATH, "bind": bind}, required=("each", "bind"))
    return _object(plain, required=[name for name, field in fields.items() if field.required and field.group is None])


def _transports() -> Schema:
    limits: Schema = {"every": _DURATION, "max_bytes": {"type": "integer", "minimum": 1}, "media_type": _TEXT}
    headers: Schema = {"type": "object", "additionalProperties": _TEXT}
    poll: Schema = {"url": {"type": "string", "pattern": "^https?://"}, "headers": headers, "timeout": _DURATION}
    return {
        "http_poll": _object({**poll, **limits}, required=("url", "every")),
        "files": _object({"folder": _TEXT, "pattern": _TEXT, **limits}, required=("folder", "pattern")),
    }


def _entry() -> Schema:
    """Describe what a source says for the catalogue."""
    contact = _object({"name": _TEXT, "email": _TEXT, "page": _IRI})
    keywords = dict.fromkeys(("nl", "en", "fr", "de"), _one_or_more(_TEXT))
    return {
        "contact": {"anyOf": [_TEXT, contact]},
        "theme": _one_or_more({"enum": list(THEMES)}),
        "keywords": _object(keywords),
        "hvd_category": _one_or_more({"enum": list(HVD_CATEGORIES)}),
        "spatial": _one_or_more(_IRI),
    }


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _publish() -> Schema:
    """Describe when items become members, and what these say of their place among versions."""
    return _object(
        {
            "when": {"enum": ["always", "changed"]},
            "heartbeat": _DURATION,
            "operations": {"type": "boolean", "description": "Members say Create or Update"},
            "absent": {"enum": ["delete"], "description": "What a payload lacks is deleted"},
            "deleted": _object({"from": _PATH, "equals": _one_or_more(_SCALAR)}, required=("from", "equals")),
            "transaction": {"enum": ["payload"], "description": "The members of a payload belong together"},
        }
    )


def _privacy() -> Schema:
    """Describe what may be published of persons, and the secret that hides the rest."""
    kinds: Schema = {"enum": sorted(kind.value for kind in Personal)}
    allow: Schema = {
        **_object(
            {"name": _TEXT, "path": _PATH, "kind": _one_or_more(kinds), "because": _TEXT}, required=("kind", "because")
        ),
        "oneOf": [{"required": ["name"]}, {"required": ["path"]}],
    }
    salt: Schema = {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"}
    return _object({"allow": _one_or_more(allow), "salt": salt})


def source_schema(models: Iterable[Model]) -> Schema:
    """Return the JSON Schema (2020-12) of source files; `bind` follows from the model that a file names."""
    models = tuple(models)
    lookup = _object(
        {"source": _NAME, "each": _PATHS, "key": _PATH, "by": _PATH, "required": {"type": "boolean"}},
        required=("source", "each", "key", "by"),
    )
    properties: Schema = {
        "source": _NAME,
        "title": _languages(),
        "description": _languages(),
        "publisher": _object({"name": _TEXT, "iri": _IRI}, required=("name", "iri")),
        "licence": _IRI,
        **_entry(),
        **_transports(),
        "sample": _TEXT,
        "model": {"enum": [model.name for model in models]},
        "stream": _NAME,
        "each": _PATHS,
        "lookup": {"type": "object", "additionalProperties": lookup},
        "bind": {"type": "object"},
        "publish": _publish(),
        "privacy": _privacy(),
    }
    optional = (*ENTRY_KEYS, "http_poll", "files", "sample", "lookup", "publish", *PRIVACY_KEYS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A source of smartflanders",
        **_object(properties, required=[key for key in KEYS if key not in optional]),
        "oneOf": [{"required": ["http_poll"]}, {"required": ["files"]}],
        "allOf": [
            {
                "if": {"properties": {"model": {"const": model.name}}, "required": ["model"]},
                "then": {"properties": {"bind": _bind(model)}},
            }
            for model in models
        ],
        "$defs": {"binding": _binding()},
    }
