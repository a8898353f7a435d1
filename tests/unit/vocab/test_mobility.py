"""The models of mobility: what their shapes and their sources refuse, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.conversions import Refused
from ingest.mapping import compile_mapping
from streams.record import Reason
from tests.support.whole_source import whole_item, whole_source
from vocab.check import validate
from vocab.model import load_model
from vocab.versions import deletion_template

MODELS = (
    "departure",
    "hindrance",
    "shared-vehicle",
    "sharing-place",
    "sharing-station",
    "signal-state",
    "vehicle-position",
)
VERSIONED = tuple(name for name in MODELS if load_model(name).versioned)
# A value that stands for "leave the key out".
GONE = object()


def example(name: str) -> dict[str, Any]:
    """Return a model's example as a member."""
    found: dict[str, Any] = orjson.loads(load_model(name).example)
    del found["@context"]
    return found


def changed(body: Any, steps: Sequence[str | int], value: Any) -> None:
    """Put a value at a place of a member, or take out what is there."""
    for step in steps[:-1]:
        body = body[step]
    if value is GONE:
        del body[steps[-1]]
    else:
        body[steps[-1]] = value


WRONG: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    ("sharing-place", ("geometry",), GONE, "must have a place"),
    ("sharing-place", ("totalDocks",), -1, 'not >= Literal("0"'),
    ("sharing-place", ("virtual",), "perhaps", "is not Literal with datatype xsd:boolean"),
    ("sharing-station", ("vehiclesAvailable",), GONE, "must have the number of available vehicles"),
    ("sharing-station", ("vehiclesAvailable",), -1, 'not >= Literal("0"'),
    ("sharing-station", ("vehiclesAvailable",), [3, 4], "More than 1 values"),
    ("sharing-station", ("docksAvailable",), "many", "is not Literal with datatype xsd:integer"),
    ("sharing-station", ("renting",), "perhaps", "is not Literal with datatype xsd:boolean"),
    ("sharing-station", ("reports", 0, "status"), "bicycle", "not in list"),
    ("sharing-station", ("reports", 0, "number"), GONE, "Less than 1 values"),
    ("sharing-station", ("reports", 0, "station"), GONE, "Less than 1 values"),
    ("sharing-station", ("reportsByType", 1, "vehicleType"), "available", "not in list"),
    ("sharing-station", ("reportsByType", 1, "status"), "in-use", "does not conform to Shape"),
    ("sharing-station", ("docksByType", 0, "currentValue"), -2, "does not conform to Shape"),
    ("sharing-station", ("capacity", 1, "currentValue"), -1, 'not >= Literal("0"'),
    ("shared-vehicle", ("isReserved",), GONE, "must say whether the vehicle is reserved"),
    ("shared-vehicle", ("isDisabled",), GONE, "must say whether the vehicle is reserved"),
    ("shared-vehicle", ("charge",), 104.0, 'not <= Literal("100.0"'),
    ("shared-vehicle", ("charge",), "full", "is not Literal with datatype xsd:double"),
    ("shared-vehicle", ("range",), -5.0, 'not >= Literal("0.0"'),
    ("shared-vehicle", ("status",), "bicycle", "not in list"),
    ("shared-vehicle", ("propulsion",), "car", "not in list"),
    ("shared-vehicle", ("station",), {"@type": "Point"}, "is not of Node Kind sh:IRI"),
    ("departure", ("status",), GONE, "must say whether it runs"),
    ("departure", ("status",), "rail", "not in list"),
    ("departure", ("departureDelay",), 61.5, "is not Literal with datatype xsd:integer"),
    ("departure", ("direction",), 2, 'not <= Literal("1"'),
    ("departure", ("stopSequence",), -1, 'not >= Literal("0"'),
    ("departure", ("mode",), "cancelled", "not in list"),
    ("departure", ("departureTime",), "at noon", "is not Literal with datatype xsd:dateTime"),
    ("vehicle-position", ("result",), GONE, "Less than 1 values"),
    ("vehicle-position", ("vehicle",), GONE, "Less than 1 values"),
    ("vehicle-position", ("bearing",), 361.0, 'not <= Literal("360.0"'),
    ("vehicle-position", ("speed",), -1.0, 'not >= Literal("0.0"'),
    ("vehicle-position", ("occupancy",), "stopped", "not in list"),
    ("vehicle-position", ("phenomenonTime",), GONE, "Less than 1 values"),
    (
        "vehicle-position",
        ("phenomenonTime", "at"),
        GONE,
        "Less than 1 values",
    ),
    ("vehicle-position", ("property",), "stopped", "does not contain a value in the set"),
    ("hindrance", ("period",), GONE, "must have a beginning"),
    ("hindrance", ("period", "start"), GONE, "must have a beginning"),
    ("hindrance", ("status",), "works", "not in list"),
    ("hindrance", ("causeType",), "planned", "not in list"),
    ("hindrance", ("description",), {"nl-BE": ["a", "b"]}, "shares the same Language"),
    ("hindrance", ("severe",), "yes", "is not Literal with datatype xsd:boolean"),
    ("hindrance", ("zone", "effects", 0, "consequence"), "draft", "not in list"),
    ("hindrance", ("zone", "effects", 1, "consequence"), GONE, "does not conform to Shape"),
    ("hindrance", ("statusConcept",), {"@type": "Zone"}, "is not of Node Kind sh:IRI"),
    ("signal-state", ("signalPhase",), GONE, "Less than 1 values"),
    ("signal-state", ("signalPhase",), "phase", "not in list"),
    ("signal-state", ("result",), "dark", "Value"),
    ("signal-state", ("minEndTime",), "soon", "is not Literal with datatype xsd:dateTime"),
    ("signal-state", ("signalGroup",), GONE, "Less than 1 values"),
    ("signal-state", ("property",), "dark", "does not contain a value in the set"),
]


