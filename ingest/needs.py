"""Needs: the secrets that a source file takes from the environment, so that a source without its key can stay off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ingest.transports import TRANSPORTS
from streams.yaml_lines import Node, read_file

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Stands in for a secret that is not there while the rest of the file is checked; it is never sent.
_STAND_IN = "not-set"


def needs_of(path: Path) -> tuple[str, ...]:
    """Return the names of the environment that the transport of a source file asks for (`${NAME}`), each once.

    Raises:
        ConfigError: the file cannot be read at all.

    """
    root, _ = read_file(path)
    texts = (text for key in TRANSPORTS if (node := root.get(key)) is not None for text in _texts(node))
    return tuple(dict.fromkeys(name for text in texts for name in _VARIABLE.findall(text)))


def lacking(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of the names that are not set, or set to nothing."""
    return tuple(name for name in needs_of(path) if not environ.get(name))


def standing_in(names: tuple[str, ...], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with something for each of these names, for checking a file that is not run."""
    return {**environ, **dict.fromkeys(names, _STAND_IN)}


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node.value, str):
        yield node.text
    for each in node.value if isinstance(node.value, list) else ():
        yield from _texts(each)
    for each in node.value.values() if isinstance(node.value, dict) else ():
        yield from _texts(each)
