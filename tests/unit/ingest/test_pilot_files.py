"""Pilot files: those that ship load and fit the schema, and every fault is reported at once with line and fix."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ingest.expectation import Expectation, Range
from ingest.pilot_file import PILOT_FILE, check_pilot_file, load_pilot_file
from ingest.pilot_schema import pilot_schema
from streams.errors import ConfigError
from tests.unit.ingest.workbench import GARAGES, PILOTS, pilot
from vocab.cities import CITIES, Box
from vocab.model import load_model, model_names

FILE = """pilot: p
title: { nl: a, en: b }
area: { name: Halle, iri: "https://x.example/halle", box: [4, 50, 5, 51] }
publisher: { name: n, iri: "https://x.example/" }
licence: https://x.example/licence
"""
EXPECT = """expect:
  gent-garages: { interval: 15m, completeness: 0.9, ranges: { free_spaces: [0, 10.5] } }
"""
SHIPPED = sorted(PILOTS.rglob(PILOT_FILE))
SCHEMA = pilot_schema([load_model(name) for name in model_names()])


def written(tmp_path: Path, text: str) -> Path:
    """Write a pilot file."""
    path = tmp_path / PILOT_FILE
    path.write_text(text, "utf-8")
    return path


def faults(tmp_path: Path, text: str) -> str:
    """Load a file that must be refused, and return the whole message."""
    with pytest.raises(ConfigError) as caught:
        load_pilot_file(written(tmp_path, text))
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_shipped_pilots_load_and_fit_the_schema(path: Path) -> None:
    """Every pilot that ships is valid for the platform and for editors, and is named for its folder."""
    found = load_pilot_file(path)
    assert found.name == "-".join(path.parts[-3:-1])
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), SCHEMA)
    if path.parts[-3] in CITIES:
        city = CITIES[path.parts[-3]]
        area = found.area
        assert (area.name, area.iri, area.nis) == (city.name, city.iri, city.nis)
        assert area.box.holds(city.box.west, city.box.south)
        assert area.box.holds(city.box.east, city.box.north)


def test_a_file_says_what_can_be_expected(tmp_path: Path) -> None:
    """What a pilot expects of a source is a value that nobody can change; what is not said is not expected."""
    found = load_pilot_file(written(tmp_path, FILE + EXPECT + "  other: {}\ncontact: a@x.example\n"))
    assert found.area.box == Box(west=4, south=50, east=5, north=51)
    assert (found.area.nis, found.contact) == ("", {"email": "a@x.example"})
    assert found.expect["other"] == Expectation()
    garages = found.expect["gent-garages"]
    assert (garages.interval, garages.completeness) == (timedelta(minutes=15), 0.9)
    assert garages.ranges == {"free_spaces": Range(lowest=0, highest=10.5, line=7)}
    assert garages.ranges["free_spaces"].holds(10.5)
    assert not garages.ranges["free_spaces"].holds(-1)
    with pytest.raises(FrozenInstanceError):
        garages.completeness = 1  # type: ignore[misc]


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """All that is wrong is in one message, each with its line and how to mend it."""
    text = """pilot: Big Pilot
titel: x
title: { nl: a }
area: { name: Halle, iri: halle, nis: "123", box: [5, 50, 4, 51] }
publisher: { name: n }
contact: nobody
expect:
  a: { interval: often, completeness: 90, ranges: { x: [1], y: [2, 1], z: 3 } }
  b: { interval: 0s, ranges: 5, colour: red }
  c: 4
"""
    said = faults(tmp_path, text)
    for line, what in (
        (1, "pilot 'Big Pilot' is no name"),
        (2, "unknown key 'titel' in the file"),
        (3, "title has no text in 'en'"),
        (4, "nis '123' is no NIS code"),
        (4, "no box on earth"),
        (5, "iri is missing"),
        (6, "contact 'nobody' is no way to reach somebody"),
        (8, "'often' is no duration"),
        (8, "completeness '90' is no share"),
        (8, "the range of x is not two numbers"),
        (8, "the range of y is not two numbers"),
        (8, "the range of z is not two numbers"),
        (9, "interval is nothing"),
        (9, "ranges must be a mapping"),
        (9, "unknown key 'colour'"),
        (10, "expect of c must be a mapping"),
    ):
        assert f"{PILOT_FILE}:{line}: {what}" in said
    assert "halle" in said
    assert said.count("fix: ") == said.count(f"{PILOT_FILE}:")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("[1]", "the file must be a mapping"),
        (FILE.replace("title: { nl: a, en: b }\n", ""), "title is missing"),
        (FILE.replace(FILE.splitlines()[2] + "\n", ""), "area is missing"),
        (FILE.replace(", box: [4, 50, 5, 51]", ""), "box is missing"),
        (FILE.replace("[4, 50, 5, 51]", "[4, 50, 5]"), "box is not four numbers"),
        (FILE.replace("[4, 50, 5, 51]", "[4, 50, 5, north]"), "box is not four numbers"),
        (FILE + "expect: 4\n", "expect must be a mapping"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, text: str, what: str) -> None:
    """A file without something it needs is refused with what that is."""
    assert what in faults(tmp_path, text)


def test_expectations_are_held_against_the_sources(tmp_path: Path) -> None:
    """A source that is not there, a name it does not bind as a number, and an impossible range are told with the line."""
    text = """expect:
  gent-garage: {}
  gent-garages:
    ranges:
      free_space: [0, 10]
      name: [0, 1]
      occupancy: [200, 300]
"""
    found = load_pilot_file(written(tmp_path, FILE + text))
    said = "\n".join(map(str, check_pilot_file(found, [pilot(GARAGES)])))
    assert ":7: no source of this pilot is named 'gent-garage'" in said
    assert "did you mean 'gent-garages'?" in said
    assert ":10: gent-garages binds no number 'free_space'" in said
    assert "did you mean 'free_spaces'?" in said
    assert ":11: gent-garages binds no number 'name'" in said
    assert ":12: occupancy is never from 200 to 300 in model parking" in said
    fine = load_pilot_file(written(tmp_path, FILE + EXPECT))
    assert check_pilot_file(fine, [pilot(GARAGES)]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"pilot": "Big"},
        {"area": {"name": "x", "iri": "https://x.example/", "box": [1, 2, 3]}},
        {"publisher": {"name": "x"}},
        {"expect": {"s": {"completeness": 2}}},
        {"expect": {"s": {"ranges": {"no_name": [0, 1]}}}},
        {"expect": {"s": {"ranges": {"free_spaces": [0]}}}},
        {"more": 1},
    ],
)
def test_the_schema_refuses_what_the_platform_refuses(wrong: dict[str, Any]) -> None:
    """An editor marks what loading would refuse."""
    good = yaml.safe_load(FILE + EXPECT)
    jsonschema.validate(good, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **wrong}, SCHEMA)
