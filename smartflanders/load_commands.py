"""The verb `load`: puts the platform under load, by handing over to the package `loadtests`, which stands above this one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from streams.errors import ConfigError, Problem

Verbs = Any  # argparse names the type of its sub-parsers only privately

# What must be there: the module, and how to get it.
_NEEDED = (
    ("loadtests", "work in a clone of the repository, and install it there: make load"),
    ("hdrh", "install the extra `load`: pip install 'smartflanders[load]', or in a clone: make load"),
)


def add(verbs: Verbs) -> None:
    """Add the verb to the command line."""
    load = verbs.add_parser(
        "load",
        help="put the platform under load on this machine and write a report",
        description="Run load scenarios against processes of their own and references of the same minute, judge the "
        "figures by loadtests/budget.toml, and write an HTML report. `load list` names the scenarios, `load run NAME ...` "
        "runs them (`--short`, `--long`, `--smoke`, `--out FOLDER`, `--resume`, `--log postgres|kafka`), `load compare A B` "
        "shows what differs between two runs, `load report FOLDER` writes a report again; `load run --help` says more. It "
        "is the same command as `python -m loadtests`. Exit status: 0 every budget met, 1 one missed, 2 wrong use.",
    )
    load.add_argument("words", nargs=argparse.REMAINDER, metavar="run|list|compare|report ...", help="what to do")
    load.set_defaults(run=_load)


def _load(arguments: argparse.Namespace) -> int:
    """Become the other command; comes back only with what keeps it from it.

    Raises:
        ConfigError: the package or a library of its own is not installed.

    """
    problems = [
        Problem(where="smartflanders load", what=f"`{module}` is not installed here", fix=fix)
        for module, fix in _NEEDED
        if find_spec(module) is None
    ]
    if problems:
        raise ConfigError(problems, where="this installation")
    os.execv(sys.executable, command(arguments.words))  # noqa: S606 - a program and its words, no shell


def command(words: Sequence[str]) -> list[str]:
    """Return what is run in this process's place."""
    return [sys.executable, "-m", "loadtests", *words]
