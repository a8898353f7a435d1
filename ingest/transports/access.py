"""Access: what every transport says that asks over HTTP: where, how often, with which keys, and how patiently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ingest.schema_parts import DURATION, Schema, told
from ingest.transports.oauth2 import OAUTH2, OAuth2, oauth2_of
from ingest.transports.options import (
    EVERY,
    HEADERS,
    LARGEST,
    MAX_BYTES,
    MEDIA_TYPE,
    TIMEOUT,
    URL,
    every_of,
    headers_of,
    limits_of,
    url_of,
)
from streams.yaml_lines import Faults, Node, duration_of

ACCESS: Mapping[str, Schema] = {
    "url": URL,
    "every": EVERY,
    "headers": HEADERS,
    "oauth2": OAUTH2,
    "pause": told(
        DURATION,
        "The shortest time between two questions to that host, of all sources of this process together (none).",
    ),
    "timeout": TIMEOUT,
    "max_bytes": LARGEST,
    "media_type": MEDIA_TYPE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Ask `url` every `every`; give up after `timeout`, refuse more than `max_bytes`.

    `headers` and the token of `oauth2` go to the origin of `url` only. `max_bytes` counts decompressed bodies.
    `media_type` overrides what the publisher says. What may hold secrets is not shown when options are printed.
    """

    url: str = field(repr=False)
    every: timedelta
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth2: OAuth2 | None = None
    pause: timedelta = timedelta(0)
    timeout: timedelta = timedelta(seconds=30)
    max_bytes: int = MAX_BYTES
    media_type: str | None = None


def access_of(node: Node, faults: Faults, environ: Mapping[str, str]) -> dict[str, Any]:
    """Read the words of `Access`, to be given to the options of a transport that has them."""
    max_bytes, media_type = limits_of(node, faults)
    return {
        "url": url_of(node, faults, environ),
        "every": every_of(node, faults),
        "headers": headers_of(node.get("headers"), faults, environ),
        "oauth2": oauth2_of(node.get("oauth2"), faults, environ),
        "pause": duration_of(node.get("pause"), faults, timedelta(0)),
        "timeout": duration_of(node.get("timeout"), faults, timedelta(seconds=30)),
        "max_bytes": max_bytes,
        "media_type": media_type,
    }