@pytest.mark.parametrize(
    ("name", "steps", "value", "why"),
    WRONG,
    ids=[f"{n}-{name}-{steps[-1]}" for n, (name, steps, _, _) in enumerate(WRONG)],
)
def test_wrong_members_are_found_with_what_is_wrong(
    name: str, steps: tuple[str | int, ...], value: Any, why: str
) -> None:
    """Of each wrong member the shape must find what is wrong, in words that say so."""
    member = example(name)
    changed(member, steps, value)
    found = validate(load_model(name), [orjson.dumps(member)])
    assert any(why in finding.message for finding in found), found


@pytest.mark.parametrize("name", VERSIONED)
def test_a_deletion_conforms_and_says_nothing_else(name: str) -> None:
    """A tombstone is a valid member of each model of versions: of what, when, by whom; nothing of where or how many."""
    model, member = load_model(name), example(name)
    kept = {key for key in deletion_template(model) if key in member}
    tombstone = {key: member[key] for key in kept} | {"operation": "Delete"}
    assert validate(model, [orjson.dumps(tombstone)]) == []
    assert kept == {"@id", "@type", "isVersionOf", "observedAt", "attributedTo", "license"}


REFUSED: list[tuple[str, dict[str, Any], Reason, str]] = [
    ("sharing-place", {"point": None}, Reason.MISSING, "point: required"),
    ("sharing-place", {"total_docks": "36,5"}, Reason.TYPE, "total_docks: '36,5' is no number"),
    ("sharing-station", {"vehicles_available": None}, Reason.MISSING, "vehicles_available: required"),
    ("sharing-station", {"vehicles_available": -1}, Reason.RANGE, "vehicles_available: -1 is outside 0 to any"),
    ("sharing-station", {"docks_available": 2.5}, Reason.TYPE, "docks_available: 2.5 is no whole number"),
    (
        "sharing-station",
        {"types": [{"vehicle_type": "tandem", "available": 1}]},
        Reason.CODE,
        "code 'tandem' is unknown",
    ),
    ("sharing-station", {"types": [{"vehicle_type": "car"}]}, Reason.MISSING, "available: required"),
    ("shared-vehicle", {"reserved": None}, Reason.MISSING, "reserved: required"),
    ("shared-vehicle", {"disabled": "perhaps"}, Reason.TYPE, "disabled: 'perhaps' is neither true nor false"),
    ("shared-vehicle", {"charge": 104}, Reason.RANGE, "charge: 104 is outside 0 to 100"),
    ("shared-vehicle", {"propulsion": "steam"}, Reason.CODE, "propulsion: code 'steam' is unknown"),
    ("shared-vehicle", {"point": {"lon": 3.7, "lat": 510.5}}, Reason.RANGE, "point: no place on earth"),
    ("departure", {"status": None}, Reason.MISSING, "status: required"),
    ("departure", {"departure_delay": "61.5"}, Reason.TYPE, "departure_delay: '61.5' is no whole number"),
    ("departure", {"direction": 2}, Reason.RANGE, "direction: 2 is outside 0 to 1"),
    ("departure", {"stop": "8891702"}, Reason.TYPE, "stop: '8891702' is no absolute IRI"),
    ("departure", {"departure_time": "20:14:00"}, Reason.TYPE, "departure_time: '20:14:00' is no time"),
    ("vehicle-position", {"point": {"lon": None, "lat": 51.0}}, Reason.MISSING, "point: required"),
    ("vehicle-position", {"bearing": -90}, Reason.RANGE, "bearing: -90 is outside 0 to 360"),
    ("vehicle-position", {"occupancy": "MANY_SEATS"}, Reason.CODE, "occupancy: code 'MANY_SEATS' is unknown"),
    ("hindrance", {"start": None}, Reason.MISSING, "start: required"),
    ("hindrance", {"status": "In opmaak"}, Reason.CODE, "status: code 'In opmaak' is unknown"),
    ("hindrance", {"consequences": [{"consequence": "none"}]}, Reason.CODE, "consequence: code 'none' is unknown"),
    ("hindrance", {"cause": "works 3779167"}, Reason.TYPE, "cause: 'works 3779167' is no absolute IRI"),
    ("signal-state", {"signal_phase": None}, Reason.MISSING, "signal_phase: required"),
    ("signal-state", {"signal_phase": "green"}, Reason.CODE, "signal_phase: code 'green' is unknown"),
    ("signal-state", {"min_end": "2026-11-23T20:01:14"}, Reason.TYPE, "has no time zone"),
]


