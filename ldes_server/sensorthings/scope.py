"""What a SensorThings path stands for: which entities of which kind, by the identifiers in it; pure.

Identifiers are texts. A Thing, its Location and its feature of interest are `<stream>:<key>`, where the key is the last part
of the entity's IRI below the stream, or `=` and the whole IRI in base64url; a Datastream adds `:<name>`. A Sensor is
`<stream>`, an ObservedProperty `<model>:<name>`, an Observation `<stream>:<name>:<sequence number>`.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from ldes_server.problems import Problem


class Kind(Enum):
    """The kinds of entities; the value is the name of the set of all of them."""

    THING = "Things"
    LOCATION = "Locations"
    DATASTREAM = "Datastreams"
    SENSOR = "Sensors"
    OBSERVED_PROPERTY = "ObservedProperties"
    OBSERVATION = "Observations"
    FEATURE_OF_INTEREST = "FeaturesOfInterest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a navigation property leads: to one entity of a kind, or to `many`."""

    kind: Kind
    many: bool


# From each kind, by the names of the data model of SensorThings.
LINKS: Mapping[Kind, Mapping[str, Link]] = {
    Kind.THING: {
        "Datastreams": Link(kind=Kind.DATASTREAM, many=True),
        "Locations": Link(kind=Kind.LOCATION, many=True),
    },
    Kind.LOCATION: {"Things": Link(kind=Kind.THING, many=True)},
    Kind.DATASTREAM: {
        "Thing": Link(kind=Kind.THING, many=False),
        "Sensor": Link(kind=Kind.SENSOR, many=False),
        "ObservedProperty": Link(kind=Kind.OBSERVED_PROPERTY, many=False),
        "Observations": Link(kind=Kind.OBSERVATION, many=True),
    },
    Kind.SENSOR: {"Datastreams": Link(kind=Kind.DATASTREAM, many=True)},
    Kind.OBSERVED_PROPERTY: {"Datastreams": Link(kind=Kind.DATASTREAM, many=True)},
    Kind.OBSERVATION: {
        "Datastream": Link(kind=Kind.DATASTREAM, many=False),
        "FeatureOfInterest": Link(kind=Kind.FEATURE_OF_INTEREST, many=False),
    },
    Kind.FEATURE_OF_INTEREST: {"Observations": Link(kind=Kind.OBSERVATION, many=True)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Entities of a `kind`: `many`, or the one that its identifiers name; what is None is not restricted.

    `stream` and `model` are names, `entity` an IRI, `column` the name of a Datastream's values, `sequence` that of a member.
    """

    kind: Kind
    many: bool
    stream: str | None = None
    entity: str | None = None
    column: str | None = None
    model: str | None = None
    sequence: int | None = None

    def follow(self, name: str) -> Scope:
        """Return what a navigation property of this one entity leads to.

        Raises:
            Problem: 404, it has none of this name.

        """
        links = LINKS[self.kind]
        if self.many or name not in links:
            near = () if self.many else tuple(links)
            what = (
                f"{self.kind.value} has no {name!r}"
                if not self.many
                else f"{self.kind.value} needs an id before {name!r}"
            )
            raise Problem(404, what, fix=f"there is {', '.join(near)}" if near else "write ('id') behind it", near=near)
        link = links[name]
        found = replace(self, kind=link.kind, many=link.many)
        if link.kind in (Kind.THING, Kind.LOCATION):
            return replace(found, column=None)
        if link.kind is Kind.FEATURE_OF_INTEREST:
            return replace(found, column=None)
        return found


class Names:
    """Identifiers of one site, made and read; `base_url` is its public address."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url

    def thing(self, stream: str, entity: str) -> str:
        """Return the identifier of a Thing, its Location and its feature."""
        own = f"{self._base}/{stream}/entities/"
        key = entity.removeprefix(own)
        if entity.startswith(own) and _KEY.fullmatch(key):
            return f"{stream}:{key}"
        return f"{stream}:={urlsafe_b64encode(entity.encode()).decode().rstrip('=')}"

    def read(self, kind: Kind, text: str) -> Scope | None:
        """Return the one entity that an identifier names; None where it can name none."""
        parts = text.split(":")
        one = Scope(kind=kind, many=False)
        if kind is Kind.SENSOR and len(parts) == 1:
            return replace(one, stream=text)
        if kind is Kind.OBSERVED_PROPERTY and len(parts) == 2:
            return replace(one, model=parts[0], column=parts[1])
        if kind is Kind.OBSERVATION and len(parts) == 3 and _NUMBER.fullmatch(parts[2]):
            return replace(one, stream=parts[0], column=parts[1], sequence=int(parts[2]))
        if kind is Kind.DATASTREAM and len(parts) == 3:
            return self._of_entity(replace(one, column=parts[2]), parts[0], parts[1])
        if kind in (Kind.THING, Kind.LOCATION, Kind.FEATURE_OF_INTEREST) and len(parts) == 2:
            return self._of_entity(one, parts[0], parts[1])
        return None

    def _of_entity(self, scope: Scope, stream: str, key: str) -> Scope | None:
        if _KEY.fullmatch(key):
            return replace(scope, stream=stream, entity=f"{self._base}/{stream}/entities/{key}")
        if not key.startswith("="):
            return None
        try:
            entity = urlsafe_b64decode(key[1:] + "=" * (-len(key[1:]) % 4)).decode()
        except (binascii.Error, ValueError):
            return None
        return replace(scope, stream=stream, entity=entity) if "\0" not in entity else None


_KEY = re.compile(r"[A-Za-z0-9._~-]{1,200}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_SEGMENT = re.compile(r"([A-Za-z]+)(?:\((?:'((?:[^']|'')*)'|([^')]*))\))?")
_SETS = {kind.value: kind for kind in Kind}
# Longer paths say nothing that shorter ones do not.
_DEEPEST = 6


