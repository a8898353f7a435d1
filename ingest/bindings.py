"""Bindings: which path of an item gives which name of a model, and how it is converted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from ingest.conversions import is_iri, zone_of
from ingest.paths import Each, Path, PathError, parse_each, parse_path
from streams.settings import parse_duration
from streams.yaml_lines import Faults, Node, check_keys, suggest

EPOCHS = {"epoch_seconds": 1.0, "epoch_milliseconds": 1000.0, "epoch_seconds_or_text": 1.0}
AS = (*EPOCHS, "wkt")
# `default: received` is the time at which the payload came.
RECEIVED = "received"
CRS = (31370, 3812)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
# `otherwise: absent` and a code mapped to `absent` mean: this counts as no value.
ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`when:` another name's value `test`s (above, below, equals, not) against `value`; no value fails every test."""

    name: str
    test: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One bound name. Exactly one of `paths`, `constant`, `split`, `place`, `join` and `coordinates` has its origin."""

    name: str
    line: int
    paths: tuple[Path, ...] = ()
    constant: Any = None
    split: tuple[Path, Path] | None = None
    place: tuple[tuple[Path, ...], tuple[Path, ...]] | None = None
    join: tuple[Path, ...] = ()
    between: str = "-"
    coordinates: tuple[Path, ...] = ()
    order: str = ""
    crs: int | None = None
    default: Any = None
    wkt: bool = False
    written: bool = False
    sentinels: tuple[Any, ...] = ()
    comma: bool = False
    zone: str = ""
    epoch: float = 0.0
    plus: timedelta = timedelta(0)
    codes: Mapping[str, str | None] = field(default_factory=dict)
    otherwise_absent: bool = False
    when: tuple[Condition, ...] = ()
    language: str = ""
    lookup: str = ""
    entity_of: str = ""
    json: bool = False
    unit: str = ""
    match: str = ""
    rotate: str = ""

    @property
    def plain_paths(self) -> tuple[Path, ...]:
        """List the paths, those of `place` apart."""
        return (*self.paths, *(self.split or ()), *self.join, *self.coordinates)

    @property
    def where(self) -> str:
        """Say where the value is read, for rejections."""
        if self.paths:
            return self.paths[0].text
        if found := self.split or self.join or self.coordinates:
            return found[0].text
        return self.place[0][0].text if self.place else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A bound group: `bind` applies to every element of the list at `each`."""

    name: str
    line: int
    each: Each
    bind: Mapping[str, Binding]


Bound = Binding | Group


def parse_bind(node: Node, faults: Faults) -> dict[str, Bound]:
    """Read the `bind:` mapping; faults are gathered and the faulty binding left out."""
    bound: dict[str, Bound] = {}
    for name, value in node.items():
        found = _group(name, value, faults) if value.get("each") else _binding(name, value, faults)
        if found is not None:
            bound[name] = found
    return bound


def _group(name: str, node: Node, faults: Faults) -> Group | None:
    check_keys(node, ("each", "bind"), faults, where=f"group {name}")
    each, bind = node.get("each"), node.get("bind")
    if each is None or bind is None or not bind.is_mapping:
        faults.add(node.line, f"group {name} needs `each:` and `bind:`", "write bind: { name: path, … } below it")
        return None
    inner: dict[str, Binding] = {}
    for key, value in bind.items():
        found = _binding(key, value, faults)
        if found is not None:
            inner[key] = found
    try:
        return Group(name=name, line=node.line, each=parse_each(each.text), bind=inner)
    except PathError as error:
        faults.add(each.line, str(error), "write for example each: meetdata[*]")
        return None


def _binding(name: str, node: Node, faults: Faults) -> Binding | None:
    if not node.is_mapping:
        paths = _paths(node, faults)
        return Binding(name=name, line=node.line, paths=paths) if paths else None
    check_keys(node, (*_ORIGINS, *_WORDS), faults, where=f"the binding of {name}")
    given = [key for key in _ORIGINS if node.get(key) is not None]
    if len({_ORIGINS[key] for key in given}) != 1:
        faults.add(
            node.line,
            f"{name} has {'several origins' if given else 'no origin'}: {', '.join(given) or 'nothing'}",
            "give exactly one of from, constant, join, date + time, longitude + latitude, x + y + crs, coordinates",
        )
        return None
    binding = _origin(Binding(name=name, line=node.line), node, faults)
    for key, value in node.items():
        if binding is not None and key in _WORDS:
            binding = _WORDS[key](binding, value, faults)
    return binding


