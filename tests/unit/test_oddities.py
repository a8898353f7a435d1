"""Oddities of real feeds: each is words of a source file, tried on recorded samples or on data made from their facts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import Outcome, normalise
from ingest.source import load_source
from tests.unit.ingest.documents import sample
from tests.unit.ingest.workbench import BASE, RECEIVED, entry
from vocab.model import load_model

JSON = "application/json"
XML = "application/xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One oddity: `file` is what a source file says of it, `body` a document or the name of a sample.

    `gives` are values of members, by their number and key; `lacks` keys that no member has; `counts` are the members, the
    unchanged and the refused; `again` is a second document, that comes a minute later.
    """

    oddity: str
    file: str
    body: str | bytes
    media_type: str = JSON
    gives: Mapping[tuple[int, str], Any] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    counts: tuple[int, int, int] | None = None
    again: str | bytes = b""

    @property
    def documents(self) -> Iterator[bytes]:
        """Yield the documents; one that is not here skips the test."""
        for body in (self.body, self.again):
            if isinstance(body, str):
                found = sample(body)
                yield gzip.decompress(found) if body.endswith(".gz") else found
            elif body:
                yield body


# What a car park needs besides, where an example is of something else.
PARK = "model: parking\nbind:\n  free_spaces: { constant: 0 }\n"
LIGHTS = b"""
@prefix otl: <https://w3id.org/opentrafficlights#> . @prefix prov: <http://www.w3.org/ns/prov#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<https://opentrafficlights.org/spat/K648?time=2019-05-01T07:39:10.000Z>
  prov:generatedAtTime "2019-05-01T07:39:10.000Z"^^xsd:date .
<https://opentrafficlights.org/spat/K648?time=2019-05-01T07:39:10.000Z> {
  <https://opentrafficlights.org/id/signalgroup/K648/5> rdfs:type otl:SignalGroup ; otl:signalState [
    rdfs:type otl:SignalState ; otl:signalPhase <https://w3id.org/opentrafficlights/thesauri/signalphase/3> ] . }
<https://opentrafficlights.org/id/lane/K648/1>
  <http://www.opengis.net/#geosparql/wktLiteral> "LINESTRING (51.2000 4.3990, 51.2010 4.4010)" ; rdfs:type otl:Lane .
"""
DATEX = b"""<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0" modelBaseVersion="2"><payloadPublication>
  <publicationTime>2026-11-01T10:01:00+01:00</publicationTime>
  <genericPublicationExtension><parkingStatusPublication>
    <parkingRecordStatus><parkingRecordReference id="P10" version="1"/>
      <parkingStatusOriginTime>2026-11-01T10:00:04+01:00</parkingStatusOriginTime>
      <parkingOccupancy><parkingNumberOfVacantSpaces>88</parkingNumberOfVacantSpaces></parkingOccupancy>
      <parkingSiteOpeningStatus>open</parkingSiteOpeningStatus></parkingRecordStatus>
    <parkingRecordStatus><parkingRecordReference id="P7" version="1"/></parkingRecordStatus>
  </parkingStatusPublication></genericPublicationExtension></payloadPublication></d2LogicalModel>"""
COUNTS = (
    b"7,IN,FIETSERS,2023-06-01 00:00:00.0,2023-06-01 00:15:00.0,4\n"
    b"7,OUT,FIETSERS,2023-12-01 00:00:00.0,2023-12-01 00:15:00.0,9\n"
    b"7,IN,FIETSERS,2023-03-26 02:15:00.0,2023-03-26 02:30:00.0,1\n"
)
GARAGE = {
    "id": "https://stad.gent/nl/parking-reep",
    "lastupdate": "2026-11-01T10:00:04+01:00",
    "availablecapacity": 5,
}
LANE = """<miv><tijd_publicatie>2023-07-01T11:03:00+02:00</tijd_publicatie><meetpunt unieke_id="29">
  <tijd_waarneming>2023-07-01T10:01:00{zone}</tijd_waarneming>
  <tijd_laatst_gewijzigd>2023-07-01T11:02:14</tijd_laatst_gewijzigd>
  <meetdata klasse_id="2"><verkeersintensiteit>3</verkeersintensiteit>
  <voertuigsnelheid_harmonisch>{speed}</voertuigsnelheid_harmonisch></meetdata></meetpunt></miv>"""
