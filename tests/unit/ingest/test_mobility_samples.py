"""The source files of mobility on recorded payloads: what they make of each, against an independent reading of the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.transit import gtfs_realtime_pb2
from pyld import jsonld
from pyproj import Transformer
from rdflib import DCTERMS, PROV, RDF, SKOS, Graph, Literal, Namespace, URIRef

from ingest.lookup import build_table
from ingest.mapping import Tables
from ingest.memory import Memory
from ingest.normalise import Outcome, normalise
from ingest.source import Source, load_source
from streams.record import Member, Payload
from tests.unit.ingest.documents import sample
from tests.unit.ingest.workbench import BASE, PILOTS, changed, entry, mapper_of
from tests.unit.vocab.oracle import exact_literals
from vocab.check import validate
from vocab.model import load_model

KEYS = {"NMBS_GTFS_RT": "feed.example.org/nmbs", "DELIJN_KEY": "key", "ANTWERPEN_LIGHTS": "feed.example.org/lights"}
TRANSIT = "vlaanderen/openbaar-vervoer"
PROTOBUF = "application/x-protobuf"


def shipped(name: str) -> Source:
    """Load a source file that ships, with keys that are none."""
    return load_source(PILOTS / f"{name}.yaml", environ=KEYS)


def made(
    source: Source,
    *bodies: bytes,
    media_type: str = "application/json",
    tables: Tables | None = None,
    received: datetime = datetime(2026, 11, 1, 9, 2, tzinfo=UTC),
) -> Outcome:
    """Normalise payloads that came a minute apart, and check that every item is accounted for."""
    entries = [
        entry(body, media_type=media_type, offset=number, received=received + timedelta(minutes=number))
        for number, body in enumerate(bodies)
    ]
    outcome = normalise(entries, mapper_of(source), Memory(), tables=tables)
    assert outcome.items == len(outcome.members) + outcome.unchanged + len(outcome.rejections)
    return outcome


def bodies(members: Iterable[Member]) -> list[dict[str, Any]]:
    """Parse members."""
    return [json.loads(member.body) for member in members]


def valid(source: Source, outcome: Outcome) -> None:
    """Check that the first members conform to the shape of their model."""
    assert validate(load_model(source.model), [member.body for member in outcome.members[:60]]) == []


def places(source: Source, body: bytes) -> Tables:
    """Make the table of places that a source of counts looks up."""
    payload = Payload(source="places", received_at=datetime.now(UTC), media_type="application/json", body=body)
    return {"place": build_table(payload, source.lookups["place"])}


# --- GBFS ------------------------------------------------------------------------------------------------------------

# Each file reads both versions, so that an operator may change.
GBFS = [
    (pilot, version, word)
    for pilot in (
        "antwerpen/deelmobiliteit/velo",
        "vlaanderen/deelmobiliteit/blue-bike",
        "gent/deelmobiliteit/donkey-gent",
    )
    for version, word in (("v2.3", "bikes"), ("v3.0", "vehicles"))
]


@pytest.mark.parametrize(("pilot", "version", "word"), GBFS)
def test_every_station_of_gbfs_is_published(pilot: str, version: str, word: str) -> None:
    """Each station of the status document is a member with the counts, flags and time that stand there."""
    source, document = shipped(f"{pilot}-stations"), sample(f"gbfs/{version}/station_status.json")
    place = sample(f"gbfs/{version}/station_information.json")
    outcome = made(source, document, tables=places(source, place))
    stations = json.loads(document)["data"]["stations"]
    known = {it["station_id"]: it for it in json.loads(place)["data"]["stations"]}
    assert outcome.rejections == []
    assert len(outcome.members) == len(stations) > 0
    valid(source, outcome)
    for member, body, station in zip(outcome.members, bodies(outcome.members), stations, strict=True):
        assert body["localId"] == station["station_id"]
        assert body["vehiclesAvailable"] == station[f"num_{word}_available"]
        assert body.get("docksAvailable") == station.get("num_docks_available")
        assert [body[key] for key in ("installed", "renting", "returning")] == [True, True, True]
        assert member.observed_at == moment(station["last_reported"])
        there = known[station["station_id"]]
        assert body["geometry"]["wkt"] == f"POINT ({there['lon']!r} {there['lat']!r})"
        assert body["name"]["nl"] == (there["name"][0]["text"] if version == "v3.0" else there["name"])


def moment(value: Any) -> datetime:
    """Read a time of GBFS: seconds in 2.x, a text in 3.0."""
    found = datetime.fromtimestamp(value, UTC) if isinstance(value, int) else datetime.fromisoformat(value)
    return found.astimezone(UTC)


def test_counts_per_kind_of_vehicle_are_published(tmp_path: Path) -> None:
    """Counts per type become reports per kind, of vehicles and of docks, as the operator's types are mapped."""
    kinds = {"TST:VehicleType:Scooter": "scooter-standing", "TST:VehicleType:CityBike": "bicycle"}
    groups = {
        "types": {
            "each": "vehicle_types_available[*]",
            "bind": {"vehicle_type": {"from": "vehicle_type_id", "map": dict(kinds)}, "available": "count"},
        },
        "docks": {
            "each": "vehicle_docks_available[*]",
            "bind": {"dock_type": {"from": "vehicle_type_ids[0]", "map": dict(kinds)}, "free_docks": "count"},
        },
    }
    source = changed(tmp_path, "antwerpen/deelmobiliteit/velo-stations.yaml", bind=groups)
    document = sample("gbfs/v2.3/station_status.json")
    outcome = made(source, document, tables={"place": {}})
    valid(source, outcome)
    for body, station in zip(bodies(outcome.members), json.loads(document)["data"]["stations"], strict=True):
        assert {(it["vehicleType"], it["number"]) for it in body["reportsByType"]} == {
            (kinds[it["vehicle_type_id"]], it["count"]) for it in station["vehicle_types_available"]
        }
        assert {(it["vehicleType"], it["currentValue"]) for it in body["docksByType"]} == {
            (kinds[it["vehicle_type_ids"][0]], it["count"]) for it in station["vehicle_docks_available"]
        }
    # One kind that nobody mapped refuses its station, and no other.
    source = changed(tmp_path, "antwerpen/deelmobiliteit/velo-stations.yaml", bind={**groups, "docks": None})
    unknown = document.replace(b'"vehicle_type_id": "TST:VehicleType:Scooter"', b'"vehicle_type_id": "new"', 1)
    outcome = made(source, unknown, tables={"place": {}})
    assert [(it.reason.value, it.path) for it in outcome.rejections] == [
        ("code", "$.data.stations[0].vehicle_types_available[*].vehicle_type_id")
    ]
    assert len(outcome.members) == 1


