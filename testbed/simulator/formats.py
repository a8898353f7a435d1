"""The real formats: what each publisher would send at a given time, as bytes; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from xml.sax.saxutils import escape

from testbed.simulator.city import BRUSSELS, PARKING_PERIOD, City, Measurement, Occupancy, measure, minute_of, occupancy
from testbed.simulator.places import Facility, Lane, lambert72

XML = "text/xml; charset=UTF-8"
JSON = "application/json; charset=utf-8"

_WINTER = timezone(timedelta(hours=1))
# The configuration changed this long before the city began to be watched.
_CONFIGURED = timedelta(days=40)
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_INSTANCE = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one item of a document says: whose state it is, observed when, and the values, as plain JSON."""

    entity: str
    observed_at: datetime
    values: Mapping[str, Any]


class Expected(Enum):
    """What a correct platform makes of an item."""

    MEMBER = "member"  # published, or recognised as unchanged
    REJECTION = "rejection"  # refused, with a reason
    EITHER = "either"  # the source file decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """The bytes of one item, what they say (None in a look-up document), and what should become of it."""

    item: Item | None
    body: bytes
    expected: Expected = Expected.MEMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One answer of a publisher, still in pieces so that faults can be made to it."""

    media_type: str
    published_at: datetime
    head: bytes
    fragments: tuple[Fragment, ...]
    between: bytes
    tail: bytes

    def render(self) -> bytes:
        """Join the pieces."""
        return self.head + self.between.join(fragment.body for fragment in self.fragments) + self.tail


def _miv_time(at: datetime) -> str:
    return at.astimezone(_WINTER).isoformat(timespec="seconds")


def miv_data(city: City, at: datetime) -> Document:
    """Write MIV's minute document: the newest complete minute is two minutes back, as in the real feed."""
    published = minute_of(at)
    minute = published - timedelta(minutes=2)
    stamp = (published + timedelta(milliseconds=399)).astimezone(_WINTER).isoformat(timespec="milliseconds")
    head = (
        f'{_DECLARATION}<miv {_INSTANCE} xsi:noNamespaceSchemaLocation="./miv-verkeersdata.xsd" schemaVersion="1.0.0">\n'
        f"    <tijd_publicatie>{stamp}</tijd_publicatie>\n"
        f"    <tijd_laatste_config_wijziging>{_miv_time(minute_of(city.start) - _CONFIGURED)}"
        "</tijd_laatste_config_wijziging>\n"
    )
    return Document(
        media_type=XML,
        published_at=published,
        head=head.encode(),
        fragments=tuple(_lane_data(measure(city, lane, minute)) for lane in city.lanes),
        between=b"\n",
        tail=b"\n</miv>\n",
    )


def _lane_data(state: Measurement) -> Fragment:
    lane = state.lane
    classes = "".join(
        f'        <meetdata klasse_id="{number}">\n'
        f"            <verkeersintensiteit>{entry.count}</verkeersintensiteit>\n"
        f"            <voertuigsnelheid_rekenkundig>{entry.arithmetic}</voertuigsnelheid_rekenkundig>\n"
        f"            <voertuigsnelheid_harmonisch>{entry.harmonic}</voertuigsnelheid_harmonisch>\n"
        "        </meetdata>\n"
        for number, entry in enumerate(state.classes, 1)
    )
    body = (
        f'    <meetpunt beschrijvende_id="{lane.descriptive_id}" unieke_id="{lane.unique_id}">\n'
        f"        <lve_nr>{lane.unit}</lve_nr>\n"
        f"        <tijd_waarneming>{_miv_time(state.observed_at)}</tijd_waarneming>\n"
        f"        <tijd_laatst_gewijzigd>{_miv_time(state.changed_at)}</tijd_laatst_gewijzigd>\n"
        f"        <actueel_publicatie>{int(state.current)}</actueel_publicatie>\n"
        "        <beschikbaar>1</beschikbaar>\n"
        f"        <defect>{state.defect}</defect>\n"
        f"        <geldig>{state.validity}</geldig>\n"
        f"{classes}"
        "        <rekendata>\n"
        f"            <bezettingsgraad>{state.occupancy}</bezettingsgraad>\n"
        f"            <beschikbaarheidsgraad>{state.availability}</beschikbaarheidsgraad>\n"
        f"            <onrustigheid>{state.unrest}</onrustigheid>\n"
        "        </rekendata>\n"
        "    </meetpunt>"
    )
    values = {
        "counts": [entry.count for entry in state.classes],
        "arithmetic": [entry.arithmetic for entry in state.classes],
        "harmonic": [entry.harmonic for entry in state.classes],
        "occupancy": state.occupancy,
        "validity": state.validity,
    }
    return Fragment(item=Item(entity=lane.unique_id, observed_at=state.observed_at, values=values), body=body.encode())


def miv_configuration(city: City, at: datetime) -> Document:
    """Write MIV's configuration: decimal commas, both coordinate systems; it does not change while watched."""
    del at
    changed = minute_of(city.start) - _CONFIGURED
    schema = "http://miv.opendata.belfla.be/miv-config.xsd"
    head = (
        f'{_DECLARATION}<mivconfig {_INSTANCE} xsi:noNamespaceSchemaLocation="{schema}" schemaVersion="1.0.0">\n'
        f"    <tijd_laatste_config_wijziging>{_miv_time(changed)}</tijd_laatste_config_wijziging>\n"
    )
    return Document(
        media_type=XML,
        published_at=changed,
        head=head.encode(),
        fragments=tuple(_lane_configuration(lane) for lane in city.lanes),
        between=b"\n",
        tail=b"\n</mivconfig>\n",
    )


