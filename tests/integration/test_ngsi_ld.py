"""NGSI-LD over the real site: entities, places, history, paging, errors, and the schemas of the Smart Data Models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
import referencing
import referencing.jsonschema

from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.kit import START, Answer, Site
from tests.conftest import make_database
from tests.support.worlds import GARAGES, PARKING, SOUTH, STEP, TRAFFIC, WEST, members, streams, worlds

_MODELS = Path("/work/shared/reference-models/smart-data-models")
_SCHEMAS = {
    "OffStreetParking": "parking/OffStreetParking.schema.json",
    "TrafficFlowObserved": "transportation/TrafficFlowObserved.schema.json",
}
_COMMON = "https://smart-data-models.github.io/data-models/common-schema.json"
_ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
_ENTITIES, _HISTORY = "/ngsi-ld/v1/entities", "/ngsi-ld/v1/temporal/entities"


@pytest.fixture(scope="module")
def site(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site that is only read."""
    with worlds(make_database(postgres, "ngsi_ld")) as running:
        yield running


def ask(site: Site, path: str, accept: str | None = None) -> Any:
    """Return what an address says."""
    answer = site.get(path, accept)
    assert answer.status in (200, 206), answer
    return json.loads(answer.body)


def next_of(answer: Answer) -> str | None:
    """Return the address that the Link header says comes next."""
    for link in answer.headers.get("link", "").split(", "):
        if 'rel="next"' in link:
            return link[1 : link.index(">")]
    return None


def garage(site: Site, number: int) -> str:
    """Return the id of a garage."""
    return f"{site.base}/{PARKING}/entities/thing-{number}"


def test_an_entity_is_said_as_the_alignment_says(site: Site) -> None:
    """An entity must have its id, type and attributes with kind, value, unit and time, and no others."""
    entity = ask(site, f"{_ENTITIES}/{quote(garage(site, 4), safe='')}")
    observed = "2026-11-23T08:39:00.000Z"
    assert entity["id"] == garage(site, 4)
    assert entity["type"] == "OffStreetParking"
    assert entity["availableSpotNumber"] == {"type": "Property", "value": 39, "unitCode": "C62", "observedAt": observed}
    assert entity["occupancy"] == {"type": "Property", "value": 0.411, "observedAt": observed}
    assert entity["status"]["value"] == ["open"]
    assert entity["category"]["value"] == ["parkingGarage"]
    assert entity["observationDateTime"]["value"] == {"@type": "DateTime", "@value": observed}
    point = {"type": "Point", "coordinates": [round(WEST + 4 * STEP, 6), SOUTH]}
    assert entity["location"] == {"type": "GeoProperty", "value": point, "observedAt": observed}
    assert entity["name"]["value"] == "Garage 4"
    assert entity.keys() == {
        "id", "type", "name", "description", "availableSpotNumber", "totalSpotNumber", "occupancy", "status", "category",
        "observationDateTime", "location",
    }  # fmt: skip
    assert ask(site, f"{_ENTITIES}/{garage(site, 4)}") == entity


def test_repeated_groups_are_instances_told_apart(site: Site) -> None:
    """What a lane counts of each class must be instances of one attribute, each with the class's IRI."""
    lane = ask(site, f"{_ENTITIES}?type=TrafficFlowObserved&limit=1")[0]
    classes = {each["datasetId"].rpartition("#")[2] or each["datasetId"]: each["value"] for each in lane["intensity"]}
    assert len(classes) > 1
    assert all(each["datasetId"].startswith("http") for each in lane["vehicleType"])
    assert {each["datasetId"] for each in lane["vehicleType"]} <= {each["datasetId"] for each in lane["intensity"]}
    assert not any("unitCode" in each for each in lane["vehicleType"])
    assert lane["refDevice"]["type"] == "Relationship"
    assert lane["refDevice"]["object"].startswith("http")


