"""SHACL validation of members."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from vocab.check import findings, validate
from vocab.errors import ModelError
from vocab.model import load_model, model_names


def _example(name: str) -> dict[str, Any]:
    example: dict[str, Any] = orjson.loads(load_model(name).example)
    del example["@context"]
    return example


@pytest.mark.parametrize("name", model_names())
def test_examples_conform(name: str) -> None:
    """The example of every model must conform, also with what the log adds and twice in one batch."""
    example = {**_example(name), "generatedAtTime": "2026-11-23T20:01:16.000Z", "sequence": 17}
    other = {**example, "@id": "https://data.example.org/other"}
    for observation in other.get("observations", []):
        observation["memberOf"] = other["@id"]
    assert validate(load_model(name), [orjson.dumps(example), orjson.dumps(other)]) == []


def test_findings_name_node_path_and_value() -> None:
    """A finding must name the member, the property, what is wrong with it and the value."""
    member = {**_example("parking"), "occupancy": 130.0}
    (found,) = validate(load_model("parking"), [orjson.dumps(member)])
    assert found.focus == member["@id"]
    assert found.path == "http://schema.mobivoc.org/#rateOfOccupancy"
    assert found.value in ("1.3E2", "130.0")
    assert found.message


def test_sequence_paths_are_spelled_out() -> None:
    """A finding on a path of several properties must show all of them."""
    member = _example("parking")
    member["capacity"][1]["currentValue"] = -1
    (found,) = validate(load_model("parking"), [orjson.dumps(member)])
    assert found.path == "http://schema.mobivoc.org/#capacity / http://schema.mobivoc.org/#currentValue"
    assert found.value == "-1"


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"result": 251.0}, 7),
        ({"result": 0.0}, 7),
        ({"unit": "m/s"}, 7),
        ({"count": -1}, 0),
        ({"vehicleClass": "regular"}, 0),
        ({"kenmerk": "lane-occupancy"}, 0),
        ({"memberOf": None}, 0),
        ({"@type": ["Observation", "Count"]}, 0),
    ],
)
def test_wrong_observations_do_not_conform(change: dict[str, Any], number: int) -> None:
    """Sentinels, wrong units, negative counts and foreign codes must be found in the observation that has them."""
    member = _example("traffic")
    member["observations"][number].update(change)
    assert validate(load_model("traffic"), [orjson.dumps(member)])


@pytest.mark.parametrize("name", model_names())
def test_required_parts_are_required(name: str) -> None:
    """A member without its observed time, or without its publisher, must not conform."""
    for key in ("observedAt", "attributedTo"):
        member = _example(name)
        del member[key]
        assert validate(load_model(name), [orjson.dumps(member)])


def test_broken_shapes_are_refused() -> None:
    """A shape that is no SHACL must be refused, not taken for a shape that everything conforms to."""
    shape = "@prefix sh: <http://www.w3.org/ns/shacl#> . <urn:s> a sh:NodeShape ; sh:targetNode <urn:x> ; sh:property <urn:p> ."
    with pytest.raises(ModelError):
        findings(shape, b"<urn:x> <urn:p> <urn:y> .\n")
