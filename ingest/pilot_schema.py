"""The JSON Schema of pilot files, for completion and warnings in editors."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.pilot_file import KEYS
from ingest.schema_parts import DURATION, TEXT, Schema, object_of, told
from vocab.model import Kind, Model

_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9-]*$"}
_IRI: Schema = {"type": "string", "format": "uri", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:"}
_BOX: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
_RANGE: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


def _area() -> Schema:
    return object_of(
        {
            "name": told(TEXT, "What people call the city or region."),
            "iri": told(_IRI, "The IRI of the area, such as `https://data.vlaanderen.be/id/gemeente/44021`."),
            "nis": told({"type": "string", "pattern": "^[0-9]{5}$"}, "Its code in the Belgian statistics, in quotes."),
            "box": told(_BOX, "West, south, east and north in degrees (WGS 84): every place is in it."),
        },
        required=("name", "iri", "box"),
    )


def _expectation(models: Iterable[Model]) -> Schema:
    numbers = {
        name: {**_RANGE, "description": field.description.get("en") or field.label.get("en") or name}
        for model in models
        for name, field in model.fields.items()
        if field.kind in (Kind.INTEGER, Kind.DOUBLE)
    }
    return object_of(
        {
            "interval": told(
                DURATION, "How old the newest observation of a thing may get before it counts as missing."
            ),
            "completeness": told(
                {"type": "number", "minimum": 0, "maximum": 1},
                "The share of the things it tells of that have a valid observation within the interval (1).",
            ),
            "ranges": told(
                object_of(numbers),
                "By name of the model, in its unit: the lowest and highest value that is plausible here.",
            ),
        }
    )


def pilot_schema(models: Iterable[Model]) -> Schema:
    """Return the JSON Schema (2020-12) of pilot files; whether a source binds what is expected is checked at loading."""
    languages = object_of(dict.fromkeys(("nl", "en", "fr", "de"), TEXT), required=("nl", "en"))
    contact = object_of({"name": TEXT, "email": TEXT, "page": _IRI})
    properties: Schema = {
        "pilot": told(_NAME, "The pilot's name: small letters, digits, hyphens; no other pilot has it."),
        "title": told(languages, "What it is called, in `nl` and `en` (`fr`, `de` optional)."),
        "area": told(_area(), "The city or region it is for."),
        "publisher": told(
            object_of({"name": TEXT, "iri": _IRI}, required=("name", "iri")),
            "Optional. Who publishes most of the data.",
        ),
        "licence": told(_IRI, "Optional. The IRI of the licence that most of the data has."),
        "contact": told(
            {"anyOf": [TEXT, contact]}, "Optional. Where questions about the data go, as in a source file."
        ),
        "expect": told(
            {"type": "object", "propertyNames": _NAME, "additionalProperties": _expectation(models)},
            "Optional. What can be expected of each source, by its name.",
        ),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A pilot of smartflanders",
        **object_of(properties, required=[key for key in KEYS if key in ("pilot", "title", "area")]),
    }
