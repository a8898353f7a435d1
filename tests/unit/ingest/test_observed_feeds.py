"""Feeds of observations: recorded payloads are members to the last value, and the forms of others are read as they are."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ingest.lookup import build_table
from ingest.memory import Memory
from ingest.normalise import Outcome, normalise
from ingest.source import Source
from streams.record import Member, Payload, Reason
from tests.unit.ingest.documents import sample
from tests.unit.ingest.workbench import RECEIVED, changed, entry, mapper_of, pilot, run
from vocab.check import validate
from vocab.model import load_model

TELRAAM = "vlaanderen/telraam/telraam.yaml"
CITIZENS_AIR = "vlaanderen/lucht/sensor-community-lucht.yaml"
CITIZENS_WEATHER = "vlaanderen/weer/sensor-community-weer.yaml"
IRCELINE = "vlaanderen/lucht/irceline.yaml"
PARK = "antwerpen/lucht/irceline-park-spoor-noord.yaml"
GEOMOBILITY = "brugge/fietsers/geomobility.yaml"
AWV = "vlaanderen/fietsers/awv-fietstellingen.yaml"


def said(member: Member) -> dict[str, Any]:
    """Return what a member observes, by property."""
    body = json.loads(member.body)
    values = {it["property"]: it.get("count", it.get("result", it.get("category"))) for it in body["observations"]}
    assert len(values) == len(body["observations"])
    return values


def body_of(member: Member) -> dict[str, Any]:
    """Return a member as JSON."""
    found: dict[str, Any] = json.loads(member.body)
    return found


def conforms(source: Source, outcome: Outcome, step: int = 1) -> bool:
    """Say whether every member, or one of so many, conforms to its model."""
    return validate(load_model(source.model), [member.body for member in outcome.members[::step]]) == []


# --- recorded ------------------------------------------------------------------------------------------------------


def test_the_recorded_snapshot_of_telraam_is_complete() -> None:
    """Each of 1,416 segments with an hour is a member; only those whose device looked have counts; none is refused."""
    body = gzip.decompress(sample("telraam/traffic_snapshot_live_2023_12_9.json.gz"))
    source = pilot(TELRAAM)
    outcome = run(source, body)
    told = {it["properties"]["segment_id"]: it["properties"] for it in json.loads(body)["features"]}
    hours = {name: it for name, it in told.items() if it["period"]}
    assert (len(told), len(hours), outcome.items, len(outcome.members)) == (5000, 1416, 1416, 1416)
    assert outcome.rejections == []
    names = {"bicycle": "bike", "pedestrian": "pedestrian", "car": "car", "heavy": "heavy"}
    looked = 0
    for member in outcome.members:
        hour = hours.pop(int(member.entity.rpartition("/")[2]))
        expected = {"uptime": pytest.approx(hour["uptime"] * 100)}
        if hour["uptime"] > 0:
            looked += 1
            expected |= {f"{name}-estimate": hour[field] for name, field in names.items()}
            expected |= {"car-v85": hour["v85"]} if hour["v85"] != "" else {}
        assert said(member) == expected
        assert f"{member.observed_at:%Y-%m-%d %H:%M:%S+00:00}" == hour["date"]
    assert (hours, looked) == ({}, 18)
    assert Counter(f"{member.observed_at:%H}" for member in outcome.members) == {"04": 1414, "03": 2}
    assert conforms(source, outcome, 40)


def test_a_segment_that_says_nothing_is_refused_where_it_counts(tmp_path: Path) -> None:
    """Without the choice of segments the silent 3,584 are refused, each because its hour is missing."""
    body = gzip.decompress(sample("telraam/traffic_snapshot_live_2023_12_9.json.gz"))
    outcome = run(changed(tmp_path, TELRAAM, only=None), body)
    assert (outcome.items, len(outcome.members), len(outcome.rejections)) == (5000, 1416, 3584)
    assert {(it.reason, it.path.partition(".properties")[2]) for it in outcome.rejections} == {
        (Reason.MISSING, ".date")
    }


@pytest.mark.parametrize(
    ("name", "mark", "kinds"),
    [
        (CITIZENS_AIR, "P1", {"P1": "pm10", "P2": "pm25"}),
        (CITIZENS_WEATHER, "temperature", {"temperature": "temperature", "humidity": "humidity"}),
    ],
)
def test_recorded_sensors_of_citizens_are_complete(name: str, mark: str, kinds: dict[str, str]) -> None:
    """Of one answer the air has the records of dust, the weather those of warmth, value for value; none is refused."""
    source, body = pilot(name), sample("sensor-community/upstream.json")
    outcome = run(source, body)
    records = [it for it in json.loads(body) if any(v["value_type"] == mark for v in it["sensordatavalues"])]
    expected = [
        (
            record["sensor"]["id"],
            record["timestamp"],
            {kinds[it["value_type"]]: float(it["value"]) for it in record["sensordatavalues"]},
        )
        for record in records
    ]
    found = [
        (int(it.entity.rpartition("/")[2]), f"{it.observed_at:%Y-%m-%d %H:%M:%S}", said(it)) for it in outcome.members
    ]
    assert (outcome.rejections, outcome.items) == ([], len(records))
    assert found == expected
    assert len(found) > 1
    assert {it.point.longitude for it in outcome.members if it.point} == {
        float(record["location"]["longitude"]) for record in records
    }
    assert {body_of(it)["procedure"] for it in outcome.members} == {"indicative"}
    assert conforms(source, outcome)


def test_records_of_both_kinds_are_all_there_is() -> None:
    """Every recorded record of citizens is an item of exactly one of the two sources."""
    body = sample("sensor-community/upstream.json")
    taken = [run(pilot(name), body).items for name in (CITIZENS_AIR, CITIZENS_WEATHER)]
    assert sum(taken) == len(json.loads(body))


def test_the_recorded_series_of_irceline_are_complete(tmp_path: Path) -> None:
    """Every value of both recorded series is a member at its hour, zeros among them."""
    body = sample("irceline-sos/upstream-timeseries.json")
    told = {name: series["values"] for name, series in json.loads(body).items()}
    assert set(told) == {"10744", "7185"}
    outcome = run(pilot(PARK), body)
    assert outcome.rejections == []
    assert [said(it) for it in outcome.members] == [{"pm25": value["value"]} for value in told["10744"]]
    # The other one is of a station in Vorst: a copy of the file names it.
    bind = {"nitric_oxide": {"from": "value", "when": {"source_property": {"equals": "7185"}}}}
    source = changed(tmp_path, PARK, only=None, bind=bind)
    both = run(source, body)
    found = [
        (it.entity.rpartition("/")[2], it.observed_at.timestamp() * 1000, *said(it).items()) for it in both.members
    ]
    kinds = {"10744": "pm25", "7185": "nitric-oxide"}
    expected = [(name, it["timestamp"], (kinds[name], it["value"])) for name in told for it in told[name]]
    assert (both.rejections, len(expected)) == ([], 8)
    assert found == expected
    assert conforms(source, both)


def test_the_recorded_stream_of_geomobility_is_complete() -> None:
    """All 250 counts of the page are members of their class, direction and quarter, as its text has them."""
    source, body = pilot(GEOMOBILITY), sample("geomobility-ldes/by-page-1.ttl")
    blocks = re.split(r"\n(?=<https://geomobility\.eu/id/observation/)", body.decode())[1:]
    outcome = run(source, body, media_type="text/turtle")
    found = Counter(_counted(member) for member in outcome.members)
    assert (len(blocks), outcome.items, outcome.rejections) == (250, 250, [])
    assert found == Counter(map(_written, blocks))
    assert all(it.point and 3.2 < it.point.longitude < 3.3 for it in outcome.members)
    assert conforms(source, outcome, 25)


_CLASSES = {"P-C": "bicycle", "M-C": "motorcycle", "CAR": "car", "LGV": "van", "PSV": "bus"}


def _written(block: str) -> tuple[str, str, str, str, int]:
    """Read one observation of the page as text: point, direction, kind, beginning and number."""
    name = re.match(r"<.*/observation/([^/]+)/([^/]+)/([^/]+)/([^>]+)>", block)
    number = re.search(r"Verkeerstelling\.tellingresultaat>\s+(\d+)", block)
    assert name is not None
    assert number is not None
    point, way, kind, time = name.groups()
    return point, {"A-B": "forward", "B-A": "backward"}[way], _CLASSES.get(kind, "heavy"), time, int(number[1])


def _counted(member: Member) -> tuple[str, str, str, str, int]:
    told, ((prop, number),) = body_of(member), said(member).items()
    point = told["measuringPoint"].rpartition("/")[2]
    return point, told["direction"], prop.removesuffix("-count"), told["observedAt"], number


# --- as their publishers describe them -----------------------------------------------------------------------------

SERIES = [
    {
        "id": "10741",
        "uom": "µg/m³",
        "station": {
            "properties": {"id": 1720, "label": "42R803 - Antwerpen (Park Spoor Noord)"},
            "geometry": {"coordinates": [4.428454177535564, 51.22862981306374, "NaN"], "type": "Point"},
        },
        "lastValue": {"timestamp": 1793523600000, "value": -0.5},
        "parameters": {"phenomenon": {"id": phenomenon}, "procedure": {"label": "10741 -  - procedure"}},
    }
    for phenomenon in ("8", "62101")
]
FEATURE = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [4.3586, 50.7969]},
    "properties": {
        "code": 6447,
        "timestamp": "2026-11-01T08:50:00Z",
        "precip_quantity": 0.3,
        "temp_dry_shelter_avg": -1.4,
        "wind_speed_10m": 0.0,
        "wind_gusts_speed": None,
        "wind_direction": 0.0,
        "humidity_rel_shelter_avg": 89,
        "pressure": 1002.6,
        "short_wave_from_sky_avg": -1.2,
        "sun_duration": 0,
    },
}
LEVELS = [
    {
        "ts_id": "0143014042",
        "station_no": "L05_405",
        "station_name": "Sint-Joris-Weert/Dijle",
        "station_latitude": "50.8012",
        "station_longitude": "4.6503",
        "stationparameter_name": "H",
        "ts_unitname": "meter",
        "timestamp": "2026-11-01T08:45:00.000Z",
        "ts_value": value,
    }
    for value in (29.417, None, 1.0e9)
]
QUARTERS = """12,IN,FIETSERS,2026-10-25 01:45:00.0,2026-10-25 02:00:00.0,7
12,OUT,VOETGANGERS,2026-10-25 01:45:00.0,2026-10-25 02:00:00.0,3
12,IN/OUT,MINIBUSSEN,2026-10-25 01:45:00.0,2026-10-25 02:00:00.0,1
12,IN,KAYAKS,2026-10-25 01:45:00.0,2026-10-25 02:00:00.0,2
12,IN,EENHOORNS,2026-10-25 01:45:00.0,2026-10-25 02:00:00.0,1
12,IN,FIETSERS,2026-10-25 01:45:00.0,2026-10-25 02:00:00.0
"""
SITES = "12,100034567,3.7127,51.0489,Gent - Coupure,fiets,N466,D1,Gent,15,2019-08-01\n"
POLE = {"code": "COU", "locatie": "Coupure", "datum": "2023-03-03", "uur5minuten": "8:05", "ordening": "1"}
CROWD = """@prefix sosa: <http://www.w3.org/ns/sosa/> . @prefix tree: <https://w3id.org/tree#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<https://production.crowdscan.be/dataapi/gent/environments/evenstream> tree:member
  <https://crowdscan.be/id/observation/gent/gent_langemunt/1793523600000> .
