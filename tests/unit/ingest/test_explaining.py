"""Explaining one item: what was decoded, where each name was found, what converted it, and the verdict."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.explaining import Explanation, Sample, Verdict, explain, read_sample
from ingest.source import Source
from ingest.tracing import Step
from streams.record import Payload, Reason
from tests.unit.ingest.workbench import CONFIGURATION, GARAGES, TRAFFIC, changed, document, pilot
from vocab.model import load_model


def sample_of(source: Source, body: bytes, media_type: str = "application/json") -> Sample:
    """Read a sample as a source reads it, with the configuration document for its lookups."""
    payload = Payload(
        source="any",
        received_at=datetime.now(UTC),
        media_type="text/xml",
        body=document("miv-configuratie.xml"),
    )
    lookups = dict.fromkeys(source.lookups, payload)
    return read_sample(source, load_model(source.model), body, media_type, lookups=lookups)


def steps_of(found: Explanation) -> dict[str, Step]:
    """Return the steps by name, those of groups with their row."""
    return {f"{step.name}[{step.row}]" if step.group else step.name: step for step in found.steps}


def garages(*fields: dict[str, Any]) -> bytes:
    """Write a document of car parks: each the first of the test document with some values replaced."""
    first = json.loads(document("garages.json"))["results"][0]
    return json.dumps({"results": [{**first, **each} for each in fields]}).encode()


def test_every_bound_name_is_shown_with_the_path_that_gave_it() -> None:
    """A name bound to several paths shows all of them, and which one was taken; values are those of the member."""
    source = pilot(GARAGES)
    found = explain(sample_of(source, garages({"location": [51.0637, 3.7249]})), 1)
    steps = steps_of(found)
    assert list(steps) == list(source.bind)
    assert [(it.path, it.taken) for it in steps["point"].tried] == [
        ("location.lon", False),
        ("location[1]", True),
        ("location.lat", False),
        ("location[0]", True),
    ]
    assert found.verdict is Verdict.MEMBER
    assert found.member is not None
    body = json.loads(found.member.body)
    assert steps["free_spaces"].after == body["freeSpaces"]
    assert steps["occupancy"].after == body["occupancy"]
    assert steps["point"].after == body["geometry"]["wkt"]
    assert steps["observed_at"].after == body["observedAt"]
    assert found.key == steps["entity"].after


def test_words_and_groups_are_shown_element_by_element() -> None:
    """Each element of a group has its own steps, with the words that converted them and the values before and after."""
    found = explain(sample_of(pilot(TRAFFIC), document("miv-verkeersdata.xml"), "text/xml"), 1)
    steps = steps_of(found)
    rows = [step.row for step in found.steps if step.name == "vehicle_class"]
    assert rows == list(range(len(rows)))
    assert len(rows) == 2
    assert steps["vehicle_class[1]"].words[0].startswith("map: { 1: motorcycle")
    assert (steps["vehicle_class[1]"].before, steps["vehicle_class[1]"].after) == (["2"], "car")
    assert steps["interval_end"].words == ["zone: +01:00", "plus: 60s"]
    assert steps["point"].tried[0].path == "lane -> lengtegraad_EPSG_4326"
    assert steps["point"].words == ["decimal: comma"]


@pytest.mark.parametrize(
    ("fields", "name", "reason"),
    [
        ({"availablecapacity": -1}, "free_spaces", Reason.MISSING),
        ({"totalcapacity": "many"}, "total_spaces", Reason.TYPE),
        ({"lastupdate": "1980-01-01T00:00:00Z"}, "observed_at", Reason.RANGE),
    ],
)
def test_a_refusal_is_shown_at_its_name(fields: dict[str, Any], name: str, reason: Reason) -> None:
    """The name that refuses says why; names behind it that nobody looked at say so; the verdict has the path."""
    found = explain(sample_of(pilot(GARAGES), garages(fields)), 1)
    assert (found.verdict, found.reason, found.member) == (Verdict.REFUSED, reason, None)
    assert [step.name for step in found.steps if step.trouble] == [name]
    assert steps_of(found)[name].trouble == found.detail
    unreached = [step.name for step in found.steps if not step.reached]
    assert unreached == (
        [] if name == "observed_at" else list(steps_of(found))[list(steps_of(found)).index(name) + 1 :]
    )


def test_a_refusal_in_a_group_is_shown_at_its_element() -> None:
    """Only the element that refuses has the trouble; the elements before it have their values."""
    body = document("miv-verkeersdata.xml").replace(b'klasse_id="2"', b'klasse_id="9"', 1)
    found = explain(sample_of(pilot(TRAFFIC), body, "text/xml"), 1)
    assert (found.verdict, found.reason) == (Verdict.REFUSED, Reason.CODE)
    assert [(step.name, step.row) for step in found.steps if step.trouble] == [("vehicle_class", 1)]
    assert steps_of(found)["count[0]"].reached


def test_an_item_that_says_what_was_said_is_unchanged() -> None:
    """The items before one count as published: the same once more is unchanged, and shows what it would have been."""
    sample = sample_of(pilot(GARAGES), garages({}, {}, {"availablecapacity": 1}))
    assert [explain(sample, number).verdict for number in (1, 2, 3)] == [
        Verdict.MEMBER,
        Verdict.UNCHANGED,
        Verdict.MEMBER,
    ]
    first, second = explain(sample, 1).member, explain(sample, 2).member
    assert first is not None
    assert second is not None
    assert first.id == second.id


def test_an_item_of_a_thing_that_is_gone_is_told(tmp_path: Path) -> None:
    """With `deleted`, an item that says so is neither member nor refused."""
    source = changed(tmp_path, publish={"deleted": {"from": "name", "equals": ["gone"]}})
    found = explain(sample_of(source, garages({"name": "gone"})), 1)
    assert (found.verdict, found.member) == (Verdict.GONE, None)


def test_what_stands_in_no_document_is_said(tmp_path: Path) -> None:
    """Constants, split times and JSON inside texts show where they come from, too."""
    source = changed(
        tmp_path,
        bind={
            "operator": {"constant": "Stad Gent"},
            "observed_at": {"date": "day", "time": "hour", "zone": "Europe/Brussels"},
            "opening_times": {"from": "inside.level", "json": True},
        },
    )
    found = steps_of(
        explain(sample_of(source, garages({"day": "2026-07-01", "hour": "8:05", "inside": '{"level": "0"}'})), 1)
    )
    assert (found["operator"].tried[0].path, found["operator"].after) == ("constant", "Stad Gent")
    assert [(it.part, it.found) for it in found["observed_at"].tried] == [("date", "2026-07-01"), ("time", "8:05")]
    assert found["observed_at"].after == "2026-07-01T06:05:00.000Z"
    assert (found["opening_times"].tried[0].found, found["opening_times"].after) == ("0", "0")


def test_a_broken_document_keeps_its_break() -> None:
    """Of a document that breaks off the items before the break can be explained, and the break is there."""
    body = document("miv-configuratie.xml")
    sample = sample_of(pilot(CONFIGURATION), body[: len(body) * 2 // 3], "text/xml")
    assert sample.items
    assert sample.broken is not None
    assert sample.keys()[0] == explain(sample, 1).key
