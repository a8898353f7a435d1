"""Feeds that are asked, from their source file to members: recorded event streams and a SensorThings service."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pyoxigraph import RdfFormat, parse

from ingest.connectors import open_connector
from ingest.explain import check_sample
from ingest.source import Source, load_source
from streams.record import Payload
from tests.support.frost import Frost
from tests.support.http_script import Asked, scripted
from vocab.model import load_model

SAMPLES = Path("/work/shared/samples")
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded samples are not on this machine")

HEAD = """source: feed
title: { nl: a, en: b }
description: { nl: a, en: b }
publisher: { name: n, iri: "https://x.example/" }
licence: https://x.example/licence
model: parking
stream: feed
"""
PARKINGS = """ldes: { url: "%s/ldes/occupancy/by-page?pageNumber=1", every: 60s }
each: tree:member[*]
bind:
  entity: { from: "@id", match: "^[^#]+" }
  observed_at: dcterms:modified
  free_spaces: "mobivoc:capacity[@type=mobivoc:RealTimeCapacity].mobivoc:currentValue"
  total_spaces: "mobivoc:capacity[@type=mobivoc:Capacity].mobivoc:totalCapacity"
  point: { longitude: geo:long, latitude: geo:lat }
"""
HINDRANCES = """ldes: { url: "%s/api/v1/ldes/mobility-hindrances", every: 60s }
each: tree:member[*]
bind:
  entity: dcterms:isVersionOf.@id
  observed_at: prov:generatedAtTime
  free_spaces: { constant: 0 }
  point: { coordinates: mobiliteit:zone.locn:geometry.geosparql:asWKT }
  description: { from: dcterms:description, language: nl }
"""
OBSERVATIONS = """sensorthings: { url: "%s/v1.1", every: 60s }
each: value[*]
bind:
  entity: Datastream.<@iot.id>
  observed_at: phenomenonTime
  free_spaces: result
"""


def source_of(tmp_path: Path, text: str, origin: str) -> Source:
    """Load a source file whose address is that of a test."""
    path = tmp_path / "feed.yaml"
    path.write_text(HEAD + text % origin, "utf-8")
    return load_source(path)


async def rounds(source: Source) -> list[Payload]:
    """Ask until nothing is new at once."""
    found: list[Payload] = []
    cursor = b""
    async with open_connector(source.name, source.transport) as connector:
        while True:
            poll = await connector.poll(cursor)
            found += poll.payloads
            cursor = poll.payloads[-1].cursor if poll.payloads else cursor
            if poll.again_in:
                return found


def members(source: Source, payloads: list[Payload]) -> list[dict[str, object]]:
    """Map payloads; nothing of them may be refused, and the shape must find no fault."""
    made: list[dict[str, object]] = []
    for payload in payloads:
        report = check_sample(source, load_model(source.model), payload.body, payload.media_type)
        assert [it.detail for it in report.rejections] == []
        made += [json.loads(member.body) for member in report.members]
    return made


def recorded(name: str, home: str, kind: str) -> Callable[[Asked], web.Response]:
    """Serve one recorded page at the address it had; whatever it leads to is empty."""
    text = (SAMPLES / name).read_text("utf-8")

    def reply(asked: Asked) -> web.Response:
        if asked.path.endswith(("?pageNumber=1", "/mobility-hindrances")):
            return web.Response(text=text.replace(home, f"http://{asked.headers['Host']}"), content_type=kind)
        return web.Response(text="", content_type="application/n-triples")

    return reply


@needs_samples
async def test_the_recorded_car_parks_of_gent_become_members(tmp_path: Path) -> None:
    """Each of the 250 members of the page is a member of ours with its own numbers, counted by another reading."""
    reply = recorded("gent-parking-ldes/page1.ttl", "http://localhost:9003", "text/turtle")
    async with scripted(reply) as script:
        source = source_of(tmp_path, PARKINGS, script.origin)
        found = members(source, await rounds(source))
    body = (SAMPLES / "gent-parking-ldes/page1.ttl").read_bytes()
    quads = list(parse(body, format=RdfFormat.TURTLE, base_iri="http://x/"))
    wanted = sorted(int(it.object.value) for it in quads if it.predicate.value.endswith("#currentValue"))
    assert len(found) == len(wanted) == 250
    assert sorted(int(str(it["freeSpaces"])) for it in found) == wanted


@needs_samples
async def test_the_recorded_hindrances_of_gipod_become_members(tmp_path: Path) -> None:
    """GIPOD's JSON-LD, with literals that are none and zones in Lambert 72, becomes members with places on earth."""
    reply = recorded(
        "gipod/1-relation-3-members.jsonld", "https://private-api.gipod.beta-vlaanderen.be", "application/ld+json"
    )
    async with scripted(reply) as script:
        source = source_of(tmp_path, HINDRANCES, script.origin)
        found = members(source, await rounds(source))
    assert len(found) == 3
    assert all("/api/v1/mobility-hindrances/" in str(it["isVersionOf"]) for it in found)


async def test_observations_of_a_service_become_members(tmp_path: Path) -> None:
    """Observations in two pages become members with their data stream as entity and their own time."""
    now = datetime.now(UTC).replace(microsecond=0)
    frost = Frost(most=3)
    for minute in range(5, 0, -1):
        frost.add(f"{now - timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}", minute, stream=minute % 2)
    async with scripted(frost) as script:
        source = source_of(tmp_path, OBSERVATIONS, script.origin)
        payloads = await rounds(source)
        found = members(source, payloads)
    assert len(payloads) == 2
    assert [it["freeSpaces"] for it in found] == [5, 4, 3, 2, 1]
    assert str(found[0]["isVersionOf"]).endswith("/entities/1")