def test_forms_say_the_same_in_fewer_words(site: Site) -> None:
    """Key-values must be the values alone, concise the same without types, whichever parameter asks for them."""
    path = f"{_ENTITIES}/{quote(garage(site, 0), safe='')}"
    whole, short = ask(site, path), ask(site, f"{path}?options=keyValues")
    assert short["availableSpotNumber"] == whole["availableSpotNumber"]["value"]
    assert short["location"] == whole["location"]["value"]
    assert short["observationDateTime"] == whole["observationDateTime"]["value"]["@value"]
    assert ask(site, f"{path}?format=simplified") == short
    brief = ask(site, f"{path}?options=concise")
    assert brief["availableSpotNumber"] == {k: v for k, v in whole["availableSpotNumber"].items() if k != "type"}


@pytest.mark.parametrize("accept", [None, "application/json", "*/*"])
def test_json_names_its_context_in_a_header(site: Site, accept: str | None) -> None:
    """Plain JSON must have no context inside, and the one that gives it meaning in the Link header."""
    answer = site.get(f"{_ENTITIES}?type=OffStreetParking", accept)
    assert answer.media == "application/json"
    assert all("@context" not in each for each in json.loads(answer.body))
    assert "dataModel.Parking/master/context.jsonld" in answer.headers["link"]
    assert 'rel="http://www.w3.org/ns/json-ld#context"' in answer.headers["link"]


def test_json_ld_has_its_context_inside(site: Site) -> None:
    """JSON-LD must have the domain's context and the core one in each entity."""
    answer = site.get(f"{_ENTITIES}?type=OffStreetParking,Device", "application/ld+json")
    assert answer.media == "application/ld+json"
    assert all(each["@context"][-1].startswith("https://uri.etsi.org/ngsi-ld/v1/") for each in json.loads(answer.body))
    mixed = site.get(f"{_ENTITIES}?type=OffStreetParking,Device")
    address = mixed.headers["link"].partition("<")[2].partition(">")[0]
    assert len(ask(site, address)["@context"]) == 4


def test_pages_have_every_entity_once(site: Site) -> None:
    """Following the Link header, by whatever limit, must give each entity once, and so must offsets; count counts them."""
    every = [each["id"] for each in ask(site, f"{_ENTITIES}?type=OffStreetParking,TrafficFlowObserved")]
    assert len(every) == len(set(every)) == 2 * GARAGES
    address: str | None = f"{_ENTITIES}?type=OffStreetParking,TrafficFlowObserved&limit=3&count=true"
    walked: list[str] = []
    while address:
        answer = site.get(address)
        assert answer.headers["ngsild-results-count"] == str(2 * GARAGES)
        walked += [each["id"] for each in json.loads(answer.body)]
        address = next_of(answer)
    assert walked == every
    for offset in range(0, 12, 3):
        page = ask(site, f"{_ENTITIES}?type=OffStreetParking,TrafficFlowObserved&limit=3&offset={offset}")
        assert [each["id"] for each in page] == every[offset : offset + 3]
    counted = site.get(f"{_ENTITIES}?type=Device&limit=0&count=true")
    assert (counted.headers["ngsild-results-count"], counted.body) == (str(GARAGES), b"[]")


