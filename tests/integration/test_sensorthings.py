"""SensorThings over the real site: by a client nobody here wrote, and address by address."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import frost_sta_client as frost
import pytest

from smartflanders.embedded import EmbeddedPostgres
from tests.conformance.kit import START, Site
from tests.conftest import make_database
from tests.support.worlds import GARAGES, PARKING, POINTS, SOUTH, STEP, TRAFFIC, WEST, members, streams, worlds
from vocab.model import load_model

_ROOT = "/sta/v1.1"
_THING = f"Things('{PARKING}:thing-1')"
_FREE = f"Datastreams('{PARKING}:thing-1:free_spaces')"


@pytest.fixture(scope="module")
def site(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site that is only read."""
    with worlds(make_database(postgres, "sensorthings")) as running:
        yield running


def ask(site: Site, path: str, **options: str) -> Any:
    """Return what a path says, options without their dollar."""
    query = "&".join(f"${name}={quote(value, safe='')}" for name, value in options.items())
    answer = site.get(f"{_ROOT}/{quote(path, safe='/:')}" + (f"?{query}" if query else ""))
    assert answer.status == 200, answer
    return json.loads(answer.body)


def walk(site: Site, page: Mapping[str, Any]) -> Iterator[Any]:
    """Yield every entity of a set, following its next links."""
    yield from page["value"]
    while address := page.get("@iot.nextLink"):
        assert address.startswith(site.base)
        split = urlsplit(address)
        page = json.loads(site.get(f"{split.path}?{split.query}").body)
        yield from page["value"]


@pytest.mark.filterwarnings("ignore:furl.pathstr is deprecated")
def test_another_client_reads_it(site: Site) -> None:
    """A client that nobody here wrote must list Things, go on to their Datastreams and read all Observations in pages."""
    service = frost.SensorThingsService(f"{site.base}{_ROOT}")
    things = {thing.id: thing for thing in service.things().query().top(4).list()}
    assert len(things) == 3 * GARAGES
    thing = service.things().find(f"{PARKING}:thing-1")
    assert thing.name == things[f"{PARKING}:thing-1"].name == "Garage 1"
    datastreams = {each.name: each for each in thing.get_datastreams().query().list()}
    assert set(datastreams) == {
        f"{name}: Garage 1" for name in ("free spaces", "total spaces", "occupancy", "open now")
    }
    free = datastreams["free spaces: Garage 1"]
    assert free.unit_of_measurement.name == "count"
    observations = list(free.get_observations().query().top(3).orderby("phenomenonTime", "asc").list())
    assert [each.result for each in observations] == list(range(1, 40, 5))
    late = free.get_observations().query().filter("phenomenonTime gt 2026-11-23T08:25:00.000Z").list()
    assert [each.result for each in late] == [36, 31, 26]
    assert service.locations().find(f"{PARKING}:thing-1").location["coordinates"] == [round(WEST + STEP, 6), SOUTH]
    assert service.sensors().find(PARKING).name == f"Test {PARKING}"
    assert service.observed_properties().find("parking:free_spaces").definition.endswith("parkingNumberOfVacantSpaces")


def test_the_root_lists_the_sets(site: Site) -> None:
    """The root must name the seven sets with their addresses, each of which answers."""
    for path in (_ROOT, f"{_ROOT}/"):
        root = json.loads(site.get(path).body)
        assert len(root["value"]) == 7
        assert root["serverSettings"]["conformance"]
    for each in root["value"]:
        assert site.get(urlsplit(each["url"]).path).status == 200
        assert ask(site, each["name"], top="1")["value"]


def test_every_link_leads_to_what_it_says(site: Site) -> None:
    """Every self link must give the same entity, and every navigation link an answer, from each set on."""
    for name in (
        "Things",
        "Locations",
        "Datastreams",
        "Observations",
        "Sensors",
        "ObservedProperties",
        "FeaturesOfInterest",
    ):
        for entity in ask(site, name, top="2")["value"]:
            assert json.loads(site.get(urlsplit(entity["@iot.selfLink"]).path).body) == entity
            links = [value for key, value in entity.items() if key.endswith("@iot.navigationLink")]
            assert links
            for link in links:
                found = json.loads(site.get(urlsplit(link).path).body)
                assert found.get("value", found), link


