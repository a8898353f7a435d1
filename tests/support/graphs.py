"""RDF members without an RDF library: triples spelled as text, gathered per member, compared up to blank-node labels."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

SEQUENCE = "https://w3id.org/smartflanders/ns#sequence"
GENERATED_AT = "http://www.w3.org/ns/prov#generatedAtTime"
_XSD = "http://www.w3.org/2001/XMLSchema#"

# Subject and object as `<iri>`, `_:label`, or a literal as `literal()` spells it; the predicate as a bare IRI.
Triple = tuple[str, str, str]

_LINE = re.compile(r"(<[^>]*>|_:\S+) <([^>]*)> (.+?) ?\.")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?:@([\w-]+)|\^\^<([^>]*)>)?')
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
# What a literal without quotes is, in the short forms of Turtle.
_SHORT = (
    (re.compile(r"true|false"), "boolean"),
    (re.compile(r"[+-]?\d+"), "integer"),
    (re.compile(r"[+-]?\d*\.\d+"), "decimal"),
    (re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+"), "double"),
)


def literal(value: str, *, datatype: str = _XSD + "string", language: str = "") -> str:
    """Spell a literal in the one form that is compared."""
    text = json.dumps(value, ensure_ascii=False)
    return f"{text}@{language.lower()}" if language else f"{text}^^<{datatype}>"


def parse(text: str) -> Iterator[Triple]:
    """Read N-Triples, with Turtle's short literals where a client writes those.

    Raises:
        ValueError: a line is none.

    """
    for line in text.splitlines():
        if not line:
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"no triple: {line!r}")
        subject, predicate, value = found.groups()
        yield subject, predicate, value if value[0] in "<_" else _literal(value)


def _literal(spelled: str) -> str:
    if found := _QUOTED.fullmatch(spelled):
        text, language, datatype = found.groups()
        plain = _ESCAPE.sub(_unescape, text) if "\\" in text else text
        return literal(plain, datatype=datatype or _XSD + "string", language=language or "")
    for short, kind in _SHORT:
        if short.fullmatch(spelled):
            return literal(spelled, datatype=_XSD + kind)
    raise ValueError(f"no literal: {spelled!r}")


def _unescape(found: re.Match[str]) -> str:
    short, long, control = found.groups()
    return chr(int(short or long, 16)) if control is None else _CONTROLS.get(control, control)


@dataclass(frozen=True)
class Node:
    """A node and what is said of it; blank nodes hang below it, labels forgotten.

    `facts` are its predicates with IRIs and literals, `parts` its predicates with blank nodes.
    """

    facts: frozenset[tuple[str, str]]
    parts: tuple[tuple[str, Node], ...]

    @cached_property
    def spelled(self) -> str:
        """Text that is equal exactly when two nodes say the same."""
        said = [f"{predicate} {value}" for predicate, value in self.facts]
        said += [f"{predicate} {part.spelled}" for predicate, part in self.parts]
        return f"[{'; '.join(sorted(said))}]"

    def objects(self) -> set[str]:
        """Every IRI and literal that is an object here or below."""
        return {value for _, value in self.facts}.union(*(part.objects() for _, part in self.parts))

    def one(self, predicate: str) -> str:
        """Return the only literal of a predicate, without its type."""
        (found,) = [value for name, value in self.facts if name == predicate]
        value: str = json.loads(found[: found.rindex('"') + 1]) if "^^" in found else found
        return value


def members(triples: Iterable[Triple]) -> dict[str, Node]:
    """Gather the members, each by its IRI: those are the nodes that have a sequence number."""
    by_subject: dict[str, list[tuple[str, str]]] = defaultdict(list)
    roots: dict[str, None] = {}
    for subject, predicate, value in triples:
        by_subject[subject].append((predicate, value))
        if predicate == SEQUENCE:
            roots[subject] = None
    return {root.strip("<>"): _node(root, by_subject) for root in roots}


def _node(subject: str, by_subject: dict[str, list[tuple[str, str]]]) -> Node:
    said = by_subject.get(subject, [])
    return Node(
        facts=frozenset(pair for pair in said if not pair[1].startswith("_:")),
        parts=tuple((predicate, _node(value, by_subject)) for predicate, value in said if value.startswith("_:")),
    )


def lacking(whole: Node, found: Node) -> list[tuple[str, str]] | None:
    """Return the facts that `found` lacks to be `whole`, None when it is no part of it: says more, or has other parts."""
    if not found.facts <= whole.facts or len(found.parts) != len(whole.parts):
        return None
    costs = [
        [lacking(part, other) if name == predicate else None for predicate, other in found.parts]
        for name, part in whole.parts
    ]
    pairs = _pairs(costs)
    if pairs is None:
        return None
    missing = list(whole.facts - found.facts)
    for mine, theirs in pairs:
        missing += costs[mine][theirs] or []
    return missing


def _pairs(allowed: Sequence[Sequence[object]]) -> list[tuple[int, int]] | None:
    """Give every row a column of its own where it is not None (Kuhn's matching); None when that cannot be."""
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, cell in enumerate(allowed[row]):
            if cell is None or column in tried:
                continue
            tried.add(column)
            if column not in taken or place(taken[column], tried):
                taken[column] = row
                return True
        return False

    if not all(place(row, set()) for row in range(len(allowed))):
        return None
    return [(row, column) for column, row in taken.items()]
