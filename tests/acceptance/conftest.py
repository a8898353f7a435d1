"""Either log for acceptance tests, and recorded documents: the real ones, or a simulated city's where they are absent."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import cast

import pytest

from tests.conftest import environ_of, part_of
from tests.support.broker import Kafka
from tests.support.running import ROOT, SAMPLES

# Gives the settings of a platform whose log nobody else uses, empty; the same platform, started again, keeps them.
OwnLog = Callable[[], dict[str, str]]

# Three full pages of 250 and one that is still open.
PART = 800
_PORTAL = "data.stad.gent/api/explore/v2.1/catalog/datasets"
_SIMULATED = {
    "configuratie-simulated.xml": "miv.opendata.belfla.be/miv/configuratie/xml",
    "verkeersdata-2.xml": "miv.opendata.belfla.be/miv/verkeersdata",
    "garages.json": f"{_PORTAL}/bezetting-parkeergarages-real-time/records?limit=100",
    "park_and_ride.json": f"{_PORTAL}/real-time-bezetting-pr-gent/records?limit=100",
}


@pytest.fixture(scope="module", params=["postgres", "kafka"])
def own_log(request: pytest.FixtureRequest) -> OwnLog:
    """Run the test on either log; a test on which the log has no bearing asks for one of them alone."""
    if request.param == "postgres":
        return dict
    kafka = cast("Kafka", request.getfixturevalue("kafka"))
    return lambda: environ_of(part_of(kafka))


@pytest.fixture(scope="session")
def samples() -> Path:
    """Give the folder of the real recordings; the test is skipped where it is absent."""
    if not SAMPLES.is_dir():
        pytest.skip("the recorded documents are not here (shared/samples beside the checkout)")
    return SAMPLES


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of recordings of every source, real if there are any."""
    if SAMPLES.is_dir():
        return SAMPLES
    folder = tmp_path_factory.mktemp("simulated")
    command = [sys.executable, "-m", "smartflanders.cli", "simulate", "--lanes", "1100"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as city:
        assert city.stdout is not None
        origin = city.stdout.readline().removeprefix("ready ").strip()
        for name, path in _SIMULATED.items():
            with urllib.request.urlopen(origin + path, timeout=30) as answer:
                (folder / name).write_bytes(answer.read())
        city.terminate()
    return folder


@pytest.fixture(scope="session")
def part(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a part of each recording: the first lanes, and half of the newest car parks."""
    folder = tmp_path_factory.mktemp("part")
    (traffic,) = recordings.rglob("verkeersdata-2*.xml*")
    (lanes,) = recordings.rglob("configuratie-*.xml*")
    first = [str(lane.get("unieke_id")) for lane in document(traffic).iter("meetpunt")][:PART]
    for file in (traffic, lanes):
        _cut(file, folder, keep=frozenset(first))
    for file in (min(recordings.rglob("garages*.json")), *recordings.rglob("park_and_ride*.json")):
        content = json.loads(file.read_bytes())
        items = content.get("records") or content["results"]
        del items[(len(items) + 1) // 2 :]
        (folder / file.name).write_text(json.dumps(content), "utf-8")
    return folder


def document(file: Path) -> ET.Element:
    """Read an XML recording, compressed or not."""
    body = file.read_bytes()
    return ET.fromstring(gzip.decompress(body) if file.suffix == ".gz" else body)


def _cut(file: Path, folder: Path, *, keep: AbstractSet[str]) -> None:
    root = document(file)
    for lane in root.findall("meetpunt"):
        if lane.get("unieke_id") not in keep:
            root.remove(lane)
    (folder / file.name.removesuffix(".gz")).write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