<https://crowdscan.be/id/observation/gent/gent_langemunt/1793523600000> a sosa:Observation ;
  sosa:hasFeatureOfInterest <https://crowdscan.be/id/environment/gent/gent_langemunt_v1> ;
  sosa:observedProperty <https://crowdscan.be/ns/numberOfPeople> ;
  sosa:resultTime "2026-11-01T09:00:00.000Z"^^xsd:dateTime ; sosa:hasSimpleResult "184.5"^^xsd:double .
"""
JSON = "application/json"
DESCRIBED: tuple[tuple[str, str, str, list[dict[str, Any]], list[tuple[Reason, str]]], ...] = (
    (IRCELINE, json.dumps(SERIES), JSON, [{"no2": -0.5}], []),
    (
        "vlaanderen/weer/kmi-aws.yaml",
        json.dumps({"type": "FeatureCollection", "features": [FEATURE]}),
        JSON,
        [
            {
                "temperature": -1.4,
                "humidity": 89.0,
                "pressure": 1002.6,
                "wind-speed": 0.0,
                "precipitation": 0.3,
                "solar-radiation": -1.2,
                "sunshine": 0.0,
            }
        ],
        [],
    ),
    (
        "vlaanderen/water/vmm-waterstanden.yaml",
        json.dumps(LEVELS),
        JSON,
        [{"level-taw": 29.417}],
        [(Reason.RANGE, "$[2].ts_value")],
    ),
    ("vlaanderen/water/vmm-neerslag.yaml", json.dumps([{**LEVELS[0], "ts_value": "0.2"}]), JSON, [{"rain": 0.2}], []),
    (
        "vlaanderen/water/vmm-neerslag.yaml",
        '{"type": "error", "code": "CreditLimitExceeded", "message": "too much"}',
        JSON,
        [],
        [(Reason.STRUCTURE, "$")],
    ),
    (
        AWV,
        QUARTERS,
        "text/csv",
        [{"bicycle-count": 7}, {"pedestrian-count": 3}, {"car-count": 1}, {"other-count": 2}],
        [(Reason.CODE, "$[4].type"), (Reason.MALFORMED, "line 6")],
    ),
    (
        "gent/fietsers/coupure-links-terug.yaml",
        json.dumps({"results": [{**POLE, "totaal": "19", "hoofdrichting": "12", "tegenrichting": "7"}]}),
        JSON,
        [{"bicycle-count": 7}],
        [],
    ),
    ("gent/drukte/crowdscan-langemunt.yaml", CROWD, "text/turtle", [{"people-estimate": 184.5}], []),
)


@pytest.mark.parametrize(
    ("name", "document", "media_type", "values", "refused"), DESCRIBED, ids=lambda it: str(it)[:40]
)
def test_feeds_are_read_as_they_are_described(
    name: str, document: str, media_type: str, values: list[dict[str, Any]], refused: list[tuple[Reason, str]]
) -> None:
    """What a publisher's description says of its records becomes members that conform, and the rest is refused."""
    source = pilot(name)
    outcome = _mapped(source, document.encode(), media_type)
    assert [said(member) for member in outcome.members] == values
    assert [(it.reason, it.path) for it in outcome.rejections] == refused
    assert conforms(source, outcome)