@pytest.mark.parametrize(("pilot", "version", "word"), GBFS)
def test_every_place_of_gbfs_is_published(pilot: str, version: str, word: str) -> None:
    """Each station of the information document is a member with the name and place that stand there."""
    source, document = shipped(f"{pilot}-plaatsen"), sample(f"gbfs/{version}/station_information.json")
    outcome = made(source, document)
    stations = json.loads(document)["data"]["stations"]
    assert outcome.rejections == []
    assert len(outcome.members) == len(stations) > 0
    valid(source, outcome)
    for body, station in zip(bodies(outcome.members), stations, strict=True):
        assert body["geometry"]["wkt"] == f"POINT ({station['lon']!r} {station['lat']!r})"
        assert body.get("totalDocks") == station.get("capacity")


def test_stations_that_the_other_document_lacks_are_published() -> None:
    """A station without an entry in the information document is published without name and place, not refused."""
    source, document = shipped("antwerpen/deelmobiliteit/velo-stations"), sample("gbfs/v2.3/station_status.json")
    outcome = made(source, document, tables={"place": {}})
    assert [("name" in body, "geometry" in body) for body in bodies(outcome.members)] == [(False, False)] * 2
    valid(source, outcome)


def free_bikes(*bikes: Mapping[str, Any]) -> bytes:
    """Write a feed of free vehicles, GBFS 2.3."""
    return json.dumps({"last_updated": 1782892800, "ttl": 60, "version": "2.3", "data": {"bikes": bikes}}).encode()