def test_things_and_datastreams_are_made_of_the_models(site: Site) -> None:
    """A Datastream must have label, description, type and unit of its name's shape, for each code of a group its own."""
    free = ask(site, _FREE)
    field = load_model("parking").fields["free_spaces"]
    assert free["description"] == field.description["en"]
    assert free["observationType"].endswith("OM_CountObservation")
    assert free["unitOfMeasurement"]["symbol"] == field.unit == "{#}"
    names = [each["@iot.id"].split(":")[2] for each in ask(site, f"Things('{TRAFFIC}:thing-0')/Datastreams")["value"]]
    assert names[:3] == ["count_motorcycle", "count_car", "count_van"]
    assert {"mean_speed_car", "occupancy", "availability"} <= set(names)
    speed = ask(site, f"Datastreams('{TRAFFIC}:thing-0:mean_speed_car')")
    assert speed["unitOfMeasurement"]["name"] == "kilometre per hour"
    assert speed["observationType"].endswith("OM_Measurement")
    truth = ask(site, f"Datastreams('{PARKING}:thing-0:open_now')")
    assert truth["unitOfMeasurement"] == {"name": None, "symbol": None, "definition": None}
    assert ask(site, f"Things('{POINTS}:thing-0')/Datastreams")["value"] == []


def test_an_observation_of_an_interval_says_both_ends(site: Site) -> None:
    """Where the model's observations last, phenomenonTime must be the interval."""
    observation = ask(site, f"Datastreams('{TRAFFIC}:thing-0:count_car')/Observations", top="1")["value"][0]
    began, ended = observation["phenomenonTime"].split("/")
    assert began == "2026-11-23T08:35:00.000Z"
    assert ended.endswith("Z")
    assert observation["resultTime"] == "2026-11-23T08:35:05.000Z"


@pytest.mark.parametrize(
    "name", ["Things", "Locations", "Datastreams", "ObservedProperties", "Sensors", "FeaturesOfInterest"]
)
@pytest.mark.parametrize("top", ["1", "7", "100"])
def test_pages_have_every_entity_once(site: Site, name: str, top: str) -> None:
    """Whatever the size of its pages, a set must give each entity once, as many as it counts, and skip what is asked."""
    page = ask(site, name, top=top, count="true")
    ids = [each["@iot.id"] for each in walk(site, page)]
    assert len(ids) == len(set(ids)) == page["@iot.count"]
    assert [each["@iot.id"] for each in ask(site, name, top="2", skip="3")["value"]] == ids[3:5]


@pytest.mark.parametrize("top", ["1", "3", "1000"])
@pytest.mark.parametrize("order", ["phenomenonTime asc", "resultTime desc"])
def test_observations_come_in_order_and_once(site: Site, top: str, order: str) -> None:
    """Observations of a Datastream, of a feature and of the whole site must come each once, in the order asked for."""
    found = list(walk(site, ask(site, f"{_FREE}/Observations", top=top, orderby=order)))
    values = list(range(1, 40, 5))
    if top == "1" and order == "resultTime desc":
        assert [each["result"] for each in found] == values[::-1]
    assert [each["result"] for each in found] == (values if order.endswith("asc") else values[::-1])
    if top != "1":
        every = [each["@iot.id"] for each in walk(site, ask(site, "Observations", top="90", orderby=order))]
        assert len(every) == len(set(every))
        feature = list(
            walk(site, ask(site, f"FeaturesOfInterest('{PARKING}:thing-1')/Observations", top=top, orderby=order))
        )
        assert len(feature) == 8 * 4
        assert {each["@iot.id"] for each in found} < {each["@iot.id"] for each in feature} < set(every)


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("phenomenonTime ge 2026-11-23T08:26:00Z", [36, 31, 26]),
        ("phenomenonTime gt 2026-11-23T08:26:00Z", [36, 31]),
        ("phenomenonTime lt 2026-11-23T08:06:00Z", [1]),
        ("phenomenonTime le 2026-11-23T08:06:00.000Z", [6, 1]),
        ("phenomenonTime eq 2026-11-23T09:06:00+01:00", [6]),
        ("phenomenonTime ge 2026-11-23T08:06:00Z and phenomenonTime lt 2026-11-23T08:16:00Z", [11, 6]),
        ("resultTime ge 2026-11-23T08:26:05Z", [36, 31, 26]),
        ("resultTime gt 2026-11-23T08:26:05Z", [36, 31]),
        ("resultTime le 2026-11-23T08:06:05Z and phenomenonTime gt 2026-11-23T08:01:00Z", [6]),
        ("resultTime gt 2030-01-01T00:00:00Z", []),
        ("resultTime lt 2020-01-01T00:00:00Z", []),
    ],
)
def test_observations_are_filtered_by_time(site: Site, condition: str, numbers: list[int]) -> None:
    """Comparisons of both times must give exactly the observations they say."""
    found = ask(site, f"{_FREE}/Observations", filter=condition)["value"]
    assert [each["result"] for each in found] == numbers


