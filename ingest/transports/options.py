"""Words that several transports share: how often, how large, which headers, and secrets from outside the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl, quote, urlsplit

from ingest.schema_parts import COUNT, DURATION, TEXT, Schema, told
from ingest.transports.secrets import demand_outside, filled, names_secret
from streams.yaml_lines import Faults, Node, duration_of, text_of

_SHORTEST = timedelta(seconds=1)
MAX_BYTES = 64 * 1024 * 1024

URL: Schema = told(
    {"type": "string", "pattern": "^https?://"},
    "The address, http or https, without a password; `${NAME}` and `${file:/path}` work in it.",
)
HEADERS: Schema = told(
    {"type": "object", "additionalProperties": TEXT},
    "Headers to send; `${NAME}` is taken from the environment, `${file:/path}` from a file, and secrets must be.",
)
TIMEOUT: Schema = told(DURATION, "The longest one answer may take (30s).")
EVERY: Schema = told(DURATION, "The pause between questions, at least 1s.")
LARGEST: Schema = told(COUNT, "The largest body, uncompressed (67108864).")
MEDIA_TYPE: Schema = told(TEXT, "What the body is, for publishers whose Content-Type is wrong.")


def count_of(node: Node | None, faults: Faults, default: int) -> int:
    """Read a positive whole number; fault what is none."""
    if node is None:
        return default
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 1:
        faults.add(node.line, f"{node.described} is no positive whole number", f"write for example {default}")
        return default
    return node.value


def every_of(node: Node, faults: Faults) -> timedelta:
    """Read how often a publisher is asked: `every`, at least a second."""
    every = node.get("every")
    if every is None:
        faults.add(node.line, "every is missing", "add every: 60s")
    found = duration_of(every, faults, timedelta(seconds=60))
    if found < _SHORTEST:
        faults.add(
            node.line, f"every: {found.total_seconds():g} s is too often", "ask at most once a second: every: 1s"
        )
    return found


def url_of(
    node: Node,
    faults: Faults,
    environ: Mapping[str, str],
    *,
    key: str = "url",
    schemes: tuple[str, ...] = ("http", "https"),
) -> str:
    """Read an address of one of these schemes; secrets in its query come from outside the file."""
    written = text_of(node.get(key), faults, where=key, line=node.line, required=True)
    value = node.get(key)
    if value is None or not written:
        return written
    url = filled(value, faults, environ, put=partial(quote, safe=""))
    try:
        for name, text in parse_qsl(urlsplit(written).query):
            if names_secret(name) and "${" not in text:
                faults.add(value.line, f"{name} in the address is a secret", f"write …{name}=${{MY_TOKEN}}")
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        faults.add(value.line, f"{written!r} is no web address: {error}", f"write {key}: {schemes[-1]}://…")
        return url
    if parts.scheme not in schemes or not parts.hostname:
        faults.add(value.line, f"{written!r} is no web address", f"write {key}: {schemes[-1]}://…")
    if parts.password:
        faults.add(value.line, "the address holds a password", "put it in a header as ${MY_TOKEN}")
    return url


def headers_of(node: Node | None, faults: Faults, environ: Mapping[str, str]) -> dict[str, str]:
    """Read headers, whose secrets come from the environment or from files."""
    headers: dict[str, str] = {}
    if node is None:
        return headers
    if not node.is_mapping:
        faults.add(node.line, f"headers must be a mapping, not {node.described}", "write headers: { Accept: text/xml }")
    for name, value in node.items():
        if names_secret(name):
            demand_outside(value, faults, name=name)
        headers[name] = filled(value, faults, environ)
    return headers


def limits_of(node: Node, faults: Faults) -> tuple[int, str | None]:
    """Read `max_bytes` and `media_type`."""
    media_type = text_of(node.get("media_type"), faults, where="media_type", line=node.line) or None
    return count_of(node.get("max_bytes"), faults, MAX_BYTES), media_type