def test_entities_are_asked_for_by_id_and_attributes(site: Site) -> None:
    """Ids must give these entities, whatever their stream; attrs only what is named, of those that have it."""
    lane = f"{site.base}/{TRAFFIC}/entities/thing-1"
    found = ask(site, f"{_ENTITIES}?id={garage(site, 2)},{lane},urn:none")
    assert [each["id"] for each in found] == [garage(site, 2), lane]
    found = ask(site, f"{_ENTITIES}?attrs=availableSpotNumber,intensity&limit=1000")
    assert {each["type"] for each in found} == {"OffStreetParking", "TrafficFlowObserved"}
    assert all(each.keys() <= {"id", "type", "availableSpotNumber", "intensity"} for each in found)
    full = ask(site, f"{_ENTITIES}?type=https://smartdatamodels.org/dataModel.Parking/OffStreetParking")
    assert len(full) == GARAGES


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("georel=near;maxDistance==150&geometry=Point&coordinates=[3.72,51.05]", [0, 1]),
        ("georel=near;maxDistance==1&geometry=Point&coordinates=[3.72,51.05]", [0]),
        ("georel=near;maxDistance==9000000&geometry=Point&coordinates=[-170,80]", [0, 1, 2, 3, 4]),
        ("georel=within&geometry=Polygon&coordinates=[[[3.7205,51],[3.7235,51],[3.7235,51.1],[3.7205,51]]]", [2]),
        ("georel=within&geometry=Polygon&coordinates=[[[3,51],[4,51],[4,52],[3,52],[3,51]]]", [0, 1, 2, 3, 4]),
        (
            (
                "georel=within&geometry=Polygon&coordinates=[[[3,51],[4,51],[4,52],[3,52],[3,51]],"
                "[[3.7205,51],[4,51],[4,52],[3.7205,52],[3.7205,51]]]"
            ),
            [0],
        ),
    ],
)
def test_places_are_asked_for(site: Site, query: str, numbers: list[int]) -> None:
    """Entities near and within must be exactly those inside, also where the box around them holds more."""
    answer = site.get(f"{_ENTITIES}?type=OffStreetParking&count=true&{query}")
    found = [int(each["id"][-1]) for each in json.loads(answer.body)]
    assert found == numbers
    assert answer.headers["ngsild-results-count"] == str(len(numbers))


def test_history_has_each_observation_newest_first(site: Site) -> None:
    """The history of an entity must be its observations, newest first, cut to the window and to lastN."""
    path = f"{_HISTORY}/{quote(garage(site, 1), safe='')}"
    every = ask(site, path)["availableSpotNumber"]
    assert [each["value"] for each in every] == list(range(36, 0, -5))
    at = {number: (START + timedelta(minutes=number)).isoformat().replace("+00:00", "Z") for number in range(40)}
    for query, expected in (
        (f"timerel=after&timeAt={at[26]}", [36, 31]),
        (f"timerel=before&timeAt={at[11]}", [6, 1]),
        (f"timerel=between&timeAt={at[6]}&endTimeAt={at[21]}", [16, 11]),
        ("lastN=2", [36, 31]),
    ):
        assert [each["value"] for each in ask(site, f"{path}?{query}")["availableSpotNumber"]] == expected
    pairs = ask(site, f"{path}?options=temporalValues&lastN=1")["availableSpotNumber"]["values"]
    assert pairs == [[36, "2026-11-23T08:36:00.000Z"]]
    assert ask(site, f"{path}?timerel=after&timeAt=2030-01-01T00:00:00Z").keys() == {"id", "type"}


def test_a_long_history_is_read_in_parts(site: Site) -> None:
    """The Link header of a history must lead through all of it, as many instances at a time as lastN says."""
    address: str | None = f"{_HISTORY}/{quote(garage(site, 3), safe='')}?attrs=availableSpotNumber&lastN=3"
    values: list[int] = []
    while address:
        answer = site.get(address)
        assert answer.status == 200
        values += [each["value"] for each in json.loads(answer.body).get("availableSpotNumber", ())]
        address = next_of(answer)
    assert values == list(range(38, 0, -5))


def test_histories_of_many_are_bounded(site: Site) -> None:
    """A list of histories must have the newest lastN of each entity that was observed in the window."""
    query = "type=OffStreetParking&timerel=after&timeAt=2026-11-23T08:20:00Z&lastN=2&attrs=availableSpotNumber"
    found = ask(site, f"{_HISTORY}?{query}")
    assert {each["id"]: [it["value"] for it in each["availableSpotNumber"]] for each in found} == {
        garage(site, number): [35 + number, 30 + number] for number in range(GARAGES)
    }
    assert ask(site, f"{_HISTORY}?type=OffStreetParking&timerel=before&timeAt=2020-01-01T00:00:00Z") == []