def test_what_is_near_comes_along(site: Site) -> None:
    """$expand and $select must put what is asked for inside, two levels deep, with options of each level."""
    thing = ask(site, _THING, expand="Locations,Datastreams($top=2;$expand=Observations($top=1;$select=result),Sensor)")
    assert thing["Locations"][0]["location"]["type"] == "Point"
    assert len(thing["Datastreams"]) == 2
    assert "Datastreams@iot.nextLink" in thing
    first = thing["Datastreams"][0]
    assert first["Observations"] == [{"result": 36}]
    assert first["Sensor"]["@iot.id"] == PARKING
    assert "Datastreams@iot.navigationLink" not in thing
    latest = ask(site, "Datastreams", expand="Thing,ObservedProperty,Observations($top=1;$orderby=phenomenonTime desc)")
    assert all(each["Thing"]["@iot.id"] in each["@iot.id"] for each in latest["value"])
    deep = ask(site, "Things", expand="Datastreams/Observations", top="2")
    assert len(deep["value"][0]["Datastreams"][0]["Observations"]) == 8
    short = ask(site, "Things", select="id,name", top="1")["value"]
    assert [list(each) for each in short] == [["@iot.id", "name"]]
    observation = ask(site, "Observations", expand="Datastream,FeatureOfInterest", top="1")["value"][0]
    assert observation["Datastream"]["@iot.id"].rpartition(":")[0] == observation["FeatureOfInterest"]["@iot.id"]


def test_an_observation_leads_to_the_others(site: Site) -> None:
    """From an observation, its Datastream must lead to the Thing and to all observations of it."""
    one = ask(site, f"{_FREE}/Observations", top="1")["value"][0]
    path = f"Observations('{one['@iot.id']}')/Datastream"
    assert ask(site, path)["@iot.id"] == f"{PARKING}:thing-1:free_spaces"
    assert ask(site, f"{path}/Thing")["@iot.id"] == f"{PARKING}:thing-1"
    assert len(ask(site, f"{path}/Observations")["value"]) == 8
    assert ask(site, f"{_THING}/Datastreams('{PARKING}:thing-1:occupancy')")["name"] == "occupancy: Garage 1"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("Rooms", 404, "no set 'Rooms'"),
        ("Things('nothing')", 404, "no 'nothing' in Things"),
        (f"Things('{PARKING}:none')", 404, "no such entity in Things"),
        (f"Things('{PARKING}:none')/Datastreams", 404, "no such entity in Datastreams"),
        ("Things('elsewhere:x')", 404, "no such entity in Things"),
        ("Things(1)", 404, "no '1' in Things"),
        (f"Datastreams('{PARKING}:thing-1:colour')/Observations", 404, "no such entity in Observations"),
        (f"{_THING}/Sensors", 404, "Things has no 'Sensors'"),
        ("Things/Datastreams", 404, "needs an id"),
        (f"{_THING}/Datastreams('{PARKING}:thing-2:occupancy')", 404, "in Datastreams"),
        ("Sensors('none')/Datastreams", 404, "no such entity"),
        ("ObservedProperties('parking:none')/Datastreams", 404, "no such entity"),
        (f"Observations('{PARKING}:free_spaces:999999')", 404, "no such entity in Observations"),
        (f"{_THING}?$top=1", 400, "$top is for sets"),
        ("Things?$top=x", 400, "$top=x"),
        ("Things?$skip=99999", 400, "$skip goes up to"),
        ("Things?$filter=name eq 'a'", 501, "$filter of Things"),
        ("Observations?$filter=result gt 3", 501, "$filter=result gt 3"),
        ("Observations?$filter=phenomenonTime gt yesterday", 400, "phenomenonTime=yesterday"),
        ("Observations?$orderby=result", 501, "$orderby=result"),
        ("Observations?$count=true", 501, "counting Observations"),
        ("Things?$expand=Sensor", 400, "Things has no 'Sensor'"),
        ("Things?$expand=Datastreams($expand=Thing($expand=Locations))", 501, "levels deep"),
        ("Things?$expand=Datastreams($colour=1)", 400, "no option '$colour=1'"),
        ("Things?$select=colour", 400, "no property 'colour'"),
        ("Things?$search=x", 400, "no parameter '$search'"),
        ("Things?$skiptoken=elsewhere,x,", 400, "another set"),
    ],
)
def test_what_is_not_there_or_not_offered_says_what_is(site: Site, path: str, status: int, words: str) -> None:
    """Every refusal must be a problem document that names what is wrong and what there is instead."""
    target, _, query = path.partition("?")
    answer = site.get(f"{_ROOT}/{quote(target, safe='/:')}" + (f"?{quote(query, safe='=&$')}" if query else ""))
    assert (answer.status, answer.media) == (status, "application/problem+json")
    problem = json.loads(answer.body)
    assert words in problem["detail"]
    assert problem["fix"]


