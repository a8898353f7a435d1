"""Tracing: what a mapping made of one item, name by name, as the platform itself computed it; pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as parts_of
from datetime import datetime
from typing import Any

from ingest.bindings import Binding, Group
from ingest.conversions import Refused, stamp
from ingest.decoders.items import Item
from ingest.mapping import Mapper, Tables
from ingest.paths import Path, dig, dig_json, listed, parse_path
from streams.record import Point
from vocab.model import Field, Kind

# Words of a binding that say where a value comes from; the others say how it is converted.
_ORIGINS = ("name", "line", "paths", "constant", "split", "place", "join", "coordinates", "lookup")
_SPELLED = {"sentinels": "not", "comma": "decimal", "epoch": "as", "codes": "map", "otherwise_absent": "otherwise"}
_SPELLED |= {"between": "with", "wkt": "as"}
_EPOCHS = {1.0: "epoch_seconds", 1000.0: "epoch_milliseconds"}
_COORDINATES = ("longitude", "latitude")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One place where a name was looked for: its path, of what ("" or a coordinate), what was there, whether it counted."""

    path: str
    part: str
    found: Any
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One bound name of one item: where it was looked for, the words that converted it, and what it became.

    `row` is the number of the group's element, -1 outside groups. `before` are the raw values, after `match` and before
    the other `words`; `after` is the value as members have it, None for no value. `trouble` says why it was refused;
    `reached` is false where the item was refused before the name was converted.
    """

    name: str
    group: str
    row: int
    tried: Sequence[Tried]
    words: Sequence[str]
    before: Sequence[Any]
    after: Any
    trouble: str
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of a generated function, with its variables as they were at its end."""

    function: str
    variables: Mapping[str, Any]


