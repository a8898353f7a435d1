"""An independent count of documents as publishers send them, and of members as feeds show them."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.support.running import ROOT, SAMPLES

# Per stream: what was observed of which entity at what time (UTC), and one value that proves the content.
Facts = dict[tuple[str, str], object]

_COMPARED = (
    *("@id", "sequence", "generatedAtTime", "observedAt"),
    *("measuringPoint", "isVersionOf", "freeSpaces", "lane"),
)
_OBSERVED = re.compile(r"(<tijd_waarneming>)([^<]*)(</tijd_waarneming>)")
_GENT = "data.stad.gent/api/explore/v2.1/catalog/datasets"
_SIMULATED = {
    "garages-{}.json": f"{_GENT}/bezetting-parkeergarages-real-time/records?limit=100",
    "park_and_ride-{}.json": f"{_GENT}/real-time-bezetting-pr-gent/records?limit=100",
    "verkeersdata-2{}.xml": "miv.opendata.belfla.be/miv/verkeersdata",
}


def record(folder: Path, *, minutes: int) -> None:
    """Fill a folder with recordings: the real documents and `minutes` more of the same, or a simulated city's."""
    folder.mkdir()
    if SAMPLES.is_dir():
        _record_samples(folder, minutes)
    else:
        _record_city(folder, minutes)


def _record_samples(folder: Path, minutes: int) -> None:
    for name in ("gent-opendatasoft/garages*.json", "gent-opendatasoft/park*.json", "miv/configuratie-*.xml.gz"):
        for file in SAMPLES.glob(name):
            shutil.copyfile(file, folder / file.name)
    (minute,) = SAMPLES.glob("miv/verkeersdata-2*.xml.gz")
    shutil.copyfile(minute, folder / minute.name)
    traffic = gzip.decompress(minute.read_bytes()).decode()
    garages = (SAMPLES / "gent-opendatasoft" / "garages.json").read_text("utf-8")
    for number in range(1, minutes + 1):
        later = timedelta(minutes=number)
        text = _OBSERVED.sub(lambda m, later=later: m[1] + _later(m[2], later) + m[3], traffic)  # type: ignore[misc]
        (folder / f"verkeersdata-20170427T15{number:02}.xml.gz").write_bytes(gzip.compress(text.encode(), 1))
        document = json.loads(garages)
        for item in _items(document):
            item["lastupdate"] = _later(item["lastupdate"], later)
            item["availablecapacity"] = number
        (folder / f"garages_{number:02}.json").write_text(json.dumps(document), "utf-8")


def _later(text: str, by: timedelta) -> str:
    return (datetime.fromisoformat(text) + by).isoformat()


def _record_city(folder: Path, minutes: int) -> None:
    """Record a simulated city every twenty minutes of its time, so that the heartbeat publishes every item."""
    argv = [sys.executable, "-m", "smartflanders.cli", "simulate", "--lanes", "1500", "--speed", "1200"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as city:
        assert city.stdout is not None
        origin = city.stdout.readline().removeprefix("ready ").strip()
        for number in range(minutes + 1):
            for name, path in _SIMULATED.items():
                (folder / name.format(f"{number:02}")).write_bytes(_fetch(origin + path))
            time.sleep(1.1)
        (folder / "configuratie-1.xml").write_bytes(_fetch(origin + "miv.opendata.belfla.be/miv/configuratie/xml"))
        city.terminate()


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def told(folder: Path) -> Mapping[str, Facts]:
    """Count what the recordings tell: per stream the distinct entities and times, each with its value."""
    return {
        "gent-parking": dict(_parking(folder)),
        "miv-verkeer": dict(_traffic(folder)),
        "miv-meetpunten": dict(_points(folder)),
    }


def _parking(folder: Path) -> Iterator[tuple[tuple[str, str], object]]:
    for file in sorted((*folder.glob("garages*.json"), *folder.glob("park_and_ride*.json"))):
        for item in _items(json.loads(file.read_bytes())):
            entity = item["urllinkaddress"] if file.name.startswith("park") else item["id"]
            free = item.get("availablecapacity", item.get("availablespaces"))
            yield (entity, _utc(item["lastupdate"])), free


def _items(document: Any) -> Sequence[dict[str, Any]]:
    return document["results"] if "results" in document else [entry["fields"] for entry in document["records"]]


def _traffic(folder: Path) -> Iterator[tuple[tuple[str, str], object]]:
    for file in sorted(folder.glob("verkeersdata-2*.xml*")):
        for point in _xml(file).iter("meetpunt"):
            # The publisher writes UTC+1 all year.
            time = _utc(point.findtext("tijd_waarneming", ""))
            count = sum(int(text.text or 0) for text in point.iter("verkeersintensiteit"))
            yield (point.attrib["unieke_id"], time), count


def _points(folder: Path) -> Iterator[tuple[tuple[str, str], object]]:
    for file in sorted(folder.glob("configuratie-*.xml*")):
        root = _xml(file)
        time = _utc(root.findtext("tijd_laatste_config_wijziging", ""))
        for point in root.iter("meetpunt"):
            yield (point.attrib["unieke_id"], time), point.findtext("Rijstrook")


def _xml(file: Path) -> ET.Element:
    body = file.read_bytes()
    return ET.fromstring(gzip.decompress(body) if file.suffix == ".gz" else body)


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(members: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, str], object]]:
    """Read from members what `told` reads from documents; one entry per member, doubles stay doubles."""
    return [((_entity(member), member["observedAt"]), _value(member)) for member in members]


def slim(member: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a member what is compared: two hundred thousand whole ones would fill the memory of a small machine."""
    kept = {name: member[name] for name in _COMPARED if name in member}
    if "observations" in member:
        kept["observations"] = [{"count": sum(each.get("count", 0) for each in member["observations"])}]
    return kept


def _entity(member: Mapping[str, Any]) -> str:
    entity: str = member.get("measuringPoint") or member["isVersionOf"]
    return entity.rpartition("/entities/")[2] if "/entities/" in entity else entity


def _value(member: Mapping[str, Any]) -> object:
    if "observations" in member:
        return sum(observation.get("count", 0) for observation in member["observations"])
    return member["lane"]["laneId"] if "lane" in member else member.get("freeSpaces")
