"""Generates a function per bound name, from raw values to the value or a refusal, and the quick ways around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ingest import conversions
from ingest.bindings import RECEIVED, Binding
from ingest.conversions import Spot, zone_of
from ingest.geometry import Reference, point_of, wkt_of
from ingest.identity import entity_iri
from ingest.remembering import Remembered
from ingest.units import Scale, unit_scale
from vocab.model import Field, Kind

_CONVERT: Mapping[Kind, str] = {
    Kind.INTEGER: "integer",
    Kind.DOUBLE: "double",
    Kind.BOOLEAN: "boolean",
    Kind.STRING: "text",
    Kind.TEXT: "text",
    Kind.IRI: "iri",
    Kind.DATETIME: "moment",
}
# Kinds whose texts come again: prose and addresses do not, and where they do, `Entities` keeps them.
_REMEMBERED = (Kind.INTEGER, Kind.DOUBLE, Kind.BOOLEAN, Kind.DATETIME, Kind.CODE)
_LARGEST = {Kind.INTEGER: (1 << 63) - 1, Kind.DOUBLE: 1.7976931348623157e308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines of a function in the making, and the values its names stand for."""

    space: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add(self, depth: int, *lines: str) -> None:
        """Append lines, indented."""
        self.lines.extend("    " * depth + line for line in lines)


def first(absent: tuple[Any, ...], *values: Any) -> Any:
    """Return the first value that counts as present."""
    return next((value for value in values if value not in absent), None)


def helpers() -> dict[str, Any]:
    """Return the functions that generated conversions call."""
    names = (*dict.fromkeys(_CONVERT.values()), "code", "missing", "place", "projected")
    own: Sequence[Callable[..., Any]] = (first, Remembered, point_of, wkt_of)
    return {name: getattr(conversions, name) for name in names} | {function.__name__: function for function in own}


class Converting:
    """Writes `<name>_from(raw)` for bindings, `<name>_of[text]` where texts come again, and what calls them.

    Without `quick` every value goes through its function: the same values and refusals, more slowly.
    """

    def __init__(self, code: Code, fields: Mapping[str, Field], *, base_url: str, quick: bool) -> None:
        self._code = code
        self._fields = fields
        self._base_url = base_url
        self._quick = quick

    def define(self, binding: Binding, *, prefix: str = "") -> None:
        """Write the function of a binding; `prefix` is the path of the group it is in."""
        field, name, add, space = self._fields[binding.name], binding.name, self._code.add, self._code.space
        space[f"{name}_spot"] = _spot(binding, field, prefix)
        space[f"{name}_absent"] = (None, "", *binding.sentinels)
        if binding.match:
            space[f"{name}_pattern"] = re.compile(binding.match)
        if binding.constant is not None:
            space[f"{name}_constant"] = self._constant(binding, field)
            return
        is_received = binding.default == RECEIVED and field.kind is Kind.DATETIME
        nothing = f"missing({name}_spot)" if field.required and not is_received else "return None"
        absent = nothing
        if binding.default is not None and not is_received:
            space[f"{name}_default"] = binding.default
            absent = f"raw = {name}_default"
        if binding.place is not None:
            add(0, f"def {name}_from(x, y):", f"    if x in {name}_absent or y in {name}_absent:", f"        {nothing}")
        else:
            add(0, f"def {name}_from(raw):", f"    if raw in {name}_absent:", f"        {absent}")
        if field.required and (binding.codes or binding.otherwise_absent or field.kind is Kind.POINT):
            add(1, f"value = {self._converted(binding, field)}", "if value is None:", f"    {nothing}", "return value")
        else:
            add(1, f"return {self._converted(binding, field)}")
        if self._quick and _is_remembered(binding, field):
            add(0, f"{name}_of = Remembered({name}_from)")
        add(0, "", "")

    def value(self, binding: Binding, *, depth: int) -> None:
        """Write the statements that turn `r_<name>` into `v_<name>`, without its condition."""
        field, name, add = self._fields[binding.name], binding.name, self._code.add
        if binding.constant is not None:
            add(depth, f"v_{name} = {name}_constant")
            if field.required and binding.codes:
                add(depth, f"if v_{name} is None:", f"    missing({name}_spot)")
            return
        if binding.place is not None:
            add(depth, f"v_{name} = {name}_from(r_{name}, r2_{name})")
            return
        ways = _ways(binding, field, self._code.space[f"{name}_spot"]) if self._quick else []
        for at, (test, found) in enumerate(ways):
            add(depth, f"{'elif' if at else 'if'} {test}:", f"    v_{name} = {found}")
        if ways:
            add(depth, "else:")
        add(depth + bool(ways), f"v_{name} = {name}_from(r_{name})")
        if binding.default == RECEIVED and field.kind is Kind.DATETIME:
            add(depth, f"if v_{name} is None:", f"    v_{name} = received")

    def _converted(self, binding: Binding, field: Field) -> str:
        name, space = binding.name, self._code.space
        if binding.place is not None:
            if binding.crs is None:
                return f"place(x, y, {name}_spot)"
            space[f"{name}_crs"] = conversions.transformer(binding.crs)
            return f"projected(x, y, {name}_spot, {name}_crs)"
        if binding.coordinates or binding.wkt:
            swapped = binding.order == "lat_lon" if binding.order else None
            space[f"{name}_reference"] = Reference(crs=binding.crs, swapped=swapped)
            return f"{'point_of' if binding.coordinates else 'wkt_of'}(raw, {name}_spot, {name}_reference)"
        if field.kind is Kind.CODE or binding.codes:
            space[f"{name}_codes"] = binding.codes or {code: code for code in field.codes}
            found = f"code(raw, {name}_spot, {name}_codes)"
            if binding.otherwise_absent:
                found = f"{name}_codes.get(text(raw, {name}_spot))"
            if field.kind is Kind.CODE:
                return found
            mapped = f"{_CONVERT[field.kind]}(mapped, {name}_spot)"
            return f"{mapped} if (mapped := {found}) is not None else None"
        if binding.entity_of:
            space[f"{name}_iri"] = partial(entity_iri, base_url=self._base_url, stream=binding.entity_of)
            return f"{name}_iri(text(raw, {name}_spot))"
        return f"{_CONVERT[field.kind]}(raw, {name}_spot)"

    def _constant(self, binding: Binding, field: Field) -> Any:
        if binding.codes:
            return binding.codes.get(str(binding.constant))
        if binding.entity_of:
            return entity_iri(str(binding.constant), base_url=self._base_url, stream=binding.entity_of)
        if field.kind is Kind.CODE:
            return binding.constant
        return getattr(conversions, _CONVERT[field.kind])(binding.constant, self._code.space[f"{binding.name}_spot"])


