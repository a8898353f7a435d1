"""SHACL property paths: read from a dataset, compared by what they mean, followed from a member."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pyoxigraph import BlankNode, NamedNode

from testbed.client.graph import Dataset, Node, Term
from testbed.client.terms import RDF, SH

# More steps and deeper nesting than any path in use; a list that bites its tail ends here.
_MOST_STEPS, _DEEPEST = 100, 16
_FIRST, _REST, _NIL = RDF + "first", RDF + "rest", RDF + "nil"


class Step(Enum):
    """How a path goes on."""

    PREDICATE = "predicate"
    SEQUENCE = "sequence"
    ALTERNATIVE = SH + "alternativePath"
    INVERSE = SH + "inversePath"
    ANY_NUMBER = SH + "zeroOrMorePath"
    AT_LEAST_ONE = SH + "oneOrMorePath"
    AT_MOST_ONE = SH + "zeroOrOnePath"


_NESTED = (Step.ALTERNATIVE, Step.INVERSE, Step.ANY_NUMBER, Step.AT_LEAST_ONE, Step.AT_MOST_ONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path; two are equal when they are built alike. `iri` is the predicate of a PREDICATE step."""

    step: Step
    iri: str = ""
    parts: tuple[Path, ...] = ()

    def __str__(self) -> str:
        if self.step is Step.PREDICATE:
            return f"<{self.iri}>"
        if self.step is Step.SEQUENCE:
            return "/".join(str(part) for part in self.parts)
        return f"{self.step.value.removeprefix(SH)}({', '.join(str(part) for part in self.parts)})"


def predicate(iri: str) -> Path:
    """Return the path of one predicate."""
    return Path(step=Step.PREDICATE, iri=iri)


def sequence(*parts: Path) -> Path:
    """Return one path after another; a single one is itself, as some contexts write single paths as lists."""
    return parts[0] if len(parts) == 1 else Path(step=Step.SEQUENCE, parts=parts)


def parse_path(text: str) -> Path:
    """Read a path as people type it: an IRI, or `<IRI>/<IRI>`.

    Raises:
        ValueError: it is neither.

    """
    steps = text[1:-1].split(">/<") if text.startswith("<") and text.endswith(">") else [text]
    if not all(":" in step and not set(' <>"{}|\\^`') & set(step) for step in steps):
        raise ValueError(f"{text} is no path: write an IRI, or <IRI>/<IRI> for a value further away")
    return sequence(*(predicate(step) for step in steps))


def read_path(data: Dataset, node: Term) -> Path | None:
    """Read the path that `node` stands for; None when it is not well-formed, or has more steps than any real one."""
    return _Reader(data).read(node, 0)


class _Reader:
    """Reads one path; counts its steps, since a few nodes that refer to each other can stand for any number."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._left = _MOST_STEPS

    def read(self, node: Term, depth: int) -> Path | None:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST or not isinstance(node, NamedNode | BlankNode):
            return None
        if (items := _items(self._data, node)) is not None:
            parts = self._parts(items, depth)
            return sequence(*parts) if parts else None
        if isinstance(node, NamedNode):
            return predicate(node.value)
        found = [(step, value) for step in _NESTED for value in self._data.objects(node, step.value)]
        if len(found) != 1:
            return None
        step, value = found[0]
        if step is Step.ALTERNATIVE:
            parts = self._parts(_items(self._data, value) or [], depth) if isinstance(value, BlankNode) else ()
            return Path(step=step, parts=parts) if parts else None
        inner = self.read(value, depth + 1)
        return None if inner is None else Path(step=step, parts=(inner,))

    def _parts(self, items: list[Term], depth: int) -> tuple[Path, ...]:
        """Read the items of a list; nothing when one of them is no path."""
        parts = []
        for item in items:
            part = self.read(item, depth + 1)
            if part is None:
                return ()
            parts.append(part)
        return tuple(parts)


def _items(data: Dataset, node: Node) -> list[Term] | None:
    """Return the items of a list; None when the node is none, or the list is broken."""
    items: list[Term] = []
    while not (isinstance(node, NamedNode) and node.value == _NIL):
        first, rest = data.objects(node, _FIRST), data.objects(node, _REST)
        if len(first) != 1 or len(rest) != 1 or len(items) > _MOST_STEPS:
            return None
        items.append(first[0])
        if not isinstance(rest[0], NamedNode | BlankNode):
            return None
        node = rest[0]
    return items or None


def values(path: Path, start: Term, data: Dataset) -> list[Term]:
    """Return the values at a path, each once, in the order of the data."""
    if path.step is Step.PREDICATE:
        return data.objects(start, path.iri)
    if path.step is Step.SEQUENCE:
        found: list[Term] = [start]
        for part in path.parts:
            found = _all(part, found, data)
        return found
    if path.step is Step.ALTERNATIVE:
        return list(dict.fromkeys(value for part in path.parts for value in values(part, start, data)))
    (inner,) = path.parts
    if path.step is Step.INVERSE:
        return list(data.subjects(inner.iri, start)) if inner.step is Step.PREDICATE else []
    once = values(inner, start, data)
    if path.step is Step.AT_MOST_ONE:
        return list(dict.fromkeys([start, *once]))
    return _closure(inner, [start] if path.step is Step.ANY_NUMBER else once, data)


def _all(path: Path, starts: list[Term], data: Dataset) -> list[Term]:
    return list(dict.fromkeys(value for start in starts for value in values(path, start, data)))


def _closure(path: Path, found: list[Term], data: Dataset) -> list[Term]:
    seen, todo = dict.fromkeys(found), list(found)
    while todo:
        for value in values(path, todo.pop(), data):
            if value not in seen:
                seen[value] = None
                todo.append(value)
    return list(seen)