def test_answers_are_cached_and_open_as_all_others(site: Site) -> None:
    """HEAD, ETag, conditions, CORS, compression and 405 must be as at every other address."""
    path = f"{_ROOT}/Things"
    whole, head = site.get(path), site.get(path, method="HEAD")
    assert (head.body, head.headers["etag"]) == (b"", whole.headers["etag"])
    assert site.get(path, if_none_match=whole.headers["etag"]).status == 304
    assert whole.headers["access-control-allow-origin"] == "*"
    assert whole.headers["cache-control"] == "public, max-age=5"
    assert site.get(path, accept_encoding="gzip").headers["content-encoding"] == "gzip"
    assert site.get(path, method="POST").status == 405


def test_what_came_late_is_not_lost(database_url: str) -> None:
    """A page must be in the order of its times, all pages must have each observation once, and the newest alone be the newest."""
    parking = streams()[0]
    with worlds(database_url, 12) as site:

        def late(start: int) -> Any:
            made = members(parking, [start], site.base)[0]
            body = made.body.replace(b'"freeSpaces":12', b'"freeSpaces":99')
            observed = START + timedelta(minutes=3)
            first = f"{PARKING}/members/thing-0/{observed:%Y%m%dT%H%M%SZ}"
            entity = f"{site.base}/{PARKING}/entities/thing-0"
            return (made._replace(id=first, entity=entity, observed_at=observed, body=body),)

        site.add(PARKING, late)
        path = f"Datastreams('{PARKING}:thing-0:free_spaces')/Observations"
        for order, values in (("asc", [0, 99, 5, 10]), ("desc", [10, 5, 99, 0])):
            page = ask(site, path, orderby=f"phenomenonTime {order}")
            assert [each["result"] for each in page["value"]] == values
            found = walk(site, ask(site, path, top="2", orderby=f"phenomenonTime {order}"))
            assert sorted(each["result"] for each in found) == [0, 5, 10, 99]
        newest = ask(site, path, top="1", orderby="phenomenonTime desc")["value"]
        assert [each["result"] for each in newest] == [10]
        published = ask(site, path, orderby="resultTime asc")["value"]
        assert [each["result"] for each in published] == [0, 5, 10, 99]
        thing = quote(f"{site.base}/{PARKING}/entities/thing-0", safe="")
        history = json.loads(site.get(f"/ngsi-ld/v1/temporal/entities/{thing}?attrs=availableSpotNumber").body)
        assert [each["value"] for each in history["availableSpotNumber"]] == [10, 5, 99, 0]


def test_things_of_other_addresses_have_ids_too(database_url: str) -> None:
    """An entity with an IRI of its own, and one that is late, must be found by the ids that lists give."""
    parking = streams()[0]
    with Site(database_url, (parking,)) as site:
        foreign = "https://stad.example.org/id/parking/é?(1),'2'"

        def make(start: int) -> Any:
            made = members(parking, range(start, start + 6), site.base)
            return tuple(each._replace(entity=foreign) for each in made)

        site.add(PARKING, make)
        thing = ask(site, "Things", expand="Datastreams($expand=Observations)")["value"][0]
        assert thing["properties"]["entity"] == foreign
        assert len(thing["Datastreams"][0]["Observations"]) == 6
        assert json.loads(site.get(urlsplit(thing["@iot.selfLink"]).path).body)["@iot.id"] == thing["@iot.id"]
        page = ask(site, f"Things('{thing['@iot.id']}')/Datastreams", top="1")
        assert len(list(walk(site, page))) == 4
        assert len(list(walk(site, ask(site, "Datastreams", top="3")))) == 4
