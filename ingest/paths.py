"""Paths: one notation for places in JSON and XML items, parsed and compiled to Python expressions.

name            the key, XML child or, quoted with @, XML attribute
    a.b[0].c        nested; `[0]` also accepts a single value, because XML cannot tell one from many
    a[*]            every element of a list (in `each`)
    $.a             from the root of the document instead of the item
    $message.a      from what came with the document: topic, key, properties
    $               in `each`, the document itself: one item
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

Step = str | int

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")


# The key of a document's root under which bindings find what came with it.
MESSAGE = "$message"
# `each` of documents that are one item; of one that is a plain value, that is its `value`.
WHOLE = "$"


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
    """Where items are: `before` leads to the list, `after` from an element of it to the item."""

    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def _steps(text: str) -> Iterator[str | int]:
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None or (found.group(0).startswith(".") and position == 0):
            raise PathError(f"{text!r} is no path: cannot read {text[position:]!r}")
        key, index = found.groups()
        yield key if key is not None else index if index == "*" else int(index)
        position = found.end()


def parse_path(text: str) -> Path:
    """Read a path to one value.

    Raises:
        PathError: it is empty, malformed, or holds `[*]`.

    """
    root = text.startswith(("$.", f"{MESSAGE}."))
    steps = tuple(_steps(text.removeprefix("$.")))
    if not steps:
        raise PathError("a path cannot be empty")
    if "[*]" in text:
        raise PathError(f"{text!r} names many values; take one of them with [0], or use a group with `each`")
    return Path(text=text, steps=steps, root=root)


def parse_each(text: str) -> Each:
    """Read the path of a list of items: exactly one `[*]`, keys before and after it; or `WHOLE`.

    Raises:
        PathError: it has none or several `[*]`, or an index.

    """
    if text == WHOLE:
        return Each(text=text, before=(), after=())
    steps = list(_steps(text.removeprefix("$.").removeprefix("$")))
    if steps.count("*") != 1 or not text.count("[*]") == 1:
        raise PathError(f"{text!r} must hold [*] once, at the list: for example results[*]")
    at = steps.index("*")
    if any(isinstance(step, int) for step in steps):
        raise PathError(f"{text!r} must not hold an index")
    return Each(text=text, before=tuple(map(str, steps[:at])), after=tuple(map(str, steps[at + 1 :])))


def dig(value: Any, steps: Sequence[Step]) -> Any:
    """Follow steps into a value; None when one of them leads nowhere."""
    for step in steps:
        if isinstance(step, str):
            if type(value) is not dict:
                return None
            value = value.get(step)
        elif type(value) is list:
            value = value[step] if step < len(value) else None
        elif step != 0:
            return None
        if value is None:
            return None
    return value


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


def expression(path: Path, variable: str, *, json: bool = False) -> str:
    """Write the Python expression that reads a path from `variable`, a dict (`root` for root paths)."""
    base = "root" if path.root else variable
    if json:
        return f"dig_json({base}, {path.steps!r})"
    if len(path.steps) == 1 and isinstance(path.steps[0], str):
        return f"{base}.get({path.steps[0]!r})"
    return f"dig({base}, {path.steps!r})"