def test_the_vehicles_of_gbfs_are_published() -> None:
    """Each free vehicle is a member with the place and range that stand there; its links stay out of it."""
    source, document = shipped("gent/deelmobiliteit/dott-gent"), sample("gbfs/v2.3/free_bike_status.json")
    # The recording's id is that of one vehicle, whatever GBFS says: it is refused, and one that is drawn is not.
    assert [(it.reason.value, "1234" in it.excerpt.decode()) for it in made(source, document).rejections] == [
        ("privacy", False)
    ]
    document = document.replace(b'"TST:Scooter:1234"', b'"2b648875-5477-4b68-83d3-e21072a3dbcf"')
    outcome = made(source, document)
    (bike,) = json.loads(document)["data"]["bikes"]
    (body,) = bodies(outcome.members)
    assert outcome.rejections == []
    valid(source, outcome)
    assert (body["isDisabled"], body["isReserved"], body.get("status")) == (True, False, None)
    assert body["range"] == bike["current_range_meters"]
    assert body["geometry"]["wkt"] == f"POINT ({bike['lon']!r} {bike['lat']!r})"
    assert bike["rental_uris"]["web"] not in json.dumps(body)


def test_a_vehicle_that_leaves_the_feed_is_deleted() -> None:
    """What one payload lacks of the one before ends in a deletion that says nothing but of what and when."""
    source = shipped("gent/deelmobiliteit/dott-gent")
    first, second, third = (
        {
            "bike_id": key,
            "lat": 51.05,
            "lon": 3.72,
            "is_reserved": False,
            "is_disabled": False,
            "current_fuel_percent": 0.5,
        }
        for key in ("a1b2c3d4e5", "b2c3d4e5f6", "c3d4e5f6a7")
    )
    outcome = made(source, free_bikes(first, second, third), free_bikes(first, third))
    *published, deletion = bodies(outcome.members)
    assert [body["operation"] for body in published] == ["Create"] * 3
    assert [(body["status"], body["charge"]) for body in published] == [("available", 50.0)] * 3
    assert deletion["operation"] == "Delete"
    assert deletion["isVersionOf"] == f"{BASE}/dott-gent/entities/b2c3d4e5f6"
    assert set(deletion) == {"@id", "@type", "isVersionOf", "observedAt", "attributedTo", "license", "operation"}
    valid(source, outcome)


def test_vehicles_of_gbfs_3_are_published_by_the_same_file() -> None:
    """The vehicles of a feed of GBFS 3.0, with its own names and texts for times, become as many members."""
    source, document = shipped("gent/deelmobiliteit/dott-gent"), sample("gbfs/v3.0/vehicle_status.json")
    outcome = made(source, document)
    vehicles = json.loads(document)["data"]["vehicles"]
    assert outcome.rejections == []
    assert len(outcome.members) == len({it["vehicle_id"] for it in vehicles}) == 7
    assert {body["range"] for body in bodies(outcome.members)} == {it["current_range_meters"] for it in vehicles}
    assert {body["observedAt"] for body in bodies(outcome.members)} == {"2019-07-04T13:33:03.969Z"}
    valid(source, outcome)


def test_the_city_of_gent_publishes_blue_bikes() -> None:
    """The recorded answer of the city's portal is one member, at the time that its clock on the wall meant."""
    source, document = (
        shipped("gent/deelmobiliteit/blue-bike-gent-dampoort"),
        sample("gent-opendatasoft/bluebikes.json"),
    )
    outcome = made(source, document)
    (record,) = json.loads(document)["records"]
    (body,) = bodies(outcome.members)
    assert outcome.rejections == []
    assert (body["vehiclesAvailable"], body["vehiclesInUse"]) == (
        record["fields"]["bikes_available"],
        record["fields"]["bikes_in_use"],
    )
    seen, recorded = outcome.members[0].observed_at, datetime.fromisoformat(record["record_timestamp"])
    assert timedelta(0) < recorded - seen < timedelta(minutes=15)
    longitude, latitude = record["geometry"]["coordinates"]
    assert body["geometry"]["wkt"] == f"POINT ({longitude!r} {latitude!r})"
    valid(source, outcome)


# --- GTFS-Realtime ---------------------------------------------------------------------------------------------------


def feed(name: str) -> Any:
    """Read a recorded feed with the library of the specification."""
    return gtfs_realtime_pb2.FeedMessage.FromString(sample(f"gtfs-rt/{name}.pb"))


TRAINS = ("nmbs-20190316", "nmbs-cancellation-20190604")