def trace(item: Item, mapper: Mapper, fields: Mapping[str, Field], *, tables: Tables, received: datetime) -> list[Step]:
    """Return the steps of every bound name; `mapper` was compiled without `quick`, so that each item takes them all."""
    calls, refused = _watched(item, mapper, tables, received)
    steps: list[Step] = []
    read = next((call for call in calls if call.function == "read"), _Call(function="read", variables={}))
    # `read` ends last; before it, the element of a group that was refused.
    last = calls[-2] if len(calls) > 1 else read
    for bound in mapper.source.bind.values():
        if isinstance(bound, Binding):
            base = _base(bound, item.value, mapper, tables)
            steps.append(_step(bound, read, Place(field=fields[bound.name], base=base, root=item.root), refused))
            continue
        made = [call for call in calls if call.function == f"{bound.name}_made"]
        for row, (part, call) in enumerate(zip(_parts(bound, item.value), made, strict=False)):
            trouble = refused if call is last else None
            for binding in bound.bind.values():
                base = _base(binding, part, mapper, tables) if binding.lookup else part
                place = Place(field=fields[binding.name], base=base, root=item.root, group=bound, row=row)
                steps.append(_step(binding, call, place, trouble))
    return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a binding gives, and where its paths begin: an object, its document, and the element of a group that it is."""

    field: Field
    base: Any
    root: Any
    group: Group | None = None
    row: int = -1


def _watched(item: Item, mapper: Mapper, tables: Tables, received: datetime) -> tuple[list[_Call], Refused | None]:
    """Call the mapping and note what its own functions held when they ended, whether they returned or refused."""
    calls: list[_Call] = []
    file = f"<mapping of {mapper.source.name}>"
    wanted = {"read", *(f"{name}_made" for name, bound in mapper.source.bind.items() if isinstance(bound, Group))}

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "return" and frame.f_code.co_filename == file and frame.f_code.co_name in wanted:
            calls.append(_Call(function=frame.f_code.co_name, variables=dict(frame.f_locals)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        mapper.facts(item.value, item.root, tables, received)
    except Refused as refused:
        return calls, refused
    finally:
        sys.setprofile(before)
    return calls, None


def _base(binding: Binding, value: Any, mapper: Mapper, tables: Tables) -> Any:
    if not binding.lookup:
        return value
    key = dig(value, parse_path(mapper.source.lookups[binding.lookup].by).steps)
    return tables.get(binding.lookup, {}).get(str(key), {})


def _parts(group: Group, item: Any) -> list[Any]:
    elements = listed(item, group.each.before) or []
    return [dig(element, group.each.after) if group.each.after else element for element in elements]


def _step(binding: Binding, call: _Call, place: Place, refused: Refused | None) -> Step:
    name, variables = binding.name, call.variables
    is_refused = refused is not None and refused.detail.startswith(f"{name}:")
    given = [variables[raw] for raw in (f"r_{name}", f"r2_{name}") if raw in variables]
    return Step(
        name=name,
        group=place.group.name if place.group is not None else "",
        row=place.row,
        tried=_tried(binding, place),
        words=words_of(binding),
        before=given,
        after=_shown(variables.get(f"v_{name}"), place.field),
        trouble=refused.detail if refused is not None and is_refused else "",
        reached=is_refused or f"v_{name}" in variables,
    )


def _tried(binding: Binding, place: Place) -> list[Tried]:
    absent = (None, "", *binding.sentinels)
    if binding.constant is not None:
        return [Tried(path="constant", part="", found=binding.constant, taken=True)]
    pairs: list[tuple[str, tuple[Path, ...]]] = [("", binding.paths or binding.coordinates)]
    if binding.join:
        pairs = [("", (path,)) for path in binding.join]
    if binding.split is not None:
        pairs = [("date", (binding.split[0],)), ("time", (binding.split[1],))]
    elif binding.place is not None:
        parts = ("x", "y") if binding.crs else _COORDINATES
        pairs = list(zip(parts, binding.place, strict=True))
    found: list[Tried] = []
    for part, paths in pairs:
        taken = False
        for path in paths:
            value = _read(path, binding, place)
            counts = not taken and not _is_one_of(value, absent)
            taken = taken or counts
            found.append(Tried(path=_spelled(path, binding), part=part, found=value, taken=counts))
    return found


def _read(path: Path, binding: Binding, place: Place) -> Any:
    base = place.root if path.root else place.base
    return dig_json(base, path.steps) if binding.json else dig(base, path.steps)


def _spelled(path: Path, binding: Binding) -> str:
    return f"{binding.lookup} -> {path.text}" if binding.lookup else path.text


def _is_one_of(value: Any, absent: Sequence[Any]) -> bool:
    return not isinstance(value, dict | list) and value in absent


def words_of(binding: Binding) -> list[str]:
    """Write the words that convert a binding's value, as a source file has them."""
    written = []
    for field in parts_of(binding):
        value = getattr(binding, field.name)
        is_unused = field.name == "written" or (field.name == "between" and not binding.join)
        if field.name in _ORIGINS or is_unused or value is None or (not value and field.name != "default"):
            continue
        written.append(f"{_SPELLED.get(field.name, field.name)}: {_word(field.name, value)}")
    return written


def _word(name: str, value: Any) -> str:
    if name == "epoch":
        return _EPOCHS.get(value, str(value))
    if name in ("comma", "wkt"):
        return name
    if name == "otherwise_absent":
        return "absent"
    if name == "sentinels":
        # The number and its text were both listed when the file was read.
        return f"[{', '.join(dict.fromkeys(map(str, value)))}]"
    if name == "codes":
        return "{ " + ", ".join(f"{key}: {code or 'absent'}" for key, code in value.items()) + " }"
    if name == "when":
        return "{ " + ", ".join(f"{it.name} {it.test} {it.value}" for it in value) + " }"
    if name == "plus":
        return f"{value.total_seconds():g}s"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: Any, field: Field) -> Any:
    """Return a value as members spell it: times as text, places as WKT."""
    if field.kind is Kind.DOUBLE and isinstance(value, str):
        # Generated code writes numbers out once, for the digest and the member.
        return float(value)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Point):
        return f"POINT ({value.longitude!r} {value.latitude!r})"
    return value
