"""Observations of which an item gives none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.observed import observed_of
from ingest.source import Source, load_source
from streams.errors import ConfigError
from streams.record import Reason
from tests.unit.ingest.workbench import run
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
