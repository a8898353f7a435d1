"""Mapping: the generated function writes exactly what bindings and template say, or refuses with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.explain import check_sample
from ingest.source import Source
from smartflanders.cli import main
from streams.errors import ConfigError
from streams.record import Payload, Reason
from tests.unit.ingest.workbench import (
    BASE,
    CONFIGURATION,
    GARAGES,
    PARK_AND_RIDE,
    PILOTS,
    RECEIVED,
    TRAFFIC,
    changed,
    document,
    mapper_of,
    pilot,
    reasons,
    run,
)
from vocab.check import validate
from vocab.model import load_model


def garage(**fields: Any) -> bytes:
    """Make a document of one garage, with fields changed; None leaves one out."""
    item = {
        "id": "https://stad.gent/nl/parking-reep",
        "lastupdate": "2026-11-01T10:00:04+01:00",
        "availablecapacity": 5,
        **fields,
    }
    return json.dumps({"results": [{name: value for name, value in item.items() if value is not None}]}).encode()


def body_of(source: Source, document: bytes, media_type: str = "application/json") -> dict[str, Any]:
    """Return the first member of a document as JSON."""
    outcome = run(source, document, media_type=media_type)
    assert not outcome.rejections
    found: dict[str, Any] = json.loads(outcome.members[0].body)
    return found


def test_a_garage_becomes_a_member() -> None:
    """Names, numbers, booleans, texts, places and constants stand where the template has them."""
    body = body_of(pilot(GARAGES), document("garages.json"))
    assert body["@id"].startswith(f"{BASE}/gent-parking/members/parking-tolhuis-")
    assert body["@type"] == ["ParkingFacility", "offStreetParkingGround"]
    assert body["isVersionOf"] == "https://stad.gent/nl/parkeren/parking-tolhuis"
    assert body["name"] == {"nl": 'Tolhuis "Noord"'}
    assert (body["freeSpaces"], body["occupancy"], body["openNow"]) == (88, 41.0, True)
    assert body["geometry"]["wkt"] == "POINT (3.7249 51.0637)"
    assert "revisionOf" not in body


def test_optional_names_without_value_leave_nothing_behind() -> None:
    """Keys, array items and whole objects go with the values they are for."""
    body = body_of(pilot(GARAGES), garage())
    assert body["@type"] == ["ParkingFacility"]
    assert body["capacity"] == [{"@type": "RealTimeCapacity", "currentValue": 5}]
    assert {"operator", "openingHours", "geometry", "name", "totalSpaces"}.isdisjoint(body)


def test_a_lane_minute_becomes_a_collection() -> None:
    """Counts of every class, speeds only where vehicles passed and the sentinel is none, the point from the lookup."""
    outcome = run(pilot(TRAFFIC), document("miv-verkeersdata.xml"), media_type="text/xml")
    first, second = (json.loads(member.body) for member in outcome.members)
    said = [(it["kenmerk"], it.get("count", it.get("result"))) for it in first["observations"]]
    assert said == [
        ("motorcycle-count", 0),
        ("car-count", 8),
        ("car-mean-speed", 91.0),
        ("lane-occupancy", 9.0),
        ("lane-availability", 100.0),
        ("lane-turbulence", 163.0),
    ]
    assert first["measuringPoint"] == f"{BASE}/miv-meetpunten/entities/7"
    assert first["phenomenonTime"]["end"]["at"] == "2026-11-01T09:01:00.000Z"
    assert (first["validity"], second["validity"], second["current"]) == ("regular", "defect", False)
    assert outcome.members[0].point is not None
    assert outcome.members[0].point.longitude == 3.7303


def test_a_measuring_point_takes_its_time_from_the_root() -> None:
    """The configuration change time is every point's time, lane letters become types, NULL and empty are absent."""
    source = pilot(CONFIGURATION)
    outcome = run(source, document("miv-configuratie.xml"), media_type="text/xml")
    first, second = (json.loads(member.body) for member in outcome.members)
    assert first["observedAt"] == "2025-12-05T13:42:06.000Z"
    assert (first["lane"]["laneType"], second["lane"]["laneType"]) == ("regular", "wrong-way")
    assert first["position"] == {"@type": "Puntreferentie", "road": "R0040001", "kilometrePoint": 14.695}
    assert "position" not in second


def test_what_is_required_is_always_written() -> None:
    """A point without Lambert coordinates keeps its geometry, though the optional part of it is gone."""
    source, body = pilot(CONFIGURATION), document("miv-configuratie.xml")
    for coordinate in (b"X_coord_EPSG_31370", b"Y_coord_EPSG_31370"):
        body = body.replace(b"<" + coordinate + b">", b"<was>").replace(b"</" + coordinate + b">", b"</was>")
    found = body_of(source, body, media_type="text/xml")
    assert found["geometry"] == {"@type": "Point", "wkt": "POINT (3.7303 51.0912)"}