def _mapped(source: Source, body: bytes, media_type: str) -> Outcome:
    tables = {}
    for name, lookup in source.lookups.items():
        sites = Payload(source=lookup.source, received_at=RECEIVED, media_type="text/csv", body=SITES.encode())
        tables[name] = build_table(sites, lookup)
    return normalise([entry(body, media_type=media_type)], mapper_of(source), Memory(), tables=tables)


def test_counts_of_the_road_agency_know_their_site() -> None:
    """A count has the place of its site, its direction and its quarter, and points at the counter's own stream."""
    first, second, *_ = _mapped(pilot(AWV), QUARTERS.encode(), "text/csv").members
    told, other = body_of(first), body_of(second)
    assert (
        told["measuringPoint"] == other["measuringPoint"] == "https://data.example.org/awv-fietstelpunten/entities/12"
    )
    assert (told["direction"], other["direction"]) == ("forward", "backward")
    assert (told["placeName"], told["geometry"]["wkt"]) == ("Gent - Coupure", "POINT (3.7127 51.0489)")
    assert told["phenomenonTime"]["end"]["at"] == "2026-10-25T00:00:00.000Z"
    assert first.entity != second.entity


def test_sites_of_the_road_agency_are_measuring_points() -> None:
    """A site becomes a measuring point at its place, by the key that counts point at."""
    source = pilot("vlaanderen/fietsers/awv-fietstelpunten.yaml")
    outcome = run(source, SITES.encode(), media_type="text/csv")
    (member,) = outcome.members
    assert member.entity == "https://data.example.org/awv-fietstelpunten/entities/12"
    assert body_of(member)["position"] == {"@type": "Puntreferentie", "road": "N466"}
    assert outcome.rejections == []
    assert conforms(source, outcome)


