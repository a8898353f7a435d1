"""`websocket:` in a source file: where to listen, what to say first, and how long silence is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from ingest.schema_parts import DURATION, TEXT, Schema, object_of, told
from ingest.transports.options import HEADERS, LARGEST, MAX_BYTES, headers_of, limits_of, url_of
from ingest.transports.post import json_of
from ingest.transports.secrets import filled
from ingest.transports.signs import Sign, sign_of, sign_schema
from ingest.transports.transport import Transport
from streams.yaml_lines import Faults, Node, check_keys, duration_of, text_of

_SUBSCRIBE: Schema = told(
    {},
    "What is sent first: a text, or a mapping that is sent as JSON, or a list of those; `${NAME}` and `${file:/path}` "
    "work in it.",
)
_SCHEMA = object_of(
    {
        "url": told({"type": "string", "pattern": "^wss?://"}, "The address, ws or wss, without a password."),
        "headers": HEADERS,
        "protocol": told(TEXT, "The subprotocol to ask for, where the publisher has one."),
        "subscribe": _SUBSCRIBE,
        "only": sign_schema("How a message looks that holds data; others (greetings, signs of life) are left out."),
        "error_when": sign_schema("How a message looks that is an error; it ends the connection as one of the source."),
        "silence": told(DURATION, "After so long without data the connection is made anew (2m)."),
        "ping": told(DURATION, "How often the connection is tried with a ping (30s)."),
        "timeout": told(DURATION, "The longest that connecting may take (30s)."),
        "max_bytes": {**LARGEST, "description": "The largest message (67108864)."},
        "media_type": told(TEXT, "What the messages are (text: application/json)."),
    },
    required=("url",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """Listen at `url` after sending each of `subscribe`; every message becomes a payload."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: str = ""
    subscribe: tuple[str, ...] = ()
    only: Sign | None = None
    error_when: Sign | None = None
    silence: timedelta = timedelta(minutes=2)
    ping: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=30)
    max_bytes: int = MAX_BYTES
    media_type: str | None = None

    @property
    def every(self) -> timedelta:
        """What `silence` calls too long is how often something is to be expected."""
        return self.silence


def _read(node: Node, faults: Faults, environ: Mapping[str, str]) -> WebSocketOptions:
    check_keys(node, _SCHEMA["properties"], faults, where="websocket")
    max_bytes, media_type = limits_of(node, faults)
    subscribe = node.get("subscribe")
    return WebSocketOptions(
        url=url_of(node, faults, environ, schemes=("ws", "wss")),
        headers=headers_of(node.get("headers"), faults, environ),
        protocol=text_of(node.get("protocol"), faults, where="protocol", line=node.line),
        subscribe=tuple(_message(each, faults, environ) for each in (subscribe.elements() if subscribe else ())),
        only=sign_of(node.get("only"), faults, where="only"),
        error_when=sign_of(node.get("error_when"), faults, where="error_when"),
        silence=_positive(node, "silence", faults, timedelta(minutes=2)),
        ping=_positive(node, "ping", faults, timedelta(seconds=30)),
        timeout=_positive(node, "timeout", faults, timedelta(seconds=30)),
        max_bytes=max_bytes,
        media_type=media_type,
    )


def _message(node: Node, faults: Faults, environ: Mapping[str, str]) -> str:
    if node.is_mapping:
        value: Any = json_of(node, faults, environ)
        return orjson.dumps(value).decode()
    text_of(node, faults, where="subscribe", line=node.line)
    return filled(node, faults, environ)


def _positive(node: Node, key: str, faults: Faults, default: timedelta) -> timedelta:
    found = duration_of(node.get(key), faults, default)
    if found < timedelta(seconds=1):
        faults.add(node.line, f"{key}: {found.total_seconds():g} s is too short", f"write {key}: 30s, at least 1s")
    return found


WEBSOCKET = Transport(
    name="websocket",
    meaning="A transport: listen to a WebSocket. Exactly one transport per file.",
    read=_read,
    schema=_SCHEMA,
)
