"""Checks bindings against their model: names, kinds, units, codes and conditions, every fault at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ingest import conversions
from ingest.bindings import Binding, Bound, Group
from ingest.checks import check_default, check_places
from ingest.conversions import Refused, Spot
from ingest.observed import observed_of
from ingest.units import known_units, unit_scale
from streams.yaml_lines import Faults, suggest
from vocab.model import Field, Kind, Model

_NUMBERS = (Kind.INTEGER, Kind.DOUBLE)
# Which words of a binding make sense for which kinds; the message names the word.
_WORDS: Mapping[str, tuple[Kind, ...]] = {
    "comma": (*_NUMBERS, Kind.POINT),
    "zone": (Kind.DATETIME,),
    "epoch": (Kind.DATETIME,),
    "plus": (Kind.DATETIME,),
    "split": (Kind.DATETIME,),
    "codes": (Kind.CODE, Kind.STRING, Kind.IRI, Kind.BOOLEAN, Kind.INTEGER, Kind.DOUBLE, Kind.TEXT),
    "entity_of": (Kind.IRI,),
    "language": (Kind.TEXT,),
    "place": (Kind.POINT,),
    "coordinates": (Kind.POINT,),
    "join": (Kind.STRING, Kind.IRI, Kind.CODE),
    "wkt": (Kind.STRING,),
    "order": (Kind.POINT, Kind.STRING),
    "unit": _NUMBERS,
    "rotate": (Kind.STRING, Kind.IRI),
}
_SPELLED = {"comma": "decimal", "epoch": "as", "codes": "map", "split": "date + time", "place": "longitude + latitude"}


def _builtin(name: str, kind: Kind, *, required: bool) -> Field:
    return Field(
        name=name,
        kind=kind,
        required=required,
        unit=None,
        minimum=None,
        maximum=None,
        codes=(),
        group=None,
        label={},
        description={},
    )


# Every source binds these, whether its model writes them or not: they identify and place the member.
BUILTIN: Mapping[str, Field] = {
    "entity": _builtin("entity", Kind.STRING, required=True),
    "observed_at": _builtin("observed_at", Kind.DATETIME, required=True),
    "point": _builtin("point", Kind.POINT, required=False),
}


def fields_of(model: Model) -> dict[str, Field]:
    """Return what a source may bind: the names of the model and the built-in ones."""
    fields = {**BUILTIN, **model.fields}
    fields["entity"] = replace(BUILTIN["entity"], personal=model.personal)
    fields["observed_at"] = BUILTIN["observed_at"]
    return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the bindings of one file are checked against."""

    fields: Mapping[str, Field]
    lookups: Iterable[str]
    faults: Faults


def faults_of(bind: Mapping[str, Bound], model: Model, *, lookups: Iterable[str], faults: Faults, line: int) -> None:
    """Add every fault of the bindings to `faults`; `line` is that of `bind:`."""
    scope = Scope(fields=fields_of(model), lookups=tuple(lookups), faults=faults)
    groups = {field.group for field in scope.fields.values() if field.group}
    for name, bound in bind.items():
        if isinstance(bound, Group):
            _check_group(bound, scope, groups, outer=bind)
        elif name not in scope.fields:
            hint = f"bind it as a group with each: and bind: ({name})" if name in groups else ""
            plain = [known for known, field in scope.fields.items() if field.group is None]
            faults.add(bound.line, f"unknown name {name!r} in model {model.name}", hint or suggest(name, plain))
        else:
            _check(bound, scope, group=None, near=_bindings(bind))
    _check_missing(_bindings(bind), scope, line=line, group=None)
    observed = observed_of(model)
    if observed.all and not observed.within(bind).all:
        fix = f"bind at least one of {', '.join(observed.all)}"
        faults.add(line, "nothing that is observed is bound, so that no item could become a member", fix)


def _bindings(bind: Mapping[str, Bound]) -> dict[str, Binding]:
    return {name: bound for name, bound in bind.items() if isinstance(bound, Binding)}


def _check_group(group: Group, scope: Scope, groups: Iterable[str], *, outer: Mapping[str, Bound]) -> None:
    if group.name not in groups:
        scope.faults.add(group.line, f"unknown group {group.name!r}", suggest(group.name, groups))
        return
    for name, binding in group.bind.items():
        if name not in scope.fields:
            inner = [known for known, field in scope.fields.items() if field.group == group.name]
            scope.faults.add(binding.line, f"unknown name {name!r} in group {group.name}", suggest(name, inner))
        else:
            _check(binding, scope, group=group.name, near={**_bindings(outer), **group.bind})
    _check_missing(group.bind, scope, line=group.line, group=group.name)


