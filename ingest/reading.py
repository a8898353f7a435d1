"""Generates the function that reads one item: paths, conversions and conditions of a source's bindings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ingest import conversions
from ingest.bindings import Binding, Bound, Group
from ingest.conversions import Refused, Spot
from ingest.converting import Code, Converting
from ingest.guarding import Guarding
from ingest.observed import unobserved
from ingest.paths import VALUES, Path, Step, dig, dig_json, expression, listed, many, parse_path
from ingest.remembering import ROWS, Entities, Remembered
from ingest.source import Lookup
from streams.record import Reason
from vocab.model import Field, Kind

# One object, because rows are compared as objects.
_NOTHING: Mapping[str, Any] = {}
_TESTS = {"above": ">", "below": "<", "equals": "==", "not": "!="}
# Kinds of values that seldom change from one item of an entity to the next: its name, its place, what it is.
_SELDOM = (Kind.STRING, Kind.TEXT, Kind.IRI, Kind.CODE, Kind.POINT)


def row(tables: Mapping[str, Mapping[str, Any]], spot: Spot, key: Any) -> Any:
    """Find the row of a looked-up document."""
    found = tables[spot.name].get(str(key))
    if found is None:
        spot.refuse(Reason.LOOKUP, f"the looked-up document has no {conversions.shown(key)}")
    return found


def row_or_nothing(tables: Mapping[str, Mapping[str, Any]], spot: Spot, key: Any) -> Any:
    """Find the row of a looked-up document that may lack it."""
    return tables.get(spot.name, _NOTHING).get(str(key), _NOTHING)


def object_of(item: Any, path: str) -> dict[str, Any]:
    """Refuse an item that is no object."""
    if type(item) is not dict:
        raise Refused(Reason.STRUCTURE, path, f"an item must be an object, not {conversions.shown(item)}")
    return item


def rows(said: Sequence[str]) -> str:
    """Write a tuple of what was written, as `repr` does."""
    return f"({said[0]},)" if len(said) == 1 else f"({', '.join(said)})"


def helpers() -> dict[str, Any]:
    """Return the functions that generated code calls."""
    own: Sequence[Callable[..., Any]] = (row, row_or_nothing, object_of, unobserved, dig, dig_json, listed, many, rows)
    from_conversions = {
        name: getattr(conversions, name) for name in ("concatenated", "joined", "matched", "check_observed")
    }
    times = {"EARLIEST": conversions.EARLIEST, "AHEAD": conversions.AHEAD, "Remembered": Remembered}
    return {function.__name__: function for function in own} | from_conversions | times | {"entities": Entities()}


def seldom(bind: Mapping[str, Bound], fields: Mapping[str, Field]) -> list[str]:
    """List the names besides `entity` that are constant of an entity as long as certain raw values are."""
    found: dict[str, None] = {}
    for binding in ordered({name: it for name, it in bind.items() if isinstance(it, Binding)}):
        if binding.name in ("entity", "observed_at"):
            continue
        is_seldom = binding.constant is not None or fields[binding.name].kind in _SELDOM
        if is_seldom and all(condition.name in found for condition in binding.when):
            found[binding.name] = None
    return list(found)


class Reading:
    """Writes functions of `(item, root, tables, received)` that read bindings of one source."""

    def __init__(self, code: Code, fields: Mapping[str, Field], converting: Converting, guarding: Guarding) -> None:
        self._code = code
        self._fields = fields
        self._converting = converting
        self._guarding = guarding
        self._inner: dict[tuple[str, tuple[Step, ...]], str] = {}

    def begin(self, name: str, lookups: Iterable[Lookup]) -> None:
        """Write the head of a function: what it is given, and the rows of other documents."""
        self._inner.clear()
        self._code.add(0, f"def {name}(item, root, tables, received):")
        self._code.add(1, "if type(item) is not dict:", '    object_of(item, "")')
        for lookup in lookups:
            self._code.space[f"{lookup.name}_lookup"] = Spot(name=lookup.name, path=lookup.by)
            find = "row" if lookup.required else "row_or_nothing"
            key = expression(parse_path(lookup.by), "item")
            self._code.add(1, f"{lookup.name}_row = {find}(tables, {lookup.name}_lookup, {key})")

    def raw(self, binding: Binding, variable: str, *, depth: int) -> list[str]:
        """Write the statements that take the raw values of a binding; return the names they have then."""
        name, add = binding.name, self._code.add
        base = f"{binding.lookup}_row" if binding.lookup else variable
        if binding.constant is not None:
            return []
        if binding.split is not None:
            date, time = (self._path(path, binding, base, depth) for path in binding.split)
            add(depth, f"r_{name} = joined({date}, {time})")
            return [f"r_{name}"]
        if binding.place is not None:
            for target, paths in zip((f"r_{name}", f"r2_{name}"), binding.place, strict=True):
                self._first(target, paths, binding, base, depth)
            return [f"r_{name}", f"r2_{name}"]
        if binding.join:
            parts = [self._path(path, binding, base, depth) for path in binding.join]
            add(depth, f"r_{name} = concatenated({written_tuple(parts)}, {binding.between!r})")
        else:
            self._first(f"r_{name}", binding.paths or binding.coordinates, binding, base, depth)
        if binding.match:
            add(depth, f"r_{name} = matched(r_{name}, {name}_pattern)")
        self._guarding.rotate(binding, depth=depth)
        return [f"r_{name}"]

    def _first(self, target: str, paths: Sequence[Path], binding: Binding, base: str, depth: int) -> None:
        found = [self._path(path, binding, base, depth) for path in paths]
        self._code.add(depth, f"{target} = {found[0]}")
        if len(found) > 1:
            # Most are real numbers, which a search among the absent values takes long to tell from texts.
            real = any(isinstance(it, int | float) for it in binding.sentinels)
            test = "" if real else f"type({target}) is not float and "
            self._code.add(depth, f"if {test}{target} in {binding.name}_absent:")
            self._code.add(depth + 1, f"{target} = first({binding.name}_absent, {', '.join(found[1:])})")

    def _path(self, path: Path, binding: Binding, base: str, depth: int) -> str:
        """Write the expression that takes a value; an object that several paths go through is taken once."""
        if binding.json or binding.lookup or len(path.steps) == 1 or not all(isinstance(it, str) for it in path.steps):
            return expression(path, base, json=binding.json)
        inner = self._object("root" if path.root else base, path.steps[:-1], depth)
        return f"{inner}.get({path.steps[-1]!r}) if type({inner}) is dict else None"

    def _object(self, base: str, steps: tuple[Step, ...], depth: int) -> str:
        if (base, steps) not in self._inner:
            outer = self._object(base, steps[:-1], depth) if len(steps) > 1 else base
            only = f" if type({outer}) is dict else None" if len(steps) > 1 else ""
            name = f"o{len(self._inner) + 1}"
            self._code.add(depth, f"{name} = {outer}.get({steps[-1]!r}){only}")
            self._inner[base, steps] = name
        return self._inner[base, steps]

    def value(self, binding: Binding, *, depth: int) -> None:
        """Write the statements that turn raw values into the value, under the conditions of the binding."""
        name, add = binding.name, self._code.add
        if not binding.when:
            self._converting.value(binding, depth=depth)
            return
        tests = [f"v_{it.name} is not None and v_{it.name} {_TESTS[it.test]} {it.value!r}" for it in binding.when]
        add(depth, f"if {' and '.join(tests)}:")
        self._converting.value(binding, depth=depth + 1)
        add(depth, "else:", f"    v_{name} = None")
        if self._fields[name].required:
            add(depth, f"if v_{name} is None:", f"    missing({name}_spot)")

    def guard(self, binding: Binding, *, depth: int, hides: bool = True) -> None:
        """Write the statements that refuse a value for what it tells of persons."""
        self._guarding.value(binding, depth=depth, hides=hides)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Write a block whose objects are not there behind it."""
        before = dict(self._inner)
        yield
        self._inner = before

    def text(self, name: str, *, depth: int) -> None:
        """Make a number the text that both its digest and its member hold; so it is written once."""
        if name in self._fields and self._fields[name].kind is Kind.DOUBLE:
            self._code.add(depth, f"v_{name} = None if v_{name} is None else repr(v_{name})")