@pytest.mark.parametrize(
    ("pilot", "name"),
    [("delijn-vertrekken", "feed-20190709"), *(("nmbs-vertrekken", name) for name in TRAINS)],
)
def test_every_stop_of_every_trip_is_published(pilot: str, name: str) -> None:
    """Each stop of each trip is a member, and says the delays, times and cancellation of the feed."""
    source, message = shipped(f"{TRANSIT}/{pilot}"), feed(name)
    outcome = made(source, message.SerializeToString(), media_type=PROTOBUF)
    stops = [(it.trip_update, stop) for it in message.entity for stop in it.trip_update.stop_time_update]
    assert outcome.rejections == []
    assert len(outcome.members) == len(stops) > 200
    assert len({member.entity for member in outcome.members}) == len(stops)
    valid(source, outcome)
    for member, body, (update, stop) in zip(outcome.members, bodies(outcome.members), stops, strict=True):
        assert (body["tripId"], body["serviceDate"]) == (update.trip.trip_id, update.trip.start_date)
        assert body.get("stopId", "") == stop.stop_id
        assert body.get("stopSequence", 0) == stop.stop_sequence
        assert body["status"] == ("cancelled" if update.trip.schedule_relationship == 3 else "scheduled")
        for key in ("departure", "arrival"):
            event, there = getattr(stop, key), stop.HasField(key)
            assert body.get(f"{key}Delay") == (event.delay if there and event.HasField("delay") else None)
            time = datetime.fromtimestamp(event.time, UTC) if there and event.HasField("time") else None
            assert body.get(f"{key}Time") == (f"{time:%Y-%m-%dT%H:%M:%S}.000Z" if time else None)
        assert member.observed_at == datetime.fromtimestamp(update.timestamp or message.header.timestamp, UTC)


def test_the_same_feed_again_is_no_news() -> None:
    """A feed that is sent again makes no member; a train that has left it is deleted at each of its stops."""
    source, message = shipped(f"{TRANSIT}/nmbs-vertrekken"), feed(TRAINS[0])
    first = message.SerializeToString()
    gone = len(message.entity[0].trip_update.stop_time_update)
    del message.entity[0]
    message.header.timestamp += 30
    outcome = made(source, first, first, message.SerializeToString(), media_type=PROTOBUF)
    operations = [body["operation"] for body in bodies(outcome.members)]
    assert operations.count("Create") == 895
    assert operations.count("Delete") == gone == len(operations) - 895
    assert outcome.unchanged == 895 + 895 - gone


def test_a_cancelled_train_without_stops_is_published() -> None:
    """A cancelled trip of which the feed names no stops is one member about all of it; the others are not counted."""
    source, message = shipped(f"{TRANSIT}/nmbs-afgelast"), feed(TRAINS[1])
    assert made(source, message.SerializeToString(), media_type=PROTOBUF).items == 0
    (cancelled,) = (it for it in message.entity if it.trip_update.trip.schedule_relationship == 3)
    del cancelled.trip_update.stop_time_update[:]
    body = message.SerializeToString()
    outcome = made(source, body, media_type=PROTOBUF)
    (found,) = bodies(outcome.members)
    assert (found["status"], found["tripId"]) == ("cancelled", cancelled.trip_update.trip.trip_id)
    assert "stopId" not in found
    valid(source, outcome)
    stops = made(shipped(f"{TRANSIT}/nmbs-vertrekken"), body, media_type=PROTOBUF)
    assert len(stops.members) == 2408


def test_positions_of_vehicles_are_published() -> None:
    """Each vehicle of a feed is an observation of where it is; m/s are km/h, and what is no position is not counted."""
    header = gtfs_realtime_pb2.FeedHeader(gtfs_realtime_version="2.0")
    vehicle = gtfs_realtime_pb2.VehiclePosition(
        trip=gtfs_realtime_pb2.TripDescriptor(trip_id="t1", route_id="1", start_date="20260701"),
        vehicle=gtfs_realtime_pb2.VehicleDescriptor(id="7358", label="7358"),
        position=gtfs_realtime_pb2.Position(latitude=51.0362, longitude=3.7303, bearing=112.5, speed=10),
        current_status="STOPPED_AT",
        occupancy_status="FEW_SEATS_AVAILABLE",
        timestamp=1782892800,
    )
    entities = [
        gtfs_realtime_pb2.FeedEntity(id="a", vehicle=vehicle),
        gtfs_realtime_pb2.FeedEntity(id="b", trip_update=gtfs_realtime_pb2.TripUpdate(trip=vehicle.trip)),
    ]
    message = gtfs_realtime_pb2.FeedMessage(header=header, entity=entities).SerializeToString()
    source = shipped(f"{TRANSIT}/delijn-posities")
    outcome = made(source, message, media_type=PROTOBUF)
    (body,) = bodies(outcome.members)
    assert outcome.items == 1
    assert body["result"]["wkt"] == "POINT (3.7303 51.0362)"
    assert (body["speed"], body["stopStatus"], body["occupancy"]) == (36.0, "stopped", "few-seats")
    assert body["vehicle"] == f"{BASE}/delijn-posities/entities/7358"
    assert body["observedAt"] == "2026-07-01T08:00:00.000Z"
    valid(source, outcome)


