"""Reads the options of one transport from YAML as a source file holds them, with what is wrong with them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import jsonschema
import yaml

from ingest.transports import TRANSPORTS, Options
from streams.yaml_lines import Faults, read_yaml


def read(name: str, text: str, environ: Mapping[str, str] | None = None) -> Options:
    """Read options that must be in order, for the platform and for editors."""
    options, problems = read_all(name, text, environ)
    assert problems == []
    jsonschema.validate(yaml.safe_load(textwrap.dedent(text)), TRANSPORTS[name].schema)
    return options


def faults(name: str, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Read options that must be refused, and return what is wrong, each with its fix."""
    _, problems = read_all(name, text, environ)
    assert problems
    return problems


def read_all(name: str, text: str, environ: Mapping[str, str] | None = None) -> tuple[Options, list[str]]:
    """Read options, in order or not."""
    found = Faults(file="s.yaml")
    options = TRANSPORTS[name].read(read_yaml(textwrap.dedent(text), found), found, environ or {})
    return options, [f"{problem.where}: {problem.what}; {problem.fix}" for problem in found.problems]
