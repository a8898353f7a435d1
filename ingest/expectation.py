"""Expectation: what a pilot promises of a source: how often, how complete, and between which values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import isfinite

from ingest.bindings import Group
from ingest.source import Source
from streams.yaml_lines import Faults, Node, check_keys, duration_of, suggest
from vocab.model import Kind, Model

KEYS = ("interval", "completeness", "ranges")
_NUMBERS = (Kind.INTEGER, Kind.DOUBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The values that a name plausibly has, ends included; `line` is where the file says so."""

    lowest: float
    highest: float
    line: int = 1

    def holds(self, value: float) -> bool:
        """Say whether a value is in the range."""
        return self.lowest <= value <= self.highest


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What can be expected of a source; what is not said is not expected.

    `interval` is how old the newest observation of a thing may get, its way to the platform included, before it counts
    as missing. `completeness` is the share, 0 to 1, of the things the source tells of that have a valid observation within
    the interval: an item that is refused counts as a thing without one. `ranges` says by name of the model, in the model's
    unit, what is plausible for this source; the model's own range says what is possible: a value outside of that is
    refused.
    """

    interval: timedelta | None = None
    completeness: float = 1.0
    ranges: Mapping[str, Range] = field(default_factory=dict)


def read_expectation(node: Node, faults: Faults, *, where: str) -> Expectation:
    """Read what is below the name of a source; what is wrong becomes a fault."""
    if not check_keys(node, KEYS, faults, where=f"expect of {where}"):
        return Expectation()
    interval = node.get("interval")
    found = duration_of(interval, faults, timedelta(seconds=60)) if interval is not None else None
    if interval is not None and found is not None and found <= timedelta(0):
        faults.add(interval.line, "interval is nothing", "write for example interval: 15m")
    return Expectation(
        interval=found, completeness=_share(node.get("completeness"), faults), ranges=_ranges(node, faults)
    )


def check_expectation(expectation: Expectation, source: Source, model: Model, faults: Faults) -> None:
    """Fault the ranges of names that the source does not bind or that are no numbers, and those that are impossible."""
    bound = {name for each in source.bind.values() if isinstance(each, Group) for name in each.bind} | set(source.bind)
    numbers = [name for name in bound if name in model.fields and model.fields[name].kind in _NUMBERS]
    for name, spread in expectation.ranges.items():
        if name not in numbers:
            what = f"{source.name} binds no number {name!r}"
            faults.add(spread.line, what, suggest(name, numbers))
            continue
        known = model.fields[name]
        lowest = known.minimum if known.minimum is not None else spread.lowest
        highest = known.maximum if known.maximum is not None else spread.highest
        if spread.highest < lowest or spread.lowest > highest:
            what = f"{name} is never from {spread.lowest:g} to {spread.highest:g} in model {model.name}"
            faults.add(spread.line, what, f"stay from {lowest:g} to {highest:g}: what is outside is refused")


def _share(node: Node | None, faults: Faults) -> float:
    if node is None:
        return 1.0
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        faults.add(node.line, f"completeness {node.described} is no share", "write a number from 0 to 1: 0.95")
        return 1.0
    return float(value)


def _ranges(node: Node, faults: Faults) -> dict[str, Range]:
    ranges = node.get("ranges")
    if ranges is None:
        return {}
    if not ranges.is_mapping:
        faults.add(ranges.line, f"ranges must be a mapping, not {ranges.described}", "write `name: [0, 100]` lines")
    found = {}
    for name, each in ranges.items():
        ends = [end.value for end in each.elements()]
        numbers = [float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(numbers) != len(ends) or len(ends) != 2 or not all(map(isfinite, numbers)) or numbers[0] > numbers[1]:
            faults.add(each.line, f"the range of {name} is not two numbers", f"write {name}: [0, 100]")
            continue
        found[name] = Range(lowest=numbers[0], highest=numbers[1], line=each.line)
    return found
