"""View definitions: what a stream file declares about a view, as values and as canonical text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

# The levels of a view by time, coarsest first.
LEVELS = ("year", "month", "day", "hour", "minute")
LATENESS = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTime:
    """Windows in UTC over the times of `name`, one tree level for each of `levels`, coarsest first.

    A window takes members until `lateness` after its end, in publication time.
    """

    name: str
    levels: tuple[str, ...]
    lateness: timedelta = field(default=LATENESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTile:
    """Slippy tiles over the geometries of `name`, one tree level for each of `zooms`, ascending."""

    name: str
    zooms: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByProperty:
    """One bucket for each value of `name`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPrefix:
    """The first characters of the texts of `name`, one tree level for each, `length` of them."""

    name: str
    length: int


Plain = ByTime | ByTile | ByProperty | ByPrefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """Every bucket of `outer` is divided again by `inner`."""

    outer: Plain
    inner: Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ByLatest:
    """The newest version of each entity, and nothing else: a view that keeps one version (ldes:versionAmount)."""

    name: str = "entity"


ViewDefinition = Plain | Nested | ByLatest


def definition_text(view: ViewDefinition) -> str:
    """Return the canonical JSON of a definition: equal definitions have equal texts, and different ones do not."""
    stored = {"by_latest": view.name} if isinstance(view, ByLatest) else _plain(view)
    return orjson.dumps(stored, option=orjson.OPT_SORT_KEYS).decode()


def read_definition(text: str) -> ViewDefinition:
    """Read what `definition_text` wrote.

    Raises:
        ValueError: the text is no definition.

    """
    try:
        stored = orjson.loads(text)
        if stored == {"by_latest": "entity"}:
            return ByLatest()
        inner = stored.pop("then", None)
        outer = _view(stored)
        return outer if inner is None else Nested(outer=outer, inner=_view(inner))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{text!r} defines no view") from error


def _plain(view: Plain | Nested) -> dict[str, Any]:
    match view:
        case Nested():
            return {**_plain(view.outer), "then": _plain(view.inner)}
        case ByTime():
            seconds = view.lateness // timedelta(seconds=1)
            return {"by_time": view.name, "levels": view.levels, "lateness": seconds}
        case ByTile():
            return {"by_tile": view.name, "zooms": view.zooms}
        case ByProperty():
            return {"by_property": view.name}
        case ByPrefix():
            return {"by_prefix": view.name, "length": view.length}


def _view(stored: Mapping[str, Any]) -> Plain:
    match stored:
        case {"by_time": str(name), "levels": list(levels), "lateness": int(seconds)}:
            return ByTime(name=name, levels=tuple(levels), lateness=timedelta(seconds=seconds))
        case {"by_tile": str(name), "zooms": list(zooms)}:
            return ByTile(name=name, zooms=tuple(zooms))
        case {"by_property": str(name)}:
            return ByProperty(name=name)
        case {"by_prefix": str(name), "length": int(length)}:
            return ByPrefix(name=name, length=length)
    raise ValueError(f"{sorted(stored)} is no kind of view")
