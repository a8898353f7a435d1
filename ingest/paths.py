"""Paths: one notation for places in JSON and XML items, parsed and compiled to Python expressions.

name            the key, XML child or, quoted with @, XML attribute
    a.b[0].c        nested; `[0]` also accepts a single value, because XML cannot tell one from many
    a[key=text].b   the first element of a list whose key has this text
    <a.b>.c         a key that holds dots or brackets, such as an IRI or the name of a column
    ^.a             from what is around the item, in lists inside lists
    $.a             from the root of the document instead of the item
    a[*]            every element of a list (in `each`); `a[*].b[*]` goes through lists inside lists
    a{*}            every value of an object (in `each`); `@key` is its key
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

# A key, an index, or the key and the text that tell which element of a list is meant.
Step = str | int | tuple[str, str]

_STEP = re.compile(
    r"\.?(?:<([^<>]+)>|((?!\{\*\})[^.\[\]<](?:(?!\{\*\})[^.\[\]])*))|\[(\d+|\*)\]|\[([^\[\]=]+)=([^\[\]]*)\]|\.?(\{\*\})"
)
# Inside the keys that lead to a list: the values of the object there are the list.
VALUES = "{*}"
# The key under which an item of a list inside a list has what is around that list, without the list.
AROUND = "^"


class PathError(ValueError):
    """The text is no path; the message says where it goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A place in an item: steps are keys and indexes; `root` paths start at the document."""

    text: str
    steps: tuple[Step, ...]
    root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """Where items are: `before` leads to the list, `after` from an element of it to the item.

    `inner` leads from an element to the list inside it, and so on for lists inside that; `after` is then from an element
    of the innermost. Keys that end with `VALUES` lead to an object whose values are the elements.
    """

    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    inner: tuple[tuple[str, ...], ...] = ()


def _steps(text: str) -> Iterator[Step]:
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None or (found.group(0).startswith(".") and position == 0):
            raise PathError(f"{text!r} is no path: cannot read {text[position:]!r}")
        whole, key, index, name, wanted, values = found.groups()
        if name is not None:
            yield name, wanted
        elif index is not None:
            yield index if index == "*" else int(index)
        else:
            yield whole or key or values
        position = found.end()


def parse_path(text: str) -> Path:
    """Read a path to one value.

    Raises:
        PathError: it is empty, malformed, or holds `[*]`.

    """
    root = text.startswith("$.")
    steps = tuple(_steps(text[2:] if root else text))
    if not steps:
        raise PathError("a path cannot be empty")
    if "[*]" in text or VALUES in text:
        raise PathError(f"{text!r} names many values; take one of them with [0], or use a group with `each`")
    return Path(text=text, steps=steps, root=root)


def parse_each(text: str, *, nested: bool = False) -> Each:
    """Read the path of a list of items: one `[*]` or `{*}`, with `nested` several, and keys before and after them.

    Raises:
        PathError: it has none, more than may be, or an index.

    """
    steps = list(_steps(text.removeprefix("$.").removeprefix("$")))
    lists = steps.count("*") + steps.count(VALUES)
    if not lists or (lists > 1 and not nested) or lists != text.count("[*]") + text.count(VALUES):
        raise PathError(f"{text!r} must hold [*] once, at the list: for example results[*]")
    if not all(isinstance(step, str) for step in steps):
        raise PathError(f"{text!r} must not hold an index")
    levels: list[tuple[str, ...]] = []
    keys: list[str] = []
    for step in map(str, steps):
        if step not in ("*", VALUES):
            keys.append(step)
            continue
        levels.append((*keys, *([VALUES] if step == VALUES else [])))
        keys = []
    return Each(text=text, before=levels[0], after=tuple(keys), inner=tuple(levels[1:]))


def dig(value: Any, steps: Sequence[Step]) -> Any:
    """Follow steps into a value; None when one of them leads nowhere."""
    for step in steps:
        if isinstance(step, str):
            if type(value) is not dict:
                return None
            value = value.get(step)
        elif isinstance(step, tuple):
            value = _chosen(value, step)
        elif type(value) is list:
            value = value[step] if step < len(value) else None
        elif step != 0:
            return None
        if value is None:
            return None
    return value


def _chosen(value: Any, wanted: tuple[str, str]) -> Any:
    """Find the first element whose key has the text wanted; a single object counts as a list of one."""
    key, text = wanted
    for element in value if type(value) is list else [value]:
        if type(element) is dict and key in element and text_of(element[key]) == text:
            return element
    return None


def text_of(value: Any) -> str:
    """Write a value as source files write it: `true`, `7`; nothing is the empty text."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def dig_json(value: Any, steps: Sequence[Step]) -> Any:
    """Follow steps like `dig`, and through texts that hold JSON; None when the text holds none."""
    for step in steps:
        if type(value) is str:
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                return None
        value = dig(value, (step,))
    return value


def many(value: Any, steps: Sequence[Step]) -> list[Any]:
    """Return the list at a place; a single value counts as a list of one, nothing as an empty list."""
    found = dig(value, steps)
    if found is None or found == "":
        return []
    return found if type(found) is list else [found]


def listed(value: Any, keys: Sequence[str]) -> list[Any] | None:
    """Return the list at a place as `many` does, and the values of an object where the keys say so; None without one.

    A value of an object has the key of it as `@key`; one that is no object itself is then its `@value`.
    """
    if not keys or keys[-1] != VALUES:
        return None if dig(value, keys) is None else many(value, keys)
    found = dig(value, keys[:-1])
    if type(found) is not dict:
        return None
    return [{"@key": key, **(inner if type(inner) is dict else {"@value": inner})} for key, inner in found.items()]


def without(value: Any, keys: Sequence[str]) -> Any:
    """Copy an object without what is at a place in it; other parts are shared with the object."""
    if type(value) is not dict or not keys or keys[0] not in value:
        return value
    copy = dict(value)
    inner = without(copy[keys[0]], keys[1:]) if len(keys) > 1 and keys[1] != VALUES else None
    if inner is None:
        del copy[keys[0]]
    else:
        copy[keys[0]] = inner
    return copy


def expression(path: Path, variable: str, *, json: bool = False) -> str:
    """Write the Python expression that reads a path from `variable`, a dict (`root` for root paths)."""
    base = "root" if path.root else variable
    if json:
        return f"dig_json({base}, {path.steps!r})"
    if len(path.steps) == 1 and isinstance(path.steps[0], str):
        return f"{base}.get({path.steps[0]!r})"
    return f"dig({base}, {path.steps!r})"