def _is_remembered(binding: Binding, field: Field) -> bool:
    return binding.place is None and (field.kind in _REMEMBERED or bool(binding.codes))


def _ways(binding: Binding, field: Field, spot: Spot) -> list[tuple[str, str]]:
    """List the tests that a value as publishers mean it passes, and what it is then; all others take the function."""
    raw, name = f"r_{binding.name}", binding.name
    known = [(f"type({raw}) is str", f"{name}_of[{raw}]")] if _is_remembered(binding, field) else []
    numbers = [it for it in binding.sentinels if isinstance(it, bool | int | float)]
    if binding.codes or binding.entity_of or binding.wkt:
        return known
    if field.kind in (Kind.STRING, Kind.TEXT):
        absent = f" and {raw} not in {name}_absent" if binding.sentinels else ""
        return [(f"type({raw}) is str and 0 < len({raw}) <= {conversions.MAX_TEXT}{absent}", raw)]
    if field.kind is Kind.BOOLEAN and not numbers:
        return [*known, (f"{raw} is True or {raw} is False", raw)]
    if field.kind not in _LARGEST or spot.is_scaled:
        return known
    low = -_LARGEST[field.kind] if spot.minimum is None else max(spot.minimum, -_LARGEST[field.kind])
    high = _LARGEST[field.kind] if spot.maximum is None else min(spot.maximum, _LARGEST[field.kind])
    absent = f" and {raw} not in {name}_absent" if any(low <= it <= high for it in numbers) else ""
    # Whole numbers as far as doubles have them all; larger ones are none that a sensor counts.
    whole = f"{max(low, -(1 << 53))!r} <= {raw} <= {min(high, 1 << 53)!r}{absent}"
    if field.kind is Kind.INTEGER:
        return [*known, (f"type({raw}) is int and {whole}", raw)]
    real = f"type({raw}) is float and {low!r} <= {raw} <= {high!r}{absent}"
    return [*known, (real, raw), (f"type({raw}) is int and {whole}", f"float({raw})")]


def _spot(binding: Binding, field: Field, prefix: str) -> Spot:
    scale = (unit_scale(binding.unit, field.unit) if binding.unit and field.unit else None) or Scale()
    return Spot(
        name=binding.name,
        path=prefix + binding.where,
        minimum=field.minimum,
        maximum=field.maximum,
        factor=scale.factor,
        offset=scale.offset,
        comma=binding.comma,
        zone=zone_of(binding.zone) if binding.zone else None,
        epoch=binding.epoch,
        written=binding.written,
        plus=binding.plus,
    )
