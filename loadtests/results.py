"""A run on the disk: a folder with what was run and where, and a file for each scenario that ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtests.outcome import Outcome, from_json, to_json
from streams.errors import ConfigError, Problem

_RUN, _OUTCOMES = "run.json", "outcomes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked for: `rows` are those that each scenario answers, by name, in the order in which they run.

    `form` is `short`, `long` or `check`; `began` is in UTC.
    """

    began: datetime
    command: str
    form: str
    smoke: bool
    log: str
    commit: str
    machine: Mapping[str, str]
    rows: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A run and what it found so far: outcomes by scenario, and for those that broke off what they said."""

    run: Run
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every scenario ended well."""
        return set(self.outcomes) >= set(self.run.rows)


def begin(folder: Path, run: Run) -> None:
    """Write what is run, and forget what failed before; the outcomes that are there stay."""
    (folder / _OUTCOMES).mkdir(parents=True, exist_ok=True)
    for failed in (folder / _OUTCOMES).glob("*.failed"):
        failed.unlink()
    _write(folder / _RUN, {**asdict(run), "began": run.began.isoformat()})


def joined(run: Run, rows: Mapping[str, tuple[str, ...]]) -> Run:
    """Return the run as one of these scenarios."""
    return replace(run, rows=dict(rows))


def keep(folder: Path, outcome: Outcome) -> None:
    """Write what a scenario found; a file is there whole or not at all."""
    _write(folder / _OUTCOMES / f"{outcome.scenario}.json", to_json(outcome))


def keep_failure(folder: Path, scenario: str, words: str) -> None:
    """Write why a scenario broke off."""
    (folder / _OUTCOMES / f"{scenario}.failed").write_text(words, "utf-8")


def read(folder: Path) -> Results:
    """Read a run.

    Raises:
        ConfigError: there is none in the folder, or files of it are damaged; every one is named.

    """
    problems: list[Problem] = []
    run = _run(folder, problems)
    outcomes = {}
    for path in sorted((folder / _OUTCOMES).glob("*.json")):
        try:
            outcomes[path.stem] = from_json(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            fix = f"remove it and measure again: python -m loadtests run {path.stem} --resume --out {folder}"
            problems.append(Problem(where=f"{_OUTCOMES}/{path.name}", what=f"is damaged: {error!r}", fix=fix))
    if problems or run is None:
        raise ConfigError(problems, where=str(folder))
    failures = {path.stem: path.read_text("utf-8") for path in sorted((folder / _OUTCOMES).glob("*.failed"))}
    order = {name: at for at, name in enumerate(run.rows)}
    ordered = dict(sorted(outcomes.items(), key=lambda pair: order.get(pair[0], len(order))))
    return Results(run=run, outcomes=ordered, failures=failures)


def _run(folder: Path, problems: list[Problem]) -> Run | None:
    try:
        found: dict[str, Any] = json.loads((folder / _RUN).read_text("utf-8"))
        began = datetime.fromisoformat(found.pop("began")).astimezone(UTC)
        rows = {name: tuple(wanted) for name, wanted in found.pop("rows").items()}
        return Run(**found, began=began, rows=rows)
    except FileNotFoundError:
        fix = "name the folder that `python -m loadtests run` printed"
        problems.append(Problem(where=_RUN, what="is not there: this is no folder of a run", fix=fix))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fix = "run the scenarios again into another folder"
        problems.append(Problem(where=_RUN, what=f"is damaged: {error!r}", fix=fix))
    return None


def _write(path: Path, document: Mapping[str, Any]) -> None:
    making = path.with_name(path.name + ".new")
    making.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    os.replace(making, path)  # noqa: PTH105 - the same words for every system
