"""Units: a publisher's number becomes the one that the model's unit has for it, exactly."""

from __future__ import annotations

import pytest

from ingest.conversions import Refused, Spot, double, integer
from ingest.units import known_units, scaled, unit_scale
from vocab.agreement import UNITS
from vocab.model import load_model, model_names


def converted(value: object, unit: str, wanted: str) -> float:
    """Convert a value as a binding with `unit` does."""
    scale = unit_scale(unit, wanted)
    assert scale is not None
    return double(value, Spot(name="x", path="x", factor=scale.factor, offset=scale.offset))


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "number"),
    [
        (0.42, "mg/m3", "ug/m3", 420.0),
        ("1840", "ng/m3", "ug/m3", 1.84),
        (279.55, "K", "Cel", 6.4),
        (6.4, "Cel", "K", 279.55),
        ("-40", "[degF]", "Cel", -40.0),
        (68, "[degF]", "Cel", 20.0),
        ("100260", "Pa", "hPa", 1002.6),
        ("98765.43", "Pa", "hPa", 987.6543),
        (101.5, "kPa", "hPa", 1015.0),
        (1015.1, "mbar", "hPa", 1015.1),
        (18, "km/h", "m/s", 5.0),
        (5, "m/s", "km/h", 18.0),
        (36, "[kn_i]", "m/s", 18.52),
        (2941.7, "cm", "m", 29.417),
        (617, "mm", "m", 0.617),
        (29.417, "m", "cm", 2941.7),
        (4360, "l/s", "m3/s", 4.36),
        (15696, "m3/h", "m3/s", 4.36),
        (0.3, "l/m2", "mm", 0.3),
        (0.02, "cm", "mm", 0.2),
        (0.999722222222222, "1", "%", 99.9722222222),
        (600, "s", "min", 10.0),
    ],
)
def test_units_convert_exactly(value: object, unit: str, wanted: str, number: float) -> None:
    """What a publisher means is written as people write it: without the dust of binary fractions."""
    assert converted(value, unit, wanted) == number


def test_a_number_in_its_own_unit_is_left_alone() -> None:
    """Without another unit nothing is rounded, not even the last digit."""
    assert converted(0.1234567890123456, "m", "m") == 0.1234567890123456


def test_ranges_are_those_of_the_model() -> None:
    """A value is judged after its conversion."""
    spot = Spot(name="x", path="x", factor=1.0, offset=-273.15, minimum=-60, maximum=60)
    assert double(213.15, spot) == -60.0
    with pytest.raises(Refused, match="outside -60 to 60"):
        double(20.0, spot)


def test_whole_numbers_stay_whole() -> None:
    """A count in another unit is whole after its conversion, or refused."""
    spot = Spot(name="x", path="x", factor=60.0)
    assert integer("3", spot) == integer(3.0, spot) == 180
    with pytest.raises(Refused, match="no whole number"):
        integer(0.01, spot)


def test_what_has_no_number_has_none_afterwards() -> None:
    """What is not finite is not made a number by rounding."""
    assert scaled(float("inf"), 2.0, 1.0) == float("inf")


@pytest.mark.parametrize("name", model_names())
def test_every_unit_of_a_model_is_known(name: str) -> None:
    """A source may say the model's own unit, and is told which others it may say."""
    for field in load_model(name).fields.values():
        if field.unit is not None:
            assert field.unit in UNITS
            assert field.unit in known_units(field.unit)


def test_units_that_measure_different_things_do_not_convert() -> None:
    """A length is no speed, and an unknown unit is none at all."""
    assert unit_scale("m", "m/s") is None
    assert unit_scale("[furlong]", "m") is None