def read_path(path: str, names: Names) -> Scope:
    """Return what a path below the service's root stands for, as in `Things('gent-parking:p1')/Datastreams`.

    Raises:
        Problem: 404, there is no such path, or no such identifier; says what there is.

    """
    segments = _segments(path)
    first, key = segments[0]
    if first not in _SETS:
        raise Problem(404, f"there is no set {first[:60]!r}", fix=f"there is {', '.join(_SETS)}", near=_SETS)
    scope = Scope(kind=_SETS[first], many=True)
    if key is not None:
        scope = _named(scope.kind, key, names)
    for name, inner in segments[1:]:
        scope = scope.follow(name)
        if inner is not None:
            asked = _named(scope.kind, inner, names)
            if not _within(asked, scope):
                raise _missing(scope.kind, inner)
            scope = asked
    return scope


def _segments(path: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    place = 0
    while place < len(path):
        match = _SEGMENT.match(path, place)
        if match is None or (match.end() < len(path) and path[match.end()] != "/") or len(found) == _DEEPEST:
            what, fix = (
                f"{path[place : place + 60]!r} is no step of a path",
                "write a step as in Things('id')/Datastreams",
            )
            raise Problem(404, what, fix=fix)
        key = match[2] if match[2] is not None else match[3]
        found.append((match[1], key.replace("''", "'") if key is not None else None))
        place = match.end() + 1
    return found


def _named(kind: Kind, key: str, names: Names) -> Scope:
    found = names.read(kind, key)
    if found is None:
        raise _missing(kind, key)
    return found


def _within(asked: Scope, scope: Scope) -> bool:
    return all(
        getattr(scope, name) in (None, getattr(asked, name)) or getattr(asked, name) is None
        for name in ("stream", "entity", "column", "model")
    )


def _missing(kind: Kind, key: str) -> Problem:
    return Problem(
        404, f"there is no {key[:200]!r} in {kind.value}", fix=f"{kind.value} lists them; ids are texts in quotes"
    )
