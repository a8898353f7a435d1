"""Recorded documents in, feeds out: counted and compared with what the standard library reads in the same files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import OwnLog, document
from tests.support import crawl
from tests.support.running import ROOT, Running
from vocab.check import findings
from vocab.model import load_model

MODELS = {"gent-parking": "parking", "miv-meetpunten": "measuring-point", "miv-verkeer": "traffic"}
CLASSES = {"1": "motorcycle", "2": "car", "3": "van", "4": "truck", "5": "articulated"}
VALIDITY = {"0": "regular", "1": "irregular", "2": "very-irregular", "3": "defect"}
LANE_TYPES = {"R": "regular", "B": "bus", "TR": "wrong-way", "P": "shoulder", "S": "rush-hour", "W": "other-road"}
LANE_TYPES |= {"A": "hatched"}
# 251 initial value, 252 no vehicle, 254 cannot be calculated.
SENTINELS = {251, 252, 254}

Json = dict[str, Any]
# What identifies a member: the entity's last part and the time.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What two replays into the same folder said and published, and the second one, which still runs."""

    said: Sequence[str]
    first: str
    members: Mapping[str, Sequence[Json]]
    said_again: Sequence[str]
    base: str
    pages: Mapping[str, Sequence[crawl.Fetched]]

    def found(self, stream: str) -> list[Json]:
        """Return the members on the pages of the running feed."""
        return [member for page in self.pages[stream] for member in page.document.get("member", [])]


