"""Secrets of a source file: `${NAME}` from the environment, `${file:/path}` from a file, never from the file itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from streams.yaml_lines import Faults, Node

_PLACE = re.compile(r"\$\{(file:[^}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api[-_]?key|subscription[-_]?key", re.IGNORECASE)
# A token is a line or two; what is longer is some other file.
_MAX_BYTES = 64 * 1024


def names_secret(name: str) -> bool:
    """Say whether a name is one that secrets have."""
    return _SECRET.search(name) is not None


def demand_outside(node: Node, faults: Faults, *, name: str) -> None:
    """Fault a secret that stands in the file itself."""
    if not _PLACE.search(node.text):
        fix = f"put it in the environment or a file: {name}: ${{MY_TOKEN}} or ${{file:/run/secrets/token}}"
        faults.add(node.line, f"{name} holds a secret", fix)


def filled(node: Node, faults: Faults, environ: Mapping[str, str], *, put: Callable[[str], str] = str) -> str:
    """Return a text with what stands outside the file put in, written by `put`; fault a place that is not there.

    A file's line breaks at its end are no part of it: that is how `echo` and mounted secrets write them.
    """

    def outside(found: re.Match[str]) -> str:
        place = found.group(1)
        if place.startswith("file:"):
            return put(_read(place.removeprefix("file:"), node, faults))
        if place not in environ:
            faults.add(node.line, f"{place} is not set", f"set {place} in the environment of the platform")
        return put(environ.get(place, ""))

    return _PLACE.sub(outside, node.text)


def _read(name: str, node: Node, faults: Faults) -> str:
    path = Path(name)
    try:
        if not path.is_absolute():
            faults.add(node.line, f"{name!r} is no absolute path", "write ${file:/run/secrets/token}")
            return ""
        if path.stat().st_size > _MAX_BYTES:
            faults.add(
                node.line, f"{name} is larger than any secret", "name the file that holds nothing but the secret"
            )
            return ""
        text = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        faults.add(node.line, f"{name} cannot be read: {error}", "make it a text file that the platform may read")
        return ""
    if not text or not text.isprintable():
        faults.add(node.line, f"{name} holds no secret of one line", "put the secret in it, and nothing else")
        return ""
    return text