@pytest.mark.parametrize(
    ("name", "wrong", "reason", "why"),
    REFUSED,
    ids=[f"{n}-{name}-{next(iter(it))}" for n, (name, it, _, _) in enumerate(REFUSED)],
)
def test_wrong_items_are_refused_with_the_reason(
    name: str, wrong: dict[str, Any], reason: Reason, why: str, tmp_path: Path
) -> None:
    """An item with one wrong value must be refused with its reason and a sentence that names and shows it."""
    model, received = load_model(name), datetime(2026, 11, 1, 9, 2, tzinfo=UTC)
    mapper = compile_mapping(whole_source(tmp_path, model), model, base_url="https://data.example.org")
    with pytest.raises(Refused) as caught:
        mapper.facts({**whole_item(model), **wrong}, {}, {}, received)
    assert caught.value.reason is reason
    assert why in caught.value.detail


def test_no_word_of_a_vehicle_names_who_rides_it() -> None:
    """The model of shared vehicles has no name for what outlives a trip: plates, fleet numbers, links, home stations."""
    names = set(load_model("shared-vehicle").fields)
    assert names == {
        "status", "reserved", "disabled", "vehicle_type", "propulsion", "type_id",
        "range", "charge", "available_until", "station", "service", "point",
    }  # fmt: skip
