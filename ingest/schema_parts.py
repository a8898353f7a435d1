"""Pieces of the JSON Schema of source files that several of its parts share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

DURATION: Schema = {"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "examples": ["60s", "15m", "7d"]}
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 1}


def object_of(properties: Schema, *, required: Iterable[str] = ()) -> Schema:
    """Return the schema of an object that has these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def one_or_more(item: Schema) -> Schema:
    """Return the schema of one such value or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def told(schema: Schema, meaning: str) -> Schema:
    """Return a schema that says what its value is for; editors show it, and the reference lists it."""
    return {**schema, "description": meaning}