@pytest.mark.parametrize(
    ("name", "sample", "media_type"),
    [
        (GARAGES, "garages.json", "application/json"),
        (CONFIGURATION, "miv-configuratie.xml", "text/xml"),
        (TRAFFIC, "miv-verkeersdata.xml", "text/xml"),
    ],
)
def test_members_conform_to_their_model(name: str, sample: str, media_type: str) -> None:
    """What a pilot makes of its document passes the model's SHACL shape."""
    source = pilot(name)
    lookup = Payload(source="c", received_at=RECEIVED, media_type="text/xml", body=document("miv-configuratie.xml"))
    report = check_sample(source, load_model(source.model), document(sample), media_type, lookups={"lane": lookup})
    assert len(report.members) == report.items == 2
    assert validate(load_model(source.model), [member.body for member in report.members]) == []


@pytest.mark.parametrize(
    ("fields", "reason", "path"),
    [
        ({"availablecapacity": None}, Reason.MISSING, "$.results[0].availablecapacity"),
        ({"availablecapacity": -1}, Reason.MISSING, "$.results[0].availablecapacity"),
        ({"availablecapacity": ""}, Reason.MISSING, "$.results[0].availablecapacity"),
        ({"availablecapacity": "many"}, Reason.TYPE, "$.results[0].availablecapacity"),
        ({"availablecapacity": 1.5}, Reason.TYPE, "$.results[0].availablecapacity"),
        ({"availablecapacity": {"a": 1}}, Reason.TYPE, "$.results[0].availablecapacity"),
        ({"availablecapacity": -7}, Reason.RANGE, "$.results[0].availablecapacity"),
        ({"occupation": 180}, Reason.RANGE, "$.results[0].occupation"),
        ({"lastupdate": "1970-01-01T00:00:00Z"}, Reason.RANGE, "$.results[0].lastupdate"),
        ({"lastupdate": "2026-11-03T00:00:00Z"}, Reason.RANGE, "$.results[0].lastupdate"),
        ({"lastupdate": "gisteren"}, Reason.TYPE, "$.results[0].lastupdate"),
        ({"id": None}, Reason.MISSING, "$.results[0].id"),
        ({"location": {"lon": 3.7, "lat": 151}}, Reason.RANGE, "$.results[0].location.lon"),
        ({"urllinkaddress": "geen"}, Reason.TYPE, "$.results[0].urllinkaddress"),
        ({"isopennow": "misschien"}, Reason.TYPE, "$.results[0].isopennow"),
        ({"name": "x" * 20_000}, Reason.RANGE, "$.results[0].name"),
    ],
)
def test_bad_values_are_refused_with_reason_and_path(fields: dict[str, Any], reason: Reason, path: str) -> None:
    """One bad value refuses the item that has it, and says what, where and why."""
    outcome = run(pilot(GARAGES), garage(**fields))
    assert not outcome.members
    assert [(it.reason, it.path) for it in outcome.rejections] == [(reason, path)]


def test_unknown_codes_are_refused(tmp_path: Path) -> None:
    """Without `otherwise: absent` a code that the table does not know refuses the item."""
    bind = {"facility_type": {"from": "type", "map": {"a": "carPark"}}}
    source = changed(tmp_path, bind=bind)
    assert body_of(source, garage(type="a"))["@type"] == ["ParkingFacility", "carPark"]
    assert reasons(run(source, garage(type="b"))) == [Reason.CODE]


def test_a_key_without_row_is_refused() -> None:
    """A lane that the configuration does not know is refused, the others go on."""
    body = document("miv-verkeersdata.xml").replace(b'unieke_id="8"', b'unieke_id="88"')
    outcome = run(pilot(TRAFFIC), body, media_type="text/xml")
    assert [member.id.split("/")[2] for member in outcome.members] == ["7"]
    assert reasons(outcome) == [Reason.LOOKUP]
    assert outcome.rejections[0].path == "/miv/meetpunt[@unieke_id='88']/@unieke_id"


def test_items_that_are_no_objects_are_refused() -> None:
    """A number in the list of items is refused as such."""
    assert reasons(run(pilot(GARAGES), b'{"results": [3, null, [1]]}')) == [Reason.STRUCTURE] * 3


def test_a_defect_of_ours_is_kept_as_a_fault(tmp_path: Path) -> None:
    """A condition that compares a text with a number fails on our side: that record is kept, the next goes on."""
    bind = {"total_spaces": {"from": "totalcapacity", "when": {"operator": {"above": 3}}}}
    source = changed(tmp_path, bind=bind)
    good = json.loads(garage())["results"][0]
    bad = {**good, "operatorinformation": "x"}
    outcome = run(source, json.dumps({"results": [bad, good]}).encode())
    assert reasons(outcome) == [Reason.FAULT]
    assert len(outcome.members) == 1


