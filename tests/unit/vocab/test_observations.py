"""Models of observations: what is no observation of theirs is refused, with the sentence that says why."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from vocab.check import validate
from vocab.model import Kind, load_model

# Models whose members are collections of observations, one name of the model per observed property.
MODELS = ("air-quality", "counts", "crowdedness", "water-level", "weather")
ONE = "a member has at least one observation"
FOREIGN = "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/20"
# Per model: what is changed in the observation of a property, and what is said of it then.
WRONG: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("air-quality", "no2", {"result": -999.0}, "nitrogen dioxide must be a number from -100 to 10000 ug/m3"),
    ("air-quality", "no2", {"result": "veel"}, "nitrogen dioxide must be a number from -100 to 10000 ug/m3"),
    ("air-quality", "no2", {"result": None}, "nitrogen dioxide must be a number from -100 to 10000 ug/m3"),
    ("air-quality", "pm10", {"unit": "mg/m3"}, "particulate matter PM10 must be a number from -100 to 10000 ug/m3"),
    ("air-quality", "pm10", {"kenmerk": "pm25"}, "particulate matter PM10 must be a number from -100 to 10000 ug/m3"),
    ("air-quality", "pm10", {"@type": ["Observation"]}, "particulate matter PM10 must be a number"),
    ("air-quality", "o3", {"property": FOREIGN}, "an observation is of one of the pollutants of this model"),
    ("counts", "bicycle-count", {"count": -1}, "number of bicycles must be a whole number from 0 to 1000000"),
    ("counts", "bicycle-count", {"count": 226.4}, "number of bicycles must be a whole number from 0 to 1000000"),
    ("counts", "bicycle-count", {"vehicleClass": "car"}, "number of bicycles must be a whole number"),
    ("counts", "pedestrian-estimate", {"procedure": None}, "estimated number of pedestrians must be a number"),
    ("counts", "pedestrian-estimate", {"result": -0.5}, "estimated number of pedestrians must be a number"),
    ("counts", "car-v85", {"result": 251.0}, "V85 speed must be a number from 1 to 200 km/h"),
    ("counts", "uptime", {"result": 100.5}, "uptime must be a number from 0 to 100 %"),
    (
        "counts",
        "uptime",
        {"memberOf": None},
        "an observation is the count of a kind of road user, a speed or the uptime",
    ),
    ("counts", "other-count", {"property": "regular"}, "an observation is the count of a kind of road user"),
    ("crowdedness", "people-count", {"count": -3}, "number of people must be a whole number from 0 to 1000000"),
    ("crowdedness", "people-density", {"result": 31.0}, "density must be a number from 0 to 20 {#}/m2"),
    ("crowdedness", "occupancy", {"unit": "1"}, "occupancy must be a number from 0 to 300 %"),
    (
        "crowdedness",
        "crowd-level",
        {"category": "reference"},
        "level of crowdedness must be one of quiet, moderate, busy",
    ),
    (
        "crowdedness",
        "crowd-level",
        {"property": "validated"},
        "an observation is of one of the quantities of this model",
    ),
    ("water-level", "level-taw", {"result": -999.0}, "water level must be a number from -20 to 800 m"),
    ("water-level", "level-taw", {"unit": "cm"}, "water level must be a number from -20 to 800 m"),
    ("water-level", "level-taw", {"property": "rain", "kenmerk": "rain"}, "rain must be a number from 0 to 500 mm"),
    ("water-level", "discharge", {"unit": "l/s"}, "discharge must be a number from -10000 to 10000 m3/s"),
    ("water-level", "rain", {"result": -0.2}, "rain must be a number from 0 to 500 mm"),
    ("water-level", "discharge", {"property": "validated"}, "an observation is of one of the quantities of this model"),
    ("weather", "temperature", {"result": 279.5, "unit": "K"}, "temperature must be a number from -60 to 60 Cel"),
    ("weather", "humidity", {"result": 100.5}, "relative humidity must be a number from 0 to 100 %"),
    ("weather", "pressure", {"result": 100260.0, "unit": "Pa"}, "pressure must be a number from 800 to 1100 hPa"),
    ("weather", "wind-speed", {"unit": "km/h"}, "wind speed must be a number from 0 to 120 m/s"),
    ("weather", "wind-direction", {"result": -45.0}, "wind direction must be a number from 0 to 360 deg"),
    ("weather", "precipitation", {"result": -1.0}, "precipitation must be a number from 0 to 500 mm"),
    ("weather", "sunshine", {"kenmerk": None}, "an observation is of one of the quantities of this model"),
)
# What is changed in the member itself, and the path that is named then.
WRONG_MEMBERS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("air-quality", {"station": None}, "http://www.w3.org/ns/sosa/hasFeatureOfInterest"),
    ("air-quality", {"procedure": "validated"}, "http://www.w3.org/ns/sosa/usedProcedure"),
    ("air-quality", {"validity": "reference"}, "http://www.w3.org/ns/sosa/resultQuality"),
    ("air-quality", {"phenomenonTime": None}, "http://www.w3.org/ns/sosa/phenomenonTime"),
    ("air-quality", {"license": None}, "http://purl.org/dc/terms/license"),
    ("counts", {"measuringPoint": None}, "http://www.w3.org/ns/sosa/hasFeatureOfInterest"),
    ("counts", {"direction": "regular"}, "https://data.vlaanderen.be/ns/weg#rijrichting"),
    ("counts", {"validity": "both"}, "http://www.w3.org/ns/sosa/resultQuality"),
    ("counts", {"geobserveerdObject": None}, "https://data.vlaanderen.be/ns/verkeersmetingen#geobserveerdObject"),
    ("crowdedness", {"place": None}, "http://www.w3.org/ns/sosa/hasFeatureOfInterest"),
    ("crowdedness", {"procedure": "quiet"}, "http://www.w3.org/ns/sosa/usedProcedure"),
    ("water-level", {"station": "geen IRI"}, "http://www.w3.org/ns/sosa/hasFeatureOfInterest"),
    ("water-level", {"qualityCode": ["110", "130"]}, "https://w3id.org/smartflanders/water-level#qualityCode"),
    ("water-level", {"validity": "reference"}, "http://www.w3.org/ns/sosa/resultQuality"),
    ("weather", {"observedAt": "gisteren"}, "http://www.w3.org/ns/sosa/startTime"),
    ("weather", {"attributedTo": None}, "http://www.w3.org/ns/prov#wasAttributedTo"),
)


def example(name: str) -> dict[str, Any]:
    """Return the example member of a model."""
    member: dict[str, Any] = orjson.loads(load_model(name).example)
    del member["@context"]
    return member


def changed(value: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return an object with keys replaced; None removes one."""
    return {key: each for key, each in {**value, **change}.items() if each is not None}


