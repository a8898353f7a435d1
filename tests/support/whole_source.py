"""A source that binds every name of a model, and an item that has a value for each: for whichever models there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ingest.check import fields_of
from ingest.source import Source, load_source
from vocab.model import Field, Kind, Model

_LICENCE = "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"
_ALLOWED = {"name": "entity", "kind": "vehicle", "because": "vehicles that only tests have"}
_POINT = {"lon": 3.7174, "lat": 51.0543}


def whole_source(folder: Path, model: Model) -> Source:
    """Write and load a source whose items have their values under the very names of the model."""
    plain, groups = _divided(model)
    bind: dict[str, Any] = {field.name: _binding(field) for field in plain}
    for group, fields in groups.items():
        bind[group] = {"each": f"{group}[*]", "bind": {field.name: _binding(field) for field in fields}}
    content = {
        "source": "whole",
        "title": {"nl": "Alles", "en": "Everything"},
        "description": {"nl": "Elke naam van het model.", "en": "Every name of the model."},
        "publisher": {"name": "Stad Gent", "iri": "https://data.vlaanderen.be/id/organisatie/OVO002067"},
        "licence": _LICENCE,
        "http_poll": {"url": "https://data.example.org/whole", "every": "60s"},
        "model": model.name,
        "stream": "whole",
        "each": "items[*]",
        "bind": bind,
        **({"privacy": {"allow": [_ALLOWED]}} if model.personal else {}),
    }
    path = folder / "whole.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return load_source(path)


def whole_item(model: Model) -> dict[str, Any]:
    """Make an item with a value for every name; a repeated group has one for each of its codes."""
    plain, groups = _divided(model)
    item = {field.name: _value(field) for field in plain}
    for group, fields in groups.items():
        codes = max((field.codes for field in fields), key=len)
        item[group] = [
            {field.name: code if field.codes == codes else _value(field) for field in fields}
            for code in codes or (None,)
        ]
    return item


def _divided(model: Model) -> tuple[list[Field], dict[str, list[Field]]]:
    plain: list[Field] = []
    groups: dict[str, list[Field]] = {}
    for field in fields_of(model).values():
        (plain if field.group is None else groups.setdefault(field.group, [])).append(field)
    return plain, groups


def _binding(field: Field) -> Any:
    match field.kind:
        case Kind.TEXT:
            return {"from": field.name, "language": "nl"}
        case Kind.POINT:
            return {
                axis: f"{field.name}.{short}" for axis, short in zip(("longitude", "latitude"), _POINT, strict=True)
            }
        case _:
            return field.name


def _value(field: Field) -> Any:
    match field.kind:
        case Kind.INTEGER:
            return int(_inside(field))
        case Kind.DOUBLE:
            return _inside(field) + 0.25
        case Kind.BOOLEAN:
            return True
        case Kind.DATETIME:
            return "2026-11-01T09:01:00Z"
        case Kind.IRI:
            return f"https://data.example.org/id/{field.name}/1"
        case Kind.CODE:
            return field.codes[-1]
        case Kind.POINT:
            return dict(_POINT)
        case Kind.STRING | Kind.TEXT:
            return f"{field.name} één"


def _inside(field: Field) -> float:
    """Return a number in the range of a field, not at its end."""
    low = 0.0 if field.minimum is None else field.minimum
    return low + (40.0 if field.maximum is None else (field.maximum - low) // 2)
