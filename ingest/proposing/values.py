"""What values can be: numbers, times, coordinates, yes and no; each judged by the conversions of the platform; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.conversions import (
    AHEAD,
    EARLIEST,
    Refused,
    Spot,
    boolean,
    double,
    iri,
    moment,
    place,
    projected,
    transformer,
    zone_of,
)
from ingest.proposing.observing import Column
from streams.record import Point

# Numbers that publishers write for "no number".
SENTINELS = frozenset((-1, -9, -99, -999, -9999, -99999, 251, 252, 254, 255, 999, 9999, 32767, 65535))
# Belgium with its coast and a little of its neighbours.
_WEST, _SOUTH, _EAST, _NORTH = 2.2, 49.3, 6.6, 51.7
# Seconds since 1970 of 2001 to 2039, which counts of anything seldom are.
_EPOCH = (1e9, 2.2e9)
# Times as numbers, and the word that reads them.
_EPOCHS = ((1.0, "epoch_seconds"), (1000.0, "epoch_milliseconds"))
ZONE = "Europe/Brussels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How a column's times are read: `words` of a binding; `zoned` says that they carry their zone themselves."""

    words: str
    zoned: bool
    newest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How two columns are one place: the `words` of a binding and how many points of it are in or near Belgium."""

    words: str
    near: bool
    crs: int | None


def numbers(column: Column, *, comma: bool = False) -> list[float] | None:
    """Read a column as numbers; None where one is none."""
    spot = Spot(name="it", path="", comma=comma)
    found = []
    for value in column.values:
        if isinstance(value, bool):
            return None
        try:
            found.append(double(value, spot))
        except Refused:
            return None
    return found or None


def has_comma(column: Column) -> bool:
    """Say whether a column has numbers with a decimal comma, which only that makes numbers."""
    texts = [value for value in column.values if isinstance(value, str)]
    return any("," in text for text in texts) and numbers(column) is None and numbers(column, comma=True) is not None


def sentinels(values: Mapping[float, float], low: float | None, high: float | None) -> list[float]:
    """List numbers that publishers write for "no number" and whose values, in the unit of the model, are outside a range."""
    outside = {
        it for it, value in values.items() if (low is not None and value < low) or (high is not None and value > high)
    }
    return sorted(outside & SENTINELS)


def is_boolean(column: Column) -> bool:
    """Say whether all values are yes or no."""
    spot = Spot(name="it", path="")
    try:
        return bool(column.values) and len({boolean(value, spot) for value in column.values}) > 0
    except Refused:
        return False


def is_iri(column: Column) -> bool:
    """Say whether all values are web addresses."""
    spot = Spot(name="it", path="")
    try:
        return bool(column.values) and all(iri(value, spot).startswith("http") for value in column.values)
    except Refused:
        return False


def times(column: Column, now: datetime) -> Times | None:
    """Read a column as times; None where one is none, or none of them is of the last decades."""
    for zone in ("", ZONE):
        spot = Spot(name="it", path="", zone=zone_of(zone) if zone else None)
        found = _moments(column, spot, now)
        if found and all(isinstance(value, str) and len(value) >= len("2026-01-01") for value in column.values):
            return Times(words=f"zone: {ZONE}" if zone else "", zoned=not zone, newest=max(found))
    if not column.values or not all(isinstance(value, int | float | str) for value in column.values):
        return None
    for factor, word in _EPOCHS:
        spot = Spot(name="it", path="", epoch=factor)
        found = _moments(column, spot, now)
        if found and all(_EPOCH[0] <= it.timestamp() <= _EPOCH[1] for it in found):
            return Times(words=f"as: {word}", zoned=True, newest=max(found))
    return None


def _moments(column: Column, spot: Spot, now: datetime) -> list[datetime]:
    found = []
    for value in column.values:
        if isinstance(value, bool):
            return []
        try:
            it = moment(value, spot)
        except Refused:
            return []
        if not EARLIEST <= it <= now + AHEAD:
            return []
        found.append(it)
    return found


def newest(found: Times) -> datetime:
    """Return the newest time, to sort by."""
    return found.newest.astimezone(UTC)


def point_of(first: Column, second: Column, *, projected_too: bool) -> Place | None:
    """Read two columns as a place: longitude first, or metres in Lambert 72 or 2008 where that may be; None for none."""
    comma = has_comma(first) or has_comma(second)
    degrees = _points(first, second, None, comma=comma)
    written = ", decimal: comma" if comma else ""
    if degrees:
        words = f"longitude: {quoted(first.path)}, latitude: {quoted(second.path)}{written}"
        return Place(words=words, near=all(map(_is_near, degrees)), crs=None)
    for crs in (31370, 3812) if projected_too else ():
        found = _points(first, second, crs, comma=comma)
        if found and all(map(_is_near, found)):
            words = f"x: {quoted(first.path)}, y: {quoted(second.path)}, crs: {crs}{written}"
            return Place(words=words, near=True, crs=crs)
    return None


def _is_near(point: Point) -> bool:
    return _WEST <= point.longitude <= _EAST and _SOUTH <= point.latitude <= _NORTH


def _points(first: Column, second: Column, crs: int | None, *, comma: bool) -> list[Point]:
    spot, found = Spot(name="it", path="", comma=comma), []
    for x, y in zip(first.values, second.values, strict=False):
        try:
            made = place(x, y, spot) if crs is None else projected(x, y, spot, transformer(crs))
        except Refused:
            return []
        if made is not None and not (made.longitude == 0 and made.latitude == 0):
            found.append(made)
    return found


def quoted(value: Any) -> str:
    """Write a value as YAML that reads back as it is, also inside braces."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() else repr(value)
    text = str(value)
    simple = text.removeprefix("$.").replace("_", "").replace(".", "").replace("-", "")
    if (
        simple.isascii()
        and simple.isalnum()
        and not text[0].isdigit()
        and text[0] not in "-."
        and text.lower() not in _RESERVED
    ):
        return text
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    )
    return f'"{escaped}"'


# Words that YAML reads as something else than a text.
_RESERVED = frozenset(("true", "false", "yes", "no", "on", "off", "null"))