def test_a_five_minute_count_has_its_two_ends() -> None:
    """A date and an hour without its zero are local time, and the interval ends five minutes later."""
    source = pilot("gent/fietsers/coupure-links-heen.yaml")
    document = json.dumps({"results": [{**POLE, "hoofdrichting": "12"}]}).encode()
    (member,) = run(source, document).members
    told = body_of(member)
    assert (told["observedAt"], told["direction"]) == ("2023-03-03T07:05:00.000Z", "forward")
    assert told["phenomenonTime"]["end"]["at"] == "2023-03-03T07:10:00.000Z"


def test_saturated_sensors_say_nothing() -> None:
    """The largest number a cheap sensor can say is no measurement: without another value its record is refused."""
    values = [{"value_type": "P1", "value": "1999.90"}, {"value_type": "P2", "value": "999.90"}]
    place: dict[str, Any] = {"id": 1, "latitude": "51.0", "longitude": "3.7", "indoor": 0}
    sensor = {"id": 7, "sensor_type": {"name": "SDS011"}}
    record: dict[str, Any] = {
        "timestamp": "2026-11-01 09:00:00",
        "location": place,
        "sensor": sensor,
        "sensordatavalues": values,
    }
    indoor = {**record, "location": {**place, "indoor": 1}}
    outcome = run(pilot(CITIZENS_AIR), json.dumps([record, indoor]).encode())
    assert (outcome.items, [it.reason for it in outcome.rejections]) == (1, [Reason.MISSING])
    assert outcome.rejections[0].detail == "nothing is observed: pm10, pm25, pm1 have no value"