def _comma(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def _lane_configuration(lane: Lane) -> Fragment:
    x, y = lambert72(lane.longitude, lane.latitude)
    body = (
        f'    <meetpunt unieke_id="{lane.unique_id}">\n'
        f"        <beschrijvende_id>{lane.descriptive_id}</beschrijvende_id>\n"
        f"        <volledige_naam>{escape(lane.name)}</volledige_naam>\n"
        f"        <Ident_8>{lane.road}</Ident_8>\n"
        f"        <lve_nr>{lane.unit}</lve_nr>\n"
        f"        <Kmp_Rsys>{_comma(lane.kilometre, 3)}</Kmp_Rsys>\n"
        f"        <Rijstrook>{lane.code}</Rijstrook>\n"
        f"        <X_coord_EPSG_31370>{_comma(x, 4)}</X_coord_EPSG_31370>\n"
        f"        <Y_coord_EPSG_31370>{_comma(y, 4)}</Y_coord_EPSG_31370>\n"
        f"        <lengtegraad_EPSG_4326>{_comma(lane.longitude, 9)}</lengtegraad_EPSG_4326>\n"
        f"        <breedtegraad_EPSG_4326>{_comma(lane.latitude, 8)}</breedtegraad_EPSG_4326>\n"
        "    </meetpunt>"
    )
    return Fragment(item=None, body=body.encode())


def garages(city: City, at: datetime) -> Document:
    """Write the portal's answer for the garages."""
    return _records([_garage(occupancy(city, facility, at)) for facility in city.garages], at)


def park_and_rides(city: City, at: datetime) -> Document:
    """Write the portal's answer for the park-and-rides."""
    return _records([_park_and_ride(occupancy(city, facility, at)) for facility in city.park_and_rides], at)


def _records(fragments: Sequence[Fragment], at: datetime) -> Document:
    period = int(PARKING_PERIOD.total_seconds())
    return Document(
        media_type=JSON,
        published_at=datetime.fromtimestamp(int(at.timestamp()) // period * period, UTC),
        head=f'{{"total_count": {len(fragments)}, "results": ['.encode(),
        fragments=tuple(fragments),
        between=b", ",
        tail=b"]}",
    )


def page_of(document: Document, *, limit: int, offset: int) -> Document:
    """Cut out the page an Opendatasoft client asked for; `total_count` keeps counting all."""
    from_here = document.fragments[offset : offset + limit]
    return replace(document, fragments=from_here)


def _common(state: Occupancy) -> dict[str, Any]:
    facility = state.facility
    return {
        "name": facility.name,
        "lastupdate": state.observed_at.astimezone(BRUSSELS).isoformat(timespec="seconds"),
        "occupation": state.occupied_percent,
        "isopennow": int(facility.capacity > 0),
        "temporaryclosed": int(facility.capacity == 0),
        "freeparking": int(facility.is_park_and_ride),
        "operatorinformation": "Mobiliteitsbedrijf Gent",
        "openingtimesdescription": "24/7",
        "occupancytrend": "unknown",
        "urllinkaddress": facility.page,
        "location": {"lon": facility.longitude, "lat": facility.latitude},
    }


def _garage(state: Occupancy) -> Fragment:
    facility = state.facility
    address = {
        "specificAccessInformation": ["inrit"],
        "level": "0",
        "roadNumber": "?",
        "roadName": f"{facility.name}straat 1\n9000 Gent",
        "coordinatesForDisplay": {"latitude": facility.latitude, "longitude": facility.longitude},
    }
    return _fragment(
        state,
        _common(state)
        | {
            "totalcapacity": facility.capacity,
            "availablecapacity": state.free,
            "type": "carPark",
            "description": f"Ondergrondse parkeergarage {facility.name} in Gent",
            "id": facility.page,
            "locationanddimension": json.dumps(address),
            "categorie": "parking in LEZ",
        },
    )


def _park_and_ride(state: Occupancy) -> Fragment:
    facility: Facility = state.facility
    return _fragment(
        state,
        _common(state)
        | {
            "numberofspaces": facility.capacity,
            "availablespaces": state.free,
            "type": "offStreetParkingGround",
            # Strings, as the portal sends them for this data set.
            "latitude": str(facility.latitude),
            "longitude": str(facility.longitude),
            "gentse_feesten": "True" if facility.name.endswith("Drongen") else "False",
        },
    )


def _fragment(state: Occupancy, record: Mapping[str, Any]) -> Fragment:
    values = {"free": state.free, "total": state.facility.capacity}
    return Fragment(
        item=Item(entity=state.facility.page, observed_at=state.observed_at, values=values),
        body=json.dumps(record, ensure_ascii=False).encode(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One publisher's address in the simulator, the document behind it, and how often that changes."""

    source: str
    path: str
    write: Callable[[City, datetime], Document]
    period: timedelta
    paged: bool = False


_PORTAL = "/data.stad.gent/api/explore/v2.1/catalog/datasets"
ENDPOINTS = (
    Endpoint(
        source="miv-verkeersdata",
        path="/miv.opendata.belfla.be/miv/verkeersdata",
        write=miv_data,
        period=timedelta(minutes=1),
    ),
    Endpoint(
        source="miv-configuratie",
        path="/miv.opendata.belfla.be/miv/configuratie/xml",
        write=miv_configuration,
        period=timedelta(days=36500),
    ),
    Endpoint(
        source="gent-garages",
        path=f"{_PORTAL}/bezetting-parkeergarages-real-time/records",
        write=garages,
        period=PARKING_PERIOD,
        paged=True,
    ),
    Endpoint(
        source="gent-park-and-ride",
        path=f"{_PORTAL}/real-time-bezetting-pr-gent/records",
        write=park_and_rides,
        period=PARKING_PERIOD,
        paged=True,
    ),
)