TRAFFIC = """
each: miv.meetpunt[*]
model: traffic
bind:
  entity: "@unieke_id"
  observed_at: { from: tijd_waarneming, zone: "+01:00" }
  result_time: { from: tijd_laatst_gewijzigd, zone: Europe/Brussels }
  interval_end: $.tijd_publicatie
  measuring_point: { from: "@unieke_id", entity_of: miv-meetpunten }
  classes:
    each: meetdata[*]
    bind:
      vehicle_class: { from: "@klasse_id", map: { "1": motorcycle, "2": car, "3": van, "4": truck, "5": articulated } }
      count: verkeersintensiteit
      harmonic_speed: { from: voertuigsnelheid_harmonisch, not: [0, 251, 252, 254], when: { count: { above: 0 } } }
"""
ROWS = (
    Row(
        oddity="a fixed offset all year beside the local one in the same record, and a time of publication per payload",
        file=TRAFFIC,
        body=LANE.format(zone="", speed=88).encode(),
        media_type=XML,
        gives={
            (0, "phenomenonTime.start.at"): "2023-07-01T09:01:00.000Z",
            (0, "resultTime"): "2023-07-01T09:02:14.000Z",
            (0, "phenomenonTime.end.at"): "2023-07-01T09:03:00.000Z",
        },
        counts=(1, 0, 0),
    ),
    Row(
        oddity="offsets that are written, as in the recorded minute of 2017",
        file=TRAFFIC,
        body="miv/verkeersdata-voorbeeld-20170427.xml",
        media_type=XML,
        gives={(0, "phenomenonTime.start.at"): "2017-04-27T13:38:00.000Z"},
    ),
    Row(
        oddity="a time without zone that means UTC, numbers as texts, and values named by a key beside them",
        file=PARK
        + """
  entity: sensor.id
  observed_at: { from: timestamp, zone: UTC }
  occupancy: sensordatavalues[value_type=P1].value
  point: { longitude: location.longitude, latitude: location.latitude }
each: "[*]"
""",
        body="sensor-community/upstream.json",
        gives={
            (0, "observedAt"): "2019-04-25T01:51:12.000Z",
            (0, "occupancy"): 19.13,
            (0, "geometry.wkt"): "POINT (13.374 52.544)",
        },
    ),
    Row(
        oddity="a local time without zone in columns without header, with an hour that the clock skipped",
        file="""
format: { name: csv, columns: [site, way, kind, from, to, count] }
each: "[*]"
only: [{ from: kind, equals: [FIETSERS] }]
model: parking
bind:
  entity: { join: [site, way] }
  observed_at: { from: from, zone: Europe/Brussels }
  free_spaces: count
""",
        body=COUNTS + b"7,IN,VOETGANGERS,2023-06-01 00:00:00.0,2023-06-01 00:15:00.0,1\n",
        media_type="application/octet-stream",
        gives={(0, "observedAt"): "2023-05-31T22:00:00.000Z", (1, "observedAt"): "2023-11-30T23:00:00.000Z"},
        counts=(2, 0, 1),
    ),
    Row(
        oddity="date and time in two columns, the hour without leading zero",
        file="""
format: csv
each: "[*]"
model: parking
bind:
  entity: { constant: coupure-links }
  observed_at: { date: datum, time: uur5minuten, zone: Europe/Brussels }
  free_spaces: totaal
""",
        body=b"datum;uur5minuten;ordening;totaal\n2021-03-03;8:05;1;12\n2021-03-03;18:05;2;30\n",
        media_type="text/csv",
        gives={(0, "observedAt"): "2021-03-03T07:05:00.000Z", (1, "observedAt"): "2021-03-03T17:05:00.000Z"},
    ),
    Row(
        oddity="epoch milliseconds, in lists under the keys of an object",
        file=PARK
        + """
  entity: ^.@key
  observed_at: { from: timestamp, as: epoch_milliseconds }
  occupancy: value
each: "{*}.values[*]"
""",
        body="irceline-sos/upstream-timeseries.json",
        gives={
            (0, "isVersionOf"): f"{BASE}/odd/entities/10744",
            (0, "observedAt"): "2019-04-23T22:00:00.000Z",
            (0, "occupancy"): 18.5,
            (4, "isVersionOf"): f"{BASE}/odd/entities/7185",
        },
        counts=(8, 0, 0),
    ),
    Row(
        oddity="epoch seconds in one version and RFC 3339 in the next, under other names, in one source file",
        file="""
each: data.stations[*]
model: parking
bind:
  entity: station_id
  observed_at: { from: [last_reported, $.last_updated], as: epoch_seconds_or_text }
  free_spaces: { from: [num_vehicles_available, num_bikes_available] }
""",
        body="gbfs/v2.3/station_status.json",
        again="gbfs/v3.0/station_status.json",
        gives={(0, "observedAt"): "2025-07-02T06:21:03.000Z", (-1, "observedAt"): "2019-07-04T13:33:03.969Z"},
    ),
    Row(
        oddity="xsd:date on a whole time, rdfs:type in place of rdf:type, the time on the named graph",
        file=PARK
        + """
  entity: ^.@id
  observed_at: "@graph.prov:generatedAtTime"
  operator: { from: "otl:signalPhase.@id", match: "[0-9]$" }
  description: { from: "^.rdfs:type.@id", match: "#(.*)", language: en }
each: otl:signalState[*]
""",
        body=LIGHTS,
        media_type="application/trig",
        gives={
            (0, "isVersionOf"): "https://opentrafficlights.org/id/signalgroup/K648/5",
            (0, "observedAt"): "2019-05-01T07:39:10.000Z",
            (0, "operator.label"): "3",
            (0, "description.en"): "SignalGroup",
        },
        counts=(1, 0, 0),
    ),
    Row(
        oddity="WKT with latitude first, under a predicate that is the address of a datatype",
        file=PARK
        + """
  entity: ^.@id
  observed_at: { from: none, default: received }
  operator: { from: "@value", as: wkt, order: lat_lon }
each: lanes[*].geometry[*]
""",
        body=json.dumps(
            {"lanes": [{"@id": "a", "geometry": {"@value": "LINESTRING (51.2 4.399, 51.201 4.401)"}}]}
        ).encode(),
        gives={(0, "operator.label"): "LINESTRING (4.399 51.2, 4.401 51.201)"},
    ),
    Row(
        oddity="a wrong predicate: WKT as a predicate, read by its whole address",
        file=PARK
        + """
  entity: "@id"
  observed_at: { from: none, default: received }
  point: { coordinates: "<http://www.opengis.net/#geosparql/wktLiteral>", order: lat_lon }
format: { name: rdf }
each: rdfs:type[*]
""",
        body=LIGHTS.replace(b"rdfs:type otl:Lane", b"rdfs:type <https://opentrafficlights.org/id/lane/K648/1>"),
        media_type="application/trig",
        gives={(-1, "geometry.wkt"): "POINT (4.4 51.2005)"},
    ),
    Row(
        oddity="decimal commas and Lambert 72 in the configuration of the motorways",
        file="""
each: mivconfig.meetpunt[*]
model: measuring-point
bind:
  entity: "@unieke_id"
  observed_at: $.tijd_laatste_config_wijziging
  point: { x: X_coord_EPSG_31370, y: Y_coord_EPSG_31370, crs: 31370, decimal: comma }
  lambert72_x: { from: X_coord_EPSG_31370, decimal: comma }
  kilometre_point: { from: Kmp_Rsys, decimal: comma }
""",
        body="miv/configuratie-20170217.xml.gz",
        media_type=XML,
        gives={
            (0, "observedAt"): "2017-02-17T13:42:06.000Z",
            (0, "position.kilometrePoint"): 94.695,
        },
        counts=(4254, 0, 0),
    ),
    Row(
        oddity="Lambert 72 in GeoJSON of a WFS, and in WKT with an odd address of the system",
        file=PARK
        + """
  entity: properties.ab_eoi_code
  observed_at: properties.timestamp
  occupancy: properties.value
  point: { coordinates: geometry, crs: 31370 }
each: features[*]
""",
        body=json.dumps(
            {
                "features": [
                    {
                        "geometry": {"type": "Point", "coordinates": [152249.5, 166457.1]},
                        "properties": {"ab_eoi_code": "BELGIUM1", "timestamp": "2026-11-01T08:00:00Z", "value": 21.5},
                    }
                ]
            }
        ).encode(),
        gives={(0, "geometry.wkt"): "POINT (4.4006672 50.8085576)", (0, "occupancy"): 21.5},
    ),
    Row(
        oddity="a zone in Lambert 72 WKT, seven digits of a second, a version suffix, a literal without its language",
        file=PARK
        + """
  entity: { from: "@id", match: "^(.*?)(?:/#ID|/[0-9]+)?$" }
  observed_at: prov:generatedAtTime
  point: { coordinates: ["mobiliteit:zone.locn:geometry.geosparql:asWKT", "mobiliteit:zone[0].locn:geometry.geosparql:asWKT"] }
  description: { from: dcterms:description, language: nl }
each: mobiliteit:Mobiliteitshinder[*]
""",
        body="gipod/mobility-hindrance.nq",
        media_type="application/n-quads",
        gives={
            (0, "isVersionOf"): "https://private-api.gipod.beta-vlaanderen.be/api/v1/mobility-hindrances/10810464",
            (0, "observedAt"): "2022-05-20T09:58:15.867Z",
            (0, "description.nl"): "dubbele omschríjvińĝ",
        },
        counts=(1, 0, 0),
    ),
    Row(
        oddity="a literal typed rdf:langString without language, which is no RDF",
        file=PARK
        + """
  entity: dcterms:isVersionOf.@id
  observed_at: prov:generatedAtTime
  description: { from: dcterms:description, language: nl }
each: mobiliteit:Mobiliteitshinder[*]
""",
        body="gipod/mobility-hindrance.ttl",
        media_type="text/turtle",
        gives={
            (0, "isVersionOf"): "https://private-api.gipod.vlaanderen.be/api/v1/mobility-hindrances/10590495",
            (0, "description.nl"): "9600 Ronse - Pierre D'Hauwerstraat 5 - parkeerverbod",
        },
    ),
    Row(
        oddity="the sentinels 251, 252 and 254 and the speed 0",
        file=TRAFFIC,
        body=LANE.format(zone="+01:00", speed=254).encode(),
        media_type=XML,
        gives={(0, "observations.0.count"): 3},
        lacks=("result",),
    ),
    Row(
        oddity="-999.0 for unknown, and a pair with latitude first",
        file=PARK
        + """
  entity: recordid
  observed_at: record_timestamp
  total_spaces: { from: fields.capacity, not: [-999] }
  point: { coordinates: fields.geo_point_2d, order: lat_lon }
each: records[*]
""",
        body=json.dumps(
            {
                "records": [
                    {
                        "recordid": "a1",
                        "fields": {"capacity": -999.0, "geo_point_2d": [50.85, 4.35]},
                        "record_timestamp": "2026-11-01T08:00:00+00:00",
                    }
                ]
            }
        ).encode(),
        gives={(0, "geometry.wkt"): "POINT (4.35 50.85)"},
        lacks=("totalSpaces", "totalCapacity"),
    ),
    Row(
        oddity="empty texts in place of no values, a time with a blank and microseconds, a place from a line",
        file=PARK
        + """
  entity: properties.segment_id
  observed_at: properties.last_data_package
  occupancy: { from: properties.uptime, unit: "1" }
  point: { coordinates: geometry }
each: features[*]
""",
        body="telraam/traffic_snapshot_live_2023_12_9.json.gz",
        gives={(0, "observedAt"): "2023-10-24T18:53:50.368Z"},
        counts=(4997, 0, 3),
    ),
    Row(
        oddity="fields left out where they are zero or false",
        file="""
each: up[*]
model: parking
bind:
  entity: end_device_ids.device_id
  observed_at: uplink_message.received_at
  free_spaces: { from: uplink_message.f_cnt, default: 0 }
  open_now: { from: uplink_message.decoded_payload.open, default: false }
""",
        body=json.dumps(
            {
                "up": [
                    {
                        "end_device_ids": {"device_id": "door-1"},
                        "uplink_message": {"received_at": "2026-11-01T08:00:00.123456789Z", "decoded_payload": {}},
                    }
                ]
            }
        ).encode(),
        gives={
            (0, "observedAt"): "2026-11-01T08:00:00.123Z",
            (0, "capacity.0.currentValue"): 0,
            (0, "openNow"): False,
        },
    ),
    Row(
        oddity="a boolean as 1 and as the text False, a number as text, two orders of coordinates in one record",
        file="""
each: records[*].fields
model: parking
bind:
  entity: urllinkaddress
  observed_at: lastupdate
  free_spaces: availablespaces
  open_now: isopennow
  temporarily_closed: gentse_feesten
  point: { longitude: longitude, latitude: "location[0]" }
""",
        body="gent-opendatasoft/park_and_ride.json",
        gives={
            (0, "openNow"): True,
            (0, "temporarilyClosed"): False,
            (1, "temporarilyClosed"): True,
            (0, "observedAt"): "2022-07-15T11:30:42.000Z",
            (0, "geometry.wkt"): "POINT (3.71138627257 51.0985019636)",
        },
        counts=(2, 0, 0),
    ),
    Row(
        oddity="the other order: geometry.coordinates has longitude first",
        file=PARK
        + """
  entity: recordid
  observed_at: record_timestamp
  point: { coordinates: geometry }
each: records[*]
""",
        body="gent-opendatasoft/park_and_ride.json",
        gives={(0, "geometry.wkt"): "POINT (3.71138627257 51.0985019636)"},
    ),
    Row(
        oddity="JSON inside a text of JSON",
        file="""
each: records[*].fields
model: parking
bind:
  entity: id
  observed_at: lastupdate
  free_spaces: availablecapacity
  point:
    longitude: locationanddimension.coordinatesForDisplay.longitude
    latitude: locationanddimension.coordinatesForDisplay.latitude
    json: true
""",
        body="gent-opendatasoft/garages.json",
        gives={(0, "geometry.wkt"): "POINT (3.719727740000235 51.05311004768356)"},
    ),
    Row(
        oddity="a whole snapshot sent again, with new times and nothing new",
        file="""
each: results[*]
model: parking
bind: { entity: id, observed_at: lastupdate, free_spaces: availablecapacity }
publish: { when: changed }
""",
        body=json.dumps({"results": [GARAGE, {**GARAGE, "id": "b"}]}).encode(),
        again=json.dumps(
            {
                "results": [
                    {**GARAGE, "lastupdate": "2026-11-01T10:01:04+01:00"},
                    {**GARAGE, "id": "b", "lastupdate": "2026-11-01T10:01:04+01:00", "availablecapacity": 4},
                ]
            }
        ).encode(),
        counts=(3, 1, 0),
    ),
    Row(
        oddity="stale records kept in a snapshot for months",
        file=TRAFFIC,
        body="miv/verkeersdata-voorbeeld-20170427.xml",
        again="miv/verkeersdata-voorbeeld-20170427.xml",
        media_type=XML,
    ),
    Row(
        oddity="the time of a version behind # in its address, versions out of order in a page",
        file="""
each: tree:member[*]
model: parking
bind:
  entity: { from: "@id", match: "^[^#]+" }
  observed_at: dcterms:modified
  free_spaces: "mobivoc:capacity[@type=mobivoc:RealTimeCapacity].mobivoc:currentValue"
  total_spaces: "mobivoc:capacity[@type=mobivoc:Capacity].mobivoc:totalCapacity"
  point: { longitude: geo:long, latitude: geo:lat }
""",
        body="gent-parking-ldes/page1.ttl",
        media_type="text/turtle",
        counts=(250, 0, 0),
    ),
    Row(
        oddity="a namespace that lacks its slash",
        file=PARK
        + """
  entity: dcterms:isVersionOf.@id
  observed_at: prov:generatedAtTime
  operator: "<http://purl.org/dc/elements/1.1creator>"
format: { name: rdf, prefixes: { gip: "https://gipod.vlaanderen.be/ns/gipod#" } }
each: gip:Work[*]
""",
        body=b"""<https://e.example/1> a <https://gipod.vlaanderen.be/ns/gipod#Work> ;
  <http://purl.org/dc/terms/isVersionOf> <https://e.example/w> ; <http://purl.org/dc/elements/1.1creator> "AWV" ;
  <http://www.w3.org/ns/prov#generatedAtTime> "2022-05-20T09:58:15.8646433Z" .""",
        media_type="text/turtle",
        gives={(0, "operator.label"): "AWV", (0, "observedAt"): "2022-05-20T09:58:15.864Z"},
    ),
    Row(
        oddity="a GTFS-Realtime header whose time is 0, times per entity, delays of stops without id",
        file=PARK
        + """
  entity: { join: [^.trip_update.trip.trip_id, ^.trip_update.trip.start_date, stop_sequence] }
  observed_at: { from: [$.header.timestamp, ^.trip_update.timestamp], as: epoch_seconds, not: [0], default: received }
  operator: departure.delay
format: gtfs-realtime
each: entity[*].trip_update.stop_time_update[*]
""",
        body="gtfs-rt/feed-20190709.pb",
        media_type="application/octet-stream",
        gives={
            (0, "isVersionOf"): f"{BASE}/odd/entities/31783744-20190709-5",
            (0, "observedAt"): "2019-07-09T11:40:08.000Z",
            (0, "operator.label"): "26687",
        },
        counts=(238, 0, 0),
    ),
    Row(
        oddity="a time of publication deep in DATEX II, for records that have none of their own",
        file="""
each: >-
  d2LogicalModel.payloadPublication.genericPublicationExtension.parkingStatusPublication.parkingRecordStatus[*]
model: parking
bind:
  entity: parkingRecordReference.@id
  observed_at: [parkingStatusOriginTime, $.payloadPublication.publicationTime]
  free_spaces: { from: parkingOccupancy.parkingNumberOfVacantSpaces, default: 0 }
  open_now: { from: parkingSiteOpeningStatus, map: { open: "true", closed: "false" } }
""",
        body=DATEX,
        media_type=XML,
        gives={
            (0, "observedAt"): "2026-11-01T09:00:04.000Z",
            (0, "capacity.0.currentValue"): 88,
            (0, "openNow"): True,
            (1, "observedAt"): "2026-11-01T09:01:00.000Z",
        },
        counts=(2, 0, 0),
    ),
    Row(
        oddity="an error of KiWIS that came with status 200",
        file=PARK
        + """
  entity: ^.ts_id
  observed_at: Timestamp
format: kiwis
each: "[*].data[*]"
""",
        body=b'{"type": "error", "code": "InvalidParameterValue", "message": "no such ts_id"}',
        counts=(0, 0, 1),
    ),
    Row(
        oddity="numbers and times as texts, and one element where others have a list",
        file="""
each: liveboard.departures.departure[*]
model: parking
bind:
  entity: "stops[0].stop.@id"
  observed_at: { from: time, as: epoch_seconds }
  free_spaces: delay
  open_now: { from: canceled, map: { "0": "true", "1": "false" } }
""",
        body=json.dumps(
            {
                "liveboard": {
                    "departures": {
                        "departure": [
                            {
                                "stops": {"stop": {"@id": "http://irail.be/stations/NMBS/008841004"}},
                                "time": "1552707660",
                                "delay": "120",
                                "canceled": "0",
                            }
                        ]
                    }
                }
            }
        ).encode(),
        gives={
            (0, "isVersionOf"): "http://irail.be/stations/NMBS/008841004",
            (0, "observedAt"): "2019-03-16T03:41:00.000Z",
            (0, "openNow"): True,
        },
    ),
)


