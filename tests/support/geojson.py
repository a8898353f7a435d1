"""GeoJSON held against RFC 7946: what a strict reader refuses, as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def faults(document: Any) -> Iterator[str]:
    """Yield every way in which a document is no feature collection of points (RFC 7946, sections 3 and 7)."""
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        yield "no FeatureCollection"
        return
    if {"crs", "coordinates", "geometries", "geometry", "properties"} & document.keys():
        yield "a collection with members of other objects"
    if not isinstance(document.get("features"), list):
        yield "features is no array"
        return
    for number, feature in enumerate(document["features"]):
        yield from (f"features[{number}]: {fault}" for fault in _feature(feature))


def _feature(feature: Any) -> Iterator[str]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        yield "no Feature"
        return
    if not isinstance(feature.get("id"), str | int | float):
        yield "an id that is neither string nor number"
    if not isinstance(feature.get("properties", ""), dict | None):
        yield "properties is neither object nor null"
    if {"coordinates", "geometries", "features"} & feature.keys():
        yield "a feature with members of other objects"
    if "geometry" not in feature:
        yield "no geometry, not even null"
    elif feature["geometry"] is not None:
        yield from _point(feature["geometry"])


def _point(geometry: Any) -> Iterator[str]:
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        yield "no Point"
        return
    position = geometry.get("coordinates")
    if not isinstance(position, list) or not 2 <= len(position) <= 3:
        yield "a position of other than two or three numbers"
        return
    if any(isinstance(it, bool) or not isinstance(it, int | float) or not math.isfinite(it) for it in position):
        yield "a position that is no numbers"
    elif not (-180 <= position[0] <= 180 and -90 <= position[1] <= 90):
        yield "a position outside the globe: longitude comes first"