# --- GIPOD -----------------------------------------------------------------------------------------------------------

MOB = Namespace("https://data.vlaanderen.be/ns/mobiliteit#")
M8G = Namespace("http://data.europa.eu/m8g/")
ADMS = Namespace("http://www.w3.org/ns/adms#")
LOCN = Namespace("http://www.w3.org/ns/locn#")
WKT = URIRef("http://www.opengis.net/ont/geosparql#asWKT")
HINDRANCES = (
    ("1-relation-3-members.jsonld", "application/ld+json", "json-ld", 3),
    ("mobility-hindrance.ttl", "text/turtle", "turtle", 1),
    ("mobility-hindrance.nq", "application/n-quads", "nt", 1),
)


def milliseconds(text: str) -> str:
    """Read a time with any number of digits, and write it as members have it."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z", text)
    assert found is not None
    return f"{found[1]}.{(found[2] or '').ljust(3, '0')[:3]}Z"


@pytest.mark.parametrize(("name", "media_type", "form", "count"), HINDRANCES)
def test_every_hindrance_of_gipod_is_published(name: str, media_type: str, form: str, count: int) -> None:
    """Each version in a document is a member under GIPOD's own address, with the times, texts and status it has there."""
    source, document = shipped("vlaanderen/hinder/gipod-hinder"), sample(f"gipod/{name}")
    outcome = made(source, document, media_type=media_type)
    if form == "json-ld":
        text, form = str(jsonld.to_rdf(json.loads(document), {"format": "application/n-quads"})), "nt"
    else:
        text = document.decode()
    with exact_literals():
        whole = Graph().parse(data=text, format=form)
    versions = list(whole.subjects(RDF.type, MOB.Mobiliteitshinder))
    assert outcome.rejections == []
    assert len(outcome.members) == len(versions) == count
    valid(source, outcome)
    found = {body["isVersionOf"]: body for body in bodies(outcome.members)}
    for version in versions:
        body = found[str(whole.value(version, DCTERMS.isVersionOf))]
        assert body["observedAt"] == milliseconds(str(whole.value(version, PROV.generatedAtTime)))
        assert body["created"] == milliseconds(str(whole.value(version, DCTERMS.created)))
        assert body["description"] == {"nl-BE": str(whole.value(version, DCTERMS.description))}
        assert body["versionNotes"] == str(whole.value(version, ADMS.versionNotes))
        period = whole.value(version, MOB.periode)
        assert body["period"]["start"] == milliseconds(str(whole.value(period, M8G.startTime)))
        assert body["period"]["end"] == milliseconds(str(whole.value(period, M8G.endTime)))
        status = whole.value(version, MOB["Inname.status"])
        assert body["statusConcept"] == str(status)
        words = {"In opmaak": "draft", "Onbekend": "unknown", "None": None}
        assert body.get("status") == words[str(whole.value(status, SKOS.prefLabel))]
        zone = whole.value(version, MOB.zone)
        effects = [str(it) for it in whole.objects(zone, MOB.gevolg)]
        assert [it["consequenceConcept"] for it in body.get("zone", {}).get("effects", [])] == effects
        outline(body, whole.value(whole.value(zone, LOCN.geometry), WKT))


