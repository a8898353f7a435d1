"""Generates the function that reads one item: paths, conversions and conditions of a source's bindings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ingest import conversions
from ingest.bindings import Binding, Bound, Group
from ingest.conversions import Refused, Spot, unit_factor, zone_of
from ingest.identity import entity_iri
from ingest.paths import Path, dig, dig_json, expression, many
from streams.record import Reason
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
_TESTS = {"above": ">", "below": "<", "equals": "==", "not": "!="}


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


def row(tables: Mapping[str, Mapping[str, Any]], spot: Spot, key: Any) -> Any:
    """Find the row of a looked-up document."""
    found = tables[spot.name].get(str(key))
    if found is None:
        spot.refuse(Reason.LOOKUP, f"the looked-up document has no {conversions.shown(key)}")
    return found


def row_or_nothing(tables: Mapping[str, Mapping[str, Any]], spot: Spot, key: Any) -> Any:
    """Find the row of a looked-up document that may lack it."""
    return tables.get(spot.name, {}).get(str(key), {})


def object_of(item: Any, path: str) -> dict[str, Any]:
    """Refuse an item that is no object."""
    if type(item) is not dict:
        raise Refused(Reason.STRUCTURE, path, f"an item must be an object, not {conversions.shown(item)}")
    return item


def helpers() -> dict[str, Any]:
    """Return the functions that generated code calls."""
    names: tuple[str, ...] = (
        "integer",
        "double",
        "boolean",
        "text",
        "iri",
        "code",
        "moment",
        "missing",
        "joined",
        "place",
        "projected",
    )
    names += ("matched", "check_observed")
    space: dict[str, Any] = {name: getattr(conversions, name) for name in names}
    own: Sequence[Callable[..., Any]] = (first, row, row_or_nothing, object_of, dig, dig_json, many)
    space.update({function.__name__: function for function in own})
    return space


class Reading:
    """Writes `read(item, root, tables, received)` for one source, binding by binding."""

    def __init__(self, code: Code, fields: Mapping[str, Field], *, base_url: str) -> None:
        self._code = code
        self._fields = fields
        self._base_url = base_url

    def bind(self, bound: Mapping[str, Bound], *, depth: int) -> None:
        """Write the code of every binding, names before the conditions that use them, then the groups."""
        plain = {name: found for name, found in bound.items() if isinstance(found, Binding)}
        for binding in _ordered(plain):
            self._binding(binding, variable="item", depth=depth)
        for found in bound.values():
            if isinstance(found, Group):
                self._group(found, depth=depth)

    def _group(self, group: Group, *, depth: int) -> None:
        add = self._code.add
        add(depth, f"v_{group.name} = []", f"for element in many(item, {group.each.before!r}):")
        after = f"dig(element, {group.each.after!r})" if group.each.after else "element"
        add(depth + 1, f"part = object_of({after}, {group.each.text!r})")
        for binding in _ordered(group.bind):
            self._binding(binding, variable="part", depth=depth + 1, prefix=f"{group.each.text}.")
        row = ", ".join(f"v_{name}" for name in group.bind)
        add(depth + 1, f"v_{group.name}.append(({row},))")
        add(depth, f"v_{group.name} = tuple(v_{group.name})")

    def _binding(self, binding: Binding, *, variable: str, depth: int, prefix: str = "") -> None:
        field, name, add = self._fields[binding.name], binding.name, self._code.add
        self._code.space[f"{name}_spot"] = self._spot(binding, field, prefix)
        if binding.when:
            tests = [f"v_{it.name} is not None and v_{it.name} {_TESTS[it.test]} {it.value!r}" for it in binding.when]
            add(depth, f"if {' and '.join(tests)}:")
            self._value(binding, field, variable=variable, depth=depth + 1)
            add(depth, "else:", f"    v_{name} = None")
        else:
            self._value(binding, field, variable=variable, depth=depth)
        if field.required and (binding.when or binding.codes or binding.otherwise_absent or field.kind is Kind.POINT):
            add(depth, f"if v_{name} is None:", f"    missing({name}_spot)")

    def _value(self, binding: Binding, field: Field, *, variable: str, depth: int) -> None:
        name, add, space = binding.name, self._code.add, self._code.space
        if binding.constant is not None:
            space[f"{name}_constant"] = self._constant(binding, field)
            add(depth, f"v_{name} = {name}_constant")
            return
        base = f"{binding.lookup}_row" if binding.lookup else variable
        if binding.place is not None:
            self._place(binding, base, depth)
            return
        space[f"{name}_absent"] = (None, "", *binding.sentinels)
        add(depth, f"raw = {self._raw(binding, base)}", f"if raw in {name}_absent:")
        add(depth + 1, f"missing({name}_spot)" if field.required else f"v_{name} = None")
        add(depth, "else:", f"    v_{name} = {self._converted(binding, field)}")

    def _raw(self, binding: Binding, base: str) -> str:
        if binding.split is not None:
            date, time = (expression(path, base, json=binding.json) for path in binding.split)
            return f"joined({date}, {time})"
        found = self._first(binding.paths, binding, base)
        if binding.match:
            self._code.space[f"{binding.name}_pattern"] = re.compile(binding.match)
            return f"matched({found}, {binding.name}_pattern)"
        return found

    def _first(self, paths: Sequence[Path], binding: Binding, base: str) -> str:
        found = [expression(path, base, json=binding.json) for path in paths]
        return found[0] if len(found) == 1 else f"first({binding.name}_absent, {', '.join(found)})"

    def _place(self, binding: Binding, base: str, depth: int) -> None:
        assert binding.place is not None
        name = binding.name
        self._code.space[f"{name}_absent"] = (None, "", *binding.sentinels)
        left, right = (self._first(paths, binding, base) for paths in binding.place)
        if binding.crs is None:
            call = f"place(raw_x, raw_y, {name}_spot)"
        else:
            self._code.space[f"{name}_crs"] = conversions.transformer(binding.crs)
            call = f"projected(raw_x, raw_y, {name}_spot, {name}_crs)"
        self._code.add(
            depth, f"raw_x, raw_y = {left}, {right}", f"if raw_x in {name}_absent or raw_y in {name}_absent:"
        )
        self._code.add(depth, f"    v_{name} = None", "else:", f"    v_{name} = {call}")

    def _converted(self, binding: Binding, field: Field) -> str:
        name = binding.name
        if field.kind is Kind.CODE or binding.codes:
            codes = binding.codes or {code: code for code in field.codes}
            self._code.space[f"{name}_codes"] = codes
            found = f"code(raw, {name}_spot, {name}_codes)"
            if binding.otherwise_absent:
                found = f"{name}_codes.get(text(raw, {name}_spot))"
            if field.kind is Kind.CODE:
                return found
            mapped = f"{_CONVERT[field.kind]}(mapped, {name}_spot)"
            return f"{mapped} if (mapped := {found}) is not None else None"
        if binding.entity_of:
            self._code.space[f"{name}_iri"] = partial(entity_iri, base_url=self._base_url, stream=binding.entity_of)
            return f"{name}_iri(text(raw, {name}_spot))"
        return f"{_CONVERT[field.kind]}(raw, {name}_spot)"

    def _constant(self, binding: Binding, field: Field) -> Any:
        spot: Spot = self._code.space[f"{binding.name}_spot"]
        if binding.codes:
            return binding.codes.get(str(binding.constant))
        if binding.entity_of:
            return entity_iri(str(binding.constant), base_url=self._base_url, stream=binding.entity_of)
        if field.kind is Kind.CODE:
            return binding.constant
        return getattr(conversions, _CONVERT[field.kind])(binding.constant, spot)

    def _spot(self, binding: Binding, field: Field, prefix: str) -> Spot:
        return Spot(
            name=binding.name,
            path=prefix + binding.where,
            minimum=field.minimum,
            maximum=field.maximum,
            factor=(unit_factor(binding.unit, field.unit) if binding.unit and field.unit else None) or 1.0,
            comma=binding.comma,
            zone=zone_of(binding.zone) if binding.zone else None,
            epoch=binding.epoch,
            plus=binding.plus,
        )


def _ordered(bind: Mapping[str, Binding]) -> list[Binding]:
    """Sort bindings so that a name comes before the conditions that use it; circles were refused before."""
    done: dict[str, Binding] = {}

    def visit(binding: Binding) -> None:
        if binding.name in done:
            return
        for condition in binding.when:
            if condition.name in bind and condition.name not in done:
                visit(bind[condition.name])
        done[binding.name] = binding

    for binding in bind.values():
        visit(binding)
    return list(done.values())
