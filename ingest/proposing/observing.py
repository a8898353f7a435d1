"""Observing a sample: where its lists of things are, and what stands at each path of them; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.paths import AROUND, VALUES, Each, dig, parse_each, without

# Things of a list that are looked at; a shape that two thousand do not show is no shape.
_LOOKED_AT = 2000
# Distinct values that are kept of a path.
_KEPT = 200
# Lists inside lists inside lists are followed so deep.
_DEEPEST = 6
# Elements of a list inside a thing for which each position is a path of its own: pairs of coordinates.
_PAIR = 4
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What stands at one path of the things of a list.

    `values` are the distinct ones in the order in which they came, `count` how many things have one, `total` how many
    things there are. `inner` is the path of the list inside the thing that it belongs to, "" for the thing itself;
    `path` is then from an element of that list.
    """

    path: str
    keys: tuple[str, ...]
    values: tuple[Any, ...]
    count: int
    total: int
    distinct: int
    inner: str = ""

    @property
    def is_unique(self) -> bool:
        """Whether every thing has a value that no other has."""
        return self.distinct == self.count == self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One list of a sample: where it is, its columns, and those of the document around it (`$.` paths)."""

    each: str
    total: int
    columns: tuple[Column, ...]
    root: tuple[Column, ...] = ()


def lists_of(document: Any, root: Mapping[str, Any]) -> list[Observed]:
    """Return the lists of things in a document, those that tell most first; `root` is what `$.` paths begin at."""
    found = [_observed(document, root, text) for text in dict.fromkeys(_eaches(document, "", 0))]
    return sorted((it for it in found if it.columns), key=_weight, reverse=True)


def _weight(observed: Observed) -> float:
    """Weigh a list: many things with many values that are there; an inner list loses to the one around it."""
    filled = sum(column.count / column.total for column in observed.columns if not column.inner)
    deep = observed.each.count("[*]") + observed.each.count(VALUES)
    return float(min(observed.total, 20) ** 0.5 * min(filled, 30) / deep**1.5)


def _eaches(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        things = [it for it in value if isinstance(it, dict)]
        if things and len(things) == len(value):
            yield from _things(things, f"{path}[*]", depth)
    elif isinstance(value, dict):
        things = [it for it in value.values() if isinstance(it, dict)]
        if len(things) > 1 and len(things) == len(value) and _alike(things):
            yield from _things(things, f"{path}{VALUES}", depth)
            return
        for key, inner in value.items():
            yield from _eaches(inner, f"{path}.{_key(key)}" if path else _key(key), depth + 1)


def _things(things: Sequence[Mapping[str, Any]], path: str, depth: int) -> Iterator[str]:
    yield path
    keys = Counter(key for thing in things for key in thing)
    for key, count in keys.items():
        inner = [thing[key] for thing in things if key in thing]
        if count * 2 > len(things) and all(isinstance(it, dict) for it in inner):
            # A wrapper: `records[*].fields`, `features[*].properties`.
            yield f"{path}.{_key(key)}"
        lists = [it for it in inner if isinstance(it, list) and it and all(isinstance(each, dict) for each in it)]
        if lists:
            yield from _things([each for one in lists for each in one], f"{path}.{_key(key)}[*]", depth + 1)


def _alike(things: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the values of an object are things of one kind: most of their keys are the same."""
    keys = Counter(key for thing in things for key in thing)
    return bool(keys) and sum(count == len(things) for count in keys.values()) * 2 >= len(keys)


def _key(key: str) -> str:
    return f"<{key}>" if any(it in key for it in ".[]<{}") else key


def _observed(document: Any, root: Mapping[str, Any], text: str) -> Observed:
    each = parse_each(text, nested=True)
    things = _of(document, each)
    columns = _columns(things[:_LOOKED_AT])
    around = _columns([root], lists=False) if root else []
    keyed = [
        Column(
            path=f"$.{it.path}", keys=it.keys, values=it.values, count=it.count, total=it.total, distinct=it.distinct
        )
        for it in around
    ]
    return Observed(each=text, total=len(things), columns=tuple(columns), root=tuple(keyed))


