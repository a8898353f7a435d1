"""Flat: a model's members as rows, one column per name, compiled once from the model's template.

A member is a tree, a row is not. The template says where each name stands in the tree, so the way back is compiled
from it: every name of the model is a column under its own name, in the order of `shape.ttl`. The point is left out: it
is two columns of whoever makes the rows. A name of a repeated group has one column per code of the group's required
code: `count_car`, `count_van` (hyphens of codes become underscores). Of a text in several languages the Dutch one is
shown, else the English one, else the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from vocab.errors import ModelError
from vocab.model import Field, Kind, Model

# What a cell holds: nothing, a value, or several where a member says several things under one name.
Value = str | int | float | bool | list[Any] | None
# Puts what it finds in a part of a member into the row; `code` is that of the repeated group, "" outside of one.
_Fill = Callable[[Any, list[Value], str], None]

_SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LANGUAGES = ("nl", "en")
# What JSON calls a scalar; nearly every value is one.
_SCALARS = frozenset({str, int, float, bool})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: the `field` of the model it shows, for one `code` of its group ("" where it has none)."""

    name: str
    field: Field
    code: str = ""


class Flat:
    """Makes rows of one model's members."""

    def __init__(self, columns: tuple[Column, ...], fill: _Fill) -> None:
        self.columns = columns
        self.names = tuple(column.name for column in columns)
        self._fill = fill

    def row(self, body: dict[str, Any]) -> list[Value]:
        """Return the values of a member's body (parsed) in the order of the columns, None where it has none."""
        row: list[Value] = [None] * len(self.columns)
        self._fill(body, row, "")
        return row


def compile_flat(model: Model, *, taken: Collection[str] = ()) -> Flat:
    """Compile a model; `taken` are the names of columns that the caller adds.

    Raises:
        ModelError: a name is `taken`, or nothing tells the objects of an array of the template apart.

    """
    keys = _group_keys(model)
    columns = tuple(_columns(model, keys))
    if clash := sorted({column.name for column in columns} & set(taken)):
        raise ModelError(
            f"{', '.join(clash)} would be two columns", where=f"model {model.name}", fix="choose another name"
        )
    return Flat(columns, _Compiler(model, keys, columns).object_of(model.template, ""))


def _group_keys(model: Model) -> dict[str, Field]:
    """Return the name that tells the items of each repeated group apart: its only required code."""
    found: dict[str, list[Field]] = {}
    for field in model.fields.values():
        if field.group is not None and field.required and field.kind is Kind.CODE:
            found.setdefault(field.group, []).append(field)
    return {group: fields[0] for group, fields in found.items() if len(fields) == 1}


def _columns(model: Model, keys: Mapping[str, Field]) -> Iterator[Column]:
    for field in model.fields.values():
        key = keys.get(field.group) if field.group else None
        if field.kind is Kind.POINT or field is key:
            continue
        if key is None:
            yield Column(name=field.name, field=field)
            continue
        for code in key.codes:
            yield Column(name=f"{field.name}_{code.replace('-', '_')}", field=field, code=code)


def _choose(template: Any) -> dict[str, int]:
    """Choose the string of the template that each slot is read from: plain before part of a text, single before many.

    Strings are told apart by their number, in the order of `_strings`.
    """
    ranks: dict[str, tuple[int, int]] = {}
    for number, (text, many) in enumerate(_strings(template, many=False)):
        for slot in _SLOT.findall(text):
            rank = ((_SLOT.fullmatch(text) is None) * 2 + many, number)
            ranks[slot] = min(rank, ranks.get(slot, rank))
    return {slot: number for slot, (_, number) in ranks.items()}


