"""A site to ask in the words of other worlds: parking, traffic and measuring points, with places and a known history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ldes_server.model import Published, Stream
from streams.record import Point
from tests.conformance.kit import START, Site, make_stream
from vocab.model import load_model

# Five garages, a hundred metres apart to the east of the first; each observed once a minute, one after the other.
GARAGES = 5
WEST, SOUTH = 3.72, 51.05
STEP = 0.00142
PARKING, TRAFFIC, POINTS = "gent-parking", "miv-verkeer", "miv-meetpunten"


def streams() -> tuple[Stream, ...]:
    """Return a stream of each model."""
    names = {PARKING: "parking", TRAFFIC: "traffic", POINTS: "measuring-point"}
    return tuple(make_stream(name, load_model(model)) for name, model in names.items())


def members(stream: Stream, numbers: Iterable[int], base_url: str) -> tuple[Published, ...]:
    """Make members after the model's example; member n is of thing n modulo five, n minutes after the start."""
    made = []
    for number in numbers:
        thing, observed = number % GARAGES, START + timedelta(minutes=number)
        entity = f"{base_url}/{stream.name}/entities/thing-{thing}"
        member_id = f"{stream.name}/members/thing-{thing}/{observed:%Y%m%dT%H%M%SZ}"
        body: dict[str, Any] = json.loads(stream.model.example)
        del body["@context"]
        body["@id"] = f"{base_url}/{member_id}"
        if stream.model.versioned:
            body["isVersionOf"] = entity
        if "freeSpaces" in body:
            body["freeSpaces"] = number
            body["name"] = {"nl": f"Garage {thing}"}
        made.append(
            Published(
                sequence=number,
                published_at=observed + timedelta(seconds=5),
                id=member_id,
                entity=entity,
                observed_at=observed,
                point=Point(longitude=round(WEST + thing * STEP, 6), latitude=SOUTH),
                body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            )
        )
    return tuple(made)


@contextmanager
def worlds(database_url: str, count: int = 40) -> Iterator[Site]:
    """Run a site whose streams have `count` members each."""
    with Site(database_url, streams()) as site:
        for stream in streams():
            site.add(stream.name, lambda start, stream=stream: members(stream, range(start, start + count), site.base))  # type: ignore[misc]
        yield site