def _of(document: Any, each: Each) -> list[Mapping[str, Any]]:
    """Return the things of a list as decoders give them."""
    values = _elements(document, each.before)
    for keys in each.inner:
        spread = []
        for value in values:
            around = without(value, keys)
            spread += [{**inner, AROUND: around} for inner in _elements(value, keys) if isinstance(inner, dict)]
        values = spread
    found = [dig(value, each.after) if each.after else value for value in values]
    return [it for it in found if isinstance(it, dict)]


def _elements(value: Any, keys: Sequence[str]) -> list[Any]:
    if keys and keys[-1] == VALUES:
        found = dig(value, keys[:-1])
        return [{"@key": key, **it} for key, it in found.items()] if isinstance(found, dict) else []
    found = dig(value, keys)
    return found if isinstance(found, list) else []


def _columns(things: Sequence[Mapping[str, Any]], *, lists: bool = True) -> list[Column]:
    found: dict[tuple[str, str], tuple[tuple[str, ...], list[Any]]] = {}
    totals: Counter[str] = Counter({"": len(things)})
    for thing in things:
        seen: dict[tuple[str, str], tuple[str, ...]] = {}
        for inner, path, keys, value in _leaves(thing, "", (), "", lists=lists):
            found.setdefault((inner, path), (keys, []))[1].append(value)
            seen[inner, path] = keys
        for inner in {inner for inner, _ in seen if inner}:
            totals[inner] += len(_elements(thing, [key for key in inner.removesuffix("[*]").split(".") if key]))
    return [_column(inner, path, keys, values, totals[inner]) for (inner, path), (keys, values) in found.items()]


def _column(inner: str, path: str, keys: tuple[str, ...], values: Sequence[Any], total: int) -> Column:
    present = [value for value in values if value is not None and value != ""]
    distinct = list({(type(value), value): value for value in present}.values())
    return Column(
        path=path,
        keys=keys,
        values=tuple(distinct[:_KEPT]),
        count=len(present),
        total=total,
        distinct=len({str(value) for value in present}),
        inner=inner,
    )


def _leaves(
    value: Any, path: str, keys: tuple[str, ...], inner: str, *, lists: bool
) -> Iterator[tuple[str, str, tuple[str, ...], Any]]:
    """Yield the plain values of a thing: the inner list they are in, their path, its keys, the value."""
    if isinstance(value, dict):
        for key, it in value.items():
            here = f"{path}.{_key(key)}" if path else _key(key)
            yield from _leaves(it, here, (*keys, key), inner, lists=lists)
    elif isinstance(value, list):
        if value and all(isinstance(it, dict) for it in value):
            if lists:
                yield from _elements_of(value, path, keys, inner)
        elif len(value) <= _PAIR and not any(isinstance(it, list) for it in value):
            for at, it in enumerate(value):
                yield inner, f"{path}[{at}]", (*keys, str(at)), it
    elif value is None or isinstance(value, _PLAIN):
        yield inner, path, keys, value


def _elements_of(
    value: Sequence[Mapping[str, Any]], path: str, keys: tuple[str, ...], inner: str
) -> Iterator[tuple[str, str, tuple[str, ...], Any]]:
    """Yield what a list inside a thing says: its elements as a group, and each by the key that tells them apart."""
    if inner:
        return
    for element in value:
        yield from _leaves(element, "", (), f"{path}[*]", lists=False)
    for key in _telling(value):
        for element in value:
            rest = {name: it for name, it in element.items() if name != key and isinstance(it, _PLAIN)}
            for name, it in rest.items():
                where = f"{path}[{key}={element[key]}].{_key(name)}"
                yield "", where, (*keys, str(element[key]), name), it
    if len(value) == 1:
        # A text in one language: `name[0].text`.
        for name, it in value[0].items():
            if isinstance(it, _PLAIN):
                yield "", f"{path}[0].{_key(name)}", (*keys, name), it


def _telling(value: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the keys whose texts name the elements of a list, each another: `value_type`, `parameter`."""
    for key, first in value[0].items():
        texts = [element.get(key) for element in value]
        is_word = isinstance(first, str) and not first.replace(".", "").replace("-", "").isdigit()
        short = all(isinstance(it, str) and 0 < len(it) <= 40 and not set(it) & set("[]=") for it in texts)
        if is_word and short and len(set(texts)) == len(texts) and len(value) > 1:
            yield key
            return
