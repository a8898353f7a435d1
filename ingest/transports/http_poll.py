"""`http_poll:` in a source file: which address is asked, how often, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ingest.schema_parts import object_of
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
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of

_SCHEMA = object_of(
    {
        "url": URL,
        "every": EVERY,
        "headers": HEADERS,
        "timeout": TIMEOUT,
        "max_bytes": LARGEST,
        "media_type": MEDIA_TYPE,
    },
    required=("url", "every"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPollOptions:
    """Ask `url` every `every`; give up after `timeout`, refuse more than `max_bytes`.

    `max_bytes` counts the decompressed body. `media_type` overrides what the publisher says.
    """

    url: str
    every: timedelta
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: timedelta = timedelta(seconds=30)
    max_bytes: int = MAX_BYTES
    media_type: str | None = None


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> HttpPollOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="http_poll")
    max_bytes, media_type = limits_of(node, faults)
    return HttpPollOptions(
        url=url_of(node, faults),
        every=every_of(node, faults),
        headers=headers_of(node.get("headers"), faults, environ),
        timeout=duration_of(node.get("timeout"), faults, timedelta(seconds=30)),
        max_bytes=max_bytes,
        media_type=media_type,
    )


HTTP_POLL = Transport(
    name="http_poll",
    meaning="A transport: ask a web address again and again. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
