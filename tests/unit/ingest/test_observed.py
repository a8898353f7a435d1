"""Observations of which an item gives none, and values that are made of several fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.identity import entity_iri
from ingest.observed import observed_of
from ingest.source import Source, load_source
from streams.errors import ConfigError
from streams.record import Reason
from tests.unit.ingest.workbench import BASE, run
from vocab.model import load_model, model_names

HEAD = {
    "source": "s",
    "title": {"nl": "a", "en": "b"},
    "description": {"nl": "a", "en": "b"},
    "publisher": {"name": "n", "iri": "https://x.example/"},
    "licence": "https://x.example/licence",
    "http_poll": {"url": "https://x.example/feed", "every": "60s"},
    "stream": "t",
    "each": "[*]",
}


def source(tmp_path: Path, model: str, **bind: Any) -> Source:
    """Load a source of a model with these names bound besides who and when."""
    path = tmp_path / "s.yaml"
    bound = {"entity": "id", "observed_at": "at", **bind}
    path.write_text(yaml.safe_dump({**HEAD, "model": model, "bind": bound}, sort_keys=False), "utf-8")
    return load_source(path)


def items(*values: dict[str, Any]) -> bytes:
    """Write items, one minute after the other."""
    return json.dumps([{"id": "7", "at": f"2026-11-01T09:0{at}:00Z", **it} for at, it in enumerate(values)]).encode()


STATION = {"from": "id", "entity_of": "t"}


def test_an_item_that_observes_nothing_is_refused(tmp_path: Path) -> None:
    """A member without observations says nothing: its item is refused, and the sentence names what could have been."""
    air = source(tmp_path, "air-quality", station=STATION, pm10="p10", pm25={"from": "p25", "not": [999.9]})
    outcome = run(air, items({"p10": 12.5}, {"p10": "", "p25": 999.9}, {"p25": 3}, {"humidity": 80}))
    assert [len(json.loads(member.body)["observations"]) for member in outcome.members] == [1, 1]
    assert [(it.reason, it.path) for it in outcome.rejections] == [
        (Reason.MISSING, "$[1]"),
        (Reason.MISSING, "$[3]"),
    ]
    assert outcome.rejections[0].detail == "nothing is observed: pm10, pm25 have no value"


def test_a_word_is_an_observation_too(tmp_path: Path) -> None:
    """A level alone makes a member, and one that is the same as before is not taken for an absent one."""
    crowd = source(tmp_path, "crowdedness", place=STATION, level={"from": "l", "map": {"rood": "full", "-": "absent"}})
    outcome = run(crowd, items({"l": "rood"}, {"l": "rood"}, {"l": "-"}, {}, {"l": "rood"}))
    assert [json.loads(member.body)["observations"][0]["category"] for member in outcome.members] == ["full"] * 3
    assert [it.path for it in outcome.rejections] == ["$[2]", "$[3]"]
    assert outcome.rejections[0].detail == "nothing is observed: level has no value"


def test_an_empty_group_observes_nothing(tmp_path: Path) -> None:
    """A lane without classes and without an occupancy is no member of the traffic model."""
    classes = {"each": "c[*]", "bind": {"vehicle_class": {"from": "k", "map": {"2": "car"}}, "count": "n"}}
    lanes = source(tmp_path, "traffic", measuring_point=STATION, classes=classes, occupancy="o")
    outcome = run(lanes, items({"c": [], "o": 3}, {"c": [{"k": 2, "n": 0}]}, {"c": []}))
    assert len(outcome.members) == 2
    assert [it.detail for it in outcome.rejections] == ["nothing is observed: classes, occupancy have no value"]


def test_a_file_that_binds_nothing_observed_is_refused(tmp_path: Path) -> None:
    """A source of which no item could become a member is told so when it is loaded."""
    with pytest.raises(ConfigError, match="nothing that is observed is bound") as caught:
        source(tmp_path, "weather", station=STATION)
    assert "bind at least one of temperature, dew_point" in str(caught.value)


def test_only_collections_need_an_observation() -> None:
    """Versions, and models with an observation that is always there, ask for nothing."""
    needed = {name: observed_of(load_model(name)).all for name in model_names()}
    assert needed["traffic"] == ("classes", "occupancy", "availability", "turbulence")
    assert needed["parking"] == needed["measuring-point"] == ()
    assert "level" in needed["crowdedness"]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"site": 12, "way": "IN"}, "12-IN"),
        ({"site": 1.5, "way": True}, "1.5-true"),
        ({"site": "a/b", "way": "c d"}, "a/b-c d"),
    ],
)
def test_fields_are_joined(tmp_path: Path, fields: dict[str, Any], key: str) -> None:
    """An identity may be made of several fields, numbers among them."""
    counts = source(tmp_path, "counts", measuring_point=STATION, bicycles="n")
    assert run(counts, items({**fields, "n": 1})).members[0].entity.endswith("/7")
    joined = {"entity": {"from": ["site", "way"], "join": "-"}}
    counts = source(tmp_path, "counts", **joined, measuring_point=STATION, bicycles="n")
    member = run(counts, items({**fields, "n": 1})).members[0]
    assert member.entity == entity_iri(key, base_url=BASE, stream="t")


def test_what_is_joined_must_all_be_there(tmp_path: Path) -> None:
    """An identity of which a part is missing, or is a list, refuses its item; an optional name is left out."""
    joined = {"entity": {"from": ["site", "way"], "join": "-"}, "place_name": {"from": ["a", "b"], "join": " "}}
    counts = source(tmp_path, "counts", **joined, measuring_point=STATION, bicycles="n")
    whole = {"site": 1, "way": "IN", "n": 1}
    outcome = run(
        counts, items({**whole, "way": ""}, {**whole, "way": ["IN"]}, {**whole, "a": "x"}, {**whole, "a": 1, "b": 2})
    )
    assert [it.reason for it in outcome.rejections] == [Reason.MISSING, Reason.TYPE]
    assert [json.loads(member.body).get("placeName") for member in outcome.members] == [None, "1 2"]


def test_numbers_are_not_joined(tmp_path: Path) -> None:
    """A number cannot be made of several fields."""
    with pytest.raises(ConfigError, match="`join` does not fit 'bicycles'"):
        source(tmp_path, "counts", measuring_point=STATION, bicycles={"from": ["a", "b"], "join": "-"})