def _strings(template: Any, *, many: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(template, Mapping):
        for value in template.values():
            yield from _strings(value, many=many)
    elif isinstance(template, list):
        for value in template:
            yield from _strings(value, many=True)
    elif isinstance(template, str):
        yield template, many


class _Compiler:
    """Walks the template in the order of `_strings` and makes a function for each part that holds a column."""

    def __init__(self, model: Model, keys: Mapping[str, Field], columns: tuple[Column, ...]) -> None:
        self.model = model
        self.keys = keys
        self.columns = columns
        self.chosen = _choose(model.template)
        self.number = 0

    def part(self, template: Any, group: str) -> _Fill | None:
        if isinstance(template, Mapping):
            return self.object_of(template, group)
        if isinstance(template, list):
            return self.array(template, group)
        return self.text(template) if isinstance(template, str) else None

    def object_of(self, template: Mapping[str, Any], group: str) -> _Fill:
        steps = [(key, fill) for key, value in template.items() if (fill := self.part(value, group)) is not None]

        def fill_object(value: Any, row: list[Value], code: str) -> None:
            for item in value if type(value) is list else (value,):
                if type(item) is dict:
                    for key, fill in steps:
                        if (part := item.get(key)) is not None:
                            fill(part, row, code)

        return fill_object

    def array(self, template: list[Any], group: str) -> _Fill | None:
        objects = [item for item in template if isinstance(item, Mapping)]
        if len(objects) < len(template):
            return self.words(template)
        groups = [str(item.get("@each", group)) for item in objects]
        plans = [(each, self.object_of(item, each)) for item, each in zip(objects, groups, strict=True)]
        key, table = self._marks(objects, plans)

        def fill_array(value: Any, row: list[Value], _: str) -> None:
            for item in value if type(value) is list else (value,):
                marks: Any = item.get(key, ()) if type(item) is dict else ()
                for mark in marks if type(marks) is list else (marks,):
                    if (found := table.get(mark)) is not None:
                        fill, code = found
                        fill(item, row, code)
                        break

        return fill_array

    def _marks(
        self, objects: list[Mapping[str, Any]], plans: list[tuple[str, _Fill]]
    ) -> tuple[str, dict[str, tuple[_Fill, str]]]:
        """Find the key whose values tell the objects of an array apart, and what each of its values means."""
        common = [key for key in objects[0] if key != "@each" and all(key in item for item in objects)]
        for key in sorted(common, key=lambda key: key == "@type"):
            expanded = [self._expanded(item[key], group) for item, (group, _) in zip(objects, plans, strict=True)]
            shared = set.intersection(*map(set, expanded)) if len(expanded) > 1 else set()
            marks = [{mark: code for mark, code in each.items() if mark not in shared} for each in expanded]
            every = [mark for each in marks for mark in each]
            if all(marks) and len(every) == len(set(every)):
                return key, {
                    mark: (fill, code)
                    for each, (_, fill) in zip(marks, plans, strict=True)
                    for mark, code in each.items()
                }
        raise ModelError(
            "nothing tells the objects of an array apart",
            where=f"model {self.model.name}: template.jsonld",
            fix="give them a key with words of its own in each",
        )

    def _expanded(self, value: Any, group: str) -> dict[str, str]:
        """Return all that a string (or each of a list) may become, with the code of the group in it."""
        found: dict[str, str] = {}
        for text in value if isinstance(value, list) else (value,):
            slots = _SLOT.findall(text) if isinstance(text, str) else ["?"]
            key = self.keys.get(group)
            if not slots:
                found[text] = ""
            elif key is not None and slots == [key.name]:
                found.update({text.replace(f"{{{key.name}}}", code): code for code in key.codes})
        return found

    def words(self, template: list[Any]) -> _Fill | None:
        """Read a code among constant words, as in `@type`."""
        fills: list[tuple[frozenset[str], _Fill]] = []
        constant = {part for part in template if isinstance(part, str) and not _SLOT.search(part)}
        for part in template:
            fill = self.part(part, "")
            slot = _SLOT.fullmatch(part) if isinstance(part, str) else None
            if slot is not None and fill is not None:
                fills.append((frozenset(self.model.fields[slot[1]].codes) - constant, fill))

        def fill_words(value: Any, row: list[Value], code: str) -> None:
            for word in value if isinstance(value, list) else (value,):
                for codes, fill in fills:
                    if isinstance(word, str) and word in codes:
                        fill(word, row, code)

        return fill_words if fills else None

    def text(self, template: str) -> _Fill | None:
        number, self.number = self.number, self.number + 1
        places = {
            slot: {column.code: index for index, column in enumerate(self.columns) if column.field.name == slot}
            for slot in _SLOT.findall(template)
            if self.chosen[slot] == number
        }
        places = {slot: indexes for slot, indexes in places.items() if indexes}
        if not places:
            return None
        if _SLOT.fullmatch(template):
            return _exact(next(iter(places.values())))
        return _within(template, [(slot, self.model.fields[slot].kind, indexes) for slot, indexes in places.items()])


def _exact(places: Mapping[str, int]) -> _Fill:
    def fill_exact(value: Any, row: list[Value], code: str) -> None:
        index = places.get(code)
        if index is None:
            return
        if type(value) in _SCALARS and row[index] is None:
            row[index] = value
        else:
            for each in value if type(value) is list else (value,):
                _put(row, index, _plain(each))

    return fill_exact


def _within(template: str, slots: list[tuple[str, Kind, Mapping[str, int]]]) -> _Fill:
    """Read values out of a text that they were put into; they stand there percent-encoded."""
    pieces = _SLOT.split(template)
    spelled = [re.escape(piece) if place % 2 == 0 else "(.*?)" for place, piece in enumerate(pieces)]
    pattern, names = re.compile("".join(spelled), re.DOTALL), pieces[1::2]

    def fill_within(value: Any, row: list[Value], code: str) -> None:
        found = pattern.fullmatch(value) if isinstance(value, str) else None
        for slot, kind, places in slots if found else ():
            index = places.get(code)
            if found and index is not None:
                _put(row, index, _converted(unquote(found[names.index(slot) + 1]), kind))

    return fill_within


def _converted(text: str, kind: Kind) -> Value:
    try:
        return int(text) if kind is Kind.INTEGER else float(text) if kind is Kind.DOUBLE else text
    except ValueError:
        return text


def _plain(value: Any) -> Value:
    """Return a scalar as it is, a text in its first language of ours, a node by its IRI."""
    if type(value) is not dict:
        plain: Value = value
        return plain
    if "@id" in value:
        return str(value["@id"])
    texts = (value[language] for language in (*_LANGUAGES, *value) if language in value)
    return next((text for text in texts if isinstance(text, str | list)), None)


def _put(row: list[Value], index: int, value: Value) -> None:
    before = row[index]
    if before is None:
        row[index] = value
    elif isinstance(before, list):
        before.append(value)
    elif value is not None:
        row[index] = [before, value]
