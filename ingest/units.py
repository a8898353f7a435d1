"""Units: what to multiply and add so that a number in a publisher's unit is one in the unit of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A conversion between two units: first `factor` times the number, then `offset` more."""

    factor: float = 1.0
    offset: float = 0.0


_SAME = Scale()
# UCUM codes: unit of the publisher, unit of the model, and what the one is in the other. All are exact by definition.
_FACTORS: Mapping[tuple[str, str], float] = {
    ("m/s", "km/h"): 3.6,
    ("km/h", "m/s"): 1 / 3.6,
    ("[kn_i]", "m/s"): 1852 / 3600,
    ("[kn_i]", "km/h"): 1.852,
    ("m", "km"): 0.001,
    ("km", "m"): 1000.0,
    ("dm", "m"): 0.1,
    ("cm", "m"): 0.01,
    ("mm", "m"): 0.001,
    ("m", "cm"): 100.0,
    ("mm", "cm"): 0.1,
    ("m", "mm"): 1000.0,
    ("cm", "mm"): 10.0,
    # A litre on a square metre stands a millimetre high.
    ("l/m2", "mm"): 1.0,
    ("[in_i]", "mm"): 25.4,
    ("1", "%"): 100.0,
    ("%", "1"): 0.01,
    ("ms", "s"): 0.001,
    ("min", "s"): 60.0,
    ("s", "min"): 1 / 60,
    ("h", "min"): 60.0,
    ("mg/m3", "ug/m3"): 1000.0,
    ("ng/m3", "ug/m3"): 0.001,
    ("ug/m3", "mg/m3"): 0.001,
    ("Pa", "hPa"): 0.01,
    ("kPa", "hPa"): 10.0,
    ("mbar", "hPa"): 1.0,
    ("hPa", "Pa"): 100.0,
    ("l/s", "m3/s"): 0.001,
    ("m3/h", "m3/s"): 1 / 3600,
    ("m3/s", "l/s"): 1000.0,
}
# Temperatures have no common zero.
_SCALES: Mapping[tuple[str, str], Scale] = {
    ("K", "Cel"): Scale(offset=-273.15),
    ("Cel", "K"): Scale(offset=273.15),
    ("[degF]", "Cel"): Scale(factor=5 / 9, offset=-160 / 9),
    **{units: Scale(factor=factor) for units, factor in _FACTORS.items()},
}


def unit_scale(unit: str, wanted: str) -> Scale | None:
    """Say how a value in `unit` becomes one in `wanted`; None where that is impossible."""
    return _SAME if unit == wanted else _SCALES.get((unit, wanted))


def known_units(wanted: str) -> list[str]:
    """List the units that can be converted to `wanted`."""
    return sorted({wanted, *(left for left, right in _SCALES if right == wanted)})


def scaled(number: float, factor: float, offset: float) -> float:
    """Convert a number and round it to twelve digits, which no sensor has, so that 100260 Pa are 1002.6 hPa exactly."""
    return float(f"{number * factor + offset:.12g}")