def outline(body: Mapping[str, Any], written: Any) -> None:
    """Check the area of a hindrance against its corners in Lambert 72, turned by the library of projections alone."""
    if written is None:
        assert "geometry" not in body
        return
    corners = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", str(written).partition(">")[2])]
    turn = Transformer.from_crs(31370, 4326, always_xy=True).transform
    expected = [pytest.approx(turn(x, y), abs=2e-7) for x, y in corners]
    given = re.findall(r"([-\d.]+) ([-\d.]+)", body["zone"]["area"]["wkt"])
    assert [(float(x), float(y)) for x, y in given] == expected
    kind = re.search(r"> ?([A-Z]+)", str(written))
    assert kind is not None
    assert body["zone"]["area"]["wkt"].startswith(f"{kind[1]} ((")
    (longitude, latitude) = map(float, re.findall(r"[-\d.]+", body["geometry"]["wkt"]))
    assert min(float(x) for x, _ in given) <= longitude <= max(float(x) for x, _ in given)
    assert min(float(y) for _, y in given) <= latitude <= max(float(y) for _, y in given)


def test_a_consequence_without_a_word_of_ours_is_another_one() -> None:
    """A consequence that GIPOD adds to its list does not refuse its hindrance: it is another one, under GIPOD's address."""
    source, document = shipped("vlaanderen/hinder/gipod-hinder"), sample("gipod/mobility-hindrance.nq")
    renamed = document.replace(b"Beperkte doorgang voor voetgangers", b"Geen doorgang voor ruiters")
    assert renamed != document
    found = [
        bodies(made(source, body, media_type="application/n-quads").members)[0]["zone"]["effects"][0]
        for body in (document, renamed)
    ]
    assert [it["consequence"] for it in found] == ["pedestrians-limited", "other-consequence"]
    assert found[0]["consequenceConcept"] == found[1]["consequenceConcept"]


def test_a_hindrance_without_its_period_is_refused() -> None:
    """A version that does not say when it begins is refused as missing that, and named by its place in the document."""
    source, document = shipped("vlaanderen/hinder/gipod-hinder"), sample("gipod/mobility-hindrance.ttl")
    outcome = made(source, document.replace(b"m8g/startTime", b"m8g/since"), media_type="text/turtle")
    assert [(it.reason.value, "start: required" in it.detail) for it in outcome.rejections] == [("missing", True)]
    assert outcome.members == []


# --- parking as others published it -----------------------------------------------------------------------------------

PARKING_FEED = """
source: park-and-ride-ldes
title: { nl: P+R, en: Park and ride }
description: { nl: Zoals opgenomen, en: As recorded }
publisher: { name: Stad Gent, iri: "https://data.vlaanderen.be/id/organisatie/OVO002067" }
licence: https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0
ldes: { url: "https://feed.example.org/occupancy/by-page", every: 2m }
model: parking
stream: park-and-ride
format: { name: rdf, prefixes: { so: "http://schema.org/" } }
each: mobivoc:ParkingLot[*]
bind:
  entity: "dcterms:isVersionOf.@id"
  observed_at: dcterms:modified
  facility_type: { constant: offStreetParkingGround }
  name: { from: rdfs:label, language: nl }
  free_spaces: "mobivoc:capacity[@type=mobivoc:RealTimeCapacity].mobivoc:currentValue"
  total_spaces: "mobivoc:capacity[@type=mobivoc:Capacity].mobivoc:totalCapacity"
  occupancy: mobivoc:rateOfOccupancy
  operator: mobivoc:operatedBy.rdfs:label
  opening_times: so:openingHoursSpecification.rdfs:label
  url: "mobivoc:url.@id"
  point: { longitude: "geo:long", latitude: "geo:lat" }
publish: { when: always }
"""
MV = Namespace("http://schema.mobivoc.org/#")
POS = Namespace("http://www.w3.org/2003/01/geo/wgs84_pos#")


def test_every_version_of_a_recorded_feed_is_published(tmp_path: Path) -> None:
    """All 250 versions of a page, in no order of time, are members of our model with the values that stand there."""
    file = tmp_path / "source.yaml"
    file.write_text(PARKING_FEED, "utf-8")
    source, document = load_source(file), sample("gent-parking-ldes/page1.ttl")
    outcome = made(source, document, media_type="text/turtle", received=datetime(2023, 12, 21, 12, tzinfo=UTC))
    graph = Graph().parse(data=document, format="turtle")
    versions = list(graph.subjects(RDF.type, MV.ParkingLot))
    assert outcome.rejections == []
    assert len(outcome.members) == len({member.id for member in outcome.members}) == len(versions) == 250
    valid(source, outcome)
    found = {(body["isVersionOf"], body["observedAt"]): body for body in bodies(outcome.members)}
    for version in versions:
        modified = graph.value(version, DCTERMS.modified)
        assert isinstance(modified, Literal)
        seen = f"{modified.toPython().astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
        body = found[str(graph.value(version, DCTERMS.isVersionOf)), seen]
        counted = {
            str(graph.value(node, RDF.type)).partition("#")[2]: node for node in graph.objects(version, MV.capacity)
        }
        assert body["freeSpaces"] == int(str(graph.value(counted["RealTimeCapacity"], MV.currentValue)))
        assert body["totalSpaces"] == int(str(graph.value(counted["Capacity"], MV.totalCapacity)))
        assert body["occupancy"] == float(str(graph.value(version, MV.rateOfOccupancy)))
        longitude, latitude = (float(str(graph.value(version, POS[key]))) for key in ("long", "lat"))
        assert body["geometry"]["wkt"] == f"POINT ({longitude!r} {latitude!r})"


