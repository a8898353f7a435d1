"""The JSON Schema of stream files, for completion and warnings in editors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ldes_server.declaration import DEEPEST_ZOOM, LONGEST_PREFIX, OPTIONS, RESERVED, WHOLE, fitting
from ldes_server.definition import LEVELS
from ldes_server.retention_file import ALL
from vocab.model import Model

Schema = dict[str, Any]

_DURATION: Schema = {"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "examples": ["1h", "1d"]}
_OPTIONS: Mapping[str, Schema] = {
    "levels": {
        "type": "array",
        "items": {"enum": list(LEVELS)},
        "minItems": 1,
        "uniqueItems": True,
        "description": "The levels of the tree, from coarse to fine",
    },
    "lateness": {**_DURATION, "description": "How long after its end a window still takes members (1d)"},
    "zooms": {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": DEEPEST_ZOOM},
        "minItems": 1,
        "uniqueItems": True,
        "description": "The zooms of slippy tiles that are levels of the tree, ascending",
    },
    "length": {
        "type": "integer",
        "minimum": 1,
        "maximum": LONGEST_PREFIX,
        "description": "How many characters of the text are levels of the tree",
    },
}
_LASTING: Schema = {**_DURATION, "examples": ["12h", "30d"]}
_POLICY: Mapping[str, Schema] = {
    "full_log": {**_LASTING, "description": "How long every member is kept (ldes:fullLogDuration)"},
    "starting_from": {
        "type": "string",
        "format": "date-time",
        "description": "What was published before is not kept (ldes:startingFrom)",
    },
    "versions": {
        "type": "integer",
        "minimum": 1,
        "description": "How many versions of each entity are kept, the newest ones (ldes:versionAmount)",
    },
    "version_for": {**_LASTING, "description": "How old such a version may get (ldes:versionDuration)"},
    "deleted_for": {**_LASTING, "description": "How long a deletion is kept (ldes:versionDeleteDuration)"},
}
_RETENTION: Schema = {
    "oneOf": [
        {"const": ALL},
        {
            "type": "object",
            "properties": dict(_POLICY),
            "minProperties": 1,
            "additionalProperties": False,
            "dependentRequired": {"version_for": ["versions"]},
        },
    ],
}
_REQUIRED = ("levels", "zooms", "length")
_MEANING = {
    "by_time": "Windows in UTC over the times of this name",
    "by_tile": "Tiles of the map over the geometries of this name",
    "by_property": "A bucket for each value of this name",
    "by_prefix": "The first characters of the texts of this name",
    "by_latest": "The newest version of each entity",
}


def _kind(kind: str, models: Iterable[Model], *, then: bool) -> Schema:
    names = {name for model in models for name in fitting(kind, model)}
    properties: Schema = {kind: {"enum": sorted(names), "description": _MEANING[kind]}}
    properties |= {option: _OPTIONS[option] for option in OPTIONS[kind]}
    if then and kind != WHOLE:
        properties["then"] = {"$ref": "#/$defs/inner", "description": "Divide every bucket again"}
        meaning = "What this view keeps, where it is not what the stream keeps"
        properties["retention"] = {"$ref": "#/$defs/retention", "description": meaning}
    required = [kind, *(option for option in OPTIONS[kind] if option in _REQUIRED)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def stream_schema(models: Iterable[Model]) -> Schema:
    """Return the JSON Schema (2020-12) of stream files; which names fit which stream is checked at loading."""
    models = tuple(models)
    name = {"pattern": "^[A-Za-z][A-Za-z0-9-]*$", "not": {"enum": sorted(RESERVED)}}
    views = {"type": "object", "propertyNames": name, "additionalProperties": {"$ref": "#/$defs/view"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stream of smartflanders",
        "type": "object",
        "properties": {
            "stream": {
                "type": "string",
                "pattern": "^[a-z][a-z0-9-]*$",
                "description": "The stream, as sources name it",
            },
            "retention": {"$ref": "#/$defs/retention", "description": "What the stream keeps; without it, everything"},
            "versions": {
                "type": "object",
                "properties": {
                    "operations": {
                        "type": "boolean",
                        "description": "Whether members say that they create, update or delete their entity",
                    },
                    "transactions": {
                        "type": "boolean",
                        "description": "Whether members say which others they were published together with",
                    },
                },
                "additionalProperties": False,
                "description": "What members say about their place among versions",
            },
            "views": {**views, "description": "Ways into the stream besides its history, by name"},
        },
        "required": ["stream"],
        "additionalProperties": False,
        "$defs": {
            "view": {"oneOf": [_kind(kind, models, then=True) for kind in OPTIONS]},
            "retention": _RETENTION,
            "inner": {"oneOf": [_kind(kind, models, then=False) for kind in OPTIONS if kind != WHOLE]},
        },
    }
