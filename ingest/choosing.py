"""`only:` of a source file: which elements of a list are items of this source, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.paths import Path, PathError, dig, parse_path, text_of
from ingest.schema_parts import TEXT, Schema, object_of, one_or_more
from streams.yaml_lines import Faults, Node, check_keys

_VALUES: Schema = one_or_more({"type": ["string", "number", "boolean"]})
SCHEMA: Schema = object_of({"from": TEXT, "equals": _VALUES, "not": _VALUES}, required=("from",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """One condition: the text of a value at `path` is one of `values`, or, with `is_not`, none of them.

    Of several values one is enough, or none may be. No value is the empty text.
    """

    path: Path
    values: frozenset[str]
    is_not: bool


def read_only(node: Node | None, faults: Faults) -> tuple[Only, ...]:
    """Read `only: { from: path, equals: [values] }`, or a list of such; faults are gathered."""
    found = []
    for element in node.elements() if node is not None else ():
        if not element.is_mapping:
            fix = "write only: { from: type, equals: [bicycle] }"
            faults.add(element.line, f"only must be a mapping, not {element.described}", fix)
            continue
        check_keys(element, ("from", "equals", "not"), faults, where="only")
        source, equals, other = element.get("from"), element.get("equals"), element.get("not")
        if source is None or (equals is None) == (other is None):
            faults.add(element.line, "only needs from, and equals or not", "write only: { from: type, not: [indoor] }")
            continue
        given = equals if equals is not None else other
        assert given is not None
        try:
            path = parse_path(source.text)
        except PathError as error:
            faults.add(source.line, str(error), "write keys with dots, indexes as [0], attributes as @name")
            continue
        values = frozenset(it.text for it in given.elements())
        found.append(Only(path=path, values=values, is_not=other is not None))
    return tuple(found)


def choice(conditions: Sequence[Only]) -> Callable[[Any, Mapping[str, Any]], bool] | None:
    """Make the function that says of an item and its document's root whether the item is one; None if all are."""
    if not conditions:
        return None

    def is_chosen(item: Any, root: Mapping[str, Any]) -> bool:
        return all(_holds(it, dig(root if it.path.root else item, it.path.steps)) for it in conditions)

    return is_chosen


def _holds(condition: Only, value: Any) -> bool:
    found = [text_of(it) for it in (value if type(value) is list else [value])]
    return condition.values.isdisjoint(found) == condition.is_not