def outcome_of(row: Row, folder: Path) -> Outcome:
    """Write the source file of a row, load it and map its documents, a minute apart."""
    text = {"nl": "Voorbeeld", "en": "Example"}
    head = {
        "source": "odd",
        "title": text,
        "description": text,
        "publisher": {"name": "Example", "iri": "https://data.example.org/id/organisation/1"},
        "licence": "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0",
        "http_poll": {"url": "https://feed.example.org/", "every": "60s"},
        "stream": "odd",
    }
    file = folder / "odd.yaml"
    file.write_text(json.dumps({**head, **yaml.safe_load(row.file)}), "utf-8")
    source = load_source(file)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    entries = [
        entry(body, media_type=row.media_type, offset=number, received=RECEIVED)
        for number, body in enumerate(row.documents)
    ]
    return normalise(entries, mapper, Memory())


def value_at(member: Any, path: str) -> Any:
    """Follow keys and numbers into a member; None when one leads nowhere."""
    for key in path.split("."):
        if isinstance(member, list):
            member = member[int(key)] if key.isdigit() else next((it[key] for it in member if key in it), None)
        else:
            member = member.get(key) if isinstance(member, dict) else None
    return member


@pytest.mark.parametrize("row", ROWS, ids=[row.oddity.replace(" ", "-") for row in ROWS])
def test_an_oddity_is_words_of_a_source_file(row: Row, tmp_path: Path) -> None:
    """Each oddity is expressed without code, loads, and gives what the feed means; nothing vanishes on the way."""
    outcome = outcome_of(row, tmp_path)
    assert outcome.items == len(outcome.members) + outcome.unchanged + len(outcome.rejections)
    if row.counts is not None:
        found = (len(outcome.members), outcome.unchanged, len(outcome.rejections))
        assert found == row.counts, [it.detail for it in outcome.rejections[:3]]
    else:
        assert [it.detail for it in outcome.rejections] == []
    members = [json.loads(member.body) for member in outcome.members]
    for (number, path), expected in row.gives.items():
        assert value_at(members[number], path) == expected, (path, members[number])
    for key in row.lacks:
        assert f'"{key}"' not in json.dumps(members)
    if row.again == row.body:
        assert outcome.unchanged == len(outcome.members)


def test_an_error_of_kiwis_is_told_in_its_own_words(tmp_path: Path) -> None:
    """The refusal of an error with status 200 has the server's code and message."""
    (row,) = (it for it in ROWS if it.oddity.startswith("an error of KiWIS"))
    (refused,) = outcome_of(row, tmp_path).rejections
    assert "InvalidParameterValue: no such ts_id" in refused.detail


def test_empty_texts_of_a_whole_snapshot_are_absent(tmp_path: Path) -> None:
    """Of 5,000 recorded segments those whose share is no empty text have an occupancy, as Python's own reader counts."""
    (row,) = (it for it in ROWS if it.oddity.startswith("empty texts"))
    features = json.loads(next(row.documents))["features"]
    outcome = outcome_of(row, tmp_path)
    assert len(outcome.rejections) == sum(it["properties"]["last_data_package"] == "" for it in features)
    shares = [it["properties"]["uptime"] for it in features if it["properties"]["last_data_package"] != ""]
    found = [json.loads(member.body).get("occupancy") for member in outcome.members]
    assert found == [None if share == "" else pytest.approx(100 * share) for share in shares]
    assert 1000 < found.count(None) < 4000