@pytest.fixture(scope="module")
def replayed(samples: Path, own_log: OwnLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """Replay every recording, stop, and replay it again on the same data at another port."""
    data, environ = tmp_path_factory.mktemp("replayed") / "data", own_log()
    with Running(data, "--replay", str(samples), environ=environ) as first:
        first.wait_for("replay complete", within=90)
        members = {stream: crawl.members(f"{first.base}/{stream}/log") for stream in MODELS}
    with Running(data, "--replay", str(samples), environ=environ) as second:
        assert second.port != first.port
        second.wait_for("replay complete", within=90)
        pages = {stream: list(crawl.crawl(f"{second.base}/{stream}/log")) for stream in MODELS}
        yield Replayed(
            said=first.lines, first=first.base, members=members, said_again=second.lines, base=second.base, pages=pages
        )


def lanes(samples: Path) -> list[dict[str, Any]]:
    """Read the recorded minute: per lane its plain fields, and its classes by name."""
    root = document(samples / "miv" / "verkeersdata-20170427T1438.xml.gz")
    found = []
    for lane in root.iter("meetpunt"):
        classes = {
            str(part.get("klasse_id")): {field.tag: field.text for field in part} for part in lane.iter("meetdata")
        }
        found.append({**lane.attrib, **{field.tag: field.text for field in lane.iter()}, "classes": classes})
    return found


def points(samples: Path) -> list[dict[str, str]]:
    """Read the recorded configuration: per lane its plain fields."""
    root = document(samples / "miv" / "configuratie-20170217.xml.gz")
    changed = {"changed": root.findtext("tijd_laatste_config_wijziging") or ""}
    return [
        {**lane.attrib, **{field.tag: field.text or "" for field in lane}, **changed} for lane in root.iter("meetpunt")
    ]


def parkings(samples: Path) -> list[Json]:
    """Read the recorded car parks and park-and-ride sites, with the fields of both named alike."""
    found: list[Json] = []
    for file in sorted((samples / "gent-opendatasoft").glob("garages*.json")):
        found += [record["fields"] for record in json.loads(file.read_bytes())["records"]]
    for record in json.loads((samples / "gent-opendatasoft" / "park_and_ride.json").read_bytes())["records"]:
        site = record["fields"]
        found.append(
            site
            | {
                "id": site["urllinkaddress"],
                "availablecapacity": site["availablespaces"],
                "totalcapacity": site["numberofspaces"],
            }
        )
    return found


def utc(text: str, *, plus: timedelta = timedelta(0)) -> str:
    """Return a recorded time in UTC with milliseconds, as members have it."""
    moment = datetime.fromisoformat(text).astimezone(UTC) + plus
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told(said: Sequence[str], source: str) -> str:
    """Return what `up` said of a replayed source."""
    (line,) = [line for line in said if line.startswith(f"replayed {source}: ")]
    return line.removeprefix(f"replayed {source}: ")


def flow(items: int, members: int) -> str:
    """Say how many of the items became members when the others were unchanged and none was refused."""
    return f"{items} items: {members} members, {items - members} unchanged, 0 refused"


def test_as_many_members_as_the_recordings_have_distinct_items(replayed: Replayed, samples: Path) -> None:
    """Members are the distinct pairs of entity and time in the files; nothing was unchanged, refused or lost.

    A lane without a place in the configuration would be refused; the list of those is empty.
    """
    minute, configuration, sites = lanes(samples), points(samples), parkings(samples)
    placed = {point["unieke_id"] for point in configuration}
    assert [lane["unieke_id"] for lane in minute if lane["unieke_id"] not in placed] == []
    expected = {
        "miv-verkeer": {(lane["unieke_id"], utc(lane["tijd_waarneming"])) for lane in minute},
        "miv-meetpunten": {(point["unieke_id"], utc(point["changed"])) for point in configuration},
        "gent-parking": {(site["id"], utc(site["lastupdate"])) for site in sites},
    }
    for stream, keys in expected.items():
        published = [(entity(member), member["observedAt"]) for member in replayed.members[stream]]
        assert len(published) == len(set(published))
        assert set(published) == keys
    assert told(replayed.said, "miv-verkeersdata") == flow(len(minute), len(expected["miv-verkeer"]))
    assert told(replayed.said, "miv-configuratie") == flow(len(configuration), len(expected["miv-meetpunten"]))
    garages = [site for site in sites if "availablespaces" not in site]
    distinct = {(site["id"], site["lastupdate"]) for site in garages}
    assert told(replayed.said, "gent-garages") == flow(len(garages), len(distinct))
    assert told(replayed.said, "gent-park-and-ride") == flow(len(sites) - len(garages), len(sites) - len(garages))


def entity(member: Json) -> str:
    """Return what the recordings call the thing a member is about: a web address, or the last part of one of ours."""
    about: str = member.get("measuringPoint") or member["isVersionOf"]
    return about.rsplit("/", 1)[1] if about.startswith("http://127.0.0.1:") else about


def by_entity(members: Sequence[Json]) -> dict[Key, Json]:
    """Index members by what they are about and when."""
    return {(entity(member), member["observedAt"]): member for member in members}


def measured(member: Json) -> dict[str, Any]:
    """Return the results of a lane's minute by the property's name."""
    return {part["property"]: part.get("count", part.get("result")) for part in member["observations"]}


def expected_results(lane: Mapping[str, Any]) -> dict[str, float]:
    """Work out from a recorded lane what is to be published: speeds only of vehicles there were, never a sentinel."""
    results = {
        "lane-occupancy": float(lane["bezettingsgraad"]),
        "lane-availability": float(lane["beschikbaarheidsgraad"]),
        "lane-turbulence": float(lane["onrustigheid"]),
    }
    for number, fields in lane["classes"].items():
        name, count = CLASSES[number], int(fields["verkeersintensiteit"])
        mean, harmonic = (int(fields[f"voertuigsnelheid_{kind}"]) for kind in ("rekenkundig", "harmonisch"))
        results[f"{name}-count"] = count
        if count > 0 and mean not in SENTINELS:
            results[f"{name}-mean-speed"] = float(mean)
        if count > 0 and harmonic not in SENTINELS | {0}:
            results[f"{name}-harmonic-speed"] = float(harmonic)
    return results


def test_every_lane_says_what_was_recorded(replayed: Replayed, samples: Path) -> None:
    """All 4,254 lanes have the recorded counts, speeds, occupancy, validity and times, and no sentinel as a value."""
    published = by_entity(replayed.members["miv-verkeer"])
    for lane in lanes(samples):
        member = published[lane["unieke_id"], utc(lane["tijd_waarneming"])]
        assert measured(member) == expected_results(lane)
        assert member["validity"] == VALIDITY[lane["geldig"]]
        assert member["current"] is (lane["actueel_publicatie"] == "1")
        assert member["resultTime"] == utc(lane["tijd_laatst_gewijzigd"])
        assert member["phenomenonTime"]["start"]["at"] == member["observedAt"]
        assert member["phenomenonTime"]["end"]["at"] == utc(lane["tijd_waarneming"], plus=timedelta(minutes=1))
        assert member["measuringPoint"] == f"{replayed.first}/miv-meetpunten/entities/{lane['unieke_id']}"


def test_every_measuring_point_is_where_it_was_recorded(replayed: Replayed, samples: Path) -> None:
    """All measuring points have the recorded coordinates in both systems, name, road, lane and kilometre point."""
    published = by_entity(replayed.members["miv-meetpunten"])

    def number(text: str) -> float:
        return float(text.replace(",", "."))

    for point in points(samples):
        member = published[point["unieke_id"], utc(point["changed"])]
        assert member["isVersionOf"] == f"{replayed.first}/miv-meetpunten/entities/{point['unieke_id']}"
        degrees = [number(point[f"{axis}_EPSG_4326"]) for axis in ("lengtegraad", "breedtegraad")]
        assert coordinates(member["geometry"]["wkt"]) == degrees
        metres = [number(point[f"{axis}_coord_EPSG_31370"]) for axis in "XY"]
        assert coordinates(member["geometry"]["lambert72"]) == metres
        assert (member.get("name", ""), member["localId"]) == (point["volledige_naam"], point["beschrijvende_id"])
        lane = point["Rijstrook"]
        assert (member["lane"]["laneId"], member["lane"]["laneType"]) == (lane, LANE_TYPES[lane.rstrip("0123456789")])
        assert member["position"]["road"] == point["Ident_8"]
        kilometre = point["Kmp_Rsys"]
        assert member["position"].get("kilometrePoint") == (number(kilometre) if kilometre else None)


def coordinates(wkt: str) -> list[float]:
    """Return the two numbers of a point in WKT."""
    return [float(text) for text in wkt[wkt.index("(") + 1 : -1].split()]


def test_every_car_park_says_what_was_recorded(replayed: Replayed, samples: Path) -> None:
    """All car parks and park-and-ride sites have the recorded spaces, name, place, hours and state."""
    published = by_entity(replayed.members["gent-parking"])
    for site in parkings(samples):
        member = published[site["id"], utc(site["lastupdate"])]
        free = site["availablecapacity"]
        assert member.get("freeSpaces") == (free if free != -1 else None)
        assert member["totalSpaces"] == site["totalcapacity"]
        assert member["occupancy"] == site["occupation"]
        assert member["name"] == {"nl": site["name"]}
        assert member["@type"] == ["ParkingFacility", site["type"]]
        assert member["openNow"] is bool(site["isopennow"])
        assert member["temporarilyClosed"] is bool(site["temporaryclosed"])
        assert member["operator"]["label"] == site["operatorinformation"]
        assert member["openingHours"]["label"] == site["openingtimesdescription"]
        latitude, longitude = place(site["location"])
        assert coordinates(member["geometry"]["wkt"]) == [longitude, latitude]


def place(location: Any) -> tuple[float, float]:
    """Return latitude and longitude, in either way they were recorded."""
    if isinstance(location, dict):
        return location["lat"], location["lon"]
    return location[0], location[1]


def test_replaying_again_adds_no_member(replayed: Replayed) -> None:
    """The same recordings, replayed on the same data at another address, add nothing and change nothing.

    Where an entity was recorded twice, the older state differs from the newest and is offered again by the normaliser;
    the writer knows it by its identity. Addresses of our own may be those of either replay.
    """
    assert told(replayed.said_again, "miv-verkeersdata") == flow(4254, 0)
    assert told(replayed.said_again, "miv-configuratie") == flow(4254, 0)
    assert told(replayed.said_again, "gent-park-and-ride") == flow(2, 0)
    assert "12 items: " in told(replayed.said_again, "gent-garages")
    assert told(replayed.said_again, "gent-garages").endswith(" unchanged, 0 refused")
    for stream, before in replayed.members.items():
        spelled = [
            json.dumps(members).replace(replayed.first, "").replace(replayed.base, "")
            for members in (before, sorted(replayed.found(stream), key=lambda member: int(member["sequence"])))
        ]
        assert spelled[0] == spelled[1]


def test_sequence_is_dense_and_publication_time_never_goes_back(replayed: Replayed) -> None:
    """Sequence numbers run from 0 without a gap, and in their order publication times do not decrease."""
    for stream in MODELS:
        found = replayed.found(stream)
        assert [member["sequence"] for member in found] == list(range(len(found)))
        times = [member["generatedAtTime"] for member in found]
        assert times == sorted(times)


def test_relations_are_true(replayed: Replayed) -> None:
    """Each relation's bounds hold for every member below it, and remainingItems counts exactly those members."""
    for pages in replayed.pages.values():
        by_url = {page.url: page.document for page in pages}

        def below(url: str, by_url: Mapping[str, Json] = by_url) -> list[str]:
            page = by_url[url]
            nodes = dict.fromkeys(relation["node"] for relation in page["view"].get("relation", []))
            own = [member["generatedAtTime"] for member in page.get("member", [])]
            return own + [time for node in nodes for time in below(node, by_url)]

        judged = 0
        for document_ in by_url.values():
            for relation in document_["view"].get("relation", []):
                _judge(relation, below(relation["node"]))
                judged += 1
        assert judged


def _judge(relation: Json, times: Sequence[str]) -> None:
    assert len(times) == relation["remainingItems"]
    assert relation["path"] == "http://www.w3.org/ns/prov#generatedAtTime"
    holds = {
        "GreaterThanOrEqualToRelation": all(time >= relation["value"] for time in times),
        "LessThanOrEqualToRelation": all(time <= relation["value"] for time in times),
    }
    assert holds[relation["@type"]]


def test_pages_say_where_they_are(replayed: Replayed) -> None:
    """A page fetched from the second address names itself by that address, though it was first made at another."""
    for stream, pages in replayed.pages.items():
        for page in pages:
            assert page.document["@id"] == f"{replayed.base}/{stream}"
            assert page.document["view"]["@id"] == page.url


def test_published_members_are_valid(replayed: Replayed) -> None:
    """The members on the last page of each stream, fetched as N-Triples, fit the SHACL shape of their model."""
    for stream, pages in replayed.pages.items():
        data, _ = crawl.fetch(pages[-1].url, "application/n-triples")
        assert data.count(b"generatedAtTime> ") == len(pages[-1].document["member"]) > 0
        assert findings(load_model(MODELS[stream]).shape.turtle, data) == []


CHECKS = (
    ("vlaanderen/verkeer/miv-configuratie.yaml", "miv/configuratie-20170217.xml.gz", 4254),
    ("vlaanderen/verkeer/miv-verkeersdata.yaml", "miv/verkeersdata-20170427T1438.xml.gz", 4254),
    ("gent/parking/garages.yaml", "gent-opendatasoft/garages.json", 2),
    ("gent/parking/garages.yaml", "gent-opendatasoft/garages-20221209.json", 10),
    ("gent/parking/park-and-ride.yaml", "gent-opendatasoft/park_and_ride.json", 2),
)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "recording", "count"), CHECKS, ids=[recording for _, recording, _ in CHECKS])
def test_shipped_source_files_pass_their_check(samples: Path, file: str, recording: str, count: int) -> None:
    """`source check` makes a valid member of every item of the recording, with exit status 0."""
    lookup = ["--lookup", f"lane={samples / CHECKS[0][1]}"] if "verkeersdata" in file else []
    command = ["source", "check", f"deploy/pilots/{file}", "--sample", str(samples / recording), *lookup]
    done = subprocess.run(
        [sys.executable, "-m", "smartflanders.cli", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"{flow(count, count)}; SHACL on {min(count, 250)} members: all valid" in done.stderr
