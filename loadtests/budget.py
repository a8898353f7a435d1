"""The budget: what each figure must reach, read from budget.toml and held against what scenarios found."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from loadtests.outcome import Figure, Outcome
from streams.errors import ConfigError, Problem

BUDGET = Path(__file__).with_name("budget.toml")
UNITS = ("ratio", "ms", "MB", "B", "s", "1/s", "us", "cores", "count")
_WORDS, _NUMBERS = ("what", "reference", "unit", "bound"), ("aim", "smoke")
_BOUNDS = ("least", "most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: `bound` is `least` or `most`, `aim` the budget in `unit`, `smoke` the loosened one of a mere check.

    `reference` is empty where the figure is compared with nothing.
    """

    name: str
    what: str
    reference: str
    unit: str
    bound: str
    aim: float
    smoke: float

    def met(self, value: float, *, smoke: bool = False) -> bool:
        """Return whether a value is within the bound; what is no number is not."""
        limit = self.smoke if smoke else self.aim
        return value >= limit if self.bound == "least" else value <= limit


class MisfitError(ValueError):
    """A scenario and the budget do not belong together: a row that there is none of, or figures in another unit."""


class Judgement(Enum):
    """What became of a row."""

    PASS = "pass"
    FAIL = "fail"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A row, the figure that a scenario found for it, and whether that is enough.

    `limit` is what was asked for. Without a figure `scenario` names who should have found it.
    """

    row: Row
    limit: float
    judgement: Judgement
    scenario: str
    figure: Figure | None = None


def read(path: Path = BUDGET) -> dict[str, Row]:
    """Read a budget; its rows by name, in the order of the file.

    Raises:
        ConfigError: it cannot be read, or rows are wrong; every fault is named.

    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = Problem(
            where=path.name, what=str(error), fix="write it as the budget.toml that comes along is written"
        )
        raise ConfigError([problem], where=str(path)) from error
    problems = [problem for name, keys in found.items() for problem in _faults(f"{path.name} [{name}]", keys)]
    if problems:
        raise ConfigError(problems, where=str(path))
    return {name: Row(name=name, **keys) for name, keys in found.items()}


def _faults(where: str, keys: Any) -> list[Problem]:
    """Name every fault of one row."""
    if not isinstance(keys, dict):
        return [Problem(where=where, what="is no row", fix="begin a row with its name in brackets")]
    known = (*_WORDS, *_NUMBERS)
    faults = [(f"lacks `{key}`", f"add `{key}`") for key in known if key not in keys]
    faults += [(f"has an unknown key `{key}`", f"take one of {', '.join(known)}") for key in keys if key not in known]
    faults += [
        (f"`{key}` is not a text", f'write {key} = "…"')
        for key in _WORDS
        if key in keys and not isinstance(keys[key], str)
    ]
    faults += [
        (f"`{key}` is not a number", f"write {key} = 1.0")
        for key in _NUMBERS
        if key in keys and not _is_number(keys[key])
    ]
    for key, choices in (("unit", UNITS), ("bound", _BOUNDS)):
        if isinstance(keys.get(key), str) and keys[key] not in choices:
            faults.append((f"`{key}` is {keys[key]!r}", f"take one of {', '.join(choices)}"))
    if not faults and not _loosens(keys):
        faults.append((f"`smoke` ({keys['smoke']}) asks for more than `aim` ({keys['aim']})", "loosen `smoke`"))
    return [Problem(where=where, what=what, fix=fix) for what, fix in faults]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _loosens(keys: Mapping[str, Any]) -> bool:
    least: bool = keys["bound"] == "least"
    return bool(keys["smoke"] <= keys["aim"] if least else keys["smoke"] >= keys["aim"])


def judge(
    rows: Mapping[str, Row], outcomes: Iterable[Outcome], named: Mapping[str, Sequence[str]], *, smoke: bool = False
) -> list[Verdict]:
    """Hold figures against the budget, a verdict for each row that a scenario of `named` (its rows by name) answers.

    They come in the order of the budget; a row that two scenarios name has a verdict for each.

    Raises:
        MisfitError: a scenario names a row that there is none of, or a figure is in another unit than its row.

    """
    found = {(outcome.scenario, figure.row): figure for outcome in outcomes for figure in outcome.figures}
    unknown = [f"{scenario}: {row}" for scenario, wanted in named.items() for row in wanted if row not in rows]
    if unknown:
        raise MisfitError(f"no such row of the budget: {', '.join(unknown)}")
    return [
        _verdict(row, scenario, found.get((scenario, row.name)), smoke=smoke)
        for row in rows.values()
        for scenario, wanted in named.items()
        if row.name in wanted
    ]


def _verdict(row: Row, scenario: str, figure: Figure | None, *, smoke: bool) -> Verdict:
    limit = row.smoke if smoke else row.aim
    if figure is None:
        return Verdict(row=row, limit=limit, judgement=Judgement.NOT_MEASURED, scenario=scenario)
    if figure.unit != row.unit:
        raise MisfitError(f"{scenario}: {row.name} is in {figure.unit}, its budget in {row.unit}")
    judgement = Judgement.PASS if row.met(figure.value, smoke=smoke) else Judgement.FAIL
    return Verdict(row=row, limit=limit, judgement=judgement, scenario=scenario, figure=figure)


def all_met(verdicts: Iterable[Verdict]) -> bool:
    """Return whether no row was missed; what was not measured is not missed."""
    return all(verdict.judgement is not Judgement.FAIL for verdict in verdicts)