class Groups:
    """Writes the functions that make a row of each element of a group, and the loops that call them."""

    def __init__(self, code: Code, reading: Reading, *, quick: bool) -> None:
        self._code = code
        self._reading = reading
        self._quick = quick

    def define(self, group: Group) -> None:
        """Write `<group>_made`: from raw values to the row and what it says."""
        add, given = self._code.add, [*_raws(group), *(f"v_{name}" for name in _outer(group))]
        add(0, f"def {group.name}_made(given):", f"    {written_tuple(given)} = given")
        for binding in ordered(group.bind):
            self._reading.value(binding, depth=1)
            self._reading.guard(binding, depth=1, hides=False)
        row = written_tuple([f"v_{name}" for name in group.bind])
        add(1, f"said = repr({row})")
        for name in group.bind:
            self._reading.text(name, depth=1)
        add(1, f"return {row}, said")
        if self._is_remembered(group):
            add(0, f"{group.name}_of = Remembered({group.name}_made, {ROWS})")
        add(0, "", "")

    def loop(self, group: Group, *, depth: int) -> None:
        """Write the loop over the elements, which gives `v_<group>`, their rows, and `said_<group>`."""
        add, name = self._code.add, group.name
        found = f"many(item, {group.each.before!r})"
        if group.each.before[-1:] == (VALUES,):
            found = f"listed(item, {group.each.before!r}) or ()"
        add(depth, f"v_{name}, said_{name} = [], []", f"for element in {found}:")
        after = f"dig(element, {group.each.after!r})" if group.each.after else "element"
        add(depth + 1, f"part = {after}", "if type(part) is not dict:", f"    object_of(part, {group.each.text!r})")
        with self._reading.apart():
            for binding in ordered(group.bind):
                self._reading.raw(binding, "part", depth=depth + 1)
        raws = _raws(group)
        given = written_tuple([*raws, *(f"v_{name}" for name in _outer(group))])
        found = f"{name}_made({given})"
        if self._is_remembered(group):
            tests = " and ".join(f"type({raw}) is str" for raw in raws)
            found = f"{name}_of[{given}] if {tests} else {found}"
        add(depth + 1, f"made, said = {found}", f"v_{name}.append(made)", f"said_{name}.append(said)")

    def _is_remembered(self, group: Group) -> bool:
        return self._quick and not _outer(group) and bool(_raws(group))


def _raws(group: Group) -> list[str]:
    names: list[str] = []
    for binding in ordered(group.bind):
        if binding.constant is None:
            names += [f"r_{binding.name}", *([f"r2_{binding.name}"] if binding.place is not None else [])]
    return names


def _outer(group: Group) -> list[str]:
    """List the names outside a group that its conditions ask for."""
    asked = {condition.name for binding in group.bind.values() for condition in binding.when}
    return sorted(asked - set(group.bind))


def written_tuple(expressions: Sequence[str]) -> str:
    """Write the expression of a tuple."""
    return f"({', '.join(expressions)}{',' if len(expressions) == 1 else ''})"


def ordered(bind: Mapping[str, Binding]) -> list[Binding]:
    """Sort bindings so that a name comes before the conditions that use it; circles were refused before."""
    done: dict[str, Binding] = {}

    def visit(binding: Binding) -> None:
        if binding.name in done:
            return
        for condition in binding.when:
            if condition.name in bind and condition.name not in done:
                visit(bind[condition.name])
        done[binding.name] = binding

    for binding in bind.values():
        visit(binding)
    return list(done.values())