def _paths(node: Node, faults: Faults) -> tuple[Path, ...]:
    found = []
    for element in node.elements():
        if isinstance(element.value, dict | list) or element.value is None:
            faults.add(
                element.line, f"a path must be a text, not {element.described}", "write for example location.lon"
            )
            continue
        try:
            found.append(parse_path(element.text))
        except PathError as error:
            faults.add(element.line, str(error), "write keys with dots, indexes as [0], attributes as @name")
    return tuple(found)


def _origin(binding: Binding, node: Node, faults: Faults) -> Binding | None:
    constant = node.get("constant")
    if constant is not None:
        return replace(binding, constant=constant.text if isinstance(constant.value, str) else constant.value)
    if source := node.get("from"):
        paths = _paths(source, faults)
        return _with_crs(replace(binding, paths=paths), node, faults) if paths else None
    for key in ("join", "coordinates"):
        if many := node.get(key):
            paths = _paths(many, faults)
            return _with_crs(replace(binding, **{key: paths}), node, faults) if paths else None  # type: ignore[arg-type]
    pairs = (("date", "time"), ("longitude", "latitude"), ("x", "y"))
    first, second = next(pair for pair in pairs if node.get(pair[0]) or node.get(pair[1]))
    left, right = node.get(first), node.get(second)
    if left is None or right is None:
        faults.add(
            node.line, f"{binding.name} has only one of {first} and {second}", f"give both {first}: and {second}:"
        )
        return None
    lefts, rights = _paths(left, faults), _paths(right, faults)
    if not lefts or not rights:
        return None
    if first == "date":
        return replace(binding, split=(lefts[0], rights[0]))
    return _place(replace(binding, place=(lefts, rights)), node, faults, projected=first == "x")


def _place(binding: Binding, node: Node, faults: Faults, *, projected: bool) -> Binding | None:
    crs = node.get("crs")
    if not projected:
        return binding
    if crs is None or crs.value not in CRS:
        faults.add(node.line, "x and y need their coordinate system", "add crs: 31370 (Lambert 72) or crs: 3812")
        return None
    return replace(binding, crs=int(crs.text))


def _with_crs(binding: Binding, node: Node, faults: Faults) -> Binding:
    crs = node.get("crs")
    if crs is None:
        return binding
    if crs.value not in CRS:
        faults.add(crs.line, f"{crs.described} is no coordinate system that is known", "write crs: 31370 or crs: 3812")
        return binding
    return replace(binding, crs=int(crs.text))


def _word_default(binding: Binding, node: Node, faults: Faults) -> Binding:
    if isinstance(node.value, dict | list) or node.value is None:
        faults.add(node.line, f"`default` must be a plain value, not {node.described}", "write default: 0")
        return binding
    # A date without quotes is one to YAML; publishers send texts.
    return replace(binding, default=node.value if isinstance(node.value, bool | int | float) else node.text)


def _word_not(binding: Binding, node: Node, faults: Faults) -> Binding:
    values: list[Any] = []
    for element in node.elements():
        if isinstance(element.value, dict | list):
            faults.add(element.line, "`not` lists plain values", "write not: [-1, 251]")
            continue
        # A publisher may send the number or its text.
        values.extend(dict.fromkeys((element.value, element.text)))
    return replace(binding, sentinels=tuple(values))


def _word_map(binding: Binding, node: Node, faults: Faults) -> Binding:
    codes: dict[str, str | None] = {}
    if not node.is_mapping:
        faults.add(node.line, f"`map` must be a mapping, not {node.described}", 'write map: { "1": car }')
    for key, value in node.items():
        codes[key] = None if value.text == ABSENT else value.text
    return replace(binding, codes=codes)


def _word_when(binding: Binding, node: Node, faults: Faults) -> Binding:
    conditions = []
    for name, tests in node.items():
        check_keys(tests, ("above", "below", "equals", "not"), faults, where=f"when {name}")
        for test, value in tests.items():
            if test in ("above", "below") and (
                isinstance(value.value, bool) or not isinstance(value.value, int | float)
            ):
                faults.add(value.line, f"`{test}` needs a number, not {value.described}", f"write {{ {test}: 0 }}")
                continue
            if isinstance(value.value, list | dict) or not isinstance(value.value, bool | int | float | str):
                faults.add(value.line, f"`{test}` needs a plain value, not {value.described}", f"write {{ {test}: 0 }}")
                continue
            if isinstance(value.value, float) and not math.isfinite(value.value):
                what = f"`{test}` needs a number that a value can reach, not {value.text}"
                faults.add(value.line, what, f"write a finite one, {{ {test}: 0 }}, or leave the condition out")
                continue
            conditions.append(Condition(name=name, test=test, value=value.value))
    if not conditions:
        faults.add(node.line, "`when` names no condition", "write when: { count: { above: 0 } }")
    return replace(binding, when=tuple(conditions))