def test_types_are_listed(site: Site) -> None:
    """The types must be those of the streams' models, each with its attributes and how many entities there are."""
    types = ask(site, "/ngsi-ld/v1/types")["typeList"]
    assert types == ["OffStreetParking", "TrafficFlowObserved", "Device"]
    assert [each["typeName"] for each in ask(site, "/ngsi-ld/v1/types?details=true")] == types
    info = ask(site, "/ngsi-ld/v1/types/OffStreetParking")
    assert info["entityCount"] == GARAGES
    kinds = {each["attributeName"]: each["attributeTypes"] for each in info["attributeDetails"]}
    assert kinds["location"] == ["GeoProperty"]


@pytest.mark.parametrize(
    ("path", "status", "kind", "words"),
    [
        (f"{_ENTITIES}", 400, "BadRequestData", "everything at once"),
        (f"{_ENTITIES}?type=Device&q=a>1", 422, "OperationNotSupported", "q is not supported"),
        (f"{_ENTITIES}?type=Device&colour=red", 400, "BadRequestData", "no parameter 'colour'"),
        (f"{_ENTITIES}?type=Device&limit=no", 400, "BadRequestData", "limit=no"),
        (f"{_ENTITIES}?type=Device&limit=0", 400, "BadRequestData", "limit=0"),
        (f"{_ENTITIES}?type=(Device;Room)", 400, "BadRequestData", "types are not combined"),
        (f"{_ENTITIES}?type=Device&options=sysAttrs", 422, "OperationNotSupported", "sysAttrs is not supported"),
        (f"{_ENTITIES}?type=Device&options=keyValues,concise", 400, "BadRequestData", "two forms"),
        (f"{_ENTITIES}?type=Device&georel=near", 400, "BadRequestData", "georel, geometry and coordinates"),
        (
            f"{_ENTITIES}?type=Device&georel=intersects&geometry=Polygon&coordinates=[]",
            422,
            "OperationNotSupported",
            "georel=intersects",
        ),
        (
            f"{_ENTITIES}?type=Device&georel=within&geometry=Polygon&coordinates=[[[3,51],[4,51],[4,52],[3,52]]]",
            400,
            "BadRequestData",
            "the first again",
        ),
        (
            f"{_ENTITIES}?type=Device&georel=near;maxDistance==1&geometry=Point&coordinates=[51,351]",
            400,
            "BadRequestData",
            "longitude and latitude",
        ),
        (f"{_ENTITIES}?type=Device&after=elsewhere,x", 400, "BadRequestData", "another question"),
        (f"{_ENTITIES}/urn:ngsi-ld:none", 404, "ResourceNotFound", "there is no entity"),
        (f"{_HISTORY}?type=Device", 400, "BadRequestData", "says when"),
        (f"{_HISTORY}?type=Device&timerel=after", 400, "BadRequestData", "timeAt is missing"),
        (f"{_HISTORY}?type=Device&timerel=since&timeAt=2026-11-23T08:00:00Z", 400, "BadRequestData", "timerel=since"),
        (f"{_HISTORY}?type=Device&timerel=after&timeAt=yesterday", 400, "BadRequestData", "timeAt=yesterday"),
        ("/ngsi-ld/v1/types/Room", 404, "ResourceNotFound", "no type 'Room'"),
    ],
)
def test_errors_have_the_types_of_the_standard(site: Site, path: str, status: int, kind: str, words: str) -> None:
    """Whatever cannot be answered must be a problem document of ETSI's type, that says what and how to mend it."""
    answer = site.get(path)
    assert (answer.status, answer.media) == (status, "application/problem+json")
    problem = json.loads(answer.body)
    assert problem["type"] == _ERRORS + kind
    assert words in problem["detail"]
    assert problem["fix"]