# --- traffic lights --------------------------------------------------------------------------------------------------

SECOND = """
<https://lights.example.org/spat/K648?time={time}> prov:generatedAtTime "{time}"^^xsd:date .
<https://lights.example.org/spat/K648?time={time}> {{
  <https://lights.example.org/group/1> rdfs:type otl:SignalGroup ; otl:signalState [ rdfs:type otl:SignalState ;
    otl:signalPhase <https://w3id.org/opentrafficlights/thesauri/signalphase/{first}> ;
    otl:minEndTime "2026-07-01T08:00:14.40{shift}Z"^^xsd:date ; otl:maxEndTime "2026-07-01T08:01:17.40{shift}Z"^^xsd:date ] .
  <https://lights.example.org/group/2> otl:signalState [
    otl:signalPhase <https://w3id.org/opentrafficlights/thesauri/signalphase/6> ] . }}
"""
TRIG = """@prefix otl: <https://w3id.org/opentrafficlights#> . @prefix prov: <http://www.w3.org/ns/prov#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""


def lights(second: int, phase: int) -> bytes:
    """Write the state of an intersection at a second of a minute, as the feed of Antwerp does, faults included."""
    return (TRIG + SECOND.format(time=f"2026-07-01T08:00:{second:02}.000Z", first=phase, shift=second % 10)).encode()


def test_only_another_phase_of_a_light_is_news() -> None:
    """States are published under their signal group; one whose predicted end moved, or that is repeated, is not again."""
    source = shipped("antwerpen/verkeerslichten/antwerpen-lichten")
    seconds = [lights(1, 3), lights(2, 3), lights(3, 6)]
    outcome = made(source, *seconds, media_type="application/trig", received=datetime(2026, 7, 1, 8, 0, tzinfo=UTC))
    found = [
        (body["signalGroup"][-1], body["observedAt"][17:19], body["signalPhase"]) for body in bodies(outcome.members)
    ]
    assert found == [
        ("1", "01", "stop-and-remain"),
        ("2", "01", "protected-movement"),
        ("1", "03", "protected-movement"),
    ]
    assert (outcome.unchanged, outcome.rejections) == (3, [])
    assert bodies(outcome.members)[0]["minEndTime"] == "2026-07-01T08:00:14.401Z"
    valid(source, outcome)


def test_a_phase_that_is_not_known_is_refused() -> None:
    """A phase outside the thesaurus refuses its state, and no other."""
    source = shipped("antwerpen/verkeerslichten/antwerpen-lichten")
    outcome = made(source, lights(1, 12), media_type="application/trig")
    assert [it.reason.value for it in outcome.rejections] == ["code"]
    assert len(outcome.members) == 1


# --- what all have ---------------------------------------------------------------------------------------------------

PERSONAL = re.compile(r"^model: (?:shared-vehicle|vehicle-position)$", re.MULTILINE)
OF_VEHICLES = [path for path in sorted(PILOTS.rglob("*.yaml")) if PERSONAL.search(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", OF_VEHICLES, ids=lambda path: path.stem)
def test_what_persons_leave_behind_is_kept_for_a_day(path: Path) -> None:
    """Streams of vehicles that persons drive or ride keep a day at most, and say so in their stream file."""
    (stream,) = re.findall(r"^stream: (\S+)$", path.read_text("utf-8"), re.MULTILINE)
    assert "retention: { full_log: 1d }" in (path.parent / f"{stream}.stream.yaml").read_text("utf-8")
