"""Generates the function that writes one member: the model's template with its slots, as f-strings."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.bindings import Binding, Bound, Group
from ingest.conversions import quoted, segment, stamp
from ingest.converting import Code
from vocab.model import Field, Kind

_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_SAFE_CODE = re.compile(r"[A-Za-z0-9._~-]+")
NEVER = "False"
# Slots that are there without a binding: how each is written as a whole string.
_BUILTIN = ("member", "entity", "observed_at", "received_at", "publisher", "licence", "revision_of")
_WRITTEN: Mapping[Kind, str] = {
    Kind.INTEGER: "{%s}",
    Kind.DOUBLE: "{%s}",
    Kind.BOOLEAN: '{"true" if %s else "false"}',
    Kind.STRING: "{quoted(%s)}",
    Kind.DATETIME: '"{stamp(%s)}"',
    Kind.IRI: '"{%s}"',
    Kind.CODE: '"{%s}"',
    Kind.POINT: '"POINT ({%s.longitude!r} {%s.latitude!r})"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The inside of an f-string that writes a value, and the condition under which there is one ("" = always)."""

    text: str
    when: str = ""


def helpers() -> dict[str, Any]:
    """Return the functions that generated code calls."""
    return {"quoted": quoted, "segment": segment, "stamp": stamp}