def _word_as(binding: Binding, node: Node, faults: Faults) -> Binding:
    if node.text not in AS:
        faults.add(node.line, f"`as: {node.text}` is unknown", suggest(node.text, AS))
    word = node.text
    return replace(binding, epoch=EPOCHS.get(word, 0.0), written=word.endswith("_or_text"), wkt=word == "wkt")


def _word_zone(binding: Binding, node: Node, faults: Faults) -> Binding:
    if zone_of(node.text) is None:
        faults.add(node.line, f"{node.text!r} is no time zone", 'write zone: Europe/Brussels or zone: "+01:00"')
        return binding
    return replace(binding, zone=node.text)


def _word_match(binding: Binding, node: Node, faults: Faults) -> Binding:
    try:
        re.compile(node.text)
    except re.error as error:
        faults.add(node.line, f"{node.text!r} is no pattern: {error}", 'write for example match: "^[A-Z]+"')
        return binding
    return replace(binding, match=node.text)


def _word_language(binding: Binding, node: Node, faults: Faults) -> Binding:
    if not _LANGUAGE.fullmatch(node.text):
        faults.add(node.line, f"{node.described} is no language", "write language: nl, en, fr or de")
        return binding
    return replace(binding, language=node.text)


def _word_plus(binding: Binding, node: Node, faults: Faults) -> Binding:
    try:
        return replace(binding, plus=parse_duration(node.text))
    except ValueError as error:
        faults.add(node.line, f"{node.text!r} is no duration: {error}", "write plus: 60s")
        return binding


def _choice(key: str, attribute: str, **values: Any) -> Callable[[Binding, Node, Faults], Binding]:
    def word(binding: Binding, node: Node, faults: Faults) -> Binding:
        if node.text.lower() not in values:
            faults.add(node.line, f"`{key}: {node.text}` is unknown", suggest(node.text, values))
            return binding
        return replace(binding, **{attribute: values[node.text.lower()]})

    return word


def _plain(attribute: str, *, spelled: str = "") -> Callable[[Binding, Node, Faults], Binding]:
    key = spelled or attribute

    def word(binding: Binding, node: Node, faults: Faults) -> Binding:
        if isinstance(node.value, dict | list) or not node.text:
            faults.add(node.line, f"`{key}` must be a text, not {node.described}", f"write {key}: …")
            return binding
        changed: dict[str, Any] = {attribute: node.text}
        return replace(binding, **changed)

    return word


def _no_word(binding: Binding, _node: Node, _faults: Faults) -> Binding:
    return binding


# Where a value comes from: key → the origin it belongs to.
_ORIGINS = {
    "from": "from",
    "constant": "constant",
    "join": "join",
    "coordinates": "coordinates",
    "date": "split",
    "time": "split",
    "longitude": "place",
    "latitude": "place",
    "x": "projected",
    "y": "projected",
}
# How it is converted: key → what it does to the binding.
_WORDS: dict[str, Callable[[Binding, Node, Faults], Binding]] = {
    "crs": _no_word,
    "with": _plain("between", spelled="with"),
    "order": _choice("order", "order", lon_lat="lon_lat", lat_lon="lat_lon"),
    "default": _word_default,
    "not": _word_not,
    "decimal": _choice("decimal", "comma", comma=True, point=False),
    "zone": _word_zone,
    "as": _word_as,
    "plus": _word_plus,
    "match": _word_match,
    "map": _word_map,
    "otherwise": _choice("otherwise", "otherwise_absent", absent=True),
    "when": _word_when,
    "language": _word_language,
    "lookup": _plain("lookup"),
    "entity_of": _plain("entity_of"),
    "json": _choice("json", "json", true=True, false=False),
    "unit": _plain("unit"),
    "rotate": _choice("rotate", "rotate", daily="daily", publisher="publisher"),
}


def names_of(bind: Mapping[str, Bound]) -> set[str]:
    """List every bound name, those of groups included."""
    names = {name for name, bound in bind.items() if isinstance(bound, Binding)}
    return names.union(*(bound.bind for bound in bind.values() if isinstance(bound, Group)))


def absolute(value: str, node: Node, faults: Faults, *, where: str) -> str:
    """Fault a text that is no absolute IRI."""
    if value and not is_iri(value):
        faults.add(node.line, f"{where} is no absolute IRI: {value!r}", "write the whole address, with https://")
    return value
