"""The transports of a source file: `http_poll:` and `files:` read into the options of their connectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest.connector import FilesOptions, HttpPollOptions
from streams.yaml_lines import Faults, Node, check_keys, duration_of, text_of

Options = HttpPollOptions | FilesOptions

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
_SHORTEST = timedelta(seconds=1)


def _count(node: Node | None, faults: Faults, default: int) -> int:
    if node is None:
        return default
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
        faults.add(node.line, f"{node.described} is no positive whole number", f"write for example {default}")
        return default
    return node.value


def _every(node: Node, faults: Faults) -> timedelta:
    every = node.get("every")
    if every is None:
        faults.add(node.line, "every is missing", "add every: 60s")
    found = duration_of(every, faults, timedelta(seconds=60))
    if found < _SHORTEST:
        faults.add(
            node.line, f"every: {found.total_seconds():g} s is too often", "ask at most once a second: every: 1s"
        )
    return found


def _headers(node: Node | None, faults: Faults, environ: Mapping[str, str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    if node is None:
        return headers
    if not node.is_mapping:
        faults.add(node.line, f"headers must be a mapping, not {node.described}", "write headers: { Accept: text/xml }")
    for name, value in node.items():
        names = _VARIABLE.findall(value.text)
        if _SECRET.search(name) and not names:
            faults.add(value.line, f"{name} holds a secret", f"put it in the environment: {name}: ${{MY_TOKEN}}")
        for variable in names:
            if variable not in environ:
                faults.add(value.line, f"{variable} is not set", f"set {variable} in the environment of the platform")
        headers[name] = _VARIABLE.sub(lambda found: environ.get(found.group(1), ""), value.text)
    return headers


def _http_poll(node: Node, faults: Faults, environ: Mapping[str, str]) -> Options:
    known = ("url", "every", "headers", "timeout", "max_bytes", "media_type")
    check_keys(node, known, faults, where="http_poll")
    url = text_of(node.get("url"), faults, where="url", line=node.line, required=True)
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc):
        faults.add(node.line, f"{url!r} is no web address", "write url: https://…")
    if parts.password:
        faults.add(node.line, "the address holds a password", "put it in a header as ${MY_TOKEN}")
    return HttpPollOptions(
        url=url,
        every=_every(node, faults),
        headers=_headers(node.get("headers"), faults, environ),
        timeout=duration_of(node.get("timeout"), faults, timedelta(seconds=30)),
        max_bytes=_count(node.get("max_bytes"), faults, 64 * 1024 * 1024),
        media_type=text_of(node.get("media_type"), faults, where="media_type", line=node.line) or None,
    )


def _files(node: Node, faults: Faults, _environ: Mapping[str, str]) -> Options:
    check_keys(node, ("folder", "pattern", "every", "max_bytes", "media_type"), faults, where="files")
    return FilesOptions(
        folder=Path(text_of(node.get("folder"), faults, where="folder", line=node.line, required=True)),
        pattern=text_of(node.get("pattern"), faults, where="pattern", line=node.line, required=True),
        every=duration_of(node.get("every"), faults, timedelta(seconds=10)),
        max_bytes=_count(node.get("max_bytes"), faults, 64 * 1024 * 1024),
        media_type=text_of(node.get("media_type"), faults, where="media_type", line=node.line) or None,
    )


# A new transport is its options class, its connector, and one line here.
TRANSPORTS: Mapping[str, Callable[[Node, Faults, Mapping[str, str]], Any]] = {
    "http_poll": _http_poll,
    "files": _files,
}