def _literal(text: str) -> str:
    """Write text as it stands inside a single-quoted f-string."""
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("{", "{{").replace("}", "}}")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Writing:
    """Writes the body of `write(…)` for one model and source, slot by slot."""

    def __init__(self, code: Code, fields: Mapping[str, Field], bind: Mapping[str, Bound]) -> None:
        self._code = code
        self._fields = fields
        self._bind = bind
        self._bound: dict[str, Binding] = {}
        for bound in bind.values():
            self._bound.update(bound.bind if isinstance(bound, Group) else {bound.name: bound})
        self._count = 0
        self._places: Counter[str] = Counter()

    def member(self, template: Mapping[str, Any], *, depth: int) -> None:
        """Write the statements that make the `body` of a member for a template."""
        self._places = Counter(name for found in _objects(template) for name in found)
        pieces = [self._entry(key, value, depth) for key, value in template.items()]
        body = "".join(piece.text for piece in pieces)
        # The first key of a template is @id: unconditional, so its comma can go here and now.
        self._code.add(depth, f"body = f'{{{{{body[1:]}}}}}'")

    def _variable(self) -> str:
        self._count += 1
        return f"p{self._count}"

    def _entry(self, key: str, value: Any, depth: int) -> Piece:
        """Write one key of an object with its leading comma."""
        found = self._node(value, depth)
        return self._guarded(_literal(f",{_dumps(key)}:") + found.text, found, depth)

    def _guarded(self, text: str, found: Piece, depth: int) -> Piece:
        if not found.when:
            return Piece(text=text)
        if found.when == NEVER:
            return found
        name = self._variable()
        self._code.add(depth, f"{name} = f'{text}' if {found.when} else \"\"")
        return Piece(text=f"{{{name}}}", when=name)

    def _node(self, value: Any, depth: int) -> Piece:
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._list(value, depth)
        return Piece(text=_literal(_dumps(value)))

    def _alive(self, template: Mapping[str, Any]) -> str:
        """Write the condition that keeps an object: one of the optional names in its own strings has a value.

        The only object that writes a required name stays in any case: what is required is always written.
        """
        slots = [name for value in template.values() for name in _own_slots(value)]
        if any(name in self._bound and not self._optional(name) and self._places[name] == 1 for name in slots):
            return ""
        own = [name for name in slots if self._optional(name)]
        tests = [self._present(name) for name in dict.fromkeys(own)]
        return " or ".join(test for test in tests if test != NEVER) or (NEVER if own else "")

    def _object(self, template: Mapping[str, Any], depth: int) -> Piece:
        when = self._alive(template)
        if when == NEVER:
            return Piece(text="", when=NEVER)
        entries = []
        for key, value in template.items():
            found = self._string(value) if isinstance(value, str) else None
            if key == "@each":
                continue
            if found is not None and found.when == when:
                # The object is written only when this is there: no second question.
                entries.append((key, Piece(text=_literal(f",{_dumps(key)}:") + found.text)))
            else:
                entries.append((key, self._entry(key, value, depth)))
        said = [piece for key, piece in entries if not key.startswith("@")]
        if not when and said and all(piece.when for piece in said):
            when = " or ".join(piece.when for piece in said if piece.when != NEVER) or NEVER
            if when == NEVER:
                return Piece(text="", when=NEVER)
        text = self._joined([piece for _, piece in entries], depth)
        return Piece(text=f"{{{{{text}}}}}", when=when)

    def _joined(self, pieces: list[Piece], depth: int) -> str:
        """Join pieces that each begin with a comma, and take the first comma away."""
        kept = [piece for piece in pieces if piece.when != NEVER]
        text = "".join(piece.text for piece in kept)
        if not kept or not kept[0].when:
            return text[1:]
        name = self._variable()
        self._code.add(depth, f"{name} = f'{text}'")
        return f"{{{name}[1:]}}"

    def _list(self, template: list[Any], depth: int) -> Piece:
        pieces = []
        for value in template:
            if isinstance(value, dict) and "@each" in value:
                pieces.append(self._each(value, depth))
            else:
                found = self._node(value, depth)
                pieces.append(self._guarded("," + found.text, found, depth))
        kept = [piece for piece in pieces if piece.when != NEVER]
        if template and not kept:
            return Piece(text="", when=NEVER)
        when = " or ".join(piece.when for piece in kept) if kept and all(piece.when for piece in kept) else ""
        return Piece(text=f"[{self._joined(kept, depth)}]", when=when)

    def _each(self, template: Mapping[str, Any], depth: int) -> Piece:
        group, guard = self._bind.get(template["@each"]), self._alive(template)
        if not isinstance(group, Group) or guard == NEVER:
            return Piece(text="", when=NEVER)
        name, add = self._variable(), self._code.add
        row = ", ".join(f"v_{field}" for field in group.bind)
        add(depth, f"{name} = []", f"for ({row},) in v_{group.name}:")
        inside = depth + 1
        if guard:
            # Asked before the statements that write the object, which cost more than the question.
            add(inside, f"if {guard}:")
            inside += 1
        found = self._object(template, inside)
        append = f"{name}.append(f',{found.text}')"
        add(inside, append if guard or not found.when else f"if {found.when}: {append}")
        add(depth, f'{name} = "".join({name})')
        return Piece(text=f"{{{name}}}", when=name)

    def _optional(self, name: str) -> bool:
        if name in _BUILTIN:
            return name == "revision_of"
        return not self._fields[name].required

    def _present(self, name: str) -> str:
        if name in _BUILTIN:
            return "revision_of" if name == "revision_of" else ""
        if name not in self._bound:
            return NEVER
        return f"v_{name} is not None" if self._optional(name) else ""

    def _string(self, text: str) -> Piece:
        names = _SLOT.findall(text)
        if not names:
            return Piece(text=_literal(_dumps(text)))
        tests = [self._present(name) for name in dict.fromkeys(names)]
        when = NEVER if NEVER in tests else " and ".join(test for test in tests if test)
        if when == NEVER:
            return Piece(text="", when=NEVER)
        if _SLOT.fullmatch(text):
            return Piece(text=self._whole(names[0]), when=when)
        parts = _SLOT.split(text)
        inside = "".join(
            _literal(_dumps(part)[1:-1]) if at % 2 == 0 else self._part(part) for at, part in enumerate(parts)
        )
        return Piece(text=f'"{inside}"', when=when)

    def _whole(self, name: str) -> str:
        if name in ("publisher", "licence"):
            return f"{{{name}}}"
        if name in _BUILTIN:
            return f'"{{{name}}}"'
        field, variable = self._fields[name], f"v_{name}"
        if field.kind is Kind.TEXT:
            return f'{{{{"{self._bound[name].language}":{{quoted({variable})}}}}}}'
        if field.kind is Kind.CODE and not all(_SAFE_CODE.fullmatch(code) for code in field.codes):
            return f"{{quoted({variable})}}"
        return _WRITTEN[field.kind].replace("%s", variable)

    def _part(self, name: str) -> str:
        """Write a slot among other text: percent-encoded as one segment of an IRI."""
        if name in _BUILTIN:
            return f"{{segment({name}_value)}}" if name in ("publisher", "licence") else f"{{segment({name})}}"
        field, variable = self._fields[name], f"v_{name}"
        if field.kind is Kind.INTEGER:
            return f"{{{variable}}}"
        if field.kind is Kind.BOOLEAN:
            return f'{{"true" if {variable} else "false"}}'
        if field.kind is Kind.DATETIME:
            return f"{{segment(stamp({variable}))}}"
        if field.kind is Kind.POINT:
            raise ValueError(f"template: a point ({name}) cannot stand among other text")
        if field.kind is Kind.CODE and all(_SAFE_CODE.fullmatch(code) for code in field.codes):
            return f"{{{variable}}}"
        return f"{{segment({variable})}}"


def _objects(value: Any) -> Iterator[set[str]]:
    """Yield the names in the own strings of every object of a template."""
    if isinstance(value, dict):
        yield {name for item in value.values() for name in _own_slots(item)}
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _own_slots(value: Any) -> list[str]:
    """List the slots in the strings of an object, not those of objects below it."""
    if isinstance(value, str):
        return _SLOT.findall(value)
    if isinstance(value, list):
        return [name for item in value if isinstance(item, str) for name in _SLOT.findall(item)]
    return []