def test_answers_are_cached_and_open_as_all_others(site: Site) -> None:
    """HEAD, ETag, conditions, CORS, compression and 405 must be as at every other address."""
    path = f"{_ENTITIES}?type=OffStreetParking&count=true"
    whole, head = site.get(path), site.get(path, method="HEAD")
    assert head.body == b""
    assert head.headers["etag"] == whole.headers["etag"]
    assert site.get(path, if_none_match=whole.headers["etag"]).status == 304
    assert whole.headers["access-control-allow-origin"] == "*"
    assert "NGSILD-Results-Count" in whole.headers["access-control-expose-headers"]
    assert whole.headers["cache-control"] == "public, max-age=5"
    assert site.get(path, accept_encoding="gzip").headers["content-encoding"] == "gzip"
    assert site.get(path, method="DELETE").status == 405
    assert site.get(path, "text/html").status == 406


def test_what_is_cut_says_so_and_what_is_deleted_is_gone(database_url: str) -> None:
    """A list of histories cut to our own limit must be 206 with the time it covers; a deleted entity must not be found."""
    with worlds(database_url, 520) as site:
        answer = site.get(f"{_HISTORY}?type=OffStreetParking&timerel=after&timeAt=2026-11-23T08:00:00Z&attrs=status")
        assert answer.status == 206
        assert answer.headers["content-range"] == "date-time 2026-11-23T16:39:00.000Z-2026-11-23T08:20:00.000Z/*"
        assert [len(each["status"]) for each in json.loads(answer.body)] == [100] * GARAGES
        parking = streams()[0]
        site.add(PARKING, lambda start: (members(parking, [start], site.base)[0]._replace(deleted=True, point=None),))
        assert len(ask(site, f"{_ENTITIES}?type=OffStreetParking")) == GARAGES - 1
        gone = quote(garage(site, 0), safe="")
        assert site.get(f"{_ENTITIES}/{gone}").status == 404
        assert site.get(f"{_HISTORY}/{gone}").status == 404


@pytest.mark.parametrize("name", _SCHEMAS)
def test_entities_validate_against_the_smart_data_models(site: Site, name: str) -> None:
    """Every entity, as key-values, must be valid by the published schema of its type; a group's classes one by one."""
    path = _MODELS / _SCHEMAS[name]
    if not path.exists():
        pytest.skip("the schemas of the Smart Data Models are not here")
    validator = jsonschema.Draft202012Validator(
        json.loads(path.read_bytes()),
        registry=_commons(),
        format_checker=jsonschema.FormatChecker(),
    )
    found = ask(site, f"{_ENTITIES}?type={name}")
    assert len(found) == GARAGES
    for entity in found:
        datasets = {
            each["datasetId"]
            for said in entity.values()
            if isinstance(said, list)
            for each in said
            if "datasetId" in each
        }
        for dataset in datasets or {None}:
            validator.validate(_of_dataset(entity, dataset))


def _of_dataset(entity: Any, dataset: str | None) -> Any:
    """Return an entity as key-values with the instances of one dataset only, as a client reads it."""
    found = {}
    for name, said in entity.items():
        if isinstance(said, list):
            said = next((each for each in said if each.get("datasetId") == dataset), None)  # noqa: PLW2901
        if isinstance(said, dict):
            value = said.get("value", said.get("object"))
            said = value["@value"] if isinstance(value, dict) and "@value" in value else value  # noqa: PLW2901
        if said is not None:
            found[name] = said
    return found


def _commons() -> Any:
    """Return what the schemas refer to elsewhere and the folder has not: id and type, and a location in GeoJSON."""
    point = {
        "type": "object",
        "required": ["type", "coordinates"],
        "properties": {"type": {"enum": ["Point"]}, "coordinates": {"type": "array", "items": {"type": "number"}}},
    }
    commons = {
        "GSMA-Commons": {"properties": {"id": {"type": "string", "format": "uri"}, "name": {"type": "string"}}},
        "Location-Commons": {"properties": {"location": point}},
    }
    resource = referencing.Resource.from_contents(
        {"definitions": commons}, default_specification=referencing.jsonschema.DRAFT202012
    )
    return referencing.Registry().with_resource(_COMMON, resource)