def _check_missing(bind: Mapping[str, Binding], scope: Scope, *, line: int, group: str | None) -> None:
    for name, field in scope.fields.items():
        if field.required and field.group == group and name not in bind:
            label = field.description.get("en") or field.label.get("en") or field.kind.value
            scope.faults.add(line, f"required name {name!r} is not bound", f"add `{name}: <path>` ({label})")


def _check(binding: Binding, scope: Scope, *, group: str | None, near: Mapping[str, Binding]) -> None:
    field, add = scope.fields[binding.name], scope.faults.add
    if field.group != group:
        add(binding.line, f"{binding.name!r} belongs to {field.group or 'the item itself'}", "move it there")
        return
    for word, kinds in _WORDS.items():
        if getattr(binding, word) and field.kind not in kinds:
            name = _SPELLED.get(word, word)
            add(
                binding.line, f"`{name}` does not fit {binding.name!r}, which is {field.kind.value}", f"remove `{name}`"
            )
    if field.kind is Kind.POINT and binding.place is None and not binding.coordinates:
        add(binding.line, f"{binding.name!r} needs two coordinates", "write { longitude: path, latitude: path }")
    if field.kind is Kind.TEXT and not binding.language:
        add(binding.line, f"{binding.name!r} needs its language", "write { from: path, language: nl }")
    if binding.lookup and binding.lookup not in scope.lookups:
        add(binding.line, f"unknown lookup {binding.lookup!r}", suggest(binding.lookup, scope.lookups))
    _check_unit(binding, field, scope.faults)
    _check_codes(binding, field, scope.faults)
    _check_constant(binding, field, scope.faults)
    check_places(binding, scope.faults)
    check_default(binding, field, scope.faults)
    _check_when(binding, scope.faults, near)


def _check_unit(binding: Binding, field: Field, faults: Faults) -> None:
    if not binding.unit or field.kind not in _NUMBERS:
        return
    if field.unit is None:
        faults.add(binding.line, f"{binding.name!r} has no unit", "remove `unit`")
    elif unit_scale(binding.unit, field.unit) is None:
        what = f"cannot convert {binding.unit!r} to {field.unit!r}, the unit of {binding.name!r}"
        faults.add(binding.line, what, f"known: {', '.join(known_units(field.unit))}")


def _check_codes(binding: Binding, field: Field, faults: Faults) -> None:
    if field.kind is not Kind.CODE:
        return
    for value in binding.codes.values():
        if value is not None and value not in field.codes:
            faults.add(binding.line, f"{value!r} is no code of {binding.name!r}", suggest(value, field.codes))


def _check_constant(binding: Binding, field: Field, faults: Faults) -> None:
    convert = {
        Kind.INTEGER: conversions.integer,
        Kind.DOUBLE: conversions.double,
        Kind.BOOLEAN: conversions.boolean,
        Kind.STRING: conversions.text,
        Kind.TEXT: conversions.text,
        Kind.IRI: conversions.iri,
        Kind.DATETIME: conversions.moment,
    }.get(field.kind)
    if binding.constant is None:
        return
    spot = Spot(name=binding.name, path="constant", minimum=field.minimum, maximum=field.maximum)
    if field.kind is Kind.CODE and not binding.codes and binding.constant not in field.codes:
        fix = suggest(str(binding.constant), field.codes)
        faults.add(binding.line, f"{binding.constant!r} is no code of {binding.name!r}", fix)
    if convert is None or binding.codes or binding.entity_of:
        return
    try:
        convert(binding.constant, spot)
    except Refused as refused:
        faults.add(binding.line, refused.detail, f"write a constant that is {field.kind.value}")


def _check_when(binding: Binding, faults: Faults, near: Mapping[str, Binding]) -> None:
    for condition in binding.when:
        if condition.name not in near or condition.name == binding.name:
            others = [name for name in near if name != binding.name]
            faults.add(
                binding.line, f"`when` names {condition.name!r}, not bound here", suggest(condition.name, others)
            )
    if binding.name in _needed(binding, near):
        faults.add(binding.line, f"the conditions of {binding.name!r} go round in a circle", "remove one `when`")


def _needed(binding: Binding, near: Mapping[str, Binding]) -> set[str]:
    """Follow `when` from name to name."""
    found: set[str] = set()
    todo = [condition.name for condition in binding.when]
    while todo:
        name = todo.pop()
        if name not in found and name in near:
            found.add(name)
            todo.extend(condition.name for condition in near[name].when)
    return found
