"""A stream with every kind of view, and members that are hard to place: late, early, odd, nowhere, on edges."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ldes_server.definition import ByLatest, ByPrefix, ByProperty, ByTile, ByTime, Nested, ViewDefinition
from ldes_server.model import Published, Stream
from streams.record import format_time
from tests.conformance.kit import make_stream
from vocab.model import load_model
from vocab.terms import OPERATION

NAME = "gent-views"
MORNING = datetime(2026, 11, 23, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
_BY_HOUR = ByTime(name="observed_at", levels=("day", "hour"), lateness=HOUR)
VIEWS: dict[str, ViewDefinition] = {
    "by-hour": _BY_HOUR,
    "by-tile": ByTile(name="point", zooms=(8, 14)),
    "by-operator": ByProperty(name="operator"),
    "by-free": ByProperty(name="free_spaces"),
    "by-share": ByProperty(name="occupancy"),
    "by-open": ByProperty(name="open_now"),
    "by-name": ByPrefix(name="name", length=3),
    "by-garage": Nested(outer=ByProperty(name="entity"), inner=ByTime(name="observed_at", levels=("month",))),
    "by-tile-hour": Nested(outer=ByTile(name="point", zooms=(10,)), inner=_BY_HOUR),
    "newest": ByLatest(),
    "by-letter-share": Nested(outer=ByPrefix(name="operator", length=2), inner=ByProperty(name="open_now")),
}
# The first two are one text in normal form C. Keys and addresses, Turtle and JSON have trouble with the others.
OPERATORS = (
    'Café "De Ezel"',
    'Cafe\u0301 "De Ezel"',
    "Mobiliteitsbedrijf Gent",
    "mobiliteitsbedrijf gent",
    "line\nbreak\tand tab\r",
    "\U0001f17f\ufe0f parkeren",
    "\uffee halfwidth",
    "O'Neil \\ <zonen> & co",
    "%2F../;?#",
    " leading space",
    "none",
    "late",
    "in-none",
    "é",
    "x" * 300,
)
# Texts by language: one, two, none, one that is two code points in normal form C, one beyond the first plane.
NAMES: tuple[tuple[tuple[str, str], ...], ...] = (
    (("nl", "Garage Zuid"),),
    (("nl", "Garage Noord"), ("en", "Ümlaut")),
    (),
    (("nl", "U\u0308mlaut"),),
    (("nl", "\U0001f697 \U0001f17f"), ("fr", "GARE")),
)
# Tile 10/522/342 begins at 3.515625 east: the third place is on its edge. The sixth is on no tile's square, the last two are
# empty and in a reference system that is not ours.
PLACES = (
    "POINT (3.7234 51.0489)",
    "<http://www.opengis.net/def/crs/OGC/1.3/CRS84> POINT(3.71 51.06)",
    "POINT (3.515625 51.0)",
    "LINESTRING (3.70 51.0, 3.76 51.1)",
    "POLYGON ((-10 30, 20 30, 20 60, -10 60, -10 30))",
    "POINT (3.7 89.9)",
    "MULTIPOINT ((3.72 51.05), (3.721 51.051))",
    "POINT Z (-70.5 -33.4 520)",
    "POINT EMPTY",
    "<http://www.opengis.net/def/crs/EPSG/0/4326> POINT(51.05 3.72)",
)
# How long before its publication something was observed: usual, late, too late, days late, and ahead of its time.
DELAYS = (timedelta(seconds=20), 2 * HOUR, timedelta(minutes=30), timedelta(days=3), timedelta(seconds=1), -3 * HOUR)
GARAGES = 83
# What a deletion says besides what it does.
DELETION = ("@id", "@type", "isVersionOf", "observedAt", "attributedTo", "license")


def city_stream(name: str = NAME, views: Mapping[str, ViewDefinition] | None = None) -> Stream:
    """Make the stream; pages hold 10 members, nodes link 4."""
    return make_stream(
        name,
        load_model("parking"),
        views=VIEWS if views is None else views,
        operation_path=OPERATION,
        transactions=True,
    )


def city_members(stream: Stream, numbers: Iterable[int], base_url: str) -> tuple[Published, ...]:
    """Make members two minutes apart, each with its own mixture of what is hard."""
    return tuple(city_member(stream, number, base_url, _mixture(number)) for number in numbers)


def _mixture(number: int) -> dict[str, Any]:
    return {
        "operator": OPERATORS[number % len(OPERATORS)] if number % 7 else None,
        "place": PLACES[number * 3 % len(PLACES)] if number % 4 else PLACES[0] if number % 8 else None,
        "delay": DELAYS[number % len(DELAYS)] if number % 3 == 0 else DELAYS[0],
        "offset": number % 11 - 5 if number % 2 else 0,
        "free": number % 12,
        "name": NAMES[number % len(NAMES)],
        "garage": number * 5 % GARAGES if number % 4 else 0,
        "open": number % 5 > 1 if number % 10 else None,
        "gone": number % 31 == 30,
    }


def city_member(stream: Stream, number: int, base_url: str, said: Mapping[str, Any]) -> Published:
    """Make one member; `said` has the keys operator, place, delay, offset, free, name, garage, open, and gone for a deletion."""
    published_at = MORNING + timedelta(minutes=2 * number)
    observed_at = published_at - said["delay"]
    member_id = f"{stream.name}/members/{number}"
    entity = f"{base_url}/{stream.name}/entities/{said['garage']}"
    body: dict[str, Any] = {
        "@id": f"{base_url}/{member_id}",
        "@type": "ParkingFacility",
        "isVersionOf": entity,
        "observedAt": _spelled(observed_at, said["offset"]),
        "name": dict(said["name"]),
        "freeSpaces": said["free"],
        "occupancy": said["free"] * 2.5,
        "openNow": said["open"],
        "capacity": [{"@type": "RealTimeCapacity", "currentValue": said["free"]}],
        "operator": None if said["operator"] is None else {"@type": "Agent", "label": said["operator"]},
        "geometry": None if said["place"] is None else {"@type": "Point", "wkt": said["place"]},
        "attributedTo": "https://data.vlaanderen.be/id/organisatie/OVO002011",
        "license": "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0",
    }
    kept = {key: value for key, value in body.items() if value is not None and value != {}}
    if said.get("gone"):
        kept = {**{key: kept[key] for key in body if key in DELETION}, "operation": "Delete"}
    return Published(
        sequence=number,
        published_at=published_at,
        id=member_id,
        entity=entity,
        observed_at=observed_at,
        point=None,
        body=json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(),
        deleted=bool(said.get("gone")),
    )


def _spelled(moment: datetime, offset: int | None) -> str:
    """Spell a time in UTC for 0, in another zone for other offsets in hours, without a zone for None."""
    if offset is None:
        return f"{moment:%Y-%m-%dT%H:%M:%S}"
    if offset == 0:
        return format_time(moment)
    return moment.astimezone(timezone(timedelta(hours=offset))).isoformat()