@pytest.mark.parametrize(("name", "prop", "change", "message"), WRONG)
def test_wrong_observations_are_refused(name: str, prop: str, change: dict[str, Any], message: str) -> None:
    """A sentinel, another unit, kind or property is found, and the sentence names the property and what it may be."""
    member = example(name)
    at = next(at for at, each in enumerate(member["observations"]) if each["property"] == prop)
    member["observations"][at] = changed(member["observations"][at], change)
    said = [finding.message for finding in validate(load_model(name), [orjson.dumps(member)])]
    assert any(message in each for each in said), said


@pytest.mark.parametrize(("name", "change", "path"), WRONG_MEMBERS)
def test_wrong_members_are_refused(name: str, change: dict[str, Any], path: str) -> None:
    """What is missing or foreign in the member itself is found at its path."""
    member = changed(example(name), change)
    assert path in {finding.path for finding in validate(load_model(name), [orjson.dumps(member)])}


@pytest.mark.parametrize("name", MODELS)
def test_members_without_observations_are_refused(name: str) -> None:
    """A member that observes nothing is no member."""
    found = validate(load_model(name), [orjson.dumps(changed(example(name), {"observations": None}))])
    assert [finding.message.split("; ")[0] for finding in found] == [ONE]


@pytest.mark.parametrize("name", MODELS)
def test_a_moment_needs_no_end(name: str) -> None:
    """A member of one moment has a beginning alone."""
    member = example(name)
    del member["phenomenonTime"]["end"]
    assert validate(load_model(name), [orjson.dumps(member)]) == []


@pytest.mark.parametrize("name", MODELS)
def test_every_number_has_unit_and_range(name: str) -> None:
    """Every number that a source may bind has a unit and a lower bound, so that a sentinel or another unit is told."""
    numbers = [it for it in load_model(name).fields.values() if it.kind in (Kind.INTEGER, Kind.DOUBLE)]
    assert len(numbers) > 1
    assert all(it.unit and it.minimum is not None for it in numbers)