def test_both_envelopes_and_both_orders_of_coordinates_work() -> None:
    """The older interface's records give the same place as the live one's, for numbers and for texts."""
    fields = {
        "urllinkaddress": "https://stad.gent/pr",
        "lastupdate": "2026-11-01T10:00:04+01:00",
        "availablespaces": 3,
        "location": [51.1, 3.7],
    }
    old = json.dumps({"records": [{"fields": fields}]}).encode()
    new = json.dumps({"results": [{**fields, "location": {"lat": 51.1, "lon": 3.7}}]}).encode()
    texts = json.dumps({"results": [{**fields, "location": None, "latitude": "51.1", "longitude": "3.7"}]}).encode()
    source = pilot(PARK_AND_RIDE)
    assert body_of(source, old) == body_of(source, new) == body_of(source, texts)


@pytest.mark.parametrize(
    ("binding", "fields", "value"),
    [
        ({"from": "total", "decimal": "comma"}, {"total": "12,0"}, 12),
        ({"from": ["a", "b"], "not": [-1]}, {"a": -1, "b": "7"}, 7),
        ({"from": "info.total", "json": True}, {"info": '{"total": 9}'}, 9),
        ({"constant": 40}, {}, 40),
        ({"from": "total", "when": {"free_spaces": {"above": 0}}}, {"total": 8}, 8),
        ({"from": "total", "when": {"free_spaces": {"equals": 0}}}, {"total": 8}, None),
        ({"from": "total", "map": {"vol": 10}}, {"total": "vol"}, 10),
        ({"from": "total", "match": r"(\d+) plaatsen"}, {"total": "nog 31 plaatsen"}, 31),
    ],
)
def test_the_words_of_a_binding_work(
    tmp_path: Path, binding: dict[str, Any], fields: dict[str, Any], value: int | None
) -> None:
    """Decimal commas, alternatives, sentinels, JSON in texts, constants, conditions, tables and patterns."""
    source = changed(tmp_path, bind={"total_spaces": binding})
    assert body_of(source, garage(**fields)).get("totalSpaces") == value


def test_split_columns_and_lambert_coordinates_work(tmp_path: Path) -> None:
    """Date and time in two columns make the observed time; x and y in metres make the place."""
    bind = {
        "observed_at": {"date": "datum", "time": "uur", "zone": "Europe/Brussels"},
        "point": {"x": "x", "y": "y", "crs": 31370},
    }
    source = changed(tmp_path, bind=bind)
    body = body_of(source, garage(datum="2026-11-01", uur="9:05", x=144477.0917, y=208290.6237))
    assert body["observedAt"] == "2026-11-01T08:05:00.000Z"
    assert body["geometry"]["wkt"].startswith("POINT (4.28")


def test_publishers_text_is_only_ever_text() -> None:
    """Quotes, braces, backslashes, line ends and code in a name come out as the same name."""
    name = 'a"b\\c{d}\n\u2028{__import__("os")} \x00'
    assert body_of(pilot(GARAGES), garage(name=name))["name"] == {"nl": name}


def test_the_generated_code_is_for_reading() -> None:
    """The code shows the publisher's paths and the model's names."""
    code = mapper_of(pilot(GARAGES)).source_code
    assert "r_free_spaces = item.get('availablecapacity')" in code
    assert "v_free_spaces = free_spaces_from(r_free_spaces)" in code


def test_the_code_of_a_source_file_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`source check --code` prints the functions that a file becomes, as they run."""
    assert main(["source", "check", "--code", str(PILOTS / GARAGES)]) == 0
    printed = capsys.readouterr().out
    assert printed.rstrip() == mapper_of(pilot(GARAGES)).source_code.rstrip()
    compile(printed, "printed", "exec")


def test_words_of_a_source_file_are_never_code(tmp_path: Path) -> None:
    """Paths, constants, codes and conditions with quotes, braces and calls in them are read as what they say."""
    path = "na'me\"{x}') or exit("
    bind = {
        "name": {"from": path, "language": "nl", "not": ["'}{"]},
        "operator": {"constant": "\"'{exit()}\\"},
        "opening_times": {"from": path, "map": {"a'{b}": "c\"{d}'"}, "when": {"operator": {"equals": "\"'{exit()}\\"}}},
    }
    body = body_of(changed(tmp_path, bind=bind), garage(**{path: "a'{b}"}))
    assert body["name"] == {"nl": "a'{b}"}
    assert body["operator"]["label"] == "\"'{exit()}\\"
    assert body["openingHours"]["label"] == "c\"{d}'"


def test_a_source_for_another_model_is_refused(tmp_path: Path) -> None:
    """Compiling against a model that lacks the names reports each of them."""
    source = pilot(GARAGES)
    with pytest.raises(ConfigError) as caught:
        check_sample(source, load_model("traffic"), b"", "application/json")
    assert "unknown name 'free_spaces'" in str(caught.value)
