"""The file `alignment.yaml` of a model, read and checked against its names; every fault with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from vocab.alignment import ATTRIBUTE_KINDS, BUILT_IN, GEO_PROPERTY, PROPERTY, RELATIONSHIP, Alignment, Attribute
from vocab.model_values import Field, Kind

FILE = "alignment.yaml"
_NUMBERS = (Kind.INTEGER, Kind.DOUBLE)
_BUILT_IN_KINDS = dict(zip(BUILT_IN, (Kind.IRI, Kind.DATETIME, Kind.POINT), strict=True))
_RESULTS = (*_NUMBERS, Kind.BOOLEAN, Kind.STRING, Kind.TEXT, Kind.CODE, Kind.DATETIME)


def read_alignment(path: Path, fields: Mapping[str, Field]) -> tuple[Alignment, list[str]]:
    """Read the file of a model whose names are `fields`; returns what it says, and its faults as sentences.

    Without a file the model is shown nowhere else.
    """
    if not path.exists():
        return Alignment(), []
    reader = _Reader(fields=fields)
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        return Alignment(), [f"{FILE}{line}: cannot be read: {getattr(error, 'problem', None) or error}"]
    found = reader.document(root)
    return found, reader.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    key: str
    line: int
    node: yaml.Node


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    fields: Mapping[str, Field]
    faults: list[str] = field(default_factory=list)

    def fault(self, line: int, what: str) -> None:
        self.faults.append(f"{FILE}:{line}: {what}")

    def kind(self, name: str) -> Kind:
        return self.fields[name].kind if name in self.fields else _BUILT_IN_KINDS[name]

    def document(self, root: yaml.Node | None) -> Alignment:
        parts = self.entries(root, "the file", ("ngsi_ld", "sensorthings", "terms")) if root else {}
        ngsi = self.section(parts, "ngsi_ld", ("type", "context", "attributes"))
        things = self.section(parts, "sensorthings", ("thing", "datastreams", "until"))
        attributes = {each.key: self.attribute(each) for each in self.names(ngsi.get("attributes"), "attributes")}
        self.refuse_shared(attributes, parts["ngsi_ld"].line if "ngsi_ld" in parts else 1)
        if ngsi:
            for key in ("type", "context"):
                if key not in ngsi:
                    self.fault(parts["ngsi_ld"].line, f"ngsi_ld has no {key}")
        return Alignment(
            type=self.text(ngsi.get("type")),
            context=self.text(ngsi.get("context")),
            attributes=attributes,
            thing=self.text(things.get("thing")),
            datastreams=tuple(self.datastreams(things.get("datastreams"))),
            until=self.until(things.get("until")),
            terms={each.key: self.terms(each) for each in self.names(parts.get("terms"), "terms")},
        )

    def section(self, parts: Mapping[str, _Entry], name: str, keys: Iterable[str]) -> dict[str, _Entry]:
        return self.entries(parts[name].node, name, keys) if name in parts else {}

    def entries(self, node: yaml.Node, where: str, known: Iterable[str] = ()) -> dict[str, _Entry]:
        """Return the entries of a mapping by key; `known` are the keys there may be, none means any."""
        found: dict[str, _Entry] = {}
        names = tuple(known)
        if not isinstance(node, yaml.MappingNode):
            self.fault(_line(node), f"{where} must be a mapping: write `key: value` lines below it")
            return found
        for key, value in node.value:
            name, line = str(key.value), _line(key)
            if name in found:
                self.fault(line, f"{name} is written twice in {where}")
            elif names and name not in names:
                self.fault(line, f"unknown key {name!r} in {where}; {_suggest(name, names)}")
            else:
                found[name] = _Entry(key=name, line=line, node=value)
        return found

    def names(self, entry: _Entry | None, where: str) -> Iterator[_Entry]:
        """Yield the entries of a mapping whose keys are names of the model, those that are none as faults."""
        if entry is None:
            return
        known = (*self.fields, *BUILT_IN)
        for each in self.entries(entry.node, where).values():
            if each.key in known:
                yield each
            else:
                self.fault(each.line, f"the model has no name {each.key!r}; {_suggest(each.key, known)}")

    def attribute(self, entry: _Entry) -> Attribute:
        keys = ("name", "kind", "scale", "unit", "values", "many")
        parts = self.entries(entry.node, entry.key, keys)
        kind = self.kind(entry.key)
        usual = {Kind.POINT: GEO_PROPERTY}.get(kind, PROPERTY)
        said = self.text(parts.get("kind")) or usual
        if said not in ATTRIBUTE_KINDS:
            self.fault(parts["kind"].line, f"{said!r} is no kind of attribute; {_suggest(said, ATTRIBUTE_KINDS)}")
        if (said == GEO_PROPERTY) != (kind is Kind.POINT) or (said == RELATIONSHIP and kind is not Kind.IRI):
            self.fault(entry.line, f"{entry.key} is a {kind.value} and cannot be a {said}")
        name = self.text(parts.get("name"))
        if not name:
            self.fault(entry.line, f"{entry.key} has no name: write {{ name: … }}")
        scale = self.scalar(parts.get("scale"))
        if "scale" in parts and (type(scale) not in (int, float) or kind not in _NUMBERS):
            self.fault(parts["scale"].line, f"scale is a number and for numbers only; {entry.key} is a {kind.value}")
            scale = None
        return Attribute(
            name=name,
            kind=said,
            scale=None if scale is None else float(scale),
            unit=self.text(parts.get("unit")) or None,
            values=self.values(parts.get("values"), entry.key),
            many=self.scalar(parts.get("many")) is True,
        )

    def values(self, entry: _Entry | None, name: str) -> dict[str, str]:
        if entry is None:
            return {}
        codes = self.fields[name].codes if name in self.fields else ()
        known = codes or (("true", "false") if self.kind(name) is Kind.BOOLEAN else ())
        return {key: self.text(each) for key, each in self.entries(entry.node, "values", known).items()}

    def refuse_shared(self, attributes: Mapping[str, Attribute], line: int) -> None:
        said: dict[str, str] = {}
        for name, attribute in attributes.items():
            other = said.setdefault(attribute.name, name)
            if other != name and not (attribute.many and attributes[other].many):
                self.fault(
                    line, f"{other} and {name} are both {attribute.name}: give both `many: true`, or leave one out"
                )

    def datastreams(self, entry: _Entry | None) -> Iterator[str]:
        if entry is None:
            return
        if not isinstance(entry.node, yaml.SequenceNode):
            self.fault(entry.line, "datastreams must be a list of names")
            return
        for node in entry.node.value:
            name = str(node.value)
            if name not in self.fields:
                self.fault(_line(node), f"the model has no name {name!r}; {_suggest(name, self.fields)}")
            elif self.kind(name) not in _RESULTS:
                self.fault(_line(node), f"{name} is a {self.kind(name).value}, which is no result")
            else:
                yield name

    def until(self, entry: _Entry | None) -> str:
        name = self.text(entry)
        if entry is not None and (name not in self.fields or self.kind(name) is not Kind.DATETIME):
            known = (each for each, found in self.fields.items() if found.kind is Kind.DATETIME)
            self.fault(entry.line, f"until is the name of a time, and {name!r} is none; {_suggest(name, known)}")
            return ""
        return name

    def terms(self, entry: _Entry) -> dict[str, str]:
        return {key: self.text(each) for key, each in self.entries(entry.node, entry.key).items()}

    def text(self, entry: _Entry | None) -> str:
        if entry is None:
            return ""
        if not isinstance(entry.node, yaml.ScalarNode):
            self.fault(entry.line, f"{entry.key} must be a text")
            return ""
        return str(entry.node.value)

    def scalar(self, entry: _Entry | None) -> Any:
        if entry is None or not isinstance(entry.node, yaml.ScalarNode):
            return None
        return yaml.safe_load(entry.node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _suggest(word: str, known: Iterable[str]) -> str:
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(words) or 'none'}"
