"""The scenarios there are: each module of loadtests.scenarios has one, named `SCENARIO`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules

from loadtests import scenarios
from loadtests.budget import Row
from loadtests.scenario import Scenario
from streams.errors import ConfigError, Problem


def found() -> dict[str, Scenario]:
    """Return every scenario by its name, in the order of the names.

    Raises:
        ConfigError: a module has none, or two have the same name.

    """
    named: dict[str, Scenario] = {}
    problems = []
    for module in iter_modules(scenarios.__path__):
        scenario: Scenario | None = getattr(import_module(f"{scenarios.__name__}.{module.name}"), "SCENARIO", None)
        if scenario is None:
            problems.append(Problem(where=f"{module.name}.py", what="has no scenario", fix="name it SCENARIO"))
        elif scenario.name in named:
            what = f"has the name {scenario.name!r}, which another one has"
            problems.append(Problem(where=f"{module.name}.py", what=what, fix="give it a name of its own"))
        else:
            named[scenario.name] = scenario
    if problems:
        raise ConfigError(problems, where="loadtests/scenarios")
    return dict(sorted(named.items()))


def chosen(names: Sequence[str], there: Mapping[str, Scenario], rows: Mapping[str, Row]) -> list[Scenario]:
    """Return the scenarios of these names, in the order given and each once; all of them for `all` or for no name.

    Raises:
        ConfigError: a name is nobody's, or a scenario answers a row that the budget lacks.

    """
    wanted = list(dict.fromkeys(names))
    if not wanted or "all" in wanted:
        wanted = list(there)
    fix = f"take some of {', '.join(there)}, or all"
    problems = [Problem(where=name, what="is no scenario", fix=fix) for name in wanted if name not in there]
    problems += [
        Problem(where=name, what=f"answers `{row}`, which the budget does not have", fix="add the row to budget.toml")
        for name in wanted
        if name in there
        for row in there[name].rows
        if row not in rows
    ]
    if problems:
        raise ConfigError(problems, where="the scenarios to run")
    return [there[name] for name in wanted]
